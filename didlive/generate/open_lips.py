"""The lips of a portrait whose mouth is open: without what shows between them, and without the dark of their corners,
which comes back as far as they do."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import LIPS_INNER, LIPS_OUTER
from ..types import F32, U8
from .holes import fill_holes
from .own_teeth import box_around, lip_gap
from .raster import Box, polygon_mask, shade
from .teeth import luma

# In the corners of an open mouth the dark goes on beyond the tracked opening: what is darker there than this share of
# the skin, so far around, in mouth widths. Where more than the third share of it is dark it is a beard. So much of the
# dark is taken away.
DARK, REACH, BEARD, GONE = 0.72, 0.12, 0.4, 0.85
# The lowest change with which no channel falls below nothing in `shade`.
DEEPEST = -0.65
# It is gone from lips that are this much narrower than in the portrait, or this much less apart.
NARROWER, LESS_APART = (0.86, 0.96), 0.6


@dataclass(frozen=True, slots=True)
class Corners:
    """The dark of the corners: change (h, w) 0..-1 of the brightness, from the px `first` (x, y) of the crop on. width,
    gap: of the portrait's lips, px."""

    change: F32
    first: tuple[float, float]
    width: float
    gap: float

    def fall(self, layer: U8, target: F32, scale: float, maps: tuple[F32, F32]) -> None:
        """Darken premultiplied RGBA pixels (h, w, 4) in place, for target landmarks (478, 3) px of a head `scale` as
        large as in the portrait; maps (h, w): px of the crop they come from."""
        low, high = NARROWER
        share = np.clip((_width(target) / scale / self.width - low) / (high - low), 0, 1)
        share *= np.clip(lip_gap(target[LIPS_INNER, :2]) / scale / self.gap / LESS_APART, 0, 1)
        if share == 0:
            return
        rows, columns = reach_of(target, layer)
        shade(layer, self.change * np.float32(share), *maps, self.first,
              (rows.start, rows.stop, columns.start, columns.stop))


def _width(landmarks: F32) -> float:
    return float(np.linalg.norm(landmarks[61] - landmarks[291]))


def reach_of(landmarks: F32, image: U8) -> Box:
    """Return the rows and columns of an image that lips (landmarks (478, 3) px) and the dark of their corners touch."""
    low, high = box_around(landmarks[LIPS_OUTER, :2], 4 + round(REACH * _width(landmarks)), image)
    return slice(low[1], high[1]), slice(low[0], high[0])


def is_open(landmarks: F32) -> bool:
    """Return whether the lips of landmarks (478, 3) are visibly apart."""
    width = float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2]))
    return lip_gap(landmarks[LIPS_INNER, :2]) > 0.035 * width


def paint_lips(image: U8, landmarks: F32) -> tuple[U8, Corners | None]:
    """Return the crop (H, W, 3) with lip colour in place of an open mouth and its rim, and skin in the corners; and the
    dark that was there.

    Tracked lip lines run a little inside the mouth; what shows there (teeth) would stay on the lips when they close.
    """
    ring, outer = landmarks[LIPS_INNER, :2], landmarks[LIPS_OUTER, :2]
    width = float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2]))
    if not is_open(landmarks):
        return image, None
    box = reach_of(landmarks, image)
    low = np.array([box[1].start, box[0].start])
    patch = image[box].astype(np.float32)
    h, w = patch.shape[:2]
    hole = polygon_mask(ring, int(low[0]), int(low[1]), w, h)
    rim = max(1, round(0.022 * width))
    round_rim = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    hole = np.asarray(cv2.dilate(hole, round_rim), np.float32)
    lips = polygon_mask(outer, int(low[0]), int(low[1]), w, h)
    dark, around = _find_dark(patch, hole, ring[[0, 10]] - low, width)
    known = np.maximum(lips, around) * (np.maximum(hole, dark) < 0.01)
    if (lips * known).sum() < 12:
        return image, None
    filled = fill_holes(patch, (known > 0.9).astype(np.float32))
    faint = GONE * cv2.GaussianBlur(dark, (0, 0), max(0.7, 0.015 * width))
    soft = np.asarray(cv2.GaussianBlur(hole, (0, 0), 0.7), np.float32)
    painted = patch + (filled - patch) * np.maximum(soft, faint)[:, :, None]
    out = image.copy()
    out[box] = np.clip(painted + 0.5, 0, 255).astype(np.uint8)
    if not dark.any():
        return out, None
    change = np.clip((luma(patch) + 4) / (luma(painted.astype(np.float32)) + 4) - 1, DEEPEST, 0) * around
    change = np.asarray(cv2.GaussianBlur(change, (0, 0), max(0.8, 0.015 * width)), np.float32)
    corners = Corners(change, (float(low[0]), float(low[1])), _width(landmarks), lip_gap(ring))
    # Once, on nothing: it is not compiled in a show.
    shade(np.zeros((1, 1, 4), np.uint8), corners.change, soft, soft, corners.first, (0, 0, 0, 0))
    return out, corners


def _find_dark(patch: F32, hole: F32, corners: F32, width: float) -> tuple[F32, F32]:
    """Return (h, w) 1 where the dark of an open mouth goes on in its corners (2, 2) px, beyond the opening `hole`
    (h, w) of a patch (h, w, 3); and 1 around the corners where it does."""
    light = luma(patch)
    yy, xx = np.mgrid[0:len(patch), 0:patch.shape[1]].astype(np.float32)
    found, around = np.zeros_like(hole), np.zeros_like(hole)
    for x, y in corners:
        near = np.hypot(xx - x, yy - y) < REACH * width
        beside = near & (hole < 0.5)
        if beside.sum() < 12:
            continue
        dark = beside & (light < DARK * np.percentile(light[beside], 70))
        if dark.sum() > BEARD * beside.sum():
            continue
        # Only what hangs together with the opening: no wrinkle, no hair.
        mouth = near & (hole > 0.5)
        _, parts = cv2.connectedComponents((dark | mouth).astype(np.uint8))
        found[dark & np.isin(np.asarray(parts), np.unique(np.asarray(parts)[mouth]))] = 1
        around[near] = 1
    return np.asarray(cv2.dilate(found, np.ones((3, 3), np.uint8)), np.float32), around.astype(np.float32)
