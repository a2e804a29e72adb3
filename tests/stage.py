"""Stand-ins for a show without devices and models: a grey portrait with a real face, devices that can fail."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from didlive.actor import Actor
from didlive.capture.synthetic import SyntheticCamera
from didlive.composite import Compositor
from didlive.demo import demo_motion
from didlive.errors import CameraLost, OutputFailed
from didlive.geometry import from_euler_deg, head_local, head_rotation, portrait_landmarks
from didlive.recording import load_recording
from didlive.retarget import Response
from didlive.seams import CameraInfo, StreamFormat
from didlive.session import Session, State
from didlive.settings import CameraSettings, OutputSettings, Settings
from didlive.track.replay import ReplayTracker
from didlive.types import U8, Drive, Face, Frame, Patch, Portrait, Presence, Stamp, Tracking

MARKER = (255, 0, 255)
SETTINGS = Settings(output=OutputSettings(size="source", framing="full", rate_hz=60.0))
RECORDING = load_recording(demo_motion())


def bare(*args: Any, **more: Any) -> OutputSettings:
    """Settings of an output without label and mark, for tests that compare pixels."""
    return OutputSettings(*args, badge=False, watermark=False, **more)


def portrait(size: int = 128, level: int = 90) -> Portrait:
    """A grey picture with the first face of the demo in its middle; nothing in it comes near the marker's colour."""
    landmarks = RECORDING.landmarks[0].copy()
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    zoom = size * 0.45 / float((high - low).max())
    landmarks[:, :2] -= (low + high) / 2
    landmarks = (landmarks * zoom + np.array([size / 2, size / 2, 0])).astype(np.float32)
    face = Face(landmarks, RECORDING.blendshapes[0], RECORDING.transforms[0])
    picture = np.full((size, size, 3), level, np.uint8)
    picture[::8] += 12
    return Portrait(picture, np.full((size, size), 255, np.uint8), face, 1, "grey")


def pictured(portrait: Portrait, patch: Patch) -> U8:
    """The whole picture with what was drawn in its place."""
    image = portrait.image.copy()
    h, w = patch.image.shape[:2]
    image[patch.y:patch.y + h, patch.x:patch.x + w] = patch.image
    return image


def turned_head(portrait: Portrait, yaw_deg: float = 0.0, lids: float = 1.0, sequence: int = 0,
                pitch_deg: float = 0.0) -> Drive:
    """The drive that turns a portrait's head in its place, without any expression."""
    local = head_local(portrait_landmarks(portrait.face), head_rotation(portrait.face))
    rotation = from_euler_deg(pitch_deg, yaw_deg, 0)
    landmarks = (local.shape @ (rotation @ local.rotation).T) * local.scale + local.centre
    return Drive(landmarks.astype(np.float32), rotation, local.centre, 1.0, np.full(2, lids, np.float32),
                 Presence.TRACK, Stamp(sequence, 0).mark("retarget"))


class Painter:
    """A generator that shows that it drew: a white square whose place follows the head. `faults` makes it fail so
    often; `drawn` counts."""

    provider = "painter on CPU"

    def __init__(self) -> None:
        self.faults = self.drawn = 0

    def prepare(self, portrait: Portrait) -> Any:
        return dataclasses.make_dataclass("Source", [("portrait", Portrait)])(portrait)

    def generate(self, source: Any, drive: Drive) -> Patch:
        if self.faults > 0:
            self.faults -= 1
            raise RuntimeError("the painter fell ill")
        self.drawn += 1
        picture: U8 = source.portrait.image.copy()
        x, y = (int(v) % (picture.shape[0] - 8) for v in drive.landmarks[1, :2])
        picture[y:y + 8, x:x + 8] = 255
        return Patch(picture, 0, 0, drive.stamp.mark("generate"))


def make_actor(size: int = 128, level: int = 90, generator: Any = None) -> Actor:
    """An actor without models."""
    generator = generator or Painter()
    given = portrait(size, level)
    return Actor(given, generator, generator.prepare(given), Response(), Compositor(given, SETTINGS.output))


