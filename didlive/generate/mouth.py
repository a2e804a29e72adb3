"""The inside of the mouth, behind the lips: the portrait's own teeth where it shows them, else teeth, tongue and cavity
in its light and palette. Upper teeth stay with the head, lower teeth and tongue go with the jaw."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..geometry import LIPS_INNER, LIPS_OUTER, HeadLocal
from ..types import F32, U8
from .arch import along_arch, placed_corners, teeth_shifts
from .mesh import smoothstep
from .open_lips import is_open
from .own_teeth import Sprite, as_shown, box_around, find_own_teeth, lip_gap
from .raster import blend, polygon_mask
from .teeth import LOWER_MM, SPRITE_MM, UPPER_MM, Palette, Teeth, draw_arch, draw_tongue, luma

FACE_WIDTH_MM = 140.0
# How far the upper teeth reach below the resting lip line, and how far the lower ones stay below it.
UPPER_SHOW_MM, LOWER_SHOW_MM = 3.4, 4.4
# A full smile lifts the lips by this much (head-local units, mean of the expression modes); the teeth stay.
SMILE_LIFT = 0.05
# What a portrait shows between parted lips fades as they come this much nearer or go this much farther apart.
REST_MM = 2.5
# Share of the light that falls into a mouth that is nearly shut; so far open, all of it does.
NARROW, WIDE_MM = 0.55, 10.0
# A smile draws the lips off the teeth; a mouth whose middle does not hang below its corners by this share of its width
# shows them in less light (measured on 1,700 photographed mouths: 0.6 of the lips' brightness against 1.2).
FLAT, SMILE_CURVE = 0.75, 0.08
# Light that the flesh of the mouth throws back, as a share of the lips' light: what is dark is warm there, not grey.
GLOW = 0.42
# The darker it is, the more often light was thrown back by red flesh: logarithm of red against green beside the lips'
# own, for the logarithm of the light, and in full light (440 photographed open mouths); what of it falls on each
# colour; and the least saturation of lips that have a colour.
REDDER, REDDER_LIT, REDDENS, COLOURED = 0.45, -0.18, np.array([0.6, -0.4, -0.45]), 0.25
# Enamel is creamier than skin: what its tint adds in a picture that has colours (135 photographed smiles).
CREAM = np.array([0.012, 0.006, -0.022], dtype=np.float32)
# Tracked lip lines lie outside the opening: the rims of the lower and of the upper lip stand before the teeth by so
# many millimetres, but by no more than this share of the gap.
RIMS = ((1.7, 0.26), (0.5, 0.08))
# Drawn teeth are in full light so far from the corners, in mouth widths, and in this share of it there.
CORNER, CORNER_LIGHT = 0.22, 0.18
# The dark at the back is this light against the lips. The tongue rises out of it: its middle lies so far below the line
# of the lips, it goes down with this share of the way of the lower teeth, and where it begins, behind the upper lip, it
# has this share of its light (1,100 photographed mouths: half as light as the lips where they are darkest).
DARK, TONGUE_MM, TONGUE_JAW, BACK = 0.28, 8.0, 0.5, 0.15
CHEEKS = (205, 425, 50, 280)


@dataclass(frozen=True, slots=True)
class Mouth:
    """Prepared layers, from back to front. cavity: RGB from the portrait, or one colour (1, 1, 3). own: the portrait's
    own teeth. rest: all that shows between its lips, drawn while the lips are about as far apart as there (gap_mm).
    line: (3,) RGB of the line of closed lips, which a portrait with an open mouth lacks (else None). glow: (3,) RGB of
    the light between the lips. fading: (3,) powers of the light for each colour of the lower teeth. ppm: px per
    millimetre in the crop."""

    cavity: Sprite
    tongue: Sprite
    lower: Sprite
    upper: Sprite
    own: Sprite | None
    rest: Sprite | None
    gap_mm: float
    line: F32 | None
    glow: F32
    fading: F32
    ppm: float

    def draw(self, out: U8, local: HeadLocal, target: F32, turned: F32, centre: F32, scale: float) -> None:
        """Draw the inside of the mouth into `out` (H, W, 3) in place, inside the target lips.

        target: (478, 3) landmarks px; turned: (3, 3) head rotation; centre: (3,) px; scale: size against the portrait.
        """
        _draw_mouth(out, self, local, target, turned, centre, scale)


def read_palette(image: U8, landmarks: F32, white: F32) -> Palette:
    """Take tooth, lip and cavity colour from the face; `white` (3,) is the colour of the white of the eyes."""
    lips = _sample(image, (landmarks[LIPS_OUTER, :2] + landmarks[LIPS_INNER, :2]) / 2)
    skin = _sample(image, landmarks[list(CHEEKS), :2])
    lip, cheek = np.median(lips, 0), np.median(skin, 0)
    # Least squares over 77 photographed open smiles; bounded by the skin so that a dark picture stays dark.
    level = min(136.0 + 0.15 * float(luma(cheek)) + 0.32 * float(luma(white)), 2.2 * float(luma(cheek)) + 35)
    # The shading of the drawing takes some of it away again.
    level = min(1.21 * level, 245.0)
    # Half of the skin's own tint keeps teeth in the palette of the picture (photographed teeth have a third; beside
    # drawn gums that looks grey).
    tint = (cheek - luma(cheek)) * 0.5 + level * CREAM * float(np.clip(np.ptp(cheek) / 30, 0, 1))
    return Palette(np.clip(level + tint, 0, 248).astype(np.float32), lip.astype(np.float32), flesh(lip, DARK))


def flesh(lip: F32, light: float) -> F32:
    """Return (3,) RGB of the flesh inside a mouth with lips (3,) that has so much of their light, 0..1."""
    redder = _coloured(lip) * (REDDER_LIT - REDDER * float(np.log(light)))
    return (light * lip * np.exp(redder * REDDENS)).astype(np.float32)


def _coloured(lip: F32) -> float:
    """Return 0 where lips (3,) are grey, as in a black and white picture, 1 where they have a colour."""
    return min((1 - float(lip.min()) / max(float(lip.max()), 1.0)) / COLOURED, 1.0)


def _sample(image: U8, points: np.ndarray) -> F32:
    x = np.clip(np.round(points[:, 0]).astype(int), 1, image.shape[1] - 2)
    y = np.clip(np.round(points[:, 1]).astype(int), 1, image.shape[0] - 2)
    box = [image[y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return np.mean(box, axis=0).astype(np.float32)


def prepare_mouth(image: U8, landmarks: F32, local: HeadLocal, white: F32, smile: float = 0.0) -> Mouth:
    """Build the layers for a crop (H, W, 3) RGB with landmarks (478, 3) px; smile: 0..1, what the portrait shows."""
    palette = read_palette(image, landmarks, white)
    ppm = float(np.linalg.norm(landmarks[234] - landmarks[454])) / FACE_WIDTH_MM
    # In steps: the same drawing serves faces of about the same size.
    px_per_mm = float(np.clip(np.ceil(ppm * 1.4 * 2) / 2, 1.5, 8.0))
    line = _lip_line(local) + np.array([0, SMILE_LIFT * smile], dtype=np.float32)
    unit = ppm / local.scale
    z = float(local.shape[[13, 14], 2].mean()) + 3.0 * unit
    edge = line + np.array([0, UPPER_SHOW_MM * unit], dtype=np.float32)
    cavity = Sprite(palette.dark.reshape(1, 1, 3), np.zeros((3, 3), np.float32))
    own = find_own_teeth(image, landmarks, local, palette)
    if own is not None:
        # Drawn teeth go on where the portrait's own end: same colour, same biting edge.
        palette = replace(palette, tooth=own.colour)
        edge[1] = own.edge
        cavity = own.cavity or cavity

    def arch(teeth: Teeth, colours: Palette, upper: bool) -> F32:
        return _soften(draw_arch(teeth, colours, px_per_mm, upper), image, landmarks, px_per_mm / ppm)

    lower_z, tongue_middle = z + 2.0 * unit, line + np.array([0, TONGUE_MM * unit])
    return Mouth(
        cavity=cavity, own=own.teeth if own is not None else None, ppm=ppm,
        rest=as_shown(image, landmarks, local) if is_open(landmarks) else None,
        gap_mm=lip_gap(landmarks[LIPS_INNER, :2]) / ppm,
        glow=flesh(palette.lip, GLOW),
        fading=(1 - _coloured(palette.lip) * REDDER * REDDENS).astype(np.float32),
        line=(0.45 * palette.lip).astype(np.float32) if is_open(landmarks) else None,
        upper=Sprite(arch(UPPER_MM, palette, True), _corners(edge, z, unit)),
        lower=Sprite(arch(LOWER_MM, palette.dimmed(0.66), False),
                     _corners(line + np.array([0, LOWER_SHOW_MM * unit]), lower_z, unit)),
        tongue=Sprite(draw_tongue(flesh(palette.lip, 1.0), px_per_mm),
                      _corners(tongue_middle, lower_z + 8 * unit, unit)))


def _lip_line(local: HeadLocal) -> F32:
    """Where the lips meet at rest, head-local x y: an open mouth's lower lip has gone down more than its upper up."""
    upper, lower = local.shape[13, :2], local.shape[14, :2]
    return (upper + 0.35 * (lower - upper)).astype(np.float32)


