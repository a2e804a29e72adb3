"""A motion file as a camera. A motion file holds no picture, so the frames are an empty grey card."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from ..errors import CameraLost
from ..recording import Recording, load_recording
from ..seams import CameraInfo
from ..types import Frame, Stamp
from .pacing import Pacer

CARD_LEVEL = 128
LONGEST_PX = 640


class MotionCamera:
    """A recorded performance as a camera.

    `stamp.sequence` is the index into the recording, so that the replay tracker finds the face; when looping it goes
    on counting, and the index is `sequence % len(recording)`. paced=True plays in real time, skips late frames and
    stamps the time of delivery; paced=False delivers every frame with the recording's own time from 0. The image is one
    grey card for all frames, as wide and high as the tracked pictures or smaller (640 px at most).
    """

    def __init__(self, path: str | Path, *, paced: bool = False, loop: bool = False) -> None:
        self._path, self._paced, self._loop = Path(path), paced, loop
        self._card = np.empty((0, 0, 3), np.uint8)
        self._pacer: Pacer | None = None
        self._recording: Recording | None = None
        self._sequence = 0

    @property
    def rate_hz(self) -> float:
        """Nominal frames per second, 0 before `open`."""
        return self._recording.rate_hz if self._recording else 0.0

    def open(self) -> CameraInfo:
        """Load the motion file. Raises BadInput."""
        self._recording = load_recording(self._path)
        self._pacer, self._sequence = Pacer(), 0
        scale = min(1.0, LONGEST_PX / max(self._recording.size))
        width, height = (max(1, round(n * scale)) for n in self._recording.size)
        self._card = np.full((height, width, 3), CARD_LEVEL, np.uint8)
        self._card.setflags(write=False)
        return CameraInfo(self._path.name, width, height, self._recording.rate_hz, "motion", live=False)

    def read(self, timeout_s: float = 2.0) -> Frame | None:
        """Return the next frame or None at the end. Raises CameraLost when closed or when the time runs out."""
        pacer, recording = self._pacer, self._recording
        if pacer is None or recording is None:
            raise CameraLost(f"{self._path.name} is closed; open it first")
        interval_ns = round(1e9 / recording.rate_hz)
        if self._paced:
            while (at := self._time_ns(recording)) is not None and pacer.late_ns(at) > interval_ns:
                self._sequence += 1
        time_ns = self._time_ns(recording)
        if time_ns is None:
            return None
        if self._paced:
            if not pacer.wait(time_ns, timeout_s):
                raise CameraLost(f"{self._path.name} gave no frame in time")
            time_ns = time.perf_counter_ns()
        stamp = Stamp(self._sequence, time_ns)
        self._sequence += 1
        return Frame(self._card, stamp)

    def close(self) -> None:
        """Stop; wakes a waiting `read`."""
        if self._pacer is not None:
            self._pacer.stop()
        self._pacer = None

    def _time_ns(self, recording: Recording) -> int | None:
        """Return when the next frame is due in ns since the start, or None at the end."""
        loops, index = divmod(self._sequence, len(recording))
        if loops and not self._loop:
            return None
        times = recording.times_ns
        length_ns = int(times[-1] - times[0]) + round(1e9 / recording.rate_hz)
        return loops * length_ns + int(times[index] - times[0])
