"""Eyeballs behind the lids: white and iris from the portrait, completed where the lids hid them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..geometry import BROW_SETS, EYE_CORNERS, EYE_RINGS, IRISES
from ..types import F32, U8
from .glasses import Rims, eye_width
from .holes import fill_holes
from .mesh import smoothstep
from .raster import DEEPENS, blend, rasterise

OVERSAMPLE = 4


@dataclass(frozen=True, slots=True)
class Eye:
    """One eyeball and its lid edges.

    white: (h, w, 3) float32 RGB without iris; iris: (h, w, 4) float32 premultiplied RGBA (0..255); edge: (h, w, 3)
    float32, what the lid edges (lashes, lines, shadow) add to plain lid skin; lash: the same, what stays of it when the
    eye is closed. All at (x0, y0) px of the crop.
    centre (2,) px and radius px of the iris. ring: (16, 2) px, the eye ring; band: (32, 2) px, the same ring a little
    further in, and further out. around: (h, w) float32, 1 where the eye and its lids are: skin drawn from elsewhere
    hides it (the nose of a turned head). drawn: lids and lashes are lines and flat colours, which get no shadows.
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
    drawn: bool = False


# Width of the lid edge below the eye, and least and greatest one above it, in eye widths: lashes and fold are on it,
# but no more than this share of the way to the brow.
EDGE_BELOW, EDGE_ABOVE, TO_BROW = 0.085, (0.15, 0.30), 0.6
# Pixels that the eyeball covers in part show the lid edge beside it.
INSET_PX = 1.0
# How far the rim of an iris reaches, in radii.
RIM_REACH = 1.3
# How softly plain skin begins, in eye widths.
SOFT = 0.03
# As far it stays from the rims of glasses.
RIM = 0.1
# A closed lid: share of its colour that comes from the skin below the eye, least brightness of lid and fold against
# that skin, and how much the tint of the fold may differ from it.
LID_FROM_BELOW, LID_LIGHT, FOLD_LIGHT, FOLD_TINT = 0.6, 0.86, 0.52, 0.05
# How light the fold of a lid behind glasses is against the skin below.
FOLD_FRAMED = 0.85
# What stays of the lid edge when the lid is closed: dark pixels up to this far from it, in eye widths.
# The line where lids meet is darker than their skin by at least this share.
LASH, LASH_LINE, LASH_LEAST = 0.065, 0.9, 0.55
# An eye that is open by less than this shows its lashes from above: how much they and their shadow darken the skin
# below the lid, and how far they reach down and up, in eye widths (from 82 shut eyes of clips beside drawn ones).
SHUT, UNDER_LASHES, OVER_LASHES = 0.3, (0.38, 0.12), 0.03
# Lids turn away from the light towards the corners of the eye: by how much they are darker there, and from where on, in
# half eye widths from the middle.
TURNS_AWAY, ROUND_FROM = 0.22, 0.4
_RING = 16
_BAND_TRIANGLES = np.array([t for i in range(_RING) for t in (
    (i, _RING + i, (i + 1) % _RING), ((i + 1) % _RING, _RING + i, _RING + (i + 1) % _RING))], dtype=np.int32)
_BAND_ORDER = np.arange(len(_BAND_TRIANGLES), dtype=np.int32)


def edge_above(landmarks: F32, side: int, rims: Rims | None) -> float:
    """Return the width of the upper lid's edge, in eye widths, from landmarks (478, 3) px and the rims of glasses."""
    ring, brow = landmarks[EYE_RINGS[side], :2], landmarks[BROW_SETS[side], :2]
    axis = ring[8] - ring[0]
    along = axis / (axis @ axis)
    down = np.array([-along[1], along[0]], dtype=np.float32)
    u, v = (ring[:9] - ring[0]) @ along, (ring[:9] - ring[0]) @ down

    def over(points: F32) -> F32:
        return (np.interp((points - ring[0]) @ along, u, v) - (points - ring[0]) @ down).astype(np.float32)

    # The lower edge of the brow, without its lowest end.
    room = max(TO_BROW * float(np.sort(over(brow))[2]), EDGE_ABOVE[0])
    if rims is not None:
        rim = rims[side]
        across, away = (rim - ring[0]) @ along, over(rim)
        room = min(room, max(float(away[(away > 0) & (across > 0) & (across < 1)].min(initial=1.0)) - RIM, 0.05))
    return min(room, EDGE_ABOVE[1])


