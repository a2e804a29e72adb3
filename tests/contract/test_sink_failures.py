"""One suite over every sink that writes files: failures are one clear line, nothing is left behind, nothing is lost."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from filming import FILE_NAMES, HEIGHT, WIDTH, frames, make, noise, read_back, run, stream

from didlive.errors import OutputFailed
from didlive.types import Frame, Stamp


@pytest.fixture(params=sorted(FILE_NAMES))
def file_name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_nothing_is_seen_before_close_and_nothing_stays_after_abort(file_name: str, tmp_path: Path):
    sink = make(file_name, tmp_path)
    sink.open(stream())
    for item in frames(6):
        sink.write(item)
    assert not sink.path.exists()
    assert all(entry.name.startswith(".") for entry in tmp_path.iterdir())
    sink.abort()
    assert list(tmp_path.iterdir()) == []
    run(sink, frames(2))
    assert list(tmp_path.iterdir()) == [sink.path]


def test_no_frames_no_output(file_name: str, tmp_path: Path):
    sink = make(file_name, tmp_path)
    sink.open(stream())
    with pytest.raises(OutputFailed, match="not one picture"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_old_output_survives_a_failure_and_is_replaced_by_success(file_name: str, tmp_path: Path):
    sink = make(file_name, tmp_path)
    run(sink, frames(2))
    if file_name == "png":
        # Whose pictures they are cannot be told from their names.
        with pytest.raises(OutputFailed, match="not empty"):
            sink.open(stream())
        assert len(read_back(file_name, sink)) == 2 and list(tmp_path.iterdir()) == [sink.path]
        return
    sink.open(stream())
    sink.write(frames(1)[0])
    sink.abort()
    assert len(read_back(file_name, sink)) == 2
    run(sink, frames(5))
    assert len(read_back(file_name, sink)) == 5
    assert list(tmp_path.iterdir()) == [sink.path]


def test_no_such_folder(file_name: str, tmp_path: Path):
    sink = make(file_name, tmp_path / "absent")
    with pytest.raises(OutputFailed, match="no folder"):
        sink.open(stream())


def test_path_in_the_way(file_name: str, tmp_path: Path):
    sink = make(file_name, tmp_path)
    if file_name == "png":
        sink.path.write_text("mine")
        with pytest.raises(OutputFailed, match="in the way"):
            sink.open(stream())
        assert sink.path.read_text() == "mine"
        return
    sink.path.mkdir()
    with pytest.raises(OutputFailed, match="is a folder"):
        sink.open(stream())
    assert list(tmp_path.iterdir()) == [sink.path]


@contextmanager
def ordinary_user(folder: Path) -> Iterator[None]:
    """Take the right to write into `folder` away, also from root."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_no_permission(file_name: str):
    # Not under tmp_path: another user could not even see that folder.
    folder = Path("/var/tmp") / f"didlive-test-{os.getpid()}"
    folder.mkdir()
    try:
        with ordinary_user(folder), pytest.raises(OutputFailed, match="no permission"):
            make(file_name, folder).open(stream())
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)


def size_of(path: Path) -> int:
    return max(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_file_size_limit_at_any_moment(file_name: str, part: float, tmp_path: Path):
    sink, sizes = make(file_name, tmp_path), []
    # x264 makes one in a hundred of such tiny films some bytes larger.
    for _ in range(3):
        run(sink, noise(12))
        sizes.append(size_of(sink.path))
        shutil.rmtree(sink.path) if sink.path.is_dir() else sink.path.unlink()
    limit = int(part * min(sizes))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OutputFailed, match="size"):
            run(sink, noise(12))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount disks of a given number of kB; only root can."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(size_kb: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(disk)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("cannot mount a small disk here")
        return disk

    yield mount
    if os.path.ismount(disk):
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("size_kb", [8, 40, 100])
def test_disk_full(file_name: str, size_kb: int, tiny_disk: Callable[[int], Path]):
    disk = tiny_disk(size_kb)
    sink = make(file_name, disk)
    with pytest.raises(OutputFailed, match="disk is full"):
        run(sink, noise(40))
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("broken", ["fsync", "replace", "rename"])
def test_failure_in_the_last_step(file_name: str, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if broken == ("replace" if file_name == "png" else "rename"):
        pytest.skip("not used by this sink")
    sink = make(file_name, tmp_path)
    sink.open(stream())
    if file_name != "png":
        sink.write(frames(1)[0])
    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OutputFailed, match="disk is full"):
        if file_name == "png":
            sink.write(frames(1)[0])
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_unexpected_errors_clean_up_too(file_name: str, tmp_path: Path):
    sink = make(file_name, tmp_path)
    sink.open(stream())
    with pytest.raises(Exception, match=r".") as caught:
        sink.write(Frame(np.zeros((HEIGHT, WIDTH, 3), np.complex64), Stamp(0, 0)))
    assert not isinstance(caught.value, OutputFailed)
    assert list(tmp_path.iterdir()) == []
