"""The inside of the mouth, behind the lips: the portrait's own teeth where it shows them, else teeth, tongue and cavity
in its light and palette. Upper teeth stay with the head, lower teeth and tongue go with the jaw."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import CHIN, LIPS_INNER, LIPS_OUTER, HeadLocal
from ..types import F32, U8
from .eyes import polygon_mask
from .matte import fill_holes
from .raster import blend

# Anatomy in millimetres (Wheeler's Dental Anatomy): crown widths and visible heights from the midline outwards.
UPPER_MM = ((8.5, 10.2), (6.6, 8.8), (7.6, 9.6), (7.0, 8.2), (6.8, 7.6), (9.5, 7.0))
LOWER_MM = ((5.3, 8.6), (5.9, 8.8), (6.9, 9.6), (7.0, 8.2), (7.0, 7.6), (10.5, 7.0))
FACE_WIDTH_MM = 140.0
ARCH_HALF_MM, ARCH_DEPTH_MM = 27.0, 34.0
# How far the upper teeth reach below the resting lip line, and how far the lower ones stay below it.
UPPER_SHOW_MM, LOWER_SHOW_MM = 2.2, 0.4
SPRITE_MM = (60.0, 30.0)
CHEEKS = (205, 425, 50, 280)


@dataclass(frozen=True, slots=True)
class Sprite:
    """Premultiplied RGBA (h, w, 4) float32 and the head-local positions (3, 3) of its corners: top left, top right,
    bottom left."""

    image: F32
    corners: F32


@dataclass(frozen=True, slots=True)
class Mouth:
    """Prepared layers. cavity: (h, w, 3) float32 RGB from the portrait at its `cavity_corners`, or one colour (1, 1, 3).
    ppm: px per millimetre in the crop. own: whether `upper` is the portrait's own teeth."""

    cavity: Sprite
    upper: Sprite
    lower: Sprite
    tongue: Sprite
    ppm: float
    own: bool


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours (3,) float32 RGB taken from the picture."""

    tooth: F32
    lip: F32
    dark: F32

    def dimmed(self, factor: float) -> Palette:
        """Return the palette in less light, which comes through the lips and so takes their colour."""
        tooth = self.tooth * factor
        return Palette((0.82 * tooth + 0.18 * self.lip * factor).astype(np.float32), self.lip * factor, self.dark)


def luma(rgb: F32) -> F32:
    """Return ITU-R BT.601 luma of (..., 3) RGB."""
    return (rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.float32)


def read_palette(image: U8, landmarks: F32, white: F32) -> Palette:
    """Take tooth, lip and cavity colour from the face; `white` (3,) is the colour of the white of the eyes."""
    lips = _sample(image, (landmarks[LIPS_OUTER, :2] + landmarks[LIPS_INNER, :2]) / 2)
    skin = _sample(image, landmarks[list(CHEEKS), :2])
    lip, cheek = np.median(lips, 0), np.median(skin, 0)
    # Least squares over 77 photographed open smiles; bounded by the skin so that a dark picture stays dark.
    level = min(136.0 + 0.15 * float(luma(cheek)) + 0.32 * float(luma(white)), 2.2 * float(luma(cheek)) + 35)
    # A third of the skin's own tint (measured on the same photos) keeps teeth in the palette of the picture.
    tint = (cheek - luma(cheek)) * 0.30
    dark = lip * 0.20 + np.array([4, 1, 2], np.float32) * (np.ptp(lip) > 12)
    return Palette(np.clip(level + tint, 0, 245).astype(np.float32), lip.astype(np.float32), dark.astype(np.float32))


def _sample(image: U8, points: F32) -> F32:
    x = np.clip(np.round(points[:, 0]).astype(int), 1, image.shape[1] - 2)
    y = np.clip(np.round(points[:, 1]).astype(int), 1, image.shape[0] - 2)
    box = [image[y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return np.mean(box, axis=0).astype(np.float32)


def draw_arch(teeth: tuple[tuple[float, float], ...], palette: Palette, px_per_mm: float, upper: bool) -> F32:
    """Draw one dental arch as premultiplied RGBA over SPRITE_MM; the biting edge of the front teeth lies in the middle.

    Crowns are drawn from the back to the front over a band of gum.
    """
    k = 3
    scale = px_per_mm * k
    w, h = (round(side * scale) for side in SPRITE_MM)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    x_mm, y_mm = xx / scale - SPRITE_MM[0] / 2, (yy / scale - SPRITE_MM[1] / 2) * (-1.0 if upper else 1.0)
    # The smile arc: side teeth stand higher (upper) or lower (lower) in the picture.
    y_mm = y_mm - (0.0055 if upper else 0.003) * x_mm * x_mm
    light = 1 - 0.62 * np.clip(np.abs(x_mm) / ARCH_HALF_MM, 0, 1) ** 2
    gum = np.clip((y_mm - 5.0) / 1.0, 0, 1) * np.clip((16 - y_mm) / 1.0, 0, 1) * (np.abs(x_mm) < ARCH_HALF_MM)
    rgb = (gum * light * 0.86)[:, :, None] * (0.7 * palette.lip + 0.3 * palette.tooth)
    alpha = gum.astype(np.float32)
    crowns = []
    for side in (-1, 1):
        arc = 0.0
        for width, height in teeth:
            x0, x1 = (_arch_x(a) for a in (arc, arc + width))
            arc += width
            crowns.append((side * (x0 + x1) / 2, (x1 - x0) / 2, height, width))
    for middle, half, height, width in sorted(crowns, key=lambda c: -abs(c[0])):
        if half < 0.5:
            continue
        # The lateral incisor is a little shorter than its neighbours.
        u, v = (x_mm - middle) / half, (y_mm - (0.5 if upper and width < 6.7 < abs(middle) else 0.0)) / height
        body = _tooth_shape(u, v)[:, :, None]
        shade = (1 - 0.13 * np.abs(u) ** 3) * (1 - 0.12 * np.clip(v, 0, 1) ** 2) * (1 - 0.05 * np.clip(1 - v / 0.15, 0, 1))
        rgb = rgb * (1 - body) + body * (shade * light)[:, :, None] * palette.tooth
        alpha = np.maximum(alpha, body[:, :, 0])
    image = np.concatenate([np.clip(rgb, 0, 255), alpha[:, :, None] * 255], 2).astype(np.float32)
    size = (max(4, round(w / k)), max(4, round(h / k)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _arch_x(arc_mm: float) -> float:
    """Return the frontal x (mm) at an arc length along the dental arch, an ellipse seen from the front."""
    t = np.linspace(0, np.pi / 2, 200)
    x, z = ARCH_HALF_MM * np.sin(t), ARCH_DEPTH_MM * np.cos(t)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    return float(np.interp(arc_mm, length, x))


def _tooth_shape(u: F32, v: F32) -> F32:
    """Soft coverage of a crown: u -1..1 across, v 0 at the biting edge to 1 at the gum."""
    waist = 1.02 - 0.12 * np.clip(v, 0, 1) ** 1.5
    corner = np.abs(u / waist) ** 5 * 0.09
    # Round at the gum line.
    neck = 1 - 0.18 * np.abs(u) ** 2.5
    across = np.clip((0.995 - np.abs(u) / waist) / 0.06, 0, 1)
    along = np.clip((v - corner) / 0.05, 0, 1) * np.clip((neck - v) / 0.08, 0, 1)
    return (across * along).astype(np.float32)


def prepare_mouth(image: U8, landmarks: F32, local: HeadLocal, white: F32) -> Mouth:
    """Build the layers for a crop (H, W, 3) RGB with landmarks (478, 3) px."""
    palette = read_palette(image, landmarks, white)
    ppm = float(np.linalg.norm(landmarks[234] - landmarks[454])) / FACE_WIDTH_MM
    px_per_mm = float(np.clip(ppm * 1.4, 1.5, 8.0))
    line = _lip_line(local)
    unit = ppm / local.scale
    z = float(local.shape[[13, 14], 2].mean()) + 3.0 * unit
    upper = Sprite(_soften(draw_arch(UPPER_MM, palette, px_per_mm, True), image, landmarks, px_per_mm / ppm),
                   _corners(line + [0, UPPER_SHOW_MM * unit], z, unit))
    lower_z = z + 2.0 * unit
    lower = Sprite(_soften(draw_arch(LOWER_MM, palette.dimmed(0.74), px_per_mm, False), image, landmarks,
                           px_per_mm / ppm), _corners(line + [0, LOWER_SHOW_MM * unit], lower_z, unit))
    tongue = Sprite(_tongue(palette, px_per_mm), _corners(line + [0, 9.0 * unit], lower_z + 8 * unit, unit))
    cavity = Sprite(palette.dark.reshape(1, 1, 3), np.zeros((3, 3), np.float32))
    own = _own_teeth(image, landmarks, local, palette)
    if own is None:
        return Mouth(cavity, upper, lower, tongue, ppm, False)
    return Mouth(own[1], own[0], lower, tongue, ppm, True)


def _lip_line(local: HeadLocal) -> F32:
    """Where the lips meet at rest, head-local x y: an open portrait's lower lip has gone down more than its upper up."""
    upper, lower = local.shape[13, :2], local.shape[14, :2]
    return (upper + 0.35 * (lower - upper)).astype(np.float32)


