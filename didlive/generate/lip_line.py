"""Where closed lips meet in a portrait: trackers miss that line by some pixels, and pieces of it would stay on either
lip when the mouth opens."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import COLUMNS_LOWER, COLUMNS_UPPER, INNER_LOWER, INNER_UPPER, LIPS_INNER, LIPS_OUTER
from ..types import F32, U8
from .mesh import smoothstep
from .own_teeth import box_around, lip_gap
from .raster import polygon_mask

# The line is sought so far above and below the tracked one, in mouth widths; it is no thicker than this.
REACH, THICKEST = 0.05, 0.015
# Places between the corners of the mouth, and steps across the line.
PLACES, STEPS = 61, 41
# What a step aside along the line costs, in the brightness of the lips.
STIFF = 0.04
# A line fainter than this share of the lips' brightness is none.
FAINT = 0.08
# Lips that are stretched upwards by more than the first of these are smoothed sideways, wholly from the second on, over
# this share of the mouth's width.
STRETCHED, CALM = (1.8, 4.0), 0.03
# Lips are parted wholly when they are so much farther apart than in the portrait, in mouth widths.
PARTED = 0.025


@dataclass(frozen=True, slots=True)
class LipLine:
    """How far the inner edges of closed lips are from the line in which they meet: upper, lower (9, 2) px, in the order
    of INNER_UPPER and INNER_LOWER. ring: (20, 2) px, the inner lips at rest."""

    upper: F32
    lower: F32
    ring: F32

    def part(self, sources: F32, points: F32) -> None:
        """Change, in place, where the landmarks of the lips come from (V, 2) px and where they are drawn (V, 3) px, as
        far as the lips are parted there: the inner edges come from the line, what lies between them and the outer ones
        so that each lip is stretched evenly; and nothing is drawn beyond a lip's inner edge, over the other lip."""
        share = self._parted(points[LIPS_INNER, :2])
        if share == 0:
            return
        for columns, shift in ((COLUMNS_UPPER, self.upper), (COLUMNS_LOWER, self.lower)):
            outer, inner = sources[columns[:, 0]], sources[columns[:, 3]] + shift
            away = points[columns, :2] - points[columns[:, :1], :2]
            whole = away[:, 3:]
            along = (away * whole).sum(2) / np.maximum((whole ** 2).sum(2), 1e-3)
            points[columns, :2] -= share * np.maximum(along - 1, 0)[:, :, None] * whole
            even = np.clip(along, 0, 1)[:, :, None] * (inner - outer)[:, None]
            sources[columns] += share * (outer[:, None] + even - sources[columns])

    def _parted(self, ring: F32) -> float:
        width = float(np.linalg.norm(self.ring[0] - self.ring[10]))
        scale = max(float(np.linalg.norm(ring[0] - ring[10])) / max(width, 1e-3), 0.5)
        return float(np.clip((lip_gap(ring) / scale - lip_gap(self.ring)) / max(PARTED * width, 1e-3), 0, 1))


def calm_lips(person: U8, map_y: F32, target: F32) -> None:
    """Smooth sideways, in place, what is stretched upwards between the outer lips of a moved person (h, w, 4): a thin
    lip that becomes a full one would be striped. map_y: (h, w) px where its rows come from; target: (478, 3) px."""
    ring = target[LIPS_OUTER, :2]
    low, high = box_around(ring, 2, person)
    if (high - low < 4).any():
        return
    rows, columns = slice(low[1], high[1]), slice(low[0], high[0])
    some = map_y[rows, np.linspace(low[0], high[0] - 1, 9).astype(int)]
    if float(np.abs(np.diff(some, axis=0)).min()) > 1 / STRETCHED[0]:
        return
    step = np.abs(np.gradient(map_y[rows, columns], axis=0))
    share = smoothstep((1 / np.maximum(step, 0.05) - STRETCHED[0]) / (STRETCHED[1] - STRETCHED[0]))
    if share.max() < 0.02:
        return
    part = person[rows, columns]
    share = cv2.GaussianBlur(share, (0, 0), 1.0) * polygon_mask(ring, int(low[0]), int(low[1]), *(high - low).tolist())
    smooth = cv2.GaussianBlur(part, (0, 0), max(0.5, CALM * float(np.ptp(ring[:, 0]))), sigmaY=0.5).astype(np.float32)
    part[:] = np.round(part + share[:, :, None] * (smooth - part)).astype(np.uint8)


