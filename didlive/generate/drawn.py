"""Eyes and mouths of faces that are drawn: flat colours and ink lines, which move as animators move them. Shut lids are
skin in one colour with the line of the lashes; a mouth is a shape with an outline. Nothing is shaded, nothing refined.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import BROW_SETS, BROWS, EYE_RINGS, IRISES, LID_FOLDS, LIPS_INNER, HeadLocal, spread
from ..types import F32, U8
from .eyes import Eye, Lashes, complete_iris, white_of
from .glasses import eye_width
from .holes import fill_holes
from .lids import RING, outward
from .open_lips import is_open
from .own_teeth import box_around, lip_gap
from .raster import polygon_mask
from .teeth import luma

# How far lashes and lines reach beyond the eye: above at most and at least, below, beyond the outer and the inner
# corner, in eye widths; and what share of the way to the brow is theirs.
ABOVE, LEAST_ABOVE, BELOW, OUTER, INNER = 0.34, 0.1, 0.16, 0.34, 0.14
TO_BROW = 0.75
# What differs from the skin by so many levels is ink, hair or eye; what crosses the lashes' place in one colour, within
# so many levels, is hair and stays. Within this share of the reach everything is the eye's, but for what is lighter
# than this share of the skin.
UNLIKE, SAME, CLOSE, DARK = 22, 26, 0.4, 0.45
# Lashes are darker than this share of the skin.
INK = 0.7
# An iris is at most so much higher than wide.
TALL = 1.7
# The white of an eye is lighter than this share of its lightest.
WHITE = 0.82
# Least and greatest width of the line of shut lids, in eye widths.
LINE = (0.03, 0.085)
# Width of the outline of a mouth, in face widths; its ink against that of a closed mouth's thin line, and against the
# skin where none is seen.
PEN, PRESSED, INK_LIGHT = 0.006, 0.8, (0.5, 0.3, 0.28)
# The inside of a mouth against the brightness of the skin: cavity and tongue; teeth show in the upper share of mouths
# that are open by more than this share of their width.
CAVITY, TONGUE, TEETH, BITES = (0.62, 0.26, 0.28), (0.94, 0.52, 0.52), 0.26, 0.16
# Skin whose channels differ by less is grey: black and white drawings get no red.
GREY = 6.0
# Mouths fade from a line to a shape while they open by about this share of their width.
LEAST = 0.05


@dataclass(frozen=True, slots=True)
class Lid:
    """The place of one drawn eye: its ring (16, 2) px, width px, and how far lashes may reach above it, in eye widths
    (the brow is not theirs)."""

    side: int
    ring: F32
    width: float
    above: float

    def band(self, share: float = 1.0) -> F32:
        """Return (16, 2) px: where the lashes end, or that share of the way there."""
        reach = np.full((RING, 1), BELOW, np.float32)
        reach[1:8] = self.above
        out = self.ring + outward(self.ring) * reach * self.width * share
        outer, inner = (0, 8) if self.side == 0 else (8, 0)
        axis = (self.ring[outer] - self.ring[inner]) / max(self.width, 1e-6)
        out[outer] = self.ring[outer] + axis * OUTER * self.width * share
        out[inner] = self.ring[inner] - axis * INNER * self.width * share
        return out.astype(np.float32)


def lid_of(landmarks: F32, side: int) -> Lid:
    """Return the place of an eye from landmarks (478, 3) px."""
    ring, width = landmarks[EYE_RINGS[side], :2], eye_width(landmarks, side)
    brow = landmarks[BROW_SETS[side][5:], :2]
    upper = ring[:9][np.argsort(ring[:9, 0])]
    room = float((np.interp(brow[:, 0], upper[:, 0], upper[:, 1]) - brow[:, 1]).min()) / width
    return Lid(side, ring, width, min(max(TO_BROW * room, LEAST_ABOVE), ABOVE))


def lid_stiffness() -> F32:
    """Return (468, 1) how stiffly each face point follows the head alone: lids are lines that move over the skin, and
    neither it nor hair goes with them."""
    stiff = np.minimum(2 * spread(np.concatenate([*EYE_RINGS, *LID_FOLDS]), 3)[:468], 1)
    stiff[BROWS] = 0
    return stiff[:, None].astype(np.float32)


def paint_out_drawn(image: U8, landmarks: F32) -> U8:
    """Return the crop (H, W, 3) with flat skin in place of both eyes and the ink around them; what else crosses them
    (hair) stays."""
    out = image.copy()
    for side in (0, 1):
        lid = lid_of(landmarks, side)
        ring, width = lid.ring, lid.width
        low, high = box_around(lid.band(1.6), 2, image)
        x0, y0, w, h = int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])
        patch = image[y0:y0 + h, x0:x0 + w].astype(np.float32)
        skin = skin_below(image, ring, width)
        inside = polygon_mask(ring, x0, y0, w, h)
        lashes = polygon_mask(lid.band(), x0, y0, w, h) > 0.5
        unlike = np.abs(patch - skin).max(2) > UNLIKE
        close = polygon_mask(lid.band(CLOSE), x0, y0, w, h) > 0.5
        # Black hair over black lashes cannot be told from them.
        told = ~close | (patch.max(2) > DARK * skin.max())
        passing = _passing(patch, unlike & told, lashes) & told
        ink = unlike & (patch.max(2) < INK * skin.max())
        hole = ((inside > 0.02) | (lashes & ink & ~passing)).astype(np.uint8)
        hole = cv2.morphologyEx(hole, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        grown = max(1, round(0.03 * width))
        hole = cv2.dilate(hole, np.ones((2 * grown + 1, 2 * grown + 1), np.uint8)).astype(np.float32)
        soft = cv2.GaussianBlur(hole, (0, 0), max(0.6, 0.02 * width))[:, :, None]
        filled = _filled(patch, hole, skin)
        out[y0:y0 + h, x0:x0 + w] = np.clip(patch + soft * (filled - patch) + 0.5, 0, 255).astype(np.uint8)
    return out


def _filled(patch: F32, hole: F32, skin: F32) -> F32:
    """Return skin (h, w, 3) for a hole: what of its surroundings is skin goes on into it."""
    like = (hole < 0.5) & (np.abs(patch - skin).max(2) < 40)
    if like.sum() < 30:
        return np.broadcast_to(skin, patch.shape).astype(np.float32)
    return fill_holes(patch, like.astype(np.float32))


def _passing(patch: F32, unlike: np.ndarray, lashes: np.ndarray) -> np.ndarray:
    """Return (h, w), what crosses the rim of the lashes' place and goes on into it in its own colour: hair, not ink."""
    rim = cv2.dilate(lashes.astype(np.uint8), np.ones((3, 3), np.uint8)) > lashes
    # What is skin, and what is done, is walled off.
    wall = np.pad((~unlike).astype(np.uint8), 1, constant_values=1)
    picture = np.ascontiguousarray(cv2.GaussianBlur(patch, (0, 0), 0.6))
    near = (SAME,) * 3
    for y, x in np.argwhere(rim & unlike):
        if not wall[y + 1, x + 1]:
            cv2.floodFill(picture, wall, (int(x), int(y)), 0, near, near,
                          4 | (2 << 8) | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY)
    found = (wall[1:-1, 1:-1] == 2).astype(np.uint8)
    return cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0