def _band(ring: F32, width: float, above: float, more: float = 0.0) -> F32:
    """Return (32, 2) px: the ring moved in by INSET_PX, and moved out by the width of the lid edge and `more` eye
    widths."""
    along = np.roll(ring, -1, 0) - np.roll(ring, 1, 0)
    normal = np.stack([along[:, 1], -along[:, 0]], 1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    # The ring runs clockwise on the screen for both eyes: the normal points out.
    reach = np.full((_RING, 1), EDGE_BELOW * width, dtype=np.float32)
    reach[1:8] = above * width
    reach[[0, 8]] = 0.5 * EDGE_BELOW * width
    return np.concatenate([ring - normal * INSET_PX, ring + normal * (reach + more * width)]).astype(np.float32)


def paint_out(image: U8, landmarks: F32, rims: Rims | None) -> U8:
    """Return the crop (H, W, 3) with plain lid skin in place of both eyes and their lashes; rims: of glasses."""
    out = image.copy()
    for side in (0, 1):
        ring = landmarks[EYE_RINGS[side], :2]
        width = eye_width(landmarks, side)
        above = edge_above(landmarks, side, rims)
        outer = _band(ring, width, above)[_RING:]
        margin = 0.30 * width
        x0, y0 = np.maximum(np.floor(outer.min(0) - margin), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(outer.max(0) + margin), [image.shape[1], image.shape[0]]).astype(int)
        patch = image[y0:y1, x0:x1].astype(np.float32)
        h, w = patch.shape[:2]
        hole = polygon_mask(np.maximum(outer, 0), int(x0), int(y0), w, h)
        skin = _lid_skin(image, ring, above, rims is not None, (int(x0), int(y0)), (w, h))
        soft = cv2.GaussianBlur(hole, (0, 0), max(0.6, SOFT * width))[:, :, None]
        out[y0:y1, x0:x1] = np.clip(patch * (1 - soft) + skin * soft + 0.5, 0, 255).astype(np.uint8)
    return out


def _lid_skin(image: U8, ring: F32, edge: float, framed: bool, at: tuple[int, int],
              size: tuple[int, int]) -> F32:
    """Return (h, w, 3) float32: what the skin of a closed lid looks like, for the patch of `size` (w, h) at `at` px.

    The skin around an open eye is in the shadow of brow and fold; a lid that comes down turns to the light, about as
    the skin under the eye does. So its colour is taken from there, and only in part from above.
    """
    axis = ring[8] - ring[0]
    width = float(np.linalg.norm(axis))
    along = axis / width
    # Both rings run clockwise on the screen: this normal points down, to the cheek.
    down = np.array([-along[1], along[0]], dtype=np.float32)
    blurred = cv2.GaussianBlur(image, (0, 0), max(0.8, 0.03 * width))

    def colours(points: npt.NDArray[np.floating]) -> F32:
        px = np.clip(np.round(points), 0, [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
        return blurred[px[:, 1], px[:, 0]].astype(np.float32)

    u = (ring - ring[0]) @ along / width
    v = (ring - ring[0]) @ down / width
    upper, lower = slice(1, 8), slice(15, 8, -1)
    under = _line(u[lower], np.stack([colours(ring[lower] + k * width * down) for k in (0.22, 0.34, 0.46)]))
    past = edge + np.array([-0.01, 0.03, 0.07])
    over = _line(u[upper], np.stack([colours(ring[upper] - k * width * down) for k in past]))
    yy, xx = np.mgrid[0:size[1], 0:size[0]].astype(np.float32)
    dx, dy = xx + at[0] - ring[0, 0], yy + at[1] - ring[0, 1]
    x = np.clip((dx * along[0] + dy * along[1]) / width, 0, 1)
    y = (dx * down[0] + dy * down[1]) / width
    top, bottom = np.interp(x, u[:9], v[:9]), np.interp(x, np.append(u[lower], 1), np.append(v[lower], 0))
    below = np.clip((y - top) / np.maximum(bottom - top, 0.05), 0, 1)[:, :, None]
    above = np.clip((top - y) / edge, 0, 1)[:, :, None]
    low = under[0] + x[:, :, None] * under[1]
    # A strand of hair or a brow may have darkened and tinted what lies above; of glasses it is the frame.
    ratio = np.maximum(over[0] + x[:, :, None] * over[1], 1) / np.maximum(low, 1)
    level = ratio.mean(2, keepdims=True)
    ratio = np.clip(level, FOLD_LIGHT, 1) * np.clip(ratio / level, 1 - FOLD_TINT, 1 + FOLD_TINT)
    high = low * (FOLD_FRAMED if framed else ratio)
    lid = LID_FROM_BELOW * low + (1 - LID_FROM_BELOW) * high
    lid = lid * np.maximum(1, LID_LIGHT * low.sum(2, keepdims=True) / np.maximum(lid.sum(2, keepdims=True), 1))
    # Up to the fold it turns into the skin there, without an edge where the drawn skin ends.
    lid = lid + above * above * (3 - 2 * above) * (high - lid)
    round_off = TURNS_AWAY * smoothstep((np.abs(2 * x - 1) - ROUND_FROM) / (1 - ROUND_FROM))[:, :, None]
    lid = lid * (1 - round_off * (1 - above) * (1 - below))
    return np.clip(lid + below * (low - lid), 0, 255).astype(np.float32)


def _line(u: F32, samples: F32) -> F32:
    """Return (2, 3): offset and slope of the colour along the eye, from (3, N, 3) samples at (N,) `u`.

    The lighter half of the samples, since a bag, a lash or a frame is dark; then Theil and Sen's line (median of
    slopes), so that a single glint or strand of hair does not count."""
    order = np.argsort(samples.sum(2), axis=0)[:, :, None]
    colour = np.take_along_axis(samples, order, 0)[1:].mean(0)
    i, j = np.triu_indices(len(u), 1)
    apart = np.abs(u[j] - u[i]) > 0.02
    i, j = i[apart], j[apart]
    slope = np.median((colour[j] - colour[i]) / (u[j] - u[i])[:, None], axis=0)
    return np.stack([np.median(colour - u[:, None] * slope, axis=0), slope]).astype(np.float32)


def polygon_mask(points: F32, x0: int, y0: int, width: int, height: int) -> F32:
    """Return (height, width) float32 coverage 0..1 of a polygon (N, 2) px, antialiased by supersampling."""
    k = OVERSAMPLE
    canvas = np.zeros((height * k, width * k), dtype=np.uint8)
    # Pixel centres are at integers, so a big pixel spans -0.5..0.5 around them.
    scaled = (points - [x0, y0] + 0.5) * k - 0.5
    cv2.fillPoly(canvas, [np.round(scaled * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return (cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)).astype(np.float32)


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
    edge = patch - painted[y0:y1, x0:x1].astype(np.float32)
    # As far as the softened border of what was painted out: less would leave a line around the open eye.
    band = _band(ring, width, edge_above(landmarks, side, rims), max(3 * SOFT, 2.5 / width))
    away = cv2.distanceTransform((inside < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    near = np.exp(-(np.minimum(away, width) / (LASH * width)) ** 2)[:, :, None]
    # The dark line of the lashes: as dark as the darkest tenth of the lid edge that shows.
    rim = polygon_mask(band[_RING:], int(x0), int(y0), w, h) * (inside < 0.5) > 0.5
    dark = edge[rim][edge[rim].sum(1) <= np.percentile(edge[rim].sum(1), 12)].mean(0) if rim.any() else np.zeros(3)
    lid = painted[y0:y1, x0:x1][inside > 0.5]
    # An eye that is shut in the portrait shows its line itself.
    dark = np.minimum(dark, -LASH_LEAST * lid.mean(0)) if len(lid) else dark
    ends = np.clip(np.minimum(*(np.hypot(xx + x0 - c[0], yy + y0 - c[1]) for c in (a, b))) / (0.2 * width), 0, 1)
    lash = np.minimum(np.minimum(edge, 0), np.minimum(dark, 0) * LASH_LINE * ends[:, :, None]) * near
    margin = max(2, round(0.14 * width))
    around = cv2.dilate(polygon_mask(band[_RING:], int(x0), int(y0), w, h),
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
    if opening < 0.4 and not eye.drawn:
        # Two lid edges meet in one line: without the eyeball between them nothing else smooths it.
        edge = cv2.GaussianBlur(edge, (0, 0), 0.5 + 0.5 * (1 - opening / 0.4))
    region = out[y0:y1, x0:x1]
    lit = (region + edge * (seen * (1 - mask))[:, :, None]).astype(np.float32)
    if opening < SHUT and not eye.drawn:
        lit = _under_lashes(lit, ring - [x0, y0], seen * np.float32(1 - max(opening, 0) / SHUT))
    region[:] = np.clip(lit + 0.5, 0, 255).astype(np.uint8)


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
    if not eye.drawn:
        ball = ball * _lid_shadow(ring, at[0], at[1], size, opening)
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