def _corners(middle: F32, z: float, unit: float) -> F32:
    half_w, half_h = SPRITE_MM[0] / 2 * unit, SPRITE_MM[1] / 2 * unit
    x, y = float(middle[0]), float(middle[1])
    # The dental arch is a plane here; its receding sides are in the drawing.
    return np.array([[x - half_w, y - half_h, z], [x + half_w, y - half_h, z], [x - half_w, y + half_h, z]], np.float32)


def _soften(sprite: F32, image: U8, landmarks: F32, enlargement: float) -> F32:
    """Blur drawn teeth as the portrait is blurred, measured on the lips and chin."""
    x0, y0 = landmarks[LIPS_OUTER, :2].min(0).astype(int)
    x1, y1 = landmarks[LIPS_OUTER, :2].max(0).astype(int)
    grey = cv2.cvtColor(image[max(0, y0):y1 + 2, max(0, x0):x1 + 2], cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean()) / max(float(grey.std()), 4.0)
    sigma = float(np.clip(0.9 - 1.2 * detail, 0.35, 0.9)) * enlargement
    return np.asarray(cv2.GaussianBlur(sprite, (0, 0), sigma), dtype=np.float32)


def _tongue(palette: Palette, px_per_mm: float) -> F32:
    w, h = (max(4, round(side * px_per_mm)) for side in SPRITE_MM)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    u, v = (xx / w - 0.5) * SPRITE_MM[0] / 20.0, (yy / h - 0.5) * SPRITE_MM[1] / 9.0
    top = np.clip((1.0 - np.hypot(u, np.minimum(v, 0.0))) / 0.35, 0, 1)
    alpha = top * top * (3 - 2 * top)
    shade = 0.62 + 0.22 * np.clip(-v, 0, 1) - 0.10 * np.exp(-((u / 0.12) ** 2))
    rgb = shade[:, :, None] * palette.lip * alpha[:, :, None]
    return np.concatenate([rgb, alpha[:, :, None] * 255], 2).astype(np.float32)


