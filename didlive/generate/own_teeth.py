"""What a portrait shows between its own lips: its teeth, cut out to go on with, and the whole as it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import LIPS_INNER, HeadLocal
from ..types import F32, U8
from .holes import fill_holes
from .raster import polygon_mask
from .teeth import Palette, luma

# How light the hollow behind own teeth is against the lips at most, and how far it has their colour.
HOLLOW, FLESH = 0.40, 0.6


@dataclass(frozen=True, slots=True)
class Sprite:
    """Premultiplied RGBA (h, w, 4) float32 and the head-local positions (3, 3) of its corners: top left, top right,
    bottom left."""

    image: F32
    corners: F32


def box_around(points: F32, margin_px: int, image: U8) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (x, y) of the box around points (N, 2), the second beyond it, inside the image."""
    low = np.maximum(np.floor(points.min(0)).astype(int) - margin_px, 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + margin_px + 1, [image.shape[1], image.shape[0]])
    return low, high


def lip_gap(ring: F32) -> float:
    """Return how far the inner lips (20, 2) are apart in the middle, px."""
    return float(np.linalg.norm(ring[5] - ring[15]))


def corner_light(across: np.ndarray) -> F32:
    """Return how light the teeth are at places across the mouth (0..1 from corner to corner): less in the corners."""
    corner = np.clip(np.minimum(across, 1 - across) / 0.30, 0, 1)
    return (0.45 + 0.55 * corner * (2 - corner)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class OwnTeeth:
    """Teeth found in the portrait: sprite, mean colour (3,), biting edge (head-local y), and the cavity if seen."""

    teeth: Sprite
    colour: F32
    edge: float
    cavity: Sprite | None


def find_own_teeth(image: U8, landmarks: F32, local: HeadLocal, palette: Palette) -> OwnTeeth | None:
    """Return the portrait's own teeth when its mouth is open enough to show them across most of its width."""
    ring = landmarks[LIPS_INNER, :2]
    width = float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2]))
    gap = lip_gap(ring)
    if gap < 0.09 * width or gap < 4:
        return None
    low, high = box_around(ring, 3, image)
    patch = image[low[1]:high[1], low[0]:high[0]].astype(np.float32)
    h, w = patch.shape[:2]
    inside = polygon_mask(ring, int(low[0]), int(low[1]), w, h)
    core = cv2.erode(inside, np.ones((3, 3), np.uint8)) > 0.9
    if core.sum() < 12:
        return None
    alpha = _tooth_mask(patch, core, palette)
    columns = (alpha > 0.5).any(0)
    if float(alpha.sum()) < 0.25 * float(core.sum()) or columns.sum() < 0.5 * core.any(0).sum():
        return None
    depth = float(landmarks[[13, 14], 2].mean()) + 0.02 * width
    rise = round(0.16 * width)
    sprite = Sprite(_grow_up(patch, alpha, rise), _image_corners(low - [0, rise], w, h + rise, depth, local))
    middle = alpha[:, w // 3:-(w // 3)] > 0.5
    bottom = float(np.median([np.flatnonzero(c)[-1] for c in middle.T if c.any()] or [h / 2]))
    edge = _image_corners(low + np.array([w // 2, int(bottom)]), 2, 2, depth, local)[0, 1]
    hollow = (core & (alpha < 0.15)).astype(np.float32)
    cavity = None
    if hollow.sum() >= 10:
        pixels = fill_holes(patch, hollow)
        # Lip and gum seen between the teeth are no hollow: nothing behind the teeth is that light, and what light there
        # is has been through flesh.
        pixels *= min(1.0, HOLLOW * float(luma(palette.lip)) / max(float(luma(pixels).mean()), 1.0))
        flesh = luma(pixels)[:, :, None] * (palette.lip / max(float(luma(palette.lip)), 1.0))
        pixels += FLESH * (flesh - pixels)
        cavity = Sprite(pixels.astype(np.float32), _image_corners(low, w, h, depth, local))
    return OwnTeeth(sprite, patch[alpha > 0.7].mean(0).astype(np.float32), float(edge), cavity)


def as_shown(image: U8, landmarks: F32, local: HeadLocal) -> Sprite:
    """Return what the portrait shows between its lips, premultiplied, soft at the rim."""
    ring = landmarks[LIPS_INNER, :2]
    low, high = box_around(ring, 3, image)
    patch = image[low[1]:high[1], low[0]:high[0]].astype(np.float32)
    h, w = patch.shape[:2]
    rim = cv2.dilate(polygon_mask(ring, int(low[0]), int(low[1]), w, h), np.ones((3, 3), np.uint8))
    cover = np.asarray(cv2.GaussianBlur(rim, (0, 0), 0.8))[:, :, None]
    depth = float(landmarks[[13, 14], 2].mean())
    return Sprite(np.concatenate([patch * cover, 255 * cover], 2).astype(np.float32),
                  _image_corners(low, w, h, depth, local))


def _tooth_mask(patch: F32, core: np.ndarray, palette: Palette) -> F32:
    """(h, w) coverage of teeth: lighter than the lips and less red than them."""
    bright = luma(patch)
    dark, light = np.percentile(bright[core], [8, 92])
    level = float(luma(palette.tooth))
    # Teeth in the corners of the mouth are in the dark.
    columns = np.flatnonzero(core.any(0))
    across = (np.arange(core.shape[1]) - columns[0]) / max(int(columns[-1] - columns[0]), 1)
    floor = corner_light(across) * min(dark + 0.35 * (light - dark), 0.72 * level)
    redness = patch[:, :, 0] - patch[:, :, 1:].mean(2)
    lip_redness = float(palette.lip[0] - palette.lip[1:].mean())
    teeth = np.clip((bright - floor) / max(0.18 * level, 8), 0, 1) * (light > 0.45 * level)
    if lip_redness > 18:
        teeth *= np.clip((0.85 * lip_redness - redness) / (0.3 * lip_redness), 0, 1)
    return (cv2.GaussianBlur(teeth.astype(np.float32), (0, 0), 0.7) * core).astype(np.float32)


def _grow_up(patch: F32, alpha: F32, rise: int) -> F32:
    """Return the teeth as premultiplied RGBA, continued upwards by `rise` px: the upper lip may go up and show more."""
    # Colour reaches a little beyond the teeth, so that their soft edge stays light.
    colour = np.pad(fill_holes(patch, (alpha > 0.5).astype(np.float32)), ((rise, 0), (0, 0), (0, 0)))
    cover = np.pad(alpha, ((rise, 0), (0, 0)))
    tops = {x: int(rows[0]) + min(1, len(rows) - 1) for x in range(alpha.shape[1])
            if len(rows := np.flatnonzero(cover[:, x] > 0.6))}
    # Their colours run into each other, or every pixel of the rim would become a stripe.
    row = _run_together(alpha.shape[1], {x: colour[top, x] for x, top in tops.items()}, max(1.0, 0.12 * rise))
    for x, top in tops.items():
        fade = np.clip((top - np.arange(top)) / max(rise, 1), 0, 1)
        blended = np.clip(3 * fade, 0, 1)[:, None]
        colour[:top, x] = (colour[top, x] * (1 - blended) + row[x] * blended) * (1 - 0.25 * fade[:, None])
        cover[:top, x] = np.clip((1 - fade) / 0.3, 0, 1)
    cover = cover[:, :, None]
    return np.concatenate([colour * cover, cover * 255], 2).astype(np.float32)


def _run_together(width: int, colours: dict[int, F32], reach_px: float) -> F32:
    """Return (width, 3) the colours (3,) at some columns, each the mean of those around it."""
    row = np.zeros((1, width, 4), np.float32)
    for x, colour in colours.items():
        row[0, x] = [*colour, 1]
    blurred = np.asarray(cv2.GaussianBlur(row, (0, 0), reach_px), dtype=np.float32)[0]
    return blurred[:, :3] / np.maximum(blurred[:, 3:], 1e-3)


def _image_corners(low: np.ndarray, w: int, h: int, depth: float, local: HeadLocal) -> F32:
    """Head-local positions of a patch's corners, on a plane of one depth in the picture."""
    x, y = float(low[0]), float(low[1])
    pixels = np.array([[x, y, depth], [x + w - 1, y, depth], [x, y + h - 1, depth]], dtype=np.float32)
    return (((pixels - local.centre) @ local.rotation) / local.scale).astype(np.float32)
