"""One suite over every virtual camera: what goes in is what other programs see. PipeWire runs for real, with GStreamer
watching; the others write, in a child process, to a loopback device that a small preloaded library makes up
(tests/shims/fake_v4l2_out.c)."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from pipewire_session import PipeWire, pipewire, watch
from stage import wait_until

from didlive import registry
from didlive.errors import OutputFailed
from didlive.seams import StreamFormat
from didlive.sinks import v4l2, virtualcam
from didlive.sinks.live import LiveSink, yuyv
from didlive.sinks.outputs import Outputs
from didlive.sinks.pipewire import PipeWireSink
from didlive.sinks.recorder import PacedSink
from didlive.sinks.v4l2 import V4L2Sink
from didlive.types import U8, Frame, Stamp

ROOT = Path(__file__).resolve().parents[2]
SHIMMED = os.environ.get("DIDLIVE_TEST_SHIM") == "out"
KINDS = ["v4l2", "pyvirtualcam"] if SHIMMED else ["pipewire"]
FAULT = "FAKE_OUT_FAULT"
WIDTH, HEIGHT = 96, 64
STREAM = StreamFormat(WIDTH, HEIGHT, 30.0)
needs_shim = pytest.mark.skipif(not SHIMMED, reason="runs inside test_the_loopback_cameras_pass_in_a_child_process")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these virtual cameras are for Linux")


def picture(number: int, channels: int = 3) -> U8:
    """Smooth colours and a bar that moves with the frame number."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    image = np.stack([x * 2, y * 3, 200 - x - y, x * 0 + 128], axis=2)
    image[:, 8 * number:8 * number + 8, :3] = (230, 30, 40)
    return np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8)[:, :, :channels])


def frames(count: int, channels: int = 3) -> list[Frame]:
    return [Frame(picture(i, channels), Stamp(i, i * 33_000_000)) for i in range(count)]


