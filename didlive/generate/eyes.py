"""Eyeballs behind the lids: white and iris from the portrait, completed where the lids hid them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ..geometry import EYE_CORNERS, EYE_RINGS, IRISES
from ..types import F32, U8
from .glasses import Rims, eye_width
from .holes import fill_holes
from .lids import RING, SOFT, edge_above, lid_band
from .raster import DEEPENS, blend, polygon_mask, rasterise
from .teeth import luma

# A drawn iris that moved by this share of the eye's width is drawn anew, under a shadow as of a lid this far open.
LOOKED, SHADOWED = 0.07, 0.2
# Below this opening the lids of a drawn eye become the line of a shut one.
LINES = 0.45
# How far the rim of an iris reaches, in radii.
RIM_REACH = 1.3
# What stays of the lid edge when the lid is closed: dark pixels up to this far from it, in eye widths.
# The line where lids meet is darker than their skin by at least this share.
LASH, LASH_LINE, LASH_LEAST = 0.065, 0.9, 0.55
# How far the line of shut lashes has the skin's own hue.
LASH_HUE = 0.8
# An eye that is open by less than this shows its lashes from above: how much they and their shadow darken the skin
# below the lid, and how far they reach down and up, in eye widths (from 82 shut eyes of clips beside drawn ones).
SHUT, UNDER_LASHES, OVER_LASHES = 0.3, (0.38, 0.12), 0.03
_BAND_TRIANGLES = np.array([t for i in range(RING) for t in (
    (i, RING + i, (i + 1) % RING), ((i + 1) % RING, RING + i, RING + (i + 1) % RING))], dtype=np.int32)
_BAND_ORDER = np.arange(len(_BAND_TRIANGLES), dtype=np.int32)


class Lashes(NamedTuple):
    """The line of a drawn upper lid: colour (3,) RGB, width px in the portrait; and the eye (h, w, 3) as drawn."""

    ink: F32
    width: float
    ball: F32


@dataclass(frozen=True, slots=True)
class Eye:
    """One eyeball and its lid edges.

    white: (h, w, 3) float32 RGB without iris; iris: (h, w, 4) float32 premultiplied RGBA (0..255); edge: (h, w, 3)
    float32, what the lid edges (lashes, lines, shadow) add to plain lid skin; lash: the same, what stays of it when the
    eye is closed. All at (x0, y0) px of the crop.
    centre (2,) px and radius px of the iris. ring: (16, 2) px, the eye ring; band: (32, 2) px, the same ring a little
    further in, and further out. around: (h, w) float32, 1 where the eye and its lids are: skin drawn from elsewhere
    hides it (the nose of a turned head). lashes: the line of the upper lid of a drawn eye, whose lids are lines and
    flat colours and get no shadows.
    """

    side: int
    white: F32
    iris: F32
    edge: F32
    lash: F32
    x0: int
    y0: int
    centre: F32
    radius: float
    ring: F32
    band: F32
    around: F32
    lashes: Lashes | None = None


def prepare_eye(image: U8, painted: U8, landmarks: F32, side: int, rims: Rims | None) -> Eye:
    """Cut an eyeball out of the crop (H, W, 3) with its landmarks (478, 3) px; `painted` is `paint_out`'s result
    for the same `rims`."""
    ring = landmarks[EYE_RINGS[side], :2]
    a, b = (landmarks[i, :2] for i in EYE_CORNERS[side])
    width = eye_width(landmarks, side)
    centre, radius = iris_disc(landmarks, side, width)
    reach = np.array([width * 0.95, width * 0.75])
    middle = (a + b) / 2
    x0, y0 = np.maximum(np.floor(middle - reach), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(middle + reach), [image.shape[1], image.shape[0]]).astype(int)
    patch = image[y0:y1, x0:x1].astype(np.float32)
    h, w = patch.shape[:2]
    inside = polygon_mask(ring, x0, y0, w, h)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    distance = np.hypot(xx + x0 - centre[0], yy + y0 - centre[1])
    white = white_of(patch, inside, distance, radius)
    iris = complete_iris(patch, inside, distance, centre - [x0, y0], radius)
    soft = max(0.9, 0.10 * radius)
    alpha = np.clip((radius + soft - distance) / (2 * soft), 0, 1)[:, :, None]
    # The rim of the iris as it is seen, with its dark ring and glints, goes where the iris goes.
    beyond = np.clip((RIM_REACH * radius - distance) / (2 * soft), 0, 1) * _clear(inside, radius)
    iris = iris * alpha + (patch - iris * alpha - white * (1 - alpha)) * beyond[:, :, None]
    skin = painted[y0:y1, x0:x1].astype(np.float32)
    edge = patch - skin
    # As far as the softened border of what was painted out: less would leave a line around the open eye.
    band = lid_band(ring, width, edge_above(landmarks, side, rims), max(3 * SOFT, 2.5 / width))
    away = cv2.distanceTransform((inside < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    near = np.exp(-(np.minimum(away, width) / (LASH * width)) ** 2)[:, :, None]
    # The dark line of the lashes: as dark as the darkest tenth of the lid edge that shows.
    rim = polygon_mask(band[RING:], int(x0), int(y0), w, h) * (inside < 0.5) > 0.5
    dark = edge[rim][edge[rim].sum(1) <= np.percentile(edge[rim].sum(1), 12)].mean(0) if rim.any() else np.zeros(3)
    lid = painted[y0:y1, x0:x1][inside > 0.5]
    # An eye that is shut in the portrait shows its line itself.
    dark = np.minimum(dark, -LASH_LEAST * lid.mean(0)) if len(lid) else dark
    ends = np.clip(np.minimum(*(np.hypot(xx + x0 - c[0], yy + y0 - c[1]) for c in (a, b))) / (0.2 * width), 0, 1)
    lash = np.minimum(np.minimum(edge, 0), np.minimum(dark, 0) * LASH_LINE * ends[:, :, None]) * near
    # A thin dark line lets the skin's colour through; what is taken off an iris or white beside it would tint the lid.
    lash = lash + LASH_HUE * ((luma(lash) / np.maximum(luma(skin), 1))[:, :, None] * skin - lash)
    margin = max(2, round(0.14 * width))
    around = cv2.dilate(polygon_mask(band[RING:], int(x0), int(y0), w, h),
                        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1)))
    return Eye(side, white, np.concatenate([iris, 255 * alpha], 2).astype(np.float32), edge,
               lash.astype(np.float32), int(x0), int(y0), centre, radius, ring, band,
               np.asarray(cv2.GaussianBlur(around, (0, 0), 1.0), dtype=np.float32))


def iris_disc(landmarks: F32, side: int, width: float) -> tuple[F32, float]:
    """Return centre (2,) px and radius px of an iris, from landmarks (478, 3) px and the eye's width in px."""
    points = landmarks[IRISES[side], :2]
    radius = float(np.linalg.norm(points[1:] - points[0], axis=1).mean())
    return points[0].astype(np.float32), float(np.clip(radius, 0.14 * width, 0.30 * width))