def find_lip_line(image: U8, landmarks: F32) -> LipLine | None:
    """Return the line in which closed lips meet, for landmarks (478, 3) px of a crop (H, W, 3); None where none is to
    be seen."""
    first, last = landmarks[LIPS_INNER[0], :2], landmarks[LIPS_INNER[10], :2]
    across = last - first
    width = float(np.linalg.norm(across))
    if width < 16:
        return None
    along = across / width
    down = np.array([-along[1], along[0]], np.float32)
    both = [landmarks[points, :2] for points in (INNER_UPPER, INNER_LOWER)]
    u = [np.concatenate([[0], (p - first) @ along / width, [1]]) for p in both]
    v = [np.concatenate([[0], (p - first) @ down, [0]]) for p in both]
    at = np.linspace(0, 1, PLACES)
    middle = np.mean([np.interp(at, a, b) for a, b in zip(u, v, strict=True)], axis=0)
    step = 2 * REACH * width / (STEPS - 1)
    offsets = (np.arange(STEPS) - STEPS // 2) * step
    place = (first + at[:, None, None] * across + (middle[:, None] + offsets)[:, :, None] * down).astype(np.float32)
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), max(0.6, 0.006 * width))
    light = cv2.remap(grey, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    light = np.asarray(light, np.float32)
    lips = float(np.median(light))
    path = _darkest_path(light / max(lips, 1.0))
    inner = slice(PLACES // 6, -(PLACES // 6))
    dark = light[np.arange(PLACES), path]
    if float(np.median(dark[inner])) > (1 - FAINT) * lips:
        return None
    centre = np.asarray(cv2.GaussianBlur(offsets[path].astype(np.float32)[:, None], (0, 0), 1.5))[:, 0]
    thick = _thickness(light, path) * step
    shifts = []
    for side, a, b in zip((-1, 1), u, v, strict=True):
        # The corners are where they are.
        ends = np.clip(np.minimum(a, 1 - a) / 0.12, 0, 1)[1:-1]
        half = side * np.minimum(np.interp(a, at, thick), THICKEST * width)[1:-1]
        wanted = (np.interp(a, at, middle) + np.interp(a, at, centre))[1:-1] + half
        shifts.append(((ends * (wanted - b[1:-1]))[:, None] * down).astype(np.float32))
    return LipLine(shifts[0], shifts[1], landmarks[LIPS_INNER, :2].copy())


def _darkest_path(light: F32) -> np.ndarray:
    """Return (C,) the row of each column (C, R) along the darkest smooth path (dynamic programming)."""
    moves = np.arange(-2, 3)
    cost, back = light[0].copy(), np.zeros(light.shape, np.int64)
    rows = np.arange(light.shape[1])
    for c in range(1, len(light)):
        before = np.pad(cost, 2, constant_values=np.inf)[rows + moves[:, None] + 2] + STIFF * np.abs(moves)[:, None]
        back[c] = rows + moves[before.argmin(0)]
        cost = before.min(0) + light[c]
    path = np.empty(len(light), np.int64)
    path[-1] = int(cost.argmin())
    for c in range(len(light) - 1, 0, -1):
        path[c - 1] = back[c, path[c]]
    return path


def _thickness(light: F32, path: np.ndarray) -> F32:
    """Return (C,) half the thickness of the line, in rows: to where it is a third as dark."""
    rows = np.arange(light.shape[1])
    dark = light[np.arange(len(path)), path]
    lip = np.percentile(light, 75, axis=1)
    clear = light > ((dark + 2 * lip) / 3)[:, None]
    away = np.where(clear, np.abs(rows - path[:, None]), len(rows))
    return cv2.GaussianBlur(away.min(1).astype(np.float32)[:, None], (0, 0), 2.0)[:, 0]
