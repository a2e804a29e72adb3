"""One suite over every registered camera. The webcam runs it too: in a child process, on a V4L2 device that a small
preloaded library makes up (tests/shims/fake_v4l2_cam.c)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from phone import LOOPBACK, free_port, talking

from didlive.capture.listing import CameraChoice
from didlive.capture.opencv import WebCamera, find_camera
from didlive.capture.reopen import CameraState, ReopeningCamera
from didlive.errors import BadInput, CameraLost
from didlive.recording import Recording, save_recording
from didlive.registry import CAMERAS, load
from didlive.seams import Camera
from didlive.settings import CameraSettings
from didlive.types import Frame

ROOT = Path(__file__).resolve().parents[2]
SHIMMED = os.environ.get("DIDLIVE_TEST_SHIM") == "1"
FAULT = "FAKE_V4L2_FAULT"
LENGTH = 6
PHONE_PORT = free_port()
needs_shim = pytest.mark.skipif(not SHIMMED, reason="runs inside test_the_webcam_passes_in_a_child_process")


@dataclass
class Rig:
    """How to make one camera, and what is known about it: does it end, does its picture have a red left half."""

    make: Callable[[], Camera]
    ends: bool
    red_left: bool


def write_clip(path: Path, length: int = LENGTH) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(length):
            image = np.zeros((64, 96, 3), np.uint8)
            image[:, :48, 0] = image[:, 48:, 2] = 255
            image[56:, : 8 * (number + 1)] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def write_motion(path: Path, length: int = LENGTH) -> None:
    save_recording(
        path,
        Recording(
            rate_hz=10.0,
            size=(96, 64),
            times_ns=np.arange(length, dtype=np.int64) * 100_000_000,
            present=np.ones(length, np.bool_),
            landmarks=np.ones((length, 478, 3), np.float32),
            blendshapes=np.zeros((length, 52), np.float32),
            transforms=np.tile(np.eye(4, dtype=np.float32), (length, 1, 1)),
        ),
    )


def rigs(folder: Path) -> dict[str, Rig]:
    def from_file(name: str, file: str, write: Callable[[Path], None]) -> Callable[[], Camera]:
        def make() -> Camera:
            if not (folder / file).exists():
                write(folder / file)
            return load(CAMERAS, name)(folder / file, paced=False, loop=False)

        return make

    return {
        "file": Rig(from_file("file", "clip.mp4", write_clip), ends=True, red_left=True),
        "motion": Rig(from_file("motion", "motion.npz", write_motion), ends=True, red_left=False),
        "synthetic": Rig(lambda: load(CAMERAS, "synthetic")(frames=LENGTH), ends=True, red_left=False),
        "phone": Rig(lambda: load(CAMERAS, "phone")(f"phone:{LOOPBACK}:{PHONE_PORT}"), ends=False, red_left=False),
        "webcam": Rig(lambda: load(CAMERAS, "webcam")(CameraSettings(name="0")), ends=False, red_left=True),
    }


@pytest.fixture(params=[name for name in CAMERAS if (name == "webcam") == SHIMMED])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    return rigs(tmp_path)[request.param]


@pytest.fixture(autouse=True, scope="module")
def phone() -> Iterator[None]:
    with talking(PHONE_PORT):
        yield


@pytest.fixture
def camera(rig: Rig) -> Iterator[Camera]:
    made = rig.make()
    yield made
    made.close()


def some_frames(camera: Camera, count: int = LENGTH) -> list[Frame]:
    frames = [camera.read() for _ in range(count)]
    return [frame for frame in frames if frame is not None]


def test_every_registered_camera_has_a_rig(tmp_path: Path) -> None:
    assert sorted(rigs(tmp_path)) == sorted(CAMERAS)


def test_open_reports_what_is_delivered(camera: Camera, rig: Rig) -> None:
    info = camera.open()
    image = some_frames(camera, 1)[0].image
    assert image.shape == (info.height, info.width, 3)
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    assert info.name and info.pixel_format and info.rate_hz > 0
    assert info.live == (not rig.ends)


def test_pictures_are_rgb(camera: Camera, rig: Rig) -> None:
    camera.open()
    if rig.red_left:
        image = some_frames(camera, 1)[0].image
        middle = image.shape[0] // 2
        assert image[middle, 4].tolist() == pytest.approx([255, 0, 0], abs=6)
        assert image[middle, -4].tolist() == pytest.approx([0, 0, 255], abs=6)


def test_sequence_and_time_rise(camera: Camera) -> None:
    camera.open()
    stamps = [frame.stamp for frame in some_frames(camera)]
    assert len(stamps) == LENGTH
    assert all(a.sequence < b.sequence for a, b in pairwise(stamps))
    assert all(a.captured_ns < b.captured_ns for a, b in pairwise(stamps))


def test_a_frame_stays_as_it_was(camera: Camera) -> None:
    camera.open()
    first = some_frames(camera, 1)[0]
    copy = first.image.copy()
    some_frames(camera, 3)
    assert np.array_equal(first.image, copy)


def test_a_finite_camera_ends_with_none_again_and_again(camera: Camera, rig: Rig) -> None:
    camera.open()
    some_frames(camera)
    assert (camera.read() is None) == rig.ends
    assert (camera.read() is None) == rig.ends


def test_reading_a_closed_camera_says_so(camera: Camera) -> None:
    with pytest.raises(CameraLost, match="closed"):
        camera.read()
    camera.open()
    camera.close()
    with pytest.raises(CameraLost, match="closed"):
        camera.read()


def test_close_twice_and_open_again(camera: Camera) -> None:
    camera.open()
    first = some_frames(camera, 2)
    camera.close()
    camera.close()
    camera.open()
    again = some_frames(camera, 2)
    assert again[0].stamp.sequence == 0
    assert again[0].image.shape == first[0].image.shape


def test_close_ends_a_read_in_another_thread(camera: Camera) -> None:
    camera.open()
    ended = threading.Event()

    def read_on() -> None:
        try:
            while camera.read(60.0) is not None:
                pass
        except CameraLost:
            pass
        ended.set()

    thread = threading.Thread(target=read_on, daemon=True)
    thread.start()
    camera.close()
    assert ended.wait(30)


@pytest.mark.parametrize("name", ["file", "motion"])
def test_a_camera_of_a_file_says_what_is_wrong_with_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 20)
    for path in (tmp_path / "absent", tmp_path, tmp_path / "noise"):
        camera = load(CAMERAS, name)(path)
        with pytest.raises(BadInput, match=path.name):
            camera.open()
        camera.close()


def test_the_webcam_passes_in_a_child_process(tmp_path: Path) -> None:
    if SHIMMED:
        pytest.skip("this is the child process")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not sys.platform.startswith("linux"):
        pytest.skip("the made-up webcam is for Linux (V4L2) only")
    if compiler is None:
        pytest.skip("no C compiler (cc) to build the made-up webcam with")
    shim = tmp_path / "fake_v4l2_cam.so"
    source = ROOT / "tests/shims/fake_v4l2_cam.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True, timeout=120)
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shim),
        "DIDLIVE_TEST_SHIM": "1",
        "PYTHONPATH": str(ROOT),
        # Long, so that a test can see that `close` did not wait for it.
        "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "30",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__)), "--basetemp"]
    result = subprocess.run(
        [*command, str(tmp_path / "child")], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stdout + result.stderr
    # A suite that was skipped as a whole would also end well.
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed is not None and int(passed[1]) > 15, result.stdout


@needs_shim
@pytest.mark.parametrize(("asked", "real"), [((1280, 720), (640, 480)), ((320, 240), (320, 240))])
def test_webcam_reports_the_real_size(asked: tuple[int, int], real: tuple[int, int]) -> None:
    camera = WebCamera(CameraSettings(name="/dev/video0", width=asked[0], height=asked[1], rate_hz=60.0))
    info = camera.open()
    frame = some_frames(camera, 1)[0]
    camera.close()
    assert (info.width, info.height, info.rate_hz, info.pixel_format) == (*real, 30.0, "YUYV")
    assert frame.image.shape == (real[1], real[0], 3)


@needs_shim
@pytest.mark.parametrize(
    ("fault", "name", "text"),
    [
        ("busy", "0", "close other programs"),
        ("denied", "0", "usermod"),
        ("", "7", "camera 7 does not exist"),
        ("", "no such name", "no camera is called 'no such name'"),
    ],
)
def test_webcam_that_cannot_be_opened(fault: str, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAULT, fault)
    camera = WebCamera(CameraSettings(name=name))
    with pytest.raises(CameraLost, match=text):
        camera.open()
    camera.close()


@needs_shim
def test_webcam_unplugged_and_plugged_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = ReopeningCamera(lambda: WebCamera(CameraSettings(name="0")), first_s=0.01, longest_s=0.05)
    monkeypatch.setenv(FAULT, "unplug:5")
    camera.open()
    last = -1
    with pytest.raises(CameraLost, match="unplugged"):
        for _ in range(50):
            frame = camera.read()
            assert frame is not None
            last = frame.stamp.sequence
    assert camera.state is CameraState.RETRYING and "unplugged" in camera.reason
    monkeypatch.setenv(FAULT, "")
    frame = camera.read(20.0)
    camera.close()
    assert frame is not None and frame.stamp.sequence > last
    assert camera.reopened == 1


FORGETFUL = """
import time
from didlive.capture.opencv import WebCamera

