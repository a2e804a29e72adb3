"""`didlive live` with a picture page, a stream and a take."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
import urllib.request
from pathlib import Path
from urllib.error import URLError

import phone
import pytest
from PIL import Image

from didlive import actor as actors
from didlive import cli
from didlive.cli import streams
from didlive.demo import demo_portrait
from didlive.settings import OutputSettings, Settings
from didlive.take import load_take
from tests.test_sinks_stream import KEY, free_port

SMALL = ["--demo", "--no-window", "--size", "128x128"]


def sinks(*arguments: str) -> dict:
    parser = cli.build_parser("live")
    return streams.stream_sinks(parser.parse_args(["live", *arguments]), Settings())


@pytest.fixture(scope="module")
def ready(models: Path) -> actors.Actor:
    """The built-in portrait, made ready as these commands ask for it."""
    return actors.prepare_actor(demo_portrait(), Settings(output=OutputSettings(size="128x128")))


@pytest.fixture
def at_once(ready: actors.Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The portrait need not be made ready again and again."""
    monkeypatch.setattr(actors, "prepare_actor", lambda path, settings, face=None: ready)


def test_the_page_shows_the_picture_while_a_take_is_kept(at_once: None, tmp_path: Path,
                                                         capsys: pytest.CaptureFixture[str]):
    port, seen, over = free_port(), [], threading.Event()

    def look() -> None:
        while not seen and not over.wait(0.02):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/snapshot.png", timeout=10) as answer:
                    seen.append(Image.open(io.BytesIO(answer.read())).size)
            except URLError:
                continue

    viewer = threading.Thread(target=look)
    viewer.start()
    try:
        code = cli.main(["live", *SMALL, "--mjpeg", str(port), "--record", str(tmp_path / "a.mp4"), "--seconds", "1"])
    finally:
        over.set()
        viewer.join()
    assert code == 0 and seen == [(128, 128)] and f"picture page: http://127.0.0.1:{port}/" in capsys.readouterr().err
    take = load_take(tmp_path / "a.take")
    assert take.recording.present.any() and take.portrait_sha256 and take.settings.output.size == "128x128"


@pytest.mark.parametrize("name", ["a.webm", "a.gif"])
def test_a_phone_drives_a_portrait_and_an_avatar_while_it_is_recorded(name: str, at_once: None, tmp_path: Path,
                                                                     capsys: pytest.CaptureFixture[str]):
    port = phone.free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as avatar, phone.talking(port):
        avatar.bind((phone.LOOPBACK, 0))
        place = f"{phone.LOOPBACK}:{avatar.getsockname()[1]}"
        code = cli.main(["live", "--no-window", "--size", "128x128", "--camera", f"phone:{phone.LOOPBACK}:{port}",
                         "--motion-out", f"vtube@{place}", "--record", str(tmp_path / name), "--seconds", "1"])
        avatar.settimeout(5)
        values = json.loads(avatar.recv(65536))["data"]["parameterValues"]
    said = capsys.readouterr()
    assert code == 0 and f"the motion goes to {place}" in said.err and "not signed" not in said.err
    assert any(row["id"] == "MouthOpen" for row in values)
    assert {entry.name for entry in tmp_path.iterdir()} == {name, "a.take"}


def test_a_server_that_is_not_there_is_said_without_the_key(at_once: None, tmp_path: Path,
                                                            capsys: pytest.CaptureFixture[str]):
    url = f"rtmp://127.0.0.1:{free_port()}/live"
    (tmp_path / "url").write_text(f"{url}/{KEY}\n")
    assert cli.main(["live", *SMALL, "--seconds", "5", "--stream-url-file", str(tmp_path / "url")]) == 2
    said = capsys.readouterr()
    assert f"{url[:-5]}: Connection refused" in said.err and KEY not in said.err + said.out


def test_where_page_and_stream_come_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr(streams.getpass, "getpass", lambda prompt: KEY)
    assert sinks() == {}
    page = sinks("--mjpeg")["picture page"]
    assert (page.address, page.port, page.note) == ("127.0.0.1", 8590, "")
    page = sinks("--mjpeg", "0.0.0.0:9000")["picture page"]
    assert (page.address, page.port) == ("0.0.0.0", 9000) and "network" in page.note
    assert sinks("--mjpeg", "[::1]:9000")["picture page"].address == "::1"
    assert sinks("--stream", "rtmp://h/app")["stream"]._url == "rtmp://h/app"
    assert sinks("--stream", "rtmp://h/app", "--stream-key", "ask")["stream"]._url == f"rtmp://h/app/{KEY}"
    monkeypatch.setenv("DIDLIVE_STREAM_URL", "rtmp://i/app")
    monkeypatch.setenv("DIDLIVE_STREAM_KEY", "other")
    assert sinks("--stream", "")["stream"]._url == "rtmp://i/app/other"


@pytest.mark.parametrize(("arguments", "says"), [
    (["--mjpeg", "here"], "--mjpeg here: write it as"),
    (["--motion-out", "vmc@127.0.0.1:port"], "--motion-out vmc@127.0.0.1:port: write it as"),
    (["--motion-out", "morse@127.0.0.1:9000"], "motion_out.protocol = 'morse' is unknown"),
    (["--record", "a.avi"], "only .mp4, .webm, .gif, .webp can be recorded live"),
    (["--camera", "phone:here"], "phone:192.168.1.20"),
    (["--stream", f"http://h/{KEY}"], "no address of a stream"),
    (["--stream", ""], "DIDLIVE_STREAM_URL"),
    (["--stream-key", "ask"], "--stream-key needs --stream"),
    (["--stream-url-file", "absent"], "absent cannot be read"),
    (["--stream", "rtmp://h/app", "--stream-key", "keep"], "didlive[keyring]"),
])
def test_bad_options(arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch,
                     capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr(streams.getpass, "getpass", lambda prompt: KEY)
    assert cli.main(["live", *SMALL, *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err and len(err.splitlines()) == 1 and KEY not in err
