"""A webcam through OpenCV, read in its own thread: the newest frame wins, and a camera that hangs cannot hang us."""

from __future__ import annotations

import atexit
import errno
import os
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import BadInput, CameraLost
from ..flow import Latest
from ..seams import CameraInfo
from ..settings import CameraSettings
from ..types import U8, Frame, Stamp
from .listing import CameraChoice, describe_cameras, list_cameras

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 0.5
EXIT_TIMEOUT_S = 2.5
# Raw 4:2:2 above this does not fit through USB 2 at full rate; then JPEG is the better picture.
MOST_RAW_BYTES_PER_S = 25e6
LOST = "was unplugged or stopped; plug it in again"


def find_camera(name: str, cameras: list[CameraChoice] | None = None) -> CameraChoice:
    """Return the camera of this index, /dev path or (part of a) name. Raises CameraLost when there is none and
    BadInput when part of a name fits several different cameras."""
    cameras = list_cameras() if cameras is None else cameras
    fallback = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    path = os.path.realpath(name) if name.startswith("/dev/") else ""
    if path.startswith("/dev/video") and path[10:].isdecimal():
        name = path[10:]
    if name.isdecimal():
        # A camera may open although the system does not list it (containers, drivers without sysfs).
        unlisted = CameraChoice(int(name), "", path or f"/dev/video{name}", fallback)
        return next((c for c in cameras if c.index == int(name)), unlisted)
    low = name.casefold()
    fits = [c for c in cameras if c.name.casefold() == low] or [c for c in cameras if low in c.name.casefold()]
    if not fits:
        raise CameraLost(f"no camera is called {name!r}; {describe_cameras(cameras)}")
    if len({c.name for c in fits}) > 1:
        raise BadInput(f"{name!r} fits several cameras; {describe_cameras(fits)}; give the number")
    return fits[0]


class WebCamera:
    """A webcam chosen by `settings.name` (index, /dev path, or part of the name).

    `read` returns the newest frame: RGB (H, W, 3) uint8 with the capture time of the driver where it gives one.
    `dropped` counts frames that nobody took. Raises CameraLost when the camera is absent, busy, stalled or unplugged;
    `close` returns in less than a second even when the driver hangs.
    """

    def __init__(self, settings: CameraSettings | None = None) -> None:
        self._settings = settings or CameraSettings()
        self._reader: _Reader | None = None

    def open(self) -> CameraInfo:
        """Open the camera and wait for what it really delivers. Raises CameraLost or BadInput."""
        self.close()
        reader = _Reader(find_camera(self._settings.name), self._settings)
        self._reader = reader
        reader.start()
        if not reader.ready.wait(OPEN_TIMEOUT_S):
            reader.error = f"{reader.label} does not answer; unplug it and plug it in again"
        if reader.info is None:
            self.close()
            raise CameraLost(reader.error)
        return reader.info

    def read(self, timeout_s: float = 2.0) -> Frame | None:
        """Return the newest frame, waiting at most `timeout_s`. Raises CameraLost."""
        reader = self._reader
        if reader is None:
            raise CameraLost("the camera is closed; open it first")
        frame = reader.frames.take(timeout_s)
        if frame is None:
            raise CameraLost(reader.error or f"{reader.label} sends no picture; unplug it and plug it in again")
        return frame

    @property
    def dropped(self) -> int:
        """How many frames were replaced before anybody took them."""
        return self._reader.frames.dropped if self._reader else 0

    def close(self) -> None:
        """Release the camera. When its driver hangs, the reading thread is left to end by itself."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()


_readers: weakref.WeakSet[_Reader] = weakref.WeakSet()


@atexit.register
def _end_readers() -> None:
    """Let the reading threads end before Python does: one that comes back from OpenCV into a Python that is shutting
    down aborts the process. A hanging driver gets the time of OpenCV's own time-out, not more."""
    deadline = time.monotonic() + EXIT_TIMEOUT_S
    for reader in list(_readers):
        reader.stop(0.0)
    for reader in list(_readers):
        if reader.is_alive():
            reader.join(max(0.0, deadline - time.monotonic()))