def skin_below(image: U8, ring: F32, width: float) -> F32:
    """Return (3,) the colour of the skin below an eye."""
    low = ring[9:16]
    points = np.concatenate([low + np.array([0, k * width]) for k in (0.22, 0.3, 0.38, 0.46)])
    px = np.clip(np.round(points), 0, [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
    colours = image[px[:, 1], px[:, 0]].astype(np.float32)
    light = colours[luma(colours) >= np.percentile(luma(colours), 40)]
    return np.median(light, 0).astype(np.float32)


def prepare_drawn_eye(image: U8, painted: U8, landmarks: F32, side: int) -> Eye:
    """Cut a drawn eye out of the crop (H, W, 3) with landmarks (478, 3) px; `painted` is `paint_out_drawn`'s result."""
    lid = lid_of(landmarks, side)
    ring, width = lid.ring, lid.width
    outer = lid.band(1.15)
    low, high = box_around(outer, round(0.25 * width), image)
    x0, y0, w, h = int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])
    patch = image[y0:y0 + h, x0:x0 + w].astype(np.float32)
    inside = polygon_mask(ring, x0, y0, w, h)
    ink, thick = _lashes(image, lid, skin_below(image, ring, width))
    points = landmarks[IRISES[side], :2]
    centre, radius = points[0].astype(np.float32), float(np.linalg.norm(points[1:] - points[0], axis=1).mean())
    tall = float(np.clip((ring[12, 1] - centre[1]) / max(radius, 1.0), 1.0, TALL))
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    away = np.hypot(xx + x0 - centre[0], (yy + y0 - centre[1]) / tall)
    white = _white(patch, inside, away, radius)
    iris = complete_iris(patch, inside, away, centre - [x0, y0], radius)
    soft = max(0.9, 0.08 * radius)
    alpha = np.clip((1.1 * radius + soft - away) / (2 * soft), 0, 1)[:, :, None]
    edge = patch - painted[y0:y0 + h, x0:x0 + w].astype(np.float32)
    inset = ring + (ring.mean(0) - ring) / max(float(np.linalg.norm(ring - ring.mean(0), axis=1).mean()), 1.0)
    band = np.concatenate([inset, outer]).astype(np.float32)
    around = cv2.GaussianBlur(polygon_mask(lid.band(1.3), x0, y0, w, h), (0, 0), 1.0)
    return Eye(side, white, np.concatenate([iris * alpha, 255 * alpha], 2).astype(np.float32), edge, edge, x0, y0,
               centre, radius, ring, band, np.asarray(around, np.float32), Lashes(ink, thick, patch))


