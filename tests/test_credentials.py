"""Signing and verifying: what is signed stays whole, a changed byte is noticed, nothing is asked over the network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from command import contents, run
from PIL import Image
from stage import SETTINGS, Follower, Nuisance, Painter, make_actor, wait_until

from didlive import credentials
from didlive.consent import Ledger, hash_of
from didlive.credentials import Seal, Used, read, sign, used
from didlive.errors import BadInput, OutputFailed
from didlive.mark import LumaMark
from didlive.seams import StreamFormat
from didlive.session import Session
from didlive.sinks.png import encode_png
from didlive.sinks.recorder import QueuedSink
from didlive.sinks.video import Mp4Sink
from didlive.types import U8, Frame, Stamp

HASH = "ab" * 32
NOTE = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="http://127.0.0.1:PORT/manifest.c2pa"/></rdf:RDF>
</x:xmpmeta><?xpacket end="w"?>"""


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def picture(folder: Path) -> Path:
    path = folder / "picture.png"
    Image.fromarray(skimage.data.astronaut()[::4, ::4]).save(path)
    return path


def test_a_signed_picture_says_who_what_and_that_it_is_intact(picture: Path, keys: Path):
    before = cv2.imread(str(picture))
    sign(picture, [Used(HASH, "c1"), Used("cd" * 32)], keys)
    found = read(picture, keys)
    assert found is not None and found.intact and found.own and found.synthetic and not found.problem
    assert found.portraits == (Used(HASH, "c1"), Used("cd" * 32)) and found.tool.startswith("didlive ")
    assert np.array_equal(before, cv2.imread(str(picture))) and contents(picture.parent) == ["picture.png"]
    elsewhere = read(picture, keys / "nobody")
    assert elsewhere is not None and elsewhere.intact and not elsewhere.own


def test_the_key_is_private_and_made_once(picture: Path, keys: Path):
    sign(picture, folder=keys)
    key = keys / "signer.pem"
    assert os.name != "posix" or key.stat().st_mode & 0o777 == 0o600
    first = key.read_bytes()
    sign(picture, folder=keys)
    assert key.read_bytes() == first and first.count(b"PRIVATE KEY") == 2, "the issuer's own key is forgotten"