def _corners(middle: np.ndarray, z: float, unit: float) -> F32:
    half_w, half_h = SPRITE_MM[0] / 2 * unit, SPRITE_MM[1] / 2 * unit
    x, y = float(middle[0]), float(middle[1])
    return np.array([[x - half_w, y - half_h, z], [x + half_w, y - half_h, z], [x - half_w, y + half_h, z]], np.float32)


def _soften(sprite: F32, image: U8, landmarks: F32, enlargement: float) -> F32:
    """Blur drawn teeth as the portrait is blurred, measured on the lips and chin."""
    x0, y0 = landmarks[LIPS_OUTER, :2].min(0).astype(int)
    x1, y1 = landmarks[LIPS_OUTER, :2].max(0).astype(int)
    grey = cv2.cvtColor(image[max(0, y0):y1 + 2, max(0, x0):x1 + 2], cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean()) / max(float(grey.std()), 4.0)
    sigma = float(np.clip(0.9 - 1.2 * detail, 0.35, 0.9)) * enlargement
    return np.asarray(cv2.GaussianBlur(sprite, (0, 0), sigma), dtype=np.float32)


def _draw_mouth(out: U8, mouth: Mouth, local: HeadLocal, target: F32, turned: F32, centre: F32, scale: float) -> None:
    ring = target[LIPS_INNER, :2]
    low, high = box_around(ring, 2, out)
    w, h = (int(v) for v in high - low)
    if w < 3 or h < 3:
        return
    _draw_line(out, mouth, ring, (int(low[0]), int(low[1])), (w, h), mouth.ppm * scale)
    if _area(ring) < 0.75 * w:
        return
    x0, y0 = int(low[0]), int(low[1])
    mask = polygon_mask(ring, x0, y0, w, h)
    size = local.scale * scale
    up, low_teeth = teeth_shifts(mouth, local, target, turned, centre, scale)

    def place(sprite: Sprite, shift: F32 | float = 0.0) -> F32:
        points = placed_corners(sprite, shift, turned, centre, size) - [x0, y0]
        sh, sw = sprite.image.shape[:2]
        corners = np.array([[0, 0], [sw - 1, 0], [0, sh - 1]], dtype=np.float32)
        matrix = cv2.getAffineTransform(corners, points.astype(np.float32))
        border = cv2.BORDER_REPLICATE if sprite.image.shape[2] == 3 else cv2.BORDER_CONSTANT
        return np.asarray(cv2.warpAffine(sprite.image, matrix, (w, h), borderMode=border), dtype=np.float32)

    def place_teeth(sprite: Sprite, shift: F32) -> F32:
        corners = placed_corners(sprite, shift, turned, centre, size) - [x0, y0]
        away = turned[:2, 2] - (local.rotation[:2, 2] if sprite is mouth.own else 0)
        x, y = along_arch(sprite, mouth.upper, corners, away, mouth.ppm / local.scale, mouth.ppm * scale, (w, h))
        sh, sw = sprite.image.shape[:2]
        return np.asarray(cv2.remap(sprite.image, x * (sw - 1), y * (sh - 1), cv2.INTER_LINEAR), dtype=np.float32)

    inside = (np.broadcast_to(mouth.cavity.image, (h, w, 3)).astype(np.float32) if mouth.cavity.image.shape[0] == 1
              else place(mouth.cavity))
    shade = _shade(ring, x0, y0, w, h, mouth.ppm * scale)
    tongue, rising = (TONGUE_JAW * low_teeth).astype(np.float32), shade * _depth(ring, x0, y0, w, h)
    for sprite, shift, lit in ((mouth.tongue, tongue, rising), (mouth.lower, low_teeth, shade),
                               (mouth.upper, up, shade), (mouth.own, up, None)):
        if sprite is not None:
            drawn = place(sprite, shift) if sprite is mouth.tongue else place_teeth(sprite, shift)
            colour, cover = drawn[:, :, :3], drawn[:, :, 3:] / 255
            if lit is not None:
                light = fading = lit[:, :, None]
                if sprite is mouth.lower:
                    fading = cv2.merge([cv2.pow(lit, float(power)) for power in mouth.fading])
                colour = colour * fading + mouth.glow * cover * (1 - light)
            inside = colour + inside * (1 - cover)
    inside = np.asarray(inside, dtype=np.float32)
    if mouth.own is None:
        _draw_rims(inside, out, ring, (x0, y0), mouth.ppm * scale)
    here = 1 - abs(lip_gap(ring) / (mouth.ppm * scale) - mouth.gap_mm) / REST_MM
    if mouth.rest is not None and here > 0:
        drawn = place(mouth.rest) * min(2 * here, 1.0)
        inside = drawn[:, :, :3] + inside * (1 - drawn[:, :, 3:] / 255)
    blend(np.ascontiguousarray(inside, dtype=np.float32), mask, out, x0, y0)


