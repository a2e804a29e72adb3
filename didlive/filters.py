"""The One-Euro filter: calm at rest, quick in motion."""

from __future__ import annotations

import math

import numpy as np

from .types import F32

DERIVATIVE_HZ = 1.0


def _alpha(cutoff_hz: float | F32, dt_s: float) -> float | F32:
    """Smoothing factor of a first-order low pass."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * dt_s))


class OneEuro:
    """One-Euro filter over the rows of an array (Casiez, Roussel, Vogel: 1 Euro Filter, CHI 2012).

    rest_hz: cut-off at rest, Hz. beta: cut-off gained per unit of speed, Hz / (unit / s). Speed is the norm of the last
    axis, so that the coordinates of one point share a cut-off. It is low-passed before use, by a maximum that falls
    slowly, so that fast motion is not smeared at its start.
    """

    def __init__(self, rest_hz: float, beta: float) -> None:
        self._rest_hz, self._beta = rest_hz, beta
        self._value: F32 | None = None
        self._raw: F32 | None = None
        self._derivative: F32 | None = None

    def __call__(self, value: F32, dt_s: float) -> F32:
        """Return the filtered value `dt_s` seconds after the previous one; the first passes unchanged."""
        if self._value is None or self._raw is None or self._derivative is None or dt_s <= 0:
            self._value = self._raw = value
            self._derivative = np.zeros_like(value)
            return value
        change = (value - self._raw) / dt_s - self._derivative
        derivative = np.asarray(self._derivative + _alpha(DERIVATIVE_HZ * 6, dt_s) * change, np.float32)
        speed = np.linalg.norm(derivative, axis=-1, keepdims=True)
        weight = _alpha(self._rest_hz + self._beta * speed, dt_s)
        filtered = np.asarray(self._value + weight * (value - self._value), np.float32)
        self._value, self._raw, self._derivative = filtered, value, derivative
        return filtered

    def reset(self) -> None:
        """Forget the past."""
        self._value = None