def test_one_changed_byte_is_noticed(driving: Path, folder: Path, keys: Path):
    clip = folder / "clip.mp4"
    shutil.copy(driving, clip)
    sign(clip, [Used(HASH)], keys)
    data = bytearray(clip.read_bytes())
    data[len(data) // 2] ^= 1
    clip.write_bytes(data)
    found = read(clip, keys)
    assert found is not None and not found.intact and not found.own and "mismatch" in found.problem


def test_what_cannot_be_signed_stays_as_it_was(folder: Path, keys: Path, monkeypatch: pytest.MonkeyPatch):
    broken, text = folder / "broken.mp4", folder / "text.txt"
    for path in (broken, text):
        path.write_text("hello")
        with pytest.raises(OutputFailed, match=rf"{path.name} is not signed: "):
            sign(path, folder=keys)
        assert path.read_text() == "hello"
    assert contents(folder) == ["broken.mp4", "text.txt"]
    assert read(text, keys) is None
    monkeypatch.setattr(credentials, "missing", lambda: "the packages are not there")
    with pytest.raises(OutputFailed, match="not signed: the packages are not there"):
        sign(broken, folder=keys)
    assert read(broken, keys) is None


def test_a_full_disk_leaves_the_unsigned_file(picture: Path, keys: Path, monkeypatch: pytest.MonkeyPatch):
    before = picture.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    keys.mkdir()
    (keys / "signer.pem").write_bytes(credentials._make_identity())
    with pytest.raises(OutputFailed, match=r"picture\.png is not signed: the disk is full"):
        sign(picture, folder=keys)
    assert picture.read_bytes() == before and contents(picture.parent) == ["picture.png"]


@dataclass
class Playing:
    """A show as far as signing goes."""

    shown: tuple[str, ...] = ("old", HASH)


def test_a_recording_names_the_portraits_that_were_shown_in_it(picture: Path, tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger")
    agreed, known = ledger.record(picture, "agreed", who="Ada"), hash_of(picture)
    show = Playing()
    seal = Seal(show, ledger)
    show.shown = (*show.shown, known, HASH, "")
    seal(picture)
    found = read(picture)
    assert found is not None and found.own
    assert found.portraits == (Used(HASH), Used(known, agreed.number))
    assert used(["", ""], ledger) == []


def test_a_recorder_signs_and_a_failure_keeps_the_recording(folder: Path):
    sink = Mp4Sink(folder / "take.mp4", real_time=True)
    queued = QueuedSink(sink)
    with Session(SETTINGS, Nuisance(), Follower(), make_actor(generator=Painter()), [queued]) as session:
        sink.seal = Seal(session)
        wait_until(lambda: queued.written > 5)
    found = read(folder / "take.mp4")
    assert queued.error is None and sink.note == "" and found is not None and found.own

    def refuse(path: Path) -> None:
        raise OutputFailed(f"{path.name} is not signed: why")

    other = Mp4Sink(folder / "other.mp4", real_time=True)
    other.seal = refuse
    queued = QueuedSink(other)
    with Session(SETTINGS, Nuisance(), Follower(), make_actor(generator=Painter()), [queued]):
        wait_until(lambda: queued.written > 5)
    assert queued.error is None and other.note == "other.mp4 is not signed: why"
    assert read(folder / "other.mp4") is None and contents(folder) == ["other.mp4", "take.mp4"]


def test_a_ledger_that_cannot_be_read_leaves_the_recording_whole_and_unsigned(folder: Path, tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger")
    ledger.folder.mkdir()
    (ledger.folder / "ledger.jsonl").write_bytes(b"\xff\n")
    sink = Mp4Sink(folder / "take.mp4", real_time=True)
    sink.seal = Seal(Playing(), ledger)
    queued = QueuedSink(sink)
    queued.open(StreamFormat(64, 64, 30.0))
    queued.write(Frame(np.zeros((64, 64, 3), np.uint8), Stamp(0, 0)))
    queued.close()
    assert queued.error is None and "ledger" in sink.note and contents(folder) == ["take.mp4"]


def test_a_long_signature_is_no_failure_of_the_recording(folder: Path):
    sink, gate = Mp4Sink(folder / "take.mp4", real_time=True), threading.Event()
    sink.seal = lambda path: gate.wait(60) and None
    queued = QueuedSink(sink, drain_s=0.05)
    queued.open(StreamFormat(64, 64, 30.0))
    queued.write(Frame(np.zeros((64, 64, 3), np.uint8), Stamp(0, 0)))
    closing = threading.Thread(target=queued.close)
    closing.start()
    wait_until(lambda: sink.sealing)
    closing.join(0.3)
    assert closing.is_alive() and (folder / "take.mp4").exists()
    gate.set()
    closing.join(60)
    assert not closing.is_alive() and queued.error is None and queued.written == 1


# didlive verify


@pytest.fixture
def astronaut_picture() -> U8:
    return np.ascontiguousarray(skimage.data.astronaut()[::2, ::2])


def test_verify_reads_signature_and_mark(folder: Path, astronaut_picture: U8, capsys: pytest.CaptureFixture[str]):
    plain, marked, signed = (folder / f"{name}.png" for name in ("plain", "marked", "signed"))
    Image.fromarray(astronaut_picture).save(plain)
    Image.fromarray(LumaMark(256, 256).put_on(astronaut_picture)).save(marked)
    shutil.copy(plain, signed)
    sign(signed, [Used(HASH)])
    code, said, _ = run(["verify", plain], capsys)
    assert code == 1 and "Content Credentials: none" in said and "mark: not found in 1 picture" in said
    code, said, _ = run(["verify", marked], capsys)
    assert code == 0 and "32 of 32 bits right" in said
    code, said, _ = run(["verify", signed], capsys)
    assert code == 0 and "on this computer" in said and "nothing was changed" in said and "made by AI" in said
    assert "portrait abababababababab (no consent on record)" in said
    code, said, _ = run(["verify", "--json", signed], capsys)
    found = json.loads(said)
    assert code == 0 and found["marked"] and found["credentials"]["own"] and not found["mark"]["present"]


def test_verify_reads_clips_and_animations(folder: Path, astronaut_picture: U8, capsys: pytest.CaptureFixture[str]):
    frames = [Image.fromarray(LumaMark(256, 256).put_on(np.roll(astronaut_picture, n, 1))) for n in range(3)]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:], quality=80)
    code, said, _ = run(["verify", folder / "moving.webp"], capsys)
    assert code == 0 and "found in 3 pictures" in said
    clip = folder / "clip.mp4"
    assert run(["animate", "--demo", "--out", clip, "--max-frames", "5", "--size", "256", "--sign"], capsys)[0] == 0
    code, said, _ = run(["verify", clip], capsys)
    assert code == 0 and "nothing was changed" in said and "32 of 32 bits right" in said
    assert "(consent built-in, public domain)" in said
    data = bytearray(clip.read_bytes())
    data[-20] ^= 1
    clip.write_bytes(data)
    code, said, _ = run(["verify", clip], capsys)
    assert code == 0 and "do not rely on it" in said


def test_verify_bad_input(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "text.mp4").write_text("hello")
    Image.new("RGB", (20, 20)).save(folder / "tiny.png")
    (folder / "half.png").write_bytes(encode_png(Frame(skimage.data.astronaut(), Stamp(0, 0)))[:9000])
    (folder / "words.ppm").write_bytes(b"P6 12x 10 255\n")
    pages = folder / "pages.tif"
    Image.new("RGB", (64, 64)).save(pages, save_all=True, append_images=[Image.new("RGB", (64, 64))])
    # The second page has no width.
    head, _, rest = pages.read_bytes().rpartition(b"\x00\x01\x04\x00")
    pages.write_bytes(head + b"\x00\x99\x04\x00" + rest)
    for name, why in (("none.png", "does not exist"), (".", "is no file"), ("text.mp4", "not a video"),
                      ("tiny.png", "64 px or more"), ("half.png", "broken"), ("words.ppm", "cannot be read"),
                      ("pages.tif", "broken")):
        code, _, error = run(["verify", folder / name], capsys)
        assert code == 2 and why in error and error.count("\n") == 1, name


def test_verify_asks_no_server_where_a_stranger_says_its_credentials_lie(folder: Path, capsys):
    path = folder / "stranger.jpg"
    with socket.create_server(("127.0.0.1", 0)) as server:
        note = NOTE.replace("PORT", str(server.getsockname()[1])).encode()
        Image.fromarray(skimage.data.astronaut()).save(path, xmp=note)
        code, said, _ = run(["verify", path], capsys)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert code == 1 and "on a server, which is not asked" in said


def test_unreadable_file(keys: Path):
    with pytest.raises(BadInput, match="cannot be read"):
        read(keys / "none.png", keys)
