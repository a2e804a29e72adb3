"""Sound to speaking faces: what live microphones, files and speech engines share."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from ..types import F32
from .gate import QUIET_DB, Gate, Heard
from .lips import LipReader, Lips
from .mel import FRAME_S, HOP, RATE_HZ, WINDOW
from .mouth import Mouth, MouthShaper
from .sound import resampled
from .speech import Speech
from .visemes import CLOSED, JAW, VISEMES, track

# The block of the gate in whose midst a frame's middle lies, counted from the frame's own number.
BLOCK_OF_FRAME = WINDOW // 2 // HOP
# Known phonemes begin and end at once; lips do not: visemes blend over about this long.
BLEND_S = 0.035


class Listener:
    """Hears sound block by block; `push` returns the faces that became known, one for each 10 ms of it."""

    def __init__(self, reader: LipReader | None = None) -> None:
        self._reader = reader or LipReader()
        self.reset()

    @property
    def provider(self) -> str:
        """What runs the network."""
        return self._reader.provider

    def reset(self, time_s: float = 0.0) -> None:
        """Forget the past; the next sample is at `time_s`."""
        self._reader.reset(time_s)
        self._gate, self._shaper = Gate(), MouthShaper()
        self._heard: deque[Heard] = deque()
        self._skip = BLOCK_OF_FRAME

    def push(self, samples: F32) -> list[Mouth]:
        """samples: (n,) float32 at RATE_HZ."""
        self._heard.extend(self._gate.push(samples))
        while self._skip and self._heard:
            self._heard.popleft()
            self._skip -= 1
        return [self._shaper.push(lips, self._heard.popleft()) for lips in self._reader.push(samples)]

    def close(self) -> None:
        """Free the network."""
        self._reader.close()


def faces_of(speech: Speech) -> list[Mouth]:
    """Return the speaking faces of a whole speech, one for each 10 ms: by its phonemes where they are known, else by
    its sound."""
    samples = resampled(speech.samples, speech.rate_hz, RATE_HZ)
    # The end is heard out, and the mouth closes.
    padded = np.concatenate([samples, np.zeros(RATE_HZ // 2, np.float32)])
    if speech.phonemes is None:
        listener = Listener()
        try:
            return listener.push(padded)
        finally:
            listener.close()
    heard = Gate().push(padded)
    shaper = MouthShaper()
    told = known_lips(speech, heard)
    return [shaper.push(lips, h) for lips, h in zip(told, heard[BLOCK_OF_FRAME:], strict=False)]


def known_lips(speech: Speech, heard: Sequence[Heard]) -> list[Lips]:
    """Return what the lips do in a speech whose phonemes are known."""
    count = max(0, len(heard) - BLOCK_OF_FRAME)
    times_s = (np.arange(count) * FRAME_S + WINDOW / 2 / RATE_HZ).astype(np.float32)
    shapes = track(speech.phonemes or (), times_s)
    exact = np.eye(len(VISEMES), dtype=np.float32)[shapes]
    blended = np.stack([_blend(column, BLEND_S) for column in exact.T], axis=1)
    level = np.array([h.level_db for h in heard[BLOCK_OF_FRAME:BLOCK_OF_FRAME + count]], np.float32)
    usual = float(np.median(level[level > QUIET_DB / 2])) if (level > QUIET_DB / 2).any() else 0.0
    asked = JAW[shapes] * np.clip(1 + (level - usual) / 24, 0.55, 1.3)
    jaw = _blend(asked.astype(np.float32), BLEND_S)
    return [Lips(float(t), blended[i], float(shapes[i] == CLOSED), float(jaw[i]), float(shapes[i] > 0))
            for i, t in enumerate(times_s)]


def _blend(values: F32, width_s: float) -> F32:
    """Return (n,) values smoothed by a bell of this width."""
    t = np.arange(-12, 13) * FRAME_S
    bell = np.exp(-(t / width_s) ** 2)
    return np.convolve(np.pad(values, 12, mode="edge"), bell / bell.sum(), "valid").astype(np.float32)