def _white(patch: F32, inside: F32, away: F32, radius: float) -> F32:
    """Return (h, w, 3), the eye without its iris: what is light beside it, neither its rim nor ink."""
    beside = (inside > 0.9) & (away > 1.12 * radius)
    if beside.sum() < 6:
        return white_of(patch, inside, away, radius)
    light = luma(patch)
    return fill_holes(patch, (beside & (light > WHITE * np.percentile(light[beside], 90))).astype(np.float32))


def _lashes(image: U8, lid: Lid, skin: F32) -> tuple[F32, float]:
    """Return the colour (3,) of the line of the upper lid, and its width px in the middle."""
    width = lid.width
    reach = np.arange(-0.3, 0.2, 0.5 / max(width, 8.0))
    found, widths = [], []
    for x, y in lid.ring[2:7]:
        px = np.clip(np.round(np.stack([np.full(len(reach), x), y + reach * width], 1)), 0,
                     [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
        column = image[px[:, 1], px[:, 0]].astype(np.float32)
        light = luma(column)
        found.append(column[np.argmin(light)])
        widths.append(float((light < (light.min() + luma(skin)) / 2).mean()) * 0.5 * width)
    ink = np.median(found, 0).astype(np.float32)
    # Over the iris nobody can say where the line ends.
    return ink, min(max(min(widths), LINE[0] * width), LINE[1] * width)


@dataclass(frozen=True, slots=True)
class DrawnMouth:
    """How a mouth is drawn: colours (3,) RGB of cavity, tongue, teeth and ink; pen: width of the outline, px; own:
    whether the portrait shows an open mouth, which then serves: the mesh squeezes and stretches it."""

    cavity: F32
    tongue: F32
    teeth: F32
    ink: F32
    pen: float
    own: bool

    def draw(self, out: U8, local: HeadLocal, target: F32, turned: F32, centre: F32, scale: float) -> None:
        """Draw the inside of the mouth into `out` (H, W, 3) in place, inside the target lips; see `Mouth.draw`."""
        ring = target[LIPS_INNER, :2]
        width = float(np.linalg.norm(ring[0] - ring[10]))
        gap = lip_gap(ring)
        share = float(np.clip((gap / max(width, 1.0) - LEAST / 2) / LEAST, 0, 1))
        if self.own or share == 0:
            return
        low, high = box_around(ring, 4 + round(2 * self.pen), out)
        x0, y0, w, h = int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])
        if w < 3 or h < 3:
            return
        upper, lower = smooth_line(ring[:11]), smooth_line(ring[[0, *range(19, 9, -1)]])
        hole = np.concatenate([upper, lower[::-1]])
        region = out[y0:y0 + h, x0:x0 + w]
        drawn = np.broadcast_to(self.cavity, region.shape).astype(np.float32).copy()
        across = (ring[10] - ring[0]) / max(width, 1.0)
        down = np.array([-across[1], across[0]], np.float32)
        middle = (upper[len(upper) // 2] + lower[len(lower) // 2]) / 2
        t = np.linspace(0, 2 * np.pi, 40)[:, None]
        tongue = middle + 0.36 * width * np.cos(t) * across + (0.62 + 0.5 * np.sin(t)) * gap * down
        _lay(drawn, polygon_mask(tongue.astype(np.float32), x0, y0, w, h), self.tongue)
        if gap > BITES * width:
            bite = (upper + TEETH * gap * _bow(len(upper))[:, None] * down).astype(np.float32)
            _lay(drawn, polygon_mask(np.concatenate([upper, bite[::-1]]), x0, y0, w, h), self.teeth)
        mask = polygon_mask(hole, x0, y0, w, h)[:, :, None] * share
        made = region + mask * (drawn - region)
        line = _stroke(hole, max(self.pen * scale, 1.0), (x0, y0), (w, h))[:, :, None] * share
        region[:] = np.clip(made + line * (self.ink - made) + 0.5, 0, 255).astype(np.uint8)


def prepare_drawn_mouth(image: U8, landmarks: F32) -> DrawnMouth:
    """Read the colours of a drawn mouth from the crop (H, W, 3) with landmarks (478, 3) px."""
    skin = np.median([skin_below(image, landmarks[EYE_RINGS[s], :2], eye_width(landmarks, s)) for s in (0, 1)], 0)
    face = float(np.linalg.norm(landmarks[234, :2] - landmarks[454, :2]))
    open_ = is_open(landmarks)
    grey = float(np.ptp(skin)) < GREY

    def tinted(share: tuple[float, float, float]) -> F32:
        colour = np.array(share, np.float32)
        return (float(luma(skin)) * (np.full(3, luma(colour)) if grey else colour)).astype(np.float32)

    ink = tinted(INK_LIGHT) if open_ else _ink(image, landmarks, skin)
    teeth = (0.35 * skin + 0.65 * 255).astype(np.float32)
    return DrawnMouth(tinted(CAVITY), tinted(TONGUE), teeth, ink, max(PEN * face, 1.0), open_)


def _ink(image: U8, landmarks: F32, skin: F32) -> F32:
    """Return (3,) the colour of the line of closed lips: the darkest pixels, in the middle of the mouth."""
    ring = landmarks[LIPS_INNER, :2]
    width = float(np.linalg.norm(ring[0] - ring[10]))
    reach = np.linspace(-0.08, 0.08, 17) * width
    found = []
    for x, y in (ring[3:8] + ring[[17, 16, 15, 14, 13]]) / 2:
        px = np.clip(np.round(np.stack([np.full(17, x), y + reach], 1)), 0,
                     [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
        column = image[px[:, 1], px[:, 0]].astype(np.float32)
        found.append(column[np.argmin(luma(column))])
    ink = np.median(found, 0)
    return (PRESSED * ink if luma(ink) < 0.93 * luma(skin) else skin * np.array(INK_LIGHT)).astype(np.float32)


def smooth_line(points: F32, count: int = 41) -> F32:
    """Return (count, 2), a smooth line through points (N, 2): Catmull and Rom's spline."""
    t = np.linspace(0, len(points) - 1, count)
    i = np.minimum(t.astype(int), len(points) - 2)
    f = (t - i)[:, None]
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return (0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f ** 2
                   + (3 * b - a - 3 * c + d) * f ** 3)).astype(np.float32)


def _bow(count: int) -> F32:
    return np.sqrt(np.clip(1 - np.linspace(-1, 1, count) ** 2, 0, 1)).astype(np.float32)


def _lay(layer: F32, mask: F32, colour: F32) -> None:
    layer += mask[:, :, None] * (colour - layer)


def _stroke(points: F32, pen: float, at: tuple[int, int], size: tuple[int, int]) -> F32:
    k = 4
    canvas = np.zeros((size[1] * k, size[0] * k), np.uint8)
    line = np.round(((points - at + 0.5) * k - 0.5) * 16).astype(np.int32)
    cv2.polylines(canvas, [line], True, 255, max(1, round(pen * k)), cv2.LINE_AA, 4)
    return (cv2.resize(canvas, size, interpolation=cv2.INTER_AREA) / np.float32(255)).astype(np.float32)
