"""How much later the picture comes than the sound: the tracked jaw against the jaw that the voice asks for."""

from __future__ import annotations

from collections import deque

import numpy as np

from ..types import F32

STEP_S = 0.02
SPAN_S, LEAST_S = 12.0, 5.0
FARTHEST_S = 0.3
# Correlation from which on a delay is believed, and how much of a new one is taken over.
SURE, TRUST = 0.5, 0.25


class Aligner:
    """Collects jaw openings with their times; `delay_s` is how much later the picture's are, None as long as it is not
    known (nobody speaks before the camera, or too little yet)."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()
        self._heard: deque[tuple[float, float]] = deque()
        self.delay_s: float | None = None
        self._next_s = -np.inf

    def see(self, time_s: float, jaw: float) -> None:
        """Take the tracked jaw of a picture."""
        self._add(self._seen, time_s, jaw)

    def hear(self, time_s: float, jaw: float) -> None:
        """Take the jaw that the voice asks for."""
        self._add(self._heard, time_s, jaw)

    def _add(self, series: deque[tuple[float, float]], time_s: float, value: float) -> None:
        series.append((time_s, value))
        while series[-1][0] - series[0][0] > SPAN_S:
            series.popleft()

    def update(self, now_s: float) -> float | None:
        """Work the delay out anew, at most twice a second; return it."""
        if now_s >= self._next_s and len(self._seen) > 1 and len(self._heard) > 1:
            self._next_s = now_s + 0.5
            found = delay_of(np.array(self._seen, np.float64), np.array(self._heard, np.float64))
            if found is not None:
                self.delay_s = found if self.delay_s is None else self.delay_s + TRUST * (found - self.delay_s)
        return self.delay_s


def delay_of(seen: np.ndarray, heard: np.ndarray) -> float | None:
    """Return by how many seconds the series `seen` (n, 2: time s, value) comes after `heard`, or None when they are too
    short, too flat or too unlike to tell."""
    begin, end = max(seen[0, 0], heard[0, 0]), min(seen[-1, 0], heard[-1, 0])
    if end - begin < LEAST_S:
        return None
    times_s = np.arange(begin, end, STEP_S)
    a, b = (_even(series, times_s) for series in (seen, heard))
    if a.std() < 0.015 or b.std() < 0.015:
        return None
    most = round(FARTHEST_S / STEP_S)
    inner = slice(most, len(a) - most)
    scores = np.array([np.corrcoef(a[most + k:len(a) - most + k], b[inner])[0, 1] for k in range(-most, most + 1)])
    best = int(np.argmax(scores))
    if scores[best] < SURE or best in (0, 2 * most):
        return None
    # The top of the parabola through the best and its neighbours.
    left, top, right = scores[best - 1:best + 2]
    shift = 0.5 * (left - right) / min(left - 2 * top + right, -1e-9)
    return float((best - most + shift) * STEP_S)


def _even(series: np.ndarray, times_s: np.ndarray) -> F32:
    """Return the series at even times, without its slow part."""
    values = np.interp(times_s, series[:, 0], series[:, 1])
    width = round(1.0 / STEP_S)
    padded = np.pad(values, width // 2, mode="edge")
    slow = np.convolve(padded, np.ones(width) / width, "same")[width // 2:][:len(values)]
    return (values - slow).astype(np.float32)