def _draw_rims(inside: F32, out: U8, ring: F32, at: tuple[int, int], ppm: float) -> None:
    """Lay the rims of the lips, in the colour of the lips beside the opening in `out` (H, W, 3), over what is inside it
    (h, w, 3), in place."""
    h, w = inside.shape[:2]
    xs = np.arange(w, dtype=np.float32) + at[0]
    ys = np.arange(h, dtype=np.float32)[:, None] + at[1]
    upper, lower = _edges(ring, xs)
    for (depth_mm, share), edge, side in zip(RIMS, (lower, upper), (1, -1), strict=True):
        beside = (edge + side * 0.8 * ppm).astype(np.float32)[None]
        lip = cv2.remap(out, xs[None], beside, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        lip = cv2.GaussianBlur(lip, (0, 0), max(0.8, 0.8 * ppm), borderType=cv2.BORDER_REPLICATE)
        depth = np.maximum(np.minimum(depth_mm * ppm, share * (lower - upper)), 0.3)
        far = side * (edge - ys) / depth
        cover = np.clip((1.3 - far) / 0.6, 0, 1)[:, :, None]
        # It turns inwards, away from the light.
        inside += cover * (lip * (1 - 0.16 * np.clip(far, 0, 1))[:, :, None] - inside)


def _edges(ring: F32, xs: F32) -> tuple[F32, F32]:
    """Return the y px of the upper and of the lower edge of an opening (20, 2) px at columns (w,)."""
    upper = ring[:11][np.argsort(ring[:11, 0])]
    below = np.concatenate([ring[10:], ring[:1]])
    lower = below[np.argsort(below[:, 0])]
    return (np.interp(xs, upper[:, 0], upper[:, 1]).astype(np.float32),
            np.interp(xs, lower[:, 0], lower[:, 1]).astype(np.float32))


def _draw_line(out: U8, mouth: Mouth, ring: F32, at: tuple[int, int], size: tuple[int, int], ppm: float) -> None:
    """Draw the line where the lips meet, fading as they part."""
    opening = lip_gap(ring) / ppm
    strength = 0.6 * min(max(1.5 - opening, 0.0), 1.0)
    if mouth.line is None or strength == 0:
        return
    k, (w, h) = 4, size
    line = (ring[:11] + ring[[0, *range(19, 9, -1)]]) / 2
    canvas = np.zeros((h * k, w * k), dtype=np.uint8)
    points = np.round(((line - at + 0.5) * k - 0.5) * 16).astype(np.int32)
    cv2.polylines(canvas, [points], False, 255, max(1, round(0.55 * ppm * k)), cv2.LINE_AA, 4)
    mask = np.asarray(cv2.resize(canvas, (w, h), interpolation=cv2.INTER_AREA), dtype=np.float32) / 255
    # Thin towards the corners.
    mask *= np.clip(4 * np.linspace(0, 1, w) * np.linspace(1, 0, w) + 0.2, 0, 1).astype(np.float32)
    layer = np.broadcast_to(mouth.line, (h, w, 3)).astype(np.float32)
    blend(layer, (cv2.GaussianBlur(mask, (0, 0), 0.6) * strength).astype(np.float32), out, at[0], at[1])


def _area(ring: F32) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def _smile(ring: F32) -> float:
    """Return how far the middle of the inner lips (20, 2) hangs below their corners, in mouth widths."""
    across = ring[10] - ring[0]
    width = max(float(np.linalg.norm(across)), 1e-3)
    down = (ring[5] + ring[15] - ring[0] - ring[10]) / 2
    side = 1.0 if across[0] > 0 else -1.0
    return side * float(across[0] * down[1] - across[1] * down[0]) / width ** 2


def _depth(ring: F32, x0: int, y0: int, w: int, h: int) -> F32:
    """Return (h, w) how light the tongue is: it rises out of the dark behind the upper lip towards the lower one."""
    xs = np.arange(w, dtype=np.float32) + x0
    upper, lower = _edges(ring, xs)
    down = (np.arange(h, dtype=np.float32)[:, None] + y0 - upper) / np.maximum(lower - upper, 1)
    return (BACK + (1 - BACK) * smoothstep(down)).astype(np.float32)


def _shade(ring: F32, x0: int, y0: int, w: int, h: int, ppm: float) -> F32:
    """(h, w) light inside the mouth: the upper lip casts a shadow, the corners are dark, and a narrow or unsmiling
    opening lets less light in."""
    xs = np.arange(w, dtype=np.float32) + x0
    ys = np.arange(h, dtype=np.float32)[:, None] + y0
    upper, lower = _edges(ring, xs)
    from_top, from_bottom = np.maximum(ys - upper, 0), np.maximum(lower - ys, 0)
    left, right = float(ring[:11, 0].min()), float(ring[:11, 0].max())
    across = (xs - left) / max(right - left, 1.0)
    corner = np.clip(np.minimum(across, 1 - across) / CORNER, 0, 1)
    shade = (1 - 0.22 * np.exp(-from_top / (1.4 * ppm))) * (1 - 0.15 * np.exp(-from_bottom / (1.2 * ppm)))
    entering = NARROW + (1 - NARROW) * np.clip((from_top + from_bottom) / (WIDE_MM * ppm), 0, 1)
    entering *= FLAT + (1 - FLAT) * float(np.clip(_smile(ring) / SMILE_CURVE, 0, 1))
    return (shade * entering * (CORNER_LIGHT + (1 - CORNER_LIGHT) * corner * (2 - corner))).astype(np.float32)