class SlowEnd:
    def __del__(self, sleep=time.sleep):
        sleep(1.5)  # while Python shuts down; a frame (or OpenCV's time-out) comes in this time

slow = SlowEnd()
camera = WebCamera()
camera.open()
camera.read()
"""


@needs_shim
@pytest.mark.parametrize("fault", ["", "stall:5"])
def test_a_program_that_forgets_its_webcam_still_ends_well(fault: str) -> None:
    environment = {**os.environ, FAULT: fault, "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "1"}
    result = subprocess.run([sys.executable, "-c", FORGETFUL], env=environment, capture_output=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, b"")


@needs_shim
def test_webcam_that_stalls_cannot_hang_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAULT, "stall:3")
    camera = WebCamera(CameraSettings(name="0"))
    camera.open()
    with pytest.raises(CameraLost, match="sends no picture"):
        for _ in range(10):
            camera.read(0.3)
    camera.close()
    # OpenCV still waits for the driver: `close` did not wait for OpenCV.
    assert any(thread.name == "didlive-capture" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("name", "index"), [("2", 2), ("/dev/video2", 2), ("logi", 0), ("C920", 0), ("Fake HD", 2), ("9", 9)]
)
def test_find_camera(name: str, index: int) -> None:
    cameras = [CameraChoice(0, "Logitech C920", "/dev/video0", 200), CameraChoice(2, "Fake HD", "/dev/video2", 200)]
    assert find_camera(name, cameras).index == index


def test_find_camera_says_what_there_is() -> None:
    cameras = [CameraChoice(0, "Cam One", "", 0), CameraChoice(1, "Cam Two", "", 0), CameraChoice(3, "Cam Two", "", 0)]
    with pytest.raises(CameraLost, match=r'0 "Cam One", 1 "Cam Two"'):
        find_camera("Sony", cameras)
    with pytest.raises(BadInput, match="give the number"):
        find_camera("Cam", cameras)
    assert find_camera("Cam Two", cameras).index == 1