class _Reader(threading.Thread):
    """Owns one cv2.VideoCapture from opening to release; one thread per opening, so that one that hangs stays alone."""

    def __init__(self, choice: CameraChoice, settings: CameraSettings) -> None:
        super().__init__(name="didlive-capture", daemon=True)
        self._choice, self._settings = choice, settings
        self._stopping = threading.Event()
        self.label = f"camera {choice.index}" + (f" ({choice.name})" if choice.name else "")
        self.frames: Latest[Frame] = Latest()
        self.ready = threading.Event()
        self.info: CameraInfo | None = None
        self.error = ""
        _readers.add(self)

    def stop(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        self._stopping.set()
        self.error = self.error or "the camera was closed"
        self.frames.close()
        if self.is_alive():
            self.join(timeout_s)

    def run(self) -> None:
        capture: Any = None
        try:
            capture = self._open()
            if capture is not None:
                self._read_on(capture)
        except cv2.error as error:
            self.error = f"{self.label} failed in OpenCV: {str(error).strip().splitlines()[-1]}"
        finally:
            self.frames.close()
            self.ready.set()
            if capture is not None:
                capture.release()

    def _open(self) -> Any:
        capture = cv2.VideoCapture(self._choice.index, self._choice.backend)
        s = self._settings
        if capture.isOpened():
            raw = s.width * s.height * 2 * s.rate_hz
            if raw > MOST_RAW_BYTES_PER_S:
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, s.width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, s.height)
            capture.set(cv2.CAP_PROP_FPS, s.rate_hz)
        # The first picture proves that the camera works, and only it shows the true size.
        good, picture = capture.read() if capture.isOpened() else (False, None)
        if not good or picture is None:
            capture.release()
            self.error = f"{self.label} {_why_not(self._choice)}"
            return None
        height, width = picture.shape[:2]
        rate_hz = max(0.0, float(capture.get(cv2.CAP_PROP_FPS)))
        name = self._choice.name or self.label
        if not self._stopping.is_set():
            self.info = CameraInfo(name, width, height, rate_hz, _fourcc(capture), live=True)
        return capture

    def _read_on(self, capture: Any) -> None:
        self.ready.set()
        sequence = 0
        while not self._stopping.is_set():
            good, picture = capture.read()
            now_ns = time.perf_counter_ns()
            if not good or picture is None:
                self.error = f"{self.label} {LOST}"
                return
            self.frames.put(Frame(_to_rgb(picture), Stamp(sequence, _captured_ns(capture, now_ns))))
            sequence += 1


def _to_rgb(picture: np.ndarray) -> U8:
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _captured_ns(capture: Any, now_ns: int) -> int:
    """Return the driver's time of capture where it is on our clock and plausible, else now."""
    if sys.platform != "linux":
        return now_ns
    # V4L2 stamps buffers with CLOCK_MONOTONIC, which is what perf_counter reads on Linux.
    driver_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
    return driver_ns if 0 <= now_ns - driver_ns < 1_000_000_000 else now_ns


def _fourcc(capture: Any) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    text = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24))
    return text.strip() if code > 0 and text.isprintable() else "unknown"


def _why_not(choice: CameraChoice) -> str:
    """Return why a camera gives no picture and what to do; OpenCV itself does not tell."""
    other = "gives no picture; close other programs that use it, or unplug it and plug it in again"
    if sys.platform != "linux":
        return other
    path = choice.path or f"/dev/video{choice.index}"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except FileNotFoundError:
        return f"does not exist; {describe_cameras(list_cameras())}"
    except PermissionError:
        return "may not be used by you; run: sudo usermod -aG video $USER, then log in again"
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ENXIO):
            return LOST
        if error.errno != errno.EBUSY:
            return f"cannot be opened ({error.strerror}); unplug it and plug it in again"
    holder = _holder(path)
    return f"is in use by {holder}; close that program" if holder else other


def _holder(path: str) -> str:
    """Return the name and id of another program of this user that holds the device open, or an empty string."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        process = link.parts[2]
        try:
            if process != str(os.getpid()) and os.readlink(link) == path:
                return f"{Path('/proc', process, 'comm').read_text().strip()} (process {process})"
        except OSError:
            continue
    return ""
