"""The ledger: who agreed, to what, until when; revoked and expired portraits do not go live; tampering is told."""

from __future__ import annotations

import datetime
import json
import os
import threading
from pathlib import Path

import pytest
from command import run

from didlive import consent
from didlive.consent import BUILT_IN, KINDS, Ledger, hash_of
from didlive.demo import demo_portrait
from didlive.errors import BadInput


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    path = tmp_path / "ada.png"
    path.write_bytes(b"a picture of Ada")
    return path


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch):
    """Let a day pass."""

    def pass_a_day() -> None:
        day = (datetime.date.today() + datetime.timedelta(days=1)).isoformat()
        monkeypatch.setattr(consent, "_today", lambda: day)

    return pass_a_day


@pytest.mark.skipif(os.name != "posix", reason="elsewhere names of files are text")
def test_a_portrait_whose_name_is_no_text(ledger: Ledger, ada: Path):
    path = ada.with_name(os.fsdecode(b"Zo\xeb.png"))
    ada.rename(path)
    made = ledger.record(path, "myself")
    assert made.name == "Zo?" and ledger.entries() == (made,)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_kept(kind: str, ledger: Ledger, ada: Path):
    key = hash_of(ada)
    assert ledger.needs(key) and ledger.state(key) == "none" and ledger.reference(key) == ""
    made = ledger.record(ada, kind, name="  Ada \n L. ", who="Ada", scope="talks", expires="")
    assert not ledger.needs(key) and ledger.state(key) == ledger.state(key[:16]) == "valid"
    assert Ledger(ledger.folder).entries() == (made,) and made.name == "Ada L." and made.sha256 == key
    assert ledger.reference(key) == made.number and ledger.refuse(key) is None and ledger.note == ""


def test_it_expires_after_its_last_day(ledger: Ledger, ada: Path, tomorrow):
    ledger.record(ada, "agreed", who="Ada", expires=datetime.date.today().isoformat())
    key = hash_of(ada)
    assert ledger.state(key) == "valid"
    tomorrow()
    assert ledger.state(key) == "expired" and not ledger.needs(key) and ledger.reference(key) == ""
    with pytest.raises(BadInput, match="ada does not go live: the consent expired on"):
        ledger.refuse(key)


def test_it_can_be_revoked_and_given_again(ledger: Ledger, ada: Path):
    made, key = ledger.record(ada, "agreed", who="Ada"), hash_of(ada)
    assert ledger.revoke(key[:16]).number == made.number
    assert ledger.state(key) == "revoked" and ledger.revoke(made.number).revoked
    with pytest.raises(BadInput, match="was revoked on"):
        ledger.refuse(key)
    again = ledger.record(ada, "agreed", who="Ada")
    assert ledger.state(key) == "valid" and ledger.reference(key) == again.number
    assert [c.state for c in ledger.entries()] == ["revoked", "valid"]
    with pytest.raises(BadInput, match="there is no consent for ff"):
        ledger.revoke("ff")


def test_built_in_portraits_need_none(ledger: Ledger):
    key = hash_of(demo_portrait())
    assert not ledger.needs(key) and not ledger.needs(key[:16]) and ledger.reference(key) == BUILT_IN
    assert ledger.state(key) == "none" and ledger.refuse(key) is None


def test_what_cannot_be_recorded(ledger: Ledger, ada: Path):
    for more, why in (({"kind": "found it"}, "use one of: myself, agreed"), ({"kind": "agreed"}, "say who agreed"),
                      ({"kind": "myself", "expires": "tomorrow"}, "no date"),
                      ({"kind": "myself", "expires": "2001-01-01"}, "in the past")):
        with pytest.raises(BadInput, match=why):
            ledger.record(ada, **more)
    with pytest.raises(BadInput, match="check the name"):
        ledger.record(ada.with_name("none.png"), "myself")
    assert ledger.entries() == () and not ledger.folder.exists()