class WatchedSink(PipeWireSink):
    """A PipeWire camera with a watcher; every picture waits until the one before has reached it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self._watcher: subprocess.Popen[bytes] | None = None

    def open(self, stream: StreamFormat) -> None:
        super().open(stream)
        self.file.unlink(missing_ok=True)
        self._watcher = watch(self.node, self.file)
        # Until both sides run, pictures are lost; some of these may come late.
        hello = Frame(np.zeros((stream.height, stream.width, 3), np.uint8), Stamp(0, 0))

        def greeted() -> bool:
            super(WatchedSink, self).write(hello)
            return self._newest() == yuyv(hello.image).tobytes()

        wait_until(greeted, "a watcher")
        self.written = 0

    def write(self, frame: Frame) -> None:
        super().write(frame)
        wanted, again_s = yuyv(frame.image).tobytes(), time.monotonic() + 1

        def arrived() -> bool:
            nonlocal again_s
            if time.monotonic() > again_s:
                # On a busy machine PipeWire leaves pictures out; the next beat of a show would bring it again.
                again_s = time.monotonic() + 1
                self._show(frame.image)
            return self._newest() == wanted

        wait_until(arrived, "the picture at the watcher")

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.wait()
        super().close()

    def _newest(self) -> bytes:
        """Return the last whole picture in the file."""
        size = self._stride * self._height
        data = self.file.read_bytes() if self.file.exists() else b""
        whole = len(data) // size * size
        return data[whole - size:whole] if whole else b""


@dataclass
class Rig:
    """How to make one camera, and what its watchers saw since the last question, as sent: (H, W, 2) or I420."""

    kind: str
    file: Path
    make: Callable[[], LiveSink]

    def raw(self, width: int, height: int) -> list[U8]:
        data = np.fromfile(self.file, np.uint8)
        os.truncate(self.file, 0)
        shape = (height * 3 // 2, width) if self.kind == "pyvirtualcam" else (height, width, 2)
        assert data.size % int(np.prod(shape)) == 0
        images = list(data.reshape(-1, *shape))
        # What greeted the watcher was black, and a picture may have been shown to it twice.
        seen = [image for image in images if image.max() > 128]
        return [image for number, image in enumerate(seen) if not number or not np.array_equal(image, seen[number - 1])]

    def seen(self, width: int = WIDTH, height: int = HEIGHT) -> list[U8]:
        code = cv2.COLOR_YUV2RGB_I420 if self.kind == "pyvirtualcam" else cv2.COLOR_YUV2RGB_YUY2
        return [np.asarray(cv2.cvtColor(image, code), np.uint8) for image in self.raw(width, height)]


@pytest.fixture(scope="module")
def managed() -> Iterator[PipeWire]:
    with pipewire() as made:
        made.start()
        made.manage()
        yield made


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    kind, file = request.param, tmp_path / "seen.raw"
    if kind == "pipewire":
        request.getfixturevalue("managed")
        return Rig(kind, file, lambda: WatchedSink(file))
    if kind == "pyvirtualcam":
        pytest.importorskip("pyvirtualcam")
    monkeypatch.setenv("FAKE_OUT_FILE", str(file))
    return Rig(kind, file, registry.load(registry.LIVE_SINKS, kind))


@pytest.fixture
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("FAKE_OUT_FILE", str(tmp_path / "seen.raw"))
    return Rig("v4l2", tmp_path / "seen.raw", V4L2Sink)


def run(sink: LiveSink, items: list[Frame], stream: StreamFormat = STREAM) -> None:
    sink.open(stream)
    for item in items:
        sink.write(item)
    sink.close()


def test_size_count_order_and_colours_are_kept(rig: Rig):
    sink = rig.make()
    run(sink, frames(10))
    result = rig.seen()
    assert len(result) == sink.written == 10
    for number, image in enumerate(result):
        errors = [np.abs(image.astype(int) - picture(other)).mean() for other in range(10)]
        assert errors[number] <= 3 and errors[number] == min(errors)


def test_every_byte_arrives(rig: Rig):
    if rig.kind == "pyvirtualcam":
        pytest.skip("converts by itself")
    run(rig.make(), frames(6))
    assert [image.tobytes() for image in rig.raw(WIDTH, HEIGHT)] == [yuyv(picture(i)).tobytes() for i in range(6)]


def test_flat_colour_is_right(rig: Rig):
    colour = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    colour[:] = (200, 30, 90)
    run(rig.make(), [Frame(colour, Stamp(0, 0))])
    assert np.abs(rig.seen()[0].astype(int) - colour).max() <= 4


@pytest.mark.parametrize("alpha", [False, True])
def test_transparency_is_dropped(rig: Rig, alpha: bool):
    run(rig.make(), frames(2, channels=4), StreamFormat(WIDTH, HEIGHT, 30.0, alpha))
    assert np.abs(rig.seen()[1].astype(int) - picture(1)).mean() <= 3


def test_odd_sizes(rig: Rig):
    image = np.ascontiguousarray(picture(0)[:-1, :-1])
    run(rig.make(), [Frame(image, Stamp(0, 0))], StreamFormat(WIDTH - 1, HEIGHT - 1, 29.97))
    seen = rig.seen(WIDTH, HEIGHT - (rig.kind != "pyvirtualcam"))[0]
    assert np.abs(seen[:HEIGHT - 1, :WIDTH - 1].astype(int) - image).mean() <= 3


def test_close_and_abort_twice_and_open_again(rig: Rig):
    sink = rig.make()
    sink.close()
    sink.abort()
    for count in (3, 5):
        run(sink, frames(count))
        sink.close()
        assert len(rig.seen()) == count
    sink.open(STREAM)
    with pytest.raises(OutputFailed, match="open already"):
        LiveSink.open(sink, STREAM)
    sink.abort()
    sink.abort()
    sink.close()


def test_write_without_open_and_wrong_size(rig: Rig):
    sink = rig.make()
    with pytest.raises(OutputFailed, match="not open"):
        sink.write(frames(1)[0])
    sink.open(STREAM)
    with pytest.raises(OutputFailed, match="10x12"):
        sink.write(Frame(np.zeros((12, 10, 3), np.uint8), Stamp(1, 1)))
    with pytest.raises(OutputFailed, match="not open"):
        sink.write(frames(1)[0])
    sink.close()


# PipeWire


@pytest.fixture
def daemon() -> Iterator[PipeWire]:
    """A daemon alone: cameras can be made, but nobody watches."""
    if SHIMMED:
        pytest.skip("runs in the parent")
    with pipewire() as made:
        made.start()
        yield made


def test_nobody_watches(daemon: PipeWire, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.sinks.pipewire.yuyv", lambda image: pytest.fail("nobody asked for this"))
    sink = PipeWireSink()
    run(sink, frames(3))
    assert (sink.written, sink.skipped, sink.watched) == (3, 0, False)


def test_no_descriptor_is_left(daemon: PipeWire):
    sink = PipeWireSink()
    run(sink, [])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        run(sink, frames(1))
    assert len(os.listdir("/proc/self/fd")) == before


def test_it_comes_back_when_the_daemon_does(daemon: PipeWire):
    sink = PipeWireSink()
    outputs = Outputs([PacedSink(sink, 100.0)], STREAM)
    outputs.open()
    outputs.write(frames(1)[0])
    wait_until(lambda: sink.written > 2)
    daemon.kill()
    wait_until(lambda: outputs.problem, "the loss")
    assert "PipeWire went away" in outputs.problem
    outputs.reopen_lost(frames(1)[0])
    assert outputs.problem.startswith("PipeWire does not run for this user; run: systemctl --user start")
    daemon.start()

    def back() -> bool:
        outputs.reopen_lost(frames(1)[0])
        return not outputs.problem

    wait_until(back, "the way back")
    wait_until(lambda: sink.written > 2 and sink.node)
    outputs.close()


def test_a_camera_that_nobody_closed_outlives_the_daemon(daemon: PipeWire):
    sink = PipeWireSink()
    sink.open(STREAM)
    kept = weakref.ref(sink)
    del sink
    gc.collect()

    def camera() -> PipeWireSink:
        made = kept()
        assert made is not None, "PipeWire's thread would call into nothing"
        return made

    camera()
    daemon.kill()
    wait_until(lambda: camera()._trouble, "the loss")
    camera().close()
    gc.collect()
    assert kept() is None


def test_a_program_may_end_with_an_open_camera_while_the_daemon_dies(daemon: PipeWire):
    script = ("from didlive.seams import StreamFormat; from didlive.sinks.pipewire import PipeWireSink\n"
              "sink = PipeWireSink(); sink.open(StreamFormat(96, 64, 30.0)); print('open', flush=True); input()")
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as program:
        assert program.stdin is not None and program.stdout is not None
        assert program.stdout.readline() == "open\n"
        program.stdin.write("\n")
        program.stdin.flush()
        daemon.kill()
        assert program.wait(60) == 0


def test_a_watcher_that_leaves_or_wants_something_else_does_no_harm(managed: PipeWire, tmp_path: Path):
    if SHIMMED:
        pytest.skip("runs in the parent")
    sink = PipeWireSink()
    sink.open(STREAM)
    # This one never gets what it wants.
    unwilling = subprocess.Popen(["gst-launch-1.0", "-q", "pipewiresrc", f"path={sink.node}", "!",
                                  "video/x-raw,width=640", "!", "fakesink"], stderr=subprocess.DEVNULL)
    for _ in range(2):
        watchers = [watch(sink.node, tmp_path / f"{i}.raw") for i in range(2)]

        def shown() -> bool:
            sink.write(frames(1)[0])
            files = [tmp_path / f"{i}.raw" for i in range(2)]
            return all(file.exists() and file.stat().st_size for file in files)

        wait_until(shown, "both watchers' pictures")
        for watcher in watchers:
            watcher.kill()
            watcher.wait()
    unwilling.kill()
    unwilling.wait()
    wait_until(lambda: not sink.watched, "an empty house")
    sink.write(frames(1)[0])
    sink.close()


def test_every_picture_has_a_number(managed: PipeWire):
    """Browsers crash on a camera whose buffers have no header; GStreamer shows what is in it."""
    if SHIMMED:
        pytest.skip("runs in the parent")
    sink = PipeWireSink()
    sink.open(STREAM)
    command = ["gst-launch-1.0", "-v", "pipewiresrc", f"path={sink.node}", "num-buffers=4", "!", "video/x-raw", "!",
               "identity", "silent=false", "!", "fakesink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:

        def over() -> bool:
            sink.write(frames(1)[0])
            time.sleep(0.005)
            return watcher.poll() is not None

        wait_until(over, "the watcher's end")
        assert watcher.stdout is not None
        numbers = [int(number) for number in re.findall(r"offset: (\d+)", watcher.stdout.read())]
    sink.close()
    assert len(numbers) == 4 and numbers == sorted(set(numbers)) and numbers[-1] <= sink.written


# v4l2loopback


def test_the_loopback_cameras_pass_in_a_child_process(tmp_path: Path) -> None:
    if SHIMMED:
        pytest.skip("this is the child process")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler (cc) to build the made-up device with")
    shim = tmp_path / "fake_v4l2_out.so"
    source = ROOT / "tests/shims/fake_v4l2_out.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True, timeout=120)
    environment = {**os.environ, "LD_PRELOAD": str(shim), "DIDLIVE_TEST_SHIM": "out", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__)), "--basetemp"]
    result = subprocess.run([*command, str(tmp_path / "child")], cwd=ROOT, env=environment, capture_output=True,
                            text=True, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
    # A suite that was skipped as a whole would also end well.
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed is not None and int(passed[1]) > 15, result.stdout


@needs_shim
def test_the_device_is_found(loopback: Rig):
    assert v4l2.devices() == ([v4l2.Device("/dev/video9", "Fake Loopback", True)], [])
    assert v4l2.problem() == ("", "")
    assert virtualcam.report()[0] == ("v4l2loopback", True, "/dev/video9 (Fake Loopback) is free", "")
    assert virtualcam.NAMES["v4l2"] in virtualcam.choose()
    sink = V4L2Sink()
    run(sink, frames(1))
    assert sink.place == "Fake Loopback (/dev/video9)"
    assert Path(f"{loopback.file}.format").read_text() == f"{WIDTH} {HEIGHT} YUYV"


@needs_shim
@pytest.mark.parametrize(("fault", "says"), [
    ("denied", "you may not use /dev/video9 .*; run: sudo usermod -aG video"),
    ("other", "v4l2loopback is not .*; run: .*sudo modprobe v4l2loopback exclusive_caps=1 card_label=DidLive"),
    ("taken", "/dev/video9 is used by another program; run: .*devices=2"),
    ("busy", "every v4l2loopback device is used by another program; run: .*devices=2"),
    ("grey", "keeps another pixel format.*stop"),
])
def test_what_is_in_the_way_is_said_with_its_command(loopback: Rig, fault: str, says: str,
                                                     monkeypatch: pytest.MonkeyPatch):
    sink = V4L2Sink()
    monkeypatch.setenv(FAULT, fault)
    with pytest.raises(OutputFailed, match=says) as caught:
        sink.open(STREAM)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv(FAULT, "")
    run(sink, frames(1))
    assert len(loopback.seen()) == 1


@needs_shim
def test_a_device_that_cannot_be_used_is_passed_over(loopback: Rig, monkeypatch: pytest.MonkeyPatch):
    broken = v4l2.Device("/dev/null", "No Camera", True)
    monkeypatch.setattr(v4l2, "devices", lambda: ([broken, v4l2.Device("/dev/video9", "Fake Loopback", True)], []))
    sink = V4L2Sink()
    run(sink, frames(1))
    assert sink.place == "Fake Loopback (/dev/video9)" and len(loopback.seen()) == 1
    monkeypatch.setattr(v4l2, "devices", lambda: ([broken], []))
    with pytest.raises(OutputFailed, match="/dev/null cannot be opened"):
        V4L2Sink().open(STREAM)


@needs_shim
def test_a_device_by_its_path(loopback: Rig):
    run(V4L2Sink("/dev/video9"), frames(1))
    with pytest.raises(OutputFailed, match="/dev/video8 is no v4l2loopback device"):
        V4L2Sink("/dev/video8").open(STREAM)


@needs_shim
@pytest.mark.parametrize(("fault", "says"), [("gone", "took no picture .*No such device"), ("short", "6144 of 12288")])
def test_a_write_that_fails_is_noticed(loopback: Rig, fault: str, says: str, monkeypatch: pytest.MonkeyPatch):
    sink = V4L2Sink()
    sink.open(STREAM)
    sink.write(frames(1)[0])
    monkeypatch.setenv(FAULT, fault)
    with pytest.raises(OutputFailed, match=says):
        sink.write(frames(1)[0])
    monkeypatch.setenv(FAULT, "")
    sink.open(STREAM)
    sink.close()


@needs_shim
def test_a_watched_device_keeps_its_size(loopback: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(FAULT, "watched:128x64")
    run(V4L2Sink(), frames(1))
    seen = loopback.seen(128, 64)[0].astype(int)
    assert np.abs(seen[:, 16:112] - picture(0)).mean() <= 3
    assert seen[:, :16].max() <= 2 and seen[:, 112:].max() <= 2