def _own_teeth(image: U8, landmarks: F32, local: HeadLocal, palette: Palette) -> tuple[Sprite, Sprite] | None:
    """Return the portrait's own teeth and cavity when its mouth is open enough to show them."""
    ring = landmarks[LIPS_INNER, :2]
    width = float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2]))
    gap = float(np.linalg.norm(landmarks[13, :2] - landmarks[14, :2]))
    if gap < 0.07 * width or gap < 4:
        return None
    low = np.maximum(np.floor(ring.min(0)).astype(int) - 3, 0)
    high = np.minimum(np.ceil(ring.max(0)).astype(int) + 4, [image.shape[1], image.shape[0]])
    patch = image[low[1]:high[1], low[0]:high[0]].astype(np.float32)
    h, w = patch.shape[:2]
    inside = polygon_mask(ring, int(low[0]), int(low[1]), w, h)
    core = cv2.erode(inside, np.ones((3, 3), np.uint8)) > 0.9
    if core.sum() < 12:
        return None
    bright = luma(patch)
    dark, light = np.percentile(bright[core], [8, 92])
    level = float(luma(palette.tooth))
    floor = min(dark + 0.35 * (light - dark), 0.72 * level)
    # Teeth are lighter than the lips and less red than them; a dark open mouth has none worth keeping.
    redness = patch[:, :, 0] - patch[:, :, 1:].mean(2)
    lip_redness = float(palette.lip[0] - palette.lip[1:].mean())
    teeth = np.clip((bright - floor) / max(0.18 * level, 8), 0, 1)
    if lip_redness > 18:
        teeth *= np.clip((0.85 * lip_redness - redness) / (0.3 * lip_redness), 0, 1)
    alpha = (cv2.GaussianBlur(teeth.astype(np.float32), (0, 0), 0.7) * core).astype(np.float32)
    if float(alpha.sum()) < 0.12 * float(core.sum()):
        return None
    depth = float(landmarks[[13, 14], 2].mean()) + 0.02 * width
    corners = _image_corners(low, w, h, depth, local)
    rise = round(0.16 * width)
    upper = _grow_up(patch, alpha, rise)
    upper_corners = _image_corners(low - [0, rise], w, h + rise, depth, local)
    hollow = (core & (alpha < 0.15)).astype(np.float32)
    if hollow.sum() < 10:
        return Sprite(upper, upper_corners), Sprite(palette.dark.reshape(1, 1, 3), np.zeros((3, 3), np.float32))
    cavity = fill_holes(patch, hollow)
    # Lip and gum seen between the teeth are no hollow: nothing behind the teeth is lighter than half the lips.
    cavity *= min(1.0, 0.38 * float(luma(palette.lip)) / max(float(luma(cavity).mean()), 1.0))
    return Sprite(upper, upper_corners), Sprite(cavity.astype(np.float32), corners)