def test_changed_and_removed_entries_are_told_and_do_not_count(ledger: Ledger, ada: Path, tmp_path: Path):
    ledger.record(ada, "agreed", who="Ada", expires="2099-01-01")
    ledger.revoke(hash_of(ada))
    path = ledger.folder / "ledger.jsonl"
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == (ledger.folder / "key").stat().st_mode & 0o777 == 0o600
    whole = path.read_text()
    path.write_text(whole.replace("2099", "2199"))
    assert ledger.entries() == () and "1 of its entries were changed" in ledger.note
    path.write_text(whole.splitlines()[1] + "\n")
    assert ledger.entries() == () and "entries were removed" in ledger.note
    path.write_text(whole + "nonsense\n[]\n")
    assert ledger.state(hash_of(ada)) == "revoked" and "2 of its entries" in ledger.note
    path.write_text(whole)
    assert ledger.state(hash_of(ada)) == "revoked" and ledger.note == ""


def test_many_at_once_lose_nothing(ledger: Ledger, tmp_path: Path):
    paths = [tmp_path / f"{n}.png" for n in range(8)]
    for path in paths:
        path.write_text(path.name)
    ledger.record(paths[0], "myself")
    threads = [threading.Thread(target=Ledger(ledger.folder).record, args=(path, "myself")) for path in paths[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {c.name for c in ledger.entries()} == {str(n) for n in range(8)} and ledger.note == ""


def test_the_export_can_be_checked_by_others(ledger: Ledger, ada: Path, tmp_path: Path):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    ledger.record(ada, "agreed", who="Ada 阿达")
    assert ledger.export(tmp_path / "out.json") == 1
    out = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert out["consents"][0]["who"] == "Ada 阿达" and out["consents"][0]["state"] == "valid"
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(out["public_key"]))
    for line in out["signed"]:
        kept = json.loads(line)
        text = json.dumps(kept["entry"], sort_keys=True, separators=(",", ":"))
        key.verify(bytes.fromhex(kept["signature"]), text.encode())


def test_the_command(tmp_path: Path, ada: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIDLIVE_CONFIG", str(tmp_path / "config"))
    assert "nothing is on record" in run(["consent", "list"], capsys)[1]
    code, said, _ = run(["consent", "add", ada, "--kind", "agreed", "--who", "Ada", "--scope", "talks"], capsys)
    assert code == 0 and "recorded" in said
    code, said, _ = run(["consent", "list"], capsys)
    assert code == 0 and "valid" in said and "it shows a person who agreed, by Ada, for talks" in said
    assert json.loads(run(["consent", "list", "--json"], capsys)[1])[0]["state"] == "valid"
    assert run(["consent", "export", tmp_path / "out.json"], capsys)[0] == 0 and (tmp_path / "out.json").exists()
    before = ada.read_bytes()
    for out, why in ((ada, "ends in .json"), (tmp_path / "nowhere" / "out.json", "there is no folder")):
        code, said, error = run(["consent", "export", out], capsys)
        assert (code, said) == (2, "") and why in error and error.count("\n") == 1
    assert ada.read_bytes() == before and not (tmp_path / "nowhere").exists()
    assert run(["consent", "revoke", ada], capsys)[0] == 0
    assert "revoked" in run(["consent", "list"], capsys)[1]
    for command in (["animate", "--portrait", ada, "--demo", "--out", tmp_path / "out.mp4"],
                    ["evaluate", "--portrait", ada, "--driving", tmp_path / "clip.mp4"],
                    ["live", "--portrait", ada, "--demo", "--no-window"]):
        code, _, error = run(command, capsys)
        assert code == 2 and "ada does not go live: the consent was revoked" in error and error.count("\n") == 1
    code, _, error = run(["consent", "add", ada, "--kind", "agreed"], capsys)
    assert code == 2 and "say who agreed" in error
    (tmp_path / "config" / "consent" / "ledger.jsonl").write_text("nonsense\n")
    code, _, error = run(["consent", "list"], capsys)
    assert code == 0 and "tampered" in error


def test_another_consent_that_still_counts_is_named(tmp_path: Path, ada: Path, capsys: pytest.CaptureFixture[str],
                                                    monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIDLIVE_CONFIG", str(tmp_path / "config"))
    run(["consent", "add", ada, "--kind", "agreed", "--who", "Ada"], capsys)
    run(["consent", "add", ada, "--kind", "myself"], capsys)
    older, newer = (c.number for c in Ledger().entries())
    code, said, _ = run(["consent", "revoke", older], capsys)
    assert code == 0 and f"still goes live by consent {newer}" in said and Ledger().state(hash_of(ada)) == "valid"
    code, said, _ = run(["consent", "revoke", newer], capsys)
    assert code == 0 and "does not go live any more" in said and Ledger().state(hash_of(ada)) == "revoked"
