"""Log-mel frames, 100 a second, as the speech network hears them: whole sounds or block by block, the same numbers."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..types import F32

RATE_HZ = 16_000
HOP, WINDOW, FFT = 160, 400, 512
FRAME_S = HOP / RATE_HZ
BANDS = 40
LOW_HZ, HIGH_HZ = 60.0, 7600.0
# Power of the quietest thing told apart from nothing; then about -2..2 in all.
FLOOR, CENTRE, SPAN = 1e-8, -10.0, 4.0


@cache
def _window() -> F32:
    window = np.hanning(WINDOW + 1)[:-1]
    return (window / window.sum()).astype(np.float32)


@cache
def _filters() -> F32:
    """Return (FFT / 2 + 1, BANDS) triangles that are evenly spread on the mel scale (O'Shaughnessy 1987)."""
    def mel(hz: float) -> float:
        return 2595 * float(np.log10(1 + hz / 700))

    edges = 700 * (10 ** (np.linspace(mel(LOW_HZ), mel(HIGH_HZ), BANDS + 2) / 2595) - 1)
    bins = np.arange(FFT // 2 + 1) * RATE_HZ / FFT
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rise, fall), 0, None).astype(np.float32)


def log_mel(samples: F32) -> F32:
    """Return (frames, BANDS) of (..., n) samples at RATE_HZ; frame i spans the samples i * HOP to i * HOP + WINDOW, so
    that its middle is at (i * HOP + WINDOW / 2) / RATE_HZ seconds."""
    blocks = np.lib.stride_tricks.sliding_window_view(samples, WINDOW, axis=-1)[..., ::HOP, :]
    power = np.abs(np.fft.rfft(blocks * _window(), FFT)) ** 2
    return ((np.log(power.astype(np.float32) @ _filters() + FLOOR) - CENTRE) / SPAN).astype(np.float32)


class MelStream:
    """`push` blocks of any length, get the frames that became complete."""

    def __init__(self) -> None:
        self._kept = np.zeros(0, np.float32)

    def push(self, samples: F32) -> F32:
        """Return (frames, BANDS)."""
        kept = np.concatenate([self._kept, samples])
        if len(kept) < WINDOW:
            self._kept = kept
            return np.zeros((0, BANDS), np.float32)
        frames = log_mel(kept)
        self._kept = kept[len(frames) * HOP:]
        return frames
