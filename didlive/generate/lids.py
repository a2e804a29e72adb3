"""The lids of photographed eyes: what their skin looks like when they are shut, and how wide their edges are."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..geometry import BROW_SETS, EYE_RINGS
from ..types import F32, U8
from .glasses import Rims, eye_width
from .mesh import smoothstep
from .raster import polygon_mask

RING = 16
# Width of the lid edge below the eye, and least and greatest one above it, in eye widths: lashes and fold are on it,
# but no more than this share of the way to the brow.
EDGE_BELOW, EDGE_ABOVE, TO_BROW = 0.085, (0.15, 0.30), 0.6
# Pixels that the eyeball covers in part show the lid edge beside it.
INSET_PX = 1.0
# How softly plain skin begins, in eye widths.
SOFT = 0.03
# As far it stays from the rims of glasses.
RIM = 0.1
# A closed lid: its brightness against the skin below the eye, how much redder it is (a power), how dark its fold may be
# and how much the tint of that may differ (73 pairs of open and shut eyes of 18 clips; how dark the fold is while the
# eye is open says nothing about the shut lid).
LID_LIGHT, LID_HUE, FOLD_LIGHT, FOLD_TINT = 0.9, 0.2, 0.52, 0.08
# How light the fold of a lid behind glasses is against the skin below, and under a brow that is so near above the eye
# (eye widths; from the second on it does not matter): what is dark there is the brow.
FOLD_FRAMED, BROW_NEAR = 0.85, (0.28, 0.36)
# Lids have the grain of the skin that begins so far below the eye (eye widths), this share of it, up to so many levels.
GRAIN_FROM, GRAIN, GRAIN_MOST = 0.2, 0.7, 14.0
# Lids turn away from the light towards the corners of the eye: by how much they are darker there, and from where on, in
# half eye widths from the middle.
TURNS_AWAY, ROUND_FROM = 0.22, 0.4
# Skin that shines below the eye is paler than the lid: it keeps at least this share of the saturation of the face's
# skin, on faces more colourful than the first and wholly from the second saturation on, and of its brightness.
MATT, MATT_FROM, MATT_LIGHT = 0.75, (0.2, 0.4), 0.9
SKIN = (50, 280, 205, 425, 117, 346, 118, 347, 101, 330, 151, 9, 108, 337, 69, 299, 67, 297, 187, 411, 192, 416)
# Make-up and shadow beside the eye go on into the painted lid so far from its sides, in eye widths.
BESIDE = 0.09


def skin_colour(image: U8, landmarks: F32) -> F32:
    """Return (3,) RGB, the median colour of cheeks and forehead, from landmarks (478, 3) px."""
    smooth = cv2.GaussianBlur(image, (0, 0), max(0.8, 0.01 * float(np.ptp(landmarks[:, 0]))))
    at = np.clip(np.round(landmarks[SKIN, :2]), 0, [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
    return np.median(smooth[at[:, 1], at[:, 0]], axis=0).astype(np.float32)


def without_shine(colours: F32, skin: F32) -> F32:
    """Return colours (..., 3) RGB of skin less the white light that it mirrors, as the saturation of the face's `skin`
    (3,) tells (Shafer's dichromatic reflection)."""
    bright, saturation = float(skin.max()), 1 - float(skin.min()) / max(float(skin.max()), 1.0)
    share = smoothstep((saturation - MATT_FROM[0]) / (MATT_FROM[1] - MATT_FROM[0]))
    keep = max(MATT * saturation, 0.01)
    most, least = colours.max(-1, keepdims=True), colours.min(-1, keepdims=True)
    shine = (least - (1 - keep) * most) / keep
    return colours - share * np.clip(shine, 0, np.maximum(most - MATT_LIGHT * bright, 0))


def _over(landmarks: F32, side: int, points: F32) -> tuple[F32, F32]:
    """Return (N,) how far points (N, 2) px are above the upper lid, and (N,) how far along the eye from its first
    corner, in eye widths."""
    ring = landmarks[EYE_RINGS[side], :2]
    axis = ring[8] - ring[0]
    along = axis / (axis @ axis)
    down = np.array([-along[1], along[0]], dtype=np.float32)
    u, v = (ring[:9] - ring[0]) @ along, (ring[:9] - ring[0]) @ down
    across = (points - ring[0]) @ along
    return (np.interp(across, u, v) - (points - ring[0]) @ down).astype(np.float32), across


def _to_brow(landmarks: F32, side: int) -> float:
    """Return how far above the lid the tracked lower edge of the brow is, without its lowest end, in eye widths."""
    return float(np.sort(_over(landmarks, side, landmarks[BROW_SETS[side], :2])[0])[2])


def edge_above(landmarks: F32, side: int, rims: Rims | None) -> float:
    """Return the width of the upper lid's edge, in eye widths, from landmarks (478, 3) px and the rims of glasses."""
    room = max(TO_BROW * _to_brow(landmarks, side), EDGE_ABOVE[0])
    if rims is not None:
        away, across = _over(landmarks, side, rims[side])
        room = min(room, max(float(away[(away > 0) & (across > 0) & (across < 1)].min(initial=1.0)) - RIM, 0.05))
    return min(room, EDGE_ABOVE[1])


def outward(ring: F32) -> F32:
    """Return (16, 2), the directions out of an eye ring (16, 2) px. Both rings run clockwise on the screen."""
    along = np.roll(ring, -1, 0) - np.roll(ring, 1, 0)
    normal = np.stack([along[:, 1], -along[:, 0]], 1)
    return (normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def lid_band(ring: F32, width: float, above: float, more: float = 0.0) -> F32:
    """Return (32, 2) px: the ring moved in by INSET_PX, and moved out by the width of the lid edge and `more` eye
    widths."""
    normal = outward(ring)
    reach = np.full((RING, 1), EDGE_BELOW * width, dtype=np.float32)
    reach[1:8] = above * width
    reach[[0, 8]] = 0.5 * EDGE_BELOW * width
    return np.concatenate([ring - normal * INSET_PX, ring + normal * (reach + more * width)]).astype(np.float32)


def paint_out(image: U8, landmarks: F32, rims: Rims | None) -> U8:
    """Return the crop (H, W, 3) with plain lid skin in place of both eyes and their lashes; rims: of glasses."""
    out, tone = image.copy(), skin_colour(image, landmarks)
    for side in (0, 1):
        ring = landmarks[EYE_RINGS[side], :2]
        width = eye_width(landmarks, side)
        above = edge_above(landmarks, side, rims)
        outer = lid_band(ring, width, above)[RING:]
        margin = 0.30 * width
        x0, y0 = np.maximum(np.floor(outer.min(0) - margin), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(outer.max(0) + margin), [image.shape[1], image.shape[0]]).astype(int)
        patch = image[y0:y1, x0:x1].astype(np.float32)
        h, w = patch.shape[:2]
        hole = polygon_mask(np.maximum(outer, 0), int(x0), int(y0), w, h)
        darkest = float(np.interp(_to_brow(landmarks, side), BROW_NEAR, (FOLD_FRAMED, FOLD_LIGHT)))
        skin = _lid_skin(image, ring, above, darkest, rims is not None, tone, (int(x0), int(y0)), (w, h))
        skin = skin + _beside(patch - skin, hole, ring - [x0, y0], width)
        soft = cv2.GaussianBlur(hole, (0, 0), max(0.6, SOFT * width))[:, :, None]
        out[y0:y1, x0:x1] = np.clip(patch * (1 - soft) + skin * soft + 0.5, 0, 255).astype(np.uint8)
    return out


def _beside(differs: F32, hole: F32, ring: F32, width: float) -> F32:
    """Return (h, w, 3): by how much the picture around the hole differs from the lid's skin, `differs`, at the sides of
    the eye, fading into the hole (h, w)."""
    out = 1 - hole
    blur = max(0.8, BESIDE * width)
    weight = cv2.GaussianBlur(out, (0, 0), blur)[:, :, None]
    near = cv2.GaussianBlur(differs * out[:, :, None], (0, 0), blur) / np.maximum(weight, 0.05)
    axis = (ring[8] - ring[0]) / np.linalg.norm(ring[8] - ring[0])
    y, x = np.mgrid[0:hole.shape[0], 0:hole.shape[1]].astype(np.float32)
    u = ((x - ring[0, 0]) * axis[0] + (y - ring[0, 1]) * axis[1]) / width
    sides = smoothstep((np.abs(2 * u - 1) - 0.5) / 0.4)[:, :, None]
    return (near * np.clip(2 * weight, 0, 1) * sides).astype(np.float32)


def _lid_skin(image: U8, ring: F32, edge: float, darkest: float, framed: bool, tone: F32, at: tuple[int, int],
              size: tuple[int, int]) -> F32:
    """Return (h, w, 3) float32: what the skin of a closed lid looks like, for the patch of `size` (w, h) at `at` px.
    darkest: how dark the fold may be; tone: (3,) RGB, the skin's colour elsewhere.

    The skin around an open eye is in the shadow of brow and fold; a lid that comes down turns to the light, about as
    the skin under the eye does. So its colour is taken from there.
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
    across = (dx * along[0] + dy * along[1]) / width
    x = np.clip(across, 0, 1)
    y = (dx * down[0] + dy * down[1]) / width
    top, bottom = np.interp(x, u[:9], v[:9]), np.interp(x, np.append(u[lower], 1), np.append(v[lower], 0))
    below = np.clip((y - top) / np.maximum(bottom - top, 0.05), 0, 1)[:, :, None]
    above = np.clip((top - y) / edge, 0, 1)[:, :, None]
    # A line goes on beyond what was seen, and a colour cannot be less than nothing.
    low = without_shine(np.maximum(under[0] + x[:, :, None] * under[1], 0), tone)
    # A strand of hair or a brow may have darkened and tinted what lies above; of glasses it is the frame.
    ratio = np.maximum(over[0] + x[:, :, None] * over[1], 1) / np.maximum(low, 1)
    level = ratio.mean(2, keepdims=True)
    ratio = np.clip(level, darkest, 1) * np.clip(ratio / level, 1 - FOLD_TINT, 1 + FOLD_TINT)
    high = low * (FOLD_FRAMED if framed else ratio)
    lid = LID_LIGHT * low * (low / np.maximum(low.max(2, keepdims=True), 1)) ** LID_HUE
    # Up to the fold it turns into the skin there, without an edge where the drawn skin ends.
    lid = lid + above * above * (3 - 2 * above) * (high - lid)
    round_off = TURNS_AWAY * smoothstep((np.abs(2 * x - 1) - ROUND_FROM) / (1 - ROUND_FROM))[:, :, None]
    lid = lid * (1 - round_off * (1 - above) * (1 - below))
    lid = lid + below * (low - lid)
    if not framed:
        # Denser than on the cheek: the lid is drawn out as it comes down.
        stretch = 1 + float(np.mean(v[lower] - v[upper])) / edge
        mirrored = across[:, :, None] * along + (bottom + GRAIN_FROM + stretch * (top - y))[:, :, None] * down
        lid = lid + _grain(image, np.asarray(blurred, np.uint8), ring[0] + width * mirrored)
    return np.clip(lid, 0, 255).astype(np.float32)


def _grain(image: U8, smooth: U8, points: npt.NDArray[np.floating]) -> F32:
    """Return (h, w, 3), the fine texture of the skin at points (h, w, 2) px: what `smooth` (H, W, 3) has not."""
    at_x, at_y = points[..., 0].astype(np.float32), points[..., 1].astype(np.float32)
    fine, plain = (cv2.remap(p, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
                   for p in (image, smooth))
    return GRAIN * np.clip(fine - plain, -GRAIN_MOST, GRAIN_MOST)


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
