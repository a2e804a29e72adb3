"""Engines on disk: whole, known by their SHA-256, or not there."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from engines import EngineFailed, backends
from engines.store import Entry, Store, default_folder, engine_key

DATA = bytes(range(256)) * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "engines")


def test_what_was_saved_is_loaded(store: Store) -> None:
    assert store.load("a") is None
    entry = store.save("a", DATA, {"backend": "tensorrt_rtx"})
    assert store.load("a") == DATA
    assert store.find("a") == entry == Entry("a", entry.sha256, len(DATA), {"backend": "tensorrt_rtx"}, "untried")
    store.judge("a", "good")
    assert [e.verdict for e in store.entries()] == ["good"]
    store.save("a", DATA, {})
    found = store.find("a")
    assert found is not None and found.verdict == "untried", "a new engine has to prove itself again"


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b"\1" + d[1:], lambda d: b""],
                         ids=["truncated", "longer", "one bit", "empty"])
def test_a_damaged_engine_is_never_loaded_and_goes(store: Store, damage) -> None:
    store.save("a", DATA, {})
    path = store.folder / "a.engine"
    path.write_bytes(damage(DATA))
    assert store.load("a") is None
    assert not list(store.folder.glob("a.*"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "a"}', json.dumps(
    {"key": "b", "sha256": "0", "size": 1, "facts": {}}), json.dumps(
    {"key": "a", "sha256": "0", "size": "1", "facts": {}})])
def test_an_engine_without_a_sound_description_is_none(store: Store, text: str) -> None:
    store.save("a", DATA, {})
    (store.folder / "a.json").write_text(text)
    assert store.find("a") is None
    assert store.load("a") is None
    assert store.entries() == []


def test_a_half_written_engine_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save("a", DATA, {})
    replace, calls = os.replace, []

    def fail_second(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_second)
    with pytest.raises(EngineFailed, match="was not written: No space left"):
        store.save("a", DATA[::-1], {})
    assert store.load("a") is None
    assert not list(store.folder.glob(".*.part"))


def test_a_full_disk_is_told_and_what_only_makes_starts_quicker_is_left_out(store: Store, monkeypatch) -> None:
    store.save("a", DATA, {})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(EngineFailed, match="No space left"):
        store.judge("a", "good")
    backends._keep(store, "compiled", DATA, "kernels of an engine")
    assert store.load("compiled") is None and store.load("a") == DATA


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such bits; its cache folder belongs to the user")
def test_only_the_user_can_read_and_write_engines(store: Store) -> None:
    store.save("a", DATA, {})
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in store.folder.iterdir()} == {0o600}


def test_one_build_at_a_time(store: Store) -> None:
    caught: list[str] = []

    def second() -> None:
        with pytest.raises(EngineFailed) as error, store.building(timeout_s=0.0):
            pass
        caught.append(str(error.value))

    with store.building():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "another process is building" in caught[0]
    with store.building(timeout_s=0.0):
        pass


def test_the_key_changes_with_everything_the_engine_depends_on() -> None:
    facts = {"backend": "tensorrt_rtx", "version": "1.7.1", "targets": ["sm86"]}
    keys = {engine_key(DATA, facts), engine_key(DATA[1:], facts), engine_key(DATA, facts | {"version": "1.7.2"}),
            engine_key(DATA, facts | {"targets": ["sm89"]})}
    assert len(keys) == 4
    assert engine_key(DATA, dict(reversed(facts.items()))) == engine_key(DATA, facts)


def test_the_folder_follows_didlive_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIDLIVE_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "engines"
    monkeypatch.delenv("DIDLIVE_CACHE")
    assert default_folder().name == "engines"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineFailed, match="cannot be used for engines"):
        Store(tmp_path / "file").save("a", DATA, {})