def _grow_up(patch: F32, alpha: F32, rise: int) -> F32:
    """Return the teeth as premultiplied RGBA, continued upwards by `rise` px: the upper lip may go up and show more."""
    h, w = alpha.shape
    # Colour reaches a little beyond the teeth, so that their soft edge stays light.
    colour = np.pad(fill_holes(patch, (alpha > 0.5).astype(np.float32)), ((rise, 0), (0, 0), (0, 0)))
    cover = np.pad(alpha, ((rise, 0), (0, 0)))
    for x in range(w):
        rows = np.flatnonzero(cover[:, x] > 0.6)
        if len(rows):
            top = int(rows[0]) + min(1, len(rows) - 1)
            above = np.arange(top)
            fade = np.clip((top - above) / max(rise, 1), 0, 1)
            colour[:top, x] = colour[top, x] * (1 - 0.25 * fade[:, None])
            cover[:top, x] = np.clip((1 - fade) / 0.3, 0, 1)
    cover = cover[:, :, None]
    return np.concatenate([colour * cover, cover * 255], 2).astype(np.float32)


def _image_corners(low: np.ndarray, w: int, h: int, depth: float, local: HeadLocal) -> F32:
    """Head-local positions of a patch's corners, on a plane of one depth in the picture."""
    x, y = float(low[0]), float(low[1])
    pixels = np.array([[x, y, depth], [x + w - 1, y, depth], [x, y + h - 1, depth]], dtype=np.float32)
    return (((pixels - local.centre) @ local.rotation) / local.scale).astype(np.float32)