class Nuisance:
    """A paced test card with marker pixels all over, that can be lost, found again, and change its size."""

    def __init__(self, rate_hz: float = 60.0) -> None:
        self.rate_hz = rate_hz
        self.lost = False
        self.width = 64
        self.opened = 0
        self.reading_threads: set[str] = set()
        self._card: SyntheticCamera | None = None

    def open(self) -> CameraInfo:
        if self.lost:
            raise CameraLost("the camera is away")
        self.opened += 1
        self._card = SyntheticCamera(CameraSettings(width=64, height=64, rate_hz=self.rate_hz), paced=True,
                                     marker=MARKER)
        return self._card.open()

    def read(self, timeout_s: float = 2.0) -> Frame | None:
        card = self._card
        if self.lost or card is None:
            raise CameraLost("the camera was unplugged")
        self.reading_threads.add(threading.current_thread().name)
        frame = card.read(timeout_s)
        if frame is None:
            return None
        picture = np.asarray(cv2.resize(frame.image, (self.width, 64)), np.uint8)
        picture[:, :] = MARKER
        return Frame(picture, frame.stamp)

    def close(self) -> None:
        if self._card is not None:
            self._card.close()


class Follower(ReplayTracker):
    """The demo's faces; fails so often as `faults` says, sees nobody while `blind`."""

    def __init__(self) -> None:
        super().__init__(RECORDING)
        self.faults = 0
        self.blind = self.closed = False

    def track(self, frame: Frame) -> Tracking:
        if self.faults > 0:
            self.faults -= 1
            raise RuntimeError("the tracker stumbled")
        tracking = super().track(frame)
        return dataclasses.replace(tracking, face=None) if self.blind else tracking

    def close(self) -> None:
        self.closed = True


class Watcher:
    """A sink that looks at every pixel: `leaks` counts frames with the marker's colour, `levels` the portraits seen.
    While `broken`, it cannot be opened nor written."""

    def __init__(self) -> None:
        self.broken = False
        self.leaks = self.written = self.opened = self.closed = self.aborted = 0
        self.newest: U8 | None = None
        self._stream: StreamFormat | None = None

    def open(self, stream: StreamFormat) -> None:
        if self.broken:
            raise OutputFailed("the output is away")
        self._stream = stream
        self.opened += 1

    def write(self, frame: Frame) -> None:
        if self.broken or self._stream is None:
            raise OutputFailed("the output went away")
        assert frame.image.shape[:2] == (self._stream.height, self._stream.width)
        self.leaks += marked(frame.image)
        self.newest = frame.image
        self.written += 1

    def close(self) -> None:
        self.closed += 1

    def abort(self) -> None:
        self.aborted += 1


class Show:
    """A session and everything it is made of."""

    def __init__(self) -> None:
        self.camera, self.tracker, self.painter, self.watcher = Nuisance(), Follower(), Painter(), Watcher()
        self.actor = make_actor(generator=self.painter)
        self.still = self.actor.compositor.compose(None, Stamp(0, 0)).image
        self.session = Session(SETTINGS, self.camera, self.tracker, self.actor, [self.watcher])

    def state(self) -> State:
        return self.session.stats().state

    def until(self, state: State) -> None:
        wait_until(lambda: self.state() is state, f"state {state} (now {self.session.stats()})")

    def shows_still(self) -> bool:
        return np.array_equal(self.watcher.newest, self.still)


def marked(image: U8) -> bool:
    """Whether any pixel comes near the marker's colour."""
    distance = np.abs(image[:, :, :3].astype(np.int16) - np.array(MARKER, np.int16)).sum(axis=2)
    return bool((distance < 120).any())


def wait_until(condition: Callable[[], object], what: str = "the condition", limit_s: float = 30.0) -> None:
    """Wait for something that has to happen; the limit only ends a test that hangs."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, f"{what} did not happen"
        time.sleep(0.002)


def show_threads() -> list[str]:
    """The threads of a session that are still alive."""
    return [t.name for t in threading.enumerate() if t.name.startswith("didlive-")]
