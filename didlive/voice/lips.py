"""The speech network at work: sound in, lips out, 100 times a second."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engines import Engine, open_engine

from ..types import F32
from .mel import BANDS, FRAME_S, RATE_HZ, WINDOW, MelStream
from .visemes import VISEMES

# Frames around the one that is told, and the size of the network's memory; as in training.
BEHIND, AHEAD = 5, 3
CONTEXT = BEHIND + 1 + AHEAD
LAYERS, HIDDEN = 2, 120
# What a moment of speech must wait until it is told: look-ahead and half a window.
DELAY_S = AHEAD * FRAME_S + WINDOW / 2 / RATE_HZ


class Lips(NamedTuple):
    """What the lips do at one moment. time_s: seconds from the stream's first sample. visemes: (15,) float32
    probabilities in the order of VISEMES. closed: probability of closed lips (p, b, m). jaw: opening, as MediaPipe's
    jawOpen. voiced: probability of speech."""

    time_s: float
    visemes: F32
    closed: float
    jaw: float
    voiced: float


class LipReader:
    """Hears sound block by block. `push` returns the moments that became known, each DELAY_S after it was heard."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine or open_engine("voice", threads=1)
        self.reset()

    @property
    def provider(self) -> str:
        """What runs the network."""
        return self._engine.provider

    def reset(self, time_s: float = 0.0) -> None:
        """Forget the past; the next sample is at `time_s`."""
        self._mel = MelStream()
        self._frames = np.zeros((0, BANDS), np.float32)
        self._state = np.zeros((LAYERS, 1, HIDDEN), np.float32)
        self._start_s, self._told = time_s, 0

    def push(self, samples: F32) -> list[Lips]:
        """samples: (n,) float32 at RATE_HZ."""
        frames = self._mel.push(samples)
        if len(frames) and not len(self._frames):
            # Before the first frame was what was in it, as in training.
            frames = np.concatenate([np.repeat(frames[:1], BEHIND, axis=0), frames])
        self._frames = np.concatenate([self._frames, frames])
        told = []
        for i in range(len(self._frames) - CONTEXT + 1):
            out = self._engine.run({"mel": self._frames[None, i:i + CONTEXT], "state": self._state})
            self._state = out["state_out"]
            told.append(self._lips(out["lips"][0]))
        if told:
            self._frames = self._frames[len(told):]
        return told

    def finish(self) -> list[Lips]:
        """Return the last moments of a sound that has ended."""
        return self.push(np.zeros(round((AHEAD * FRAME_S) * RATE_HZ) + WINDOW, np.float32))

    def _lips(self, out: F32) -> Lips:
        time_s = self._start_s + self._told * FRAME_S + WINDOW / 2 / RATE_HZ
        self._told += 1
        n = len(VISEMES)
        return Lips(time_s, out[:n], float(out[n]), float(out[n + 1]), float(out[n + 2]))

    def close(self) -> None:
        """Free the network."""
        self._engine.close()