def draw_mouth(out: U8, mouth: Mouth, local: HeadLocal, target: F32, turned: F32, centre: F32, scale: float) -> None:
    """Draw the inside of the mouth into `out` (H, W, 3) in place, inside the target lips.

    target: (478, 3) landmarks px; turned: (3, 3) head rotation; centre: (3,) px; scale: size against the portrait.
    """
    ring = target[LIPS_INNER, :2]
    low = np.maximum(np.floor(ring.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(ring.max(0)).astype(int) + 3, [out.shape[1], out.shape[0]])
    w, h = (int(v) for v in high - low)
    if w < 3 or h < 3 or _area(ring) < 1.5 * w * 0.5:
        return
    x0, y0 = int(low[0]), int(low[1])
    mask = polygon_mask(ring, x0, y0, w, h)
    size = local.scale * scale
    jaw_local = ((target[CHIN] - centre) @ turned) / size
    # Teeth go with the jaw bone; the chin's skin moves a little more.
    jaw = 0.85 * (jaw_local - local.shape[CHIN])
    jaw[0] *= 0.7

    def place(sprite: Sprite, shift: F32 | float = 0.0) -> F32:
        points = (((sprite.corners + shift) @ turned.T) * size + centre)[:, :2] - [x0, y0]
        sh, sw = sprite.image.shape[:2]
        corners = np.array([[0, 0], [sw - 1, 0], [0, sh - 1]], dtype=np.float32)
        matrix = cv2.getAffineTransform(corners, points.astype(np.float32))
        border = cv2.BORDER_REPLICATE if sprite.image.shape[2] == 3 else cv2.BORDER_CONSTANT
        return np.asarray(cv2.warpAffine(sprite.image, matrix, (w, h), borderMode=border), dtype=np.float32)

    inside = (np.broadcast_to(mouth.cavity.image, (h, w, 3)).astype(np.float32) if mouth.cavity.image.shape[0] == 1
              else place(mouth.cavity))
    shade = _shade(ring, x0, y0, w, h, mouth.ppm * scale)
    for sprite, shift in ((mouth.tongue, jaw), (mouth.lower, jaw)):
        drawn = place(sprite, shift)
        inside = drawn[:, :, :3] * shade[:, :, None] + inside * (1 - drawn[:, :, 3:] / 255)
    drawn = place(mouth.upper)
    light = 1.0 if mouth.own else shade[:, :, None]
    inside = drawn[:, :, :3] * light + inside * (1 - drawn[:, :, 3:] / 255)
    blend(np.ascontiguousarray(inside, dtype=np.float32), mask, out, x0, y0)


def _area(ring: F32) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def _shade(ring: F32, x0: int, y0: int, w: int, h: int, ppm: float) -> F32:
    """(h, w) light inside the mouth: the upper lip casts a shadow, the corners are dark."""
    upper = ring[:11][np.argsort(ring[:11, 0])]
    below = np.concatenate([ring[10:], ring[:1]])
    lower = below[np.argsort(below[:, 0])]
    xs = np.arange(w, dtype=np.float32) + x0
    ys = np.arange(h, dtype=np.float32)[:, None] + y0
    from_top = np.maximum(ys - np.interp(xs, upper[:, 0], upper[:, 1]), 0)
    from_bottom = np.maximum(np.interp(xs, lower[:, 0], lower[:, 1]) - ys, 0)
    left, right = float(upper[0, 0]), float(upper[-1, 0])
    corner = np.clip(np.minimum(xs - left, right - xs) / (0.30 * max(right - left, 1.0)), 0, 1)
    shade = (1 - 0.30 * np.exp(-from_top / (1.4 * ppm))) * (1 - 0.15 * np.exp(-from_bottom / (1.2 * ppm)))
    return (shade * (0.45 + 0.55 * corner * (2 - corner))).astype(np.float32)