def white_of(patch: F32, inside: F32, distance: F32, radius: float) -> F32:
    """Return (h, w, 3), an eye's patch (h, w, 3) with its white in place of all else; inside: (h, w) 0..1, what of it
    is eye; distance: (h, w) px from the middle of the iris; radius px of that."""
    known = ((inside > 0.6) & (distance > radius * 1.15)).astype(np.float32)
    if known.sum() < 6:
        # A narrow eye shows no white at all: take its lightest pixels.
        light = patch.sum(2)
        visible = inside > 0.5
        level = np.percentile(light[visible], 80) if visible.any() else light.max()
        known = (visible & (light >= level)).astype(np.float32)
    return fill_holes(patch, known)


def _clear(inside: F32, radius: float) -> F32:
    """Return (h, w) where the eyeball is seen; along the lids is lash and shadow."""
    rim = max(1, round(0.16 * radius))
    return np.asarray(cv2.erode(inside, np.ones((2 * rim + 1, 1), np.uint8)), dtype=np.float32)


def complete_iris(patch: F32, inside: F32, distance: F32, centre: F32, radius: float) -> F32:
    """Fill the hidden part of the iris disc from its mirror images, then smoothly."""
    h, w = distance.shape
    visible = ((_clear(inside, radius) > 0.7) & (distance < radius * 1.05)).astype(np.float32)
    filled, known = patch * visible[:, :, None], visible.copy()
    cx, cy = float(centre[0]), float(centre[1])
    flips = (
        np.array([[1, 0, 0], [0, -1, 2 * cy]], np.float32),
        np.array([[-1, 0, 2 * cx], [0, 1, 0]], np.float32),
        np.array([[-1, 0, 2 * cx], [0, -1, 2 * cy]], np.float32),
    )
    for flip in flips:
        mirrored = cv2.warpAffine(patch * visible[:, :, None], flip, (w, h))
        there = cv2.warpAffine(visible, flip, (w, h))
        use = (known < 0.5) & (there > 0.6)
        filled[use] = mirrored[use] / there[use][:, None]
        known[use] = 1
    return fill_holes(filled, known)


