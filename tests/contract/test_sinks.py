"""One suite over every registered sink: what goes in comes out, failures are one clear line, nothing is left behind."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from didlive import registry
from didlive.disk import explain
from didlive.errors import OutputFailed
from didlive.seams import Sink, StreamFormat
from didlive.sinks import sink_for
from didlive.types import U8, Frame, Stamp

WIDTH, HEIGHT, RATE_HZ = 96, 64, 20.0
FILMS = ("mp4", "webm")
FILE_NAMES = {"mp4": "out.mp4", "webm": "out.webm", "gif": "out.gif", "webp": "out.webp", "png": "out"}
LARGEST_ERROR = {"mp4": 6, "webm": 6, "gif": 6, "webp": 6, "png": 0, "memory": 0}


def picture(number: int, channels: int = 3) -> U8:
    """Smooth colours and a bar that moves with the frame number."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    image = np.stack([x * 2, y * 3, 200 - x - y], axis=2)
    image[:, 8 * number:8 * number + 8] = (230, 30, 40)
    image = np.clip(image, 0, 255).astype(np.uint8)
    if channels == 4:
        image = np.dstack([image, np.where(x < WIDTH // 2, 255, 0).astype(np.uint8)])
    return np.ascontiguousarray(image)


def frames(count: int, channels: int = 3) -> list[Frame]:
    return [Frame(picture(i, channels), Stamp(i, int(i * 1e9 / RATE_HZ))) for i in range(count)]


def noise(count: int) -> list[Frame]:
    """Frames that no encoder can make small, to fill a disk."""
    random = np.random.default_rng(0)
    return [Frame(random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), Stamp(i, int(i * 5e7)))
            for i in range(count)]


def make(name: str, folder: Path) -> Any:
    cls = registry.load(registry.SINKS, name)
    return cls() if name == "memory" else cls(folder / FILE_NAMES[name])


def read_back(name: str, sink: Any, mode: str = "RGB") -> list[U8]:
    """Decode a finished output with another library than the one that wrote it, where there is one."""
    if name == "memory":
        return [frame.image for frame in sink.frames]
    if name == "png":
        files = sorted(sink.path.iterdir())
        assert [file.name for file in files] == [f"{i:06d}.png" for i in range(len(files))]
        return [np.asarray(Image.open(file).convert(mode)) for file in files]
    if name in FILMS:
        return film_of(sink.path, mode)
    with Image.open(sink.path) as animation:
        result = []
        for number in range(animation.n_frames):
            animation.seek(number)
            result.append(np.asarray(animation.convert(mode)))
        return result


def film_of(path: Path, mode: str) -> list[U8]:
    """Decode a video; FFmpeg's own VP9 decoder knows no transparency, libvpx does."""
    with av.open(str(path)) as container:
        if mode == "RGB" or path.suffix == ".mp4":
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        assert isinstance(decoder, VideoCodecContext)
        packets = list(container.demux(video=0))
        return [frame.to_ndarray(format="rgba") for packet in packets for frame in decoder.decode(packet)]


def stream(channels: int = 3) -> StreamFormat:
    return StreamFormat(WIDTH, HEIGHT, RATE_HZ, alpha=channels == 4)


def run(sink: Sink, items: list[Frame], channels: int = 3) -> None:
    sink.open(stream(channels))
    for item in items:
        sink.write(item)
    sink.close()


@pytest.fixture(params=sorted(registry.SINKS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=sorted(FILE_NAMES))
def file_name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_size_count_order_and_colours_are_kept(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    run(sink, frames(10))
    result = read_back(name, sink)
    assert len(result) == 10
    for number, image in enumerate(result):
        assert image.shape == (HEIGHT, WIDTH, 3)
        error = np.abs(image.astype(int) - picture(number)).mean()
        others = [np.abs(image.astype(int) - picture(other)).mean() for other in range(10) if other != number]
        assert error <= LARGEST_ERROR[name] and error < min(others, default=255) / 1.5
    assert sink.written == 10


def test_flat_colour_is_right(name: str, tmp_path: Path):
    colour = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    colour[:] = (200, 30, 90)
    sink = make(name, tmp_path)
    run(sink, [Frame(colour, Stamp(i, i * 50_000_000)) for i in range(3)])
    last = read_back(name, sink)[-1]
    assert np.abs(last.astype(int) - colour).max() <= 4


def test_transparency(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    run(sink, frames(4, channels=4), channels=4)
    result = read_back(name, sink, "RGBA")
    assert len(result) == 4
    if name == "mp4":
        return  # H.264 has none; the frames must just be accepted.
    for image in result:
        assert (image[:, :WIDTH // 2 - 8, 3] == 255).all() and (image[:, WIDTH // 2 + 8:, 3] == 0).all()


def test_alpha_frames_into_an_opaque_stream(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    run(sink, frames(3, channels=4))
    assert len(read_back(name, sink)) == 3


def test_odd_sizes(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    sink.open(StreamFormat(WIDTH - 1, HEIGHT - 1, RATE_HZ))
    for item in frames(3):
        sink.write(Frame(np.ascontiguousarray(item.image[:-1, :-1]), item.stamp))
    sink.close()
    grown = 1 if name in FILMS else 0
    assert read_back(name, sink)[0].shape == (HEIGHT - 1 + grown, WIDTH - 1 + grown, 3)


def test_close_and_abort_twice_and_open_again(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    sink.close()
    sink.abort()
    run(sink, frames(3))
    sink.close()
    assert len(read_back(name, sink)) == 3
    # A folder of pictures is never replaced, so this one makes room.
    make_room = (lambda: shutil.rmtree(sink.path)) if name == "png" else (lambda: None)
    make_room()
    run(sink, frames(5))
    assert len(read_back(name, sink)) == 5
    make_room()
    sink.open(stream())
    sink.abort()
    sink.abort()
    sink.close()


def test_write_without_open(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    with pytest.raises(OutputFailed):
        sink.write(frames(1)[0])
    run(sink, frames(2))
    with pytest.raises(OutputFailed):
        sink.write(frames(1)[0])


def test_wrong_size_is_refused(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    sink.open(stream())
    sink.write(frames(1)[0])
    with pytest.raises(OutputFailed, match="10x12"):
        sink.write(Frame(np.zeros((12, 10, 3), np.uint8), Stamp(1, 1)))
    with pytest.raises(OutputFailed):
        sink.write(frames(1)[0])
    sink.close()
    assert list(tmp_path.iterdir()) == []


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
    sink = make(file_name, tmp_path)
    run(sink, noise(12))
    limit = int(part * size_of(sink.path))
    shutil.rmtree(sink.path) if sink.path.is_dir() else sink.path.unlink()
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


@pytest.mark.parametrize("name", ["holiday.png", "000000.png"])
def test_png_folder_refuses_other_peoples_things(name: str, tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_text("mine")
    with pytest.raises(OutputFailed, match="not empty"):
        make("png", tmp_path).open(stream())
    assert (folder / name).read_text() == "mine"


def test_things_that_come_late_stay(tmp_path: Path):
    sink = make("png", tmp_path)
    sink.path.mkdir()
    sink.open(stream())
    sink.write(frames(1)[0])
    (sink.path / "000000.png").write_text("mine")
    with pytest.raises(OutputFailed, match="not empty"):
        sink.close()
    assert list(tmp_path.iterdir()) == [sink.path] and (sink.path / "000000.png").read_text() == "mine"


def test_sources_are_never_replaced(tmp_path: Path):
    (tmp_path / "album" / "deep").mkdir(parents=True)
    source = tmp_path / "album" / "deep" / "me.webp"
    source.write_text("mine")
    (tmp_path / "link.webp").symlink_to(source)
    (tmp_path / "twin.webp").hardlink_to(source)
    for out in ("album/deep/me.webp", "album/deep/../deep/me.webp", "link.webp", "twin.webp", "album/", "album/deep"):
        with pytest.raises(OutputFailed, match="would replace the input"):
            sink_for(f"{tmp_path}/{out}", sources=(tmp_path / "absent.mp4", source))
    sink_for(tmp_path / "album" / "deep" / "other.webp", sources=(source,))


def test_gif_is_thinned_to_an_even_pace_and_loops(tmp_path: Path):
    sink = make("gif", tmp_path)
    sink.open(StreamFormat(WIDTH, HEIGHT, 30.0))
    for item in frames(9):
        sink.write(item)
    sink.close()
    with Image.open(sink.path) as gif:
        assert gif.info["loop"] == 0 and gif.n_frames == 5
        durations = []
        for number in range(gif.n_frames):
            gif.seek(number)
            durations.append(gif.info["duration"])
        assert set(durations) <= {60, 70}


def test_webp_loops_for_ever_at_the_given_rate(tmp_path: Path):
    sink = make("webp", tmp_path)
    run(sink, frames(4))
    with Image.open(sink.path) as webp:
        webp.seek(3)
        webp.load()
        assert webp.info["loop"] == 0 and webp.info["duration"] == 50 and webp.info["timestamp"] == 150


def test_sink_for_chooses_by_name(tmp_path: Path):
    (tmp_path / "folder.x").mkdir()
    for text, name in (("a.mp4", "mp4"), ("a.MP4", "mp4"), ("b.gif", "gif"), ("c.webp", "webp"), ("d", "png"),
                       ("e.mp4/", "png"), ("folder.x", "png")):
        assert isinstance(sink_for(f"{tmp_path}/{text}"), registry.load(registry.SINKS, name))
    for text, hint in (("a.avi", r"\.avi.*\.mp4"), ("a.png", "end the name with /")):
        with pytest.raises(OutputFailed, match=hint):
            sink_for(tmp_path / text)


@pytest.mark.parametrize(("code", "text"), [(errno.ENOSPC, "full"), (errno.EROFS, "permission"), (errno.EIO, "error")])
def test_messages_are_one_line(code: int, text: str):
    message = str(explain(OSError(code, os.strerror(code)), Path("x/out.mp4")))
    assert text in message and "out.mp4" in message and "\n" not in message


def test_opencv_reads_the_pngs_in_the_same_colours(tmp_path: Path):
    sink = make("png", tmp_path)
    run(sink, frames(1))
    assert np.array_equal(cv2.imread(str(sink.path / "000000.png"))[:, :, ::-1], picture(0))
