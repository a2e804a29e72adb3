"""Paper, pen and colours for `didlive.training.drawings`."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..generate.drawn import smooth_line
from ..types import F32, U8

SHIFT = 4
Rng = np.random.Generator
Floats = npt.NDArray[np.floating]


def any_colour(rng: Rng, low: float = 0, high: float = 255) -> F32:
    """Return an RGB colour (3,) between two levels."""
    return rng.uniform(low, high, 3).astype(np.float32)


@dataclass(slots=True)
class Sheet:
    """A picture being drawn: `image` (H, W, 3) and the way from face units to its pixels, (2, 3)."""

    image: U8
    matrix: F32

    def px(self, points: Floats) -> F32:
        """Return px of points (N, 2) in face units."""
        return (np.asarray(points, np.float32) @ self.matrix[:, :2].T + self.matrix[:, 2]).astype(np.float32)

    def size(self, units: float) -> float:
        """Return px of a length."""
        return units * float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def fill(self, points: Floats, colour: Floats, opacity: float = 1.0) -> None:
        """Fill a polygon (N, 2)."""
        at = [np.round(self.px(points) * (1 << SHIFT)).astype(np.int32)]
        paint = [float(v) for v in np.clip(colour, 0, 255)]
        if opacity >= 1:
            cv2.fillPoly(self.image, at, paint, cv2.LINE_AA, SHIFT)
            return
        over = self.image.copy()
        cv2.fillPoly(over, at, paint, cv2.LINE_AA, SHIFT)
        self.image[:] = cv2.addWeighted(over, opacity, self.image, 1 - opacity, 0)

    def line(self, points: Floats, colour: Floats, width: float, closed: bool = False) -> None:
        """Draw a line through points (N, 2), `width` in face units."""
        at = [np.round(self.px(points) * (1 << SHIFT)).astype(np.int32)]
        cv2.polylines(self.image, at, closed, [float(v) for v in np.clip(colour, 0, 255)],
                      max(1, round(self.size(width))), cv2.LINE_AA, SHIFT)


@dataclass(frozen=True, slots=True)
class Style:
    """What all parts of one drawing share: colours (3,) RGB, the width of its lines and the turn of the head, rad."""

    skin: F32
    shade: F32
    hair: F32
    ink: F32
    pen: float
    yaw: float
    pitch: float

    def turn(self, points: Floats) -> F32:
        """Return points (N, 2) on the face as they are seen on the turned head."""
        points = np.asarray(points, np.float32)
        depth = 0.75 * np.sqrt(np.clip(1 - (0.8 * points[:, 0]) ** 2, 0.05, 1))
        x = points[:, 0] * np.cos(self.yaw) + depth * np.sin(self.yaw)
        return np.stack([x, points[:, 1] + self.pitch * depth], 1).astype(np.float32)


def curve(points: Floats, count: int = 60) -> F32:
    """Return a smooth line (count, 2) through points (N, 2)."""
    return smooth_line(np.asarray(points, np.float32), count)