def draw_eye(out: U8, eye: Eye, source: F32, target: F32, opening: float, maps: tuple[F32, F32]) -> None:
    """Draw one eye into `out` (H, W, 3) in place: the ball inside the target lids, then the edges of the lids.

    source, target: (478, 3) landmarks px of the crop; opening: 0 closed, 1 as in the portrait; maps: (H, W) where the
    skin of each pixel came from, x and y px.
    """
    ring = np.ascontiguousarray(target[EYE_RINGS[eye.side], :2])
    matrix = _similarity(source, target, eye)
    # Lid edges keep their thickness: they turn and grow with the eye but are not stretched by the closing lid.
    band = (np.tile(ring, (2, 1)) + (eye.band - np.tile(eye.ring, (2, 1))) @ matrix[:, :2].T).astype(np.float32)
    low, high = np.floor(band.min(0)).astype(int) - 2, np.ceil(band.max(0)).astype(int) + 3
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(out.shape[1], int(high[0])), min(out.shape[0], int(high[1]))
    if x1 - x0 < 3 or y1 - y0 < 3:
        return
    size = (x1 - x0, y1 - y0)
    seen = cv2.remap(eye.around, maps[0][y0:y1, x0:x1] - np.float32(eye.x0), maps[1][y0:y1, x0:x1] - np.float32(eye.y0),
                     cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    mask = polygon_mask(ring, x0, y0, *size) * seen
    if opening < 0.15:
        mask *= max(0.0, opening / 0.15)
    if mask.max() > 0.02:
        _draw_ball(out, eye, matrix, target, ring, mask, (x0, y0), size, opening)
    map_x = np.full((size[1], size[0]), -1e4, dtype=np.float32)
    map_y = map_x.copy()
    rasterise(band - np.array([x0, y0], np.float32), eye.band - np.array([eye.x0, eye.y0], np.float32),
              _BAND_TRIANGLES, _BAND_ORDER, map_x, map_y)
    open_share = min(max(opening, 0.0), 1.0)
    edge = eye.lash + open_share * (eye.edge - eye.lash) if open_share < 1 else eye.edge
    edge = cv2.remap(edge, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    shut = 1 - min(max(opening, 0.0) / LINES, 1.0) if eye.lashes is not None else 0.0
    if shut > 0:
        edge = edge * np.float32(1 - shut)
    if opening < 0.4 and eye.lashes is None:
        # Two lid edges meet in one line: without the eyeball between them nothing else smooths it.
        edge = cv2.GaussianBlur(edge, (0, 0), 0.5 + 0.5 * (1 - opening / 0.4))
    region = out[y0:y1, x0:x1]
    lit = (region + edge * (seen * (1 - mask))[:, :, None]).astype(np.float32)
    if opening < SHUT and eye.lashes is None:
        lit = _under_lashes(lit, ring - [x0, y0], seen * np.float32(1 - max(opening, 0) / SHUT))
    if eye.lashes is not None and shut > 0:
        scale = float(np.linalg.norm(matrix[:, 0]))
        line = _shut_line(ring, eye.lashes.width * scale, (x0, y0), size) * seen * np.float32(shut)
        lit = lit + line[:, :, None] * (eye.lashes.ink - lit)
    region[:] = np.clip(lit + 0.5, 0, 255).astype(np.uint8)


def _shut_line(ring: F32, width: float, at: tuple[int, int], size: tuple[int, int]) -> F32:
    """Return (h, w) coverage of the line of a drawn eye's shut lids: along the upper lid, thin at the corners."""
    upper = ring[:9]
    fine = np.stack([np.interp(np.linspace(0, 8, 33), np.arange(9), upper[:, k]) for k in (0, 1)], 1)
    fine = np.concatenate([fine[:1], (fine[:-2] + 2 * fine[1:-1] + fine[2:]) / 4, fine[-1:]])
    thick = width * (0.15 + 0.85 * np.sqrt(np.sin(np.linspace(0, np.pi, 33))))[:, None]
    along = np.gradient(fine, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    outline = np.concatenate([fine - across * thick * 0.5, (fine + across * thick * 0.5)[::-1]])
    return polygon_mask(outline.astype(np.float32), at[0], at[1], *size)


def _under_lashes(skin: F32, ring: F32, share: F32) -> F32:
    """Return skin (h, w, 3) with the lashes of a shut eye and their shadow on it, as far as `share` (h, w) says."""
    axis = ring[8] - ring[0]
    width = float(np.linalg.norm(axis))
    if width < 4:
        return skin
    along = axis / width
    down = np.array([-along[1], along[0]])
    y, x = np.mgrid[0:skin.shape[0], 0:skin.shape[1]].astype(np.float32)
    dx, dy = x - ring[0, 0], y - ring[0, 1]
    u = (dx * along[0] + dy * along[1]) / width
    order = np.argsort((ring[:9] - ring[0]) @ along)
    line = np.interp(u, ((ring[:9] - ring[0]) @ along / width)[order], ((ring[:9] - ring[0]) @ down / width)[order])
    below = (dx * down[0] + dy * down[1]) / width - line
    dark = np.where(below > 0, np.exp(-below / UNDER_LASHES[1]), np.exp(below / OVER_LASHES))
    dark = UNDER_LASHES[0] * dark * np.clip(np.minimum(u, 1 - u) / 0.08 + 1, 0, 1) * share
    most = np.maximum(skin.max(2, keepdims=True), 1)
    return (skin * (1 - dark[:, :, None] * (1 + DEEPENS * (1 - skin / most)))).astype(np.float32)


def _draw_ball(out: U8, eye: Eye, matrix: F32, target: F32, ring: F32, mask: F32, at: tuple[int, int],
               size: tuple[int, int], opening: float) -> None:
    to_roi = np.array([[1, 0, -at[0]], [0, 1, -at[1]]], dtype=np.float32)
    white = cv2.warpAffine(eye.white, _chain(to_roi, matrix, eye), size, borderMode=cv2.BORDER_REPLICATE)
    # The iris moves on its own: same turn and size, placed at its target.
    own = matrix.copy()
    own[:, 2] = target[IRISES[eye.side][0], :2] - own[:, :2] @ eye.centre
    iris = cv2.warpAffine(eye.iris, _chain(to_roi, own, eye), size)
    ball = iris[:, :, :3] + white * (1 - iris[:, :, 3:] / 255)
    if eye.lashes is None:
        ball = ball * _lid_shadow(ring, at[0], at[1], size, opening)
    else:
        # Where the iris hardly moved, the eye is as it was drawn; else its line casts a shadow.
        away = float(np.linalg.norm(own[:, 2] - matrix[:, 2])) / max(float(np.ptp(ring[:, 0])), 1.0)
        as_drawn = max(0.0, 1 - away / LOOKED)
        ball = ball * _lid_shadow(ring, at[0], at[1], size, SHADOWED)
        if as_drawn > 0:
            drawn = cv2.warpAffine(eye.lashes.ball, _chain(to_roi, matrix, eye), size, borderMode=cv2.BORDER_REPLICATE)
            ball = ball + as_drawn * (drawn - ball)
    blend(ball.astype(np.float32), mask, out, at[0], at[1])


def _similarity(source: F32, target: F32, eye: Eye) -> F32:
    a, b = EYE_CORNERS[eye.side]
    s, t = source[b, :2] - source[a, :2], target[b, :2] - target[a, :2]
    k = complex(*t) / complex(*s)
    m = np.array([[k.real, -k.imag], [k.imag, k.real]], dtype=np.float32)
    shift = (target[a, :2] + target[b, :2]) / 2 - m @ ((source[a, :2] + source[b, :2]) / 2)
    return np.concatenate([m, shift[:, None]], 1).astype(np.float32)


def _chain(to_roi: F32, matrix: F32, eye: Eye) -> F32:
    """From the eye's own patch to the region drawn."""
    shifted = matrix.copy()
    shifted[:, 2] = matrix[:, :2] @ np.array([eye.x0, eye.y0], np.float32) + matrix[:, 2] + to_roi[:, 2]
    return shifted


def _lid_shadow(ring: F32, x0: int, y0: int, size: tuple[int, int], opening: float) -> F32:
    """(h, w, 1) darkening under an upper lid that came down; the portrait's own shadow is in its pixels already."""
    w, h = size
    lowered = min(max(1 - opening, 0.0), 1.0)
    if lowered < 0.05:
        return np.ones((h, w, 1), dtype=np.float32)
    upper = ring[:9][np.argsort(ring[:9, 0])]
    edge = np.interp(np.arange(w) + x0, upper[:, 0], upper[:, 1]).astype(np.float32)
    depth = np.arange(h, dtype=np.float32)[:, None] + y0 - edge[None, :]
    reach = max(1.0, 0.10 * float(np.ptp(ring[:, 0])))
    return (1 - 0.4 * lowered * np.exp(-np.maximum(depth, 0) / reach))[:, :, None].astype(np.float32)
