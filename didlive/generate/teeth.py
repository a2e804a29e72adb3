"""Drawn teeth and tongue, from anatomy, in the colours of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ..types import F32

# Anatomy in millimetres (Wheeler's Dental Anatomy): crown widths and visible heights from the midline outwards.
UPPER_MM = ((8.5, 10.2), (6.6, 8.8), (7.6, 9.6), (7.0, 8.2), (6.8, 7.6), (9.5, 7.0))
LOWER_MM = ((5.3, 8.6), (5.9, 8.8), (6.9, 9.6), (7.0, 8.2), (7.0, 7.6), (10.5, 7.0))
ARCH_HALF_MM, ARCH_DEPTH_MM = 27.0, 34.0
SPRITE_MM = (60.0, 30.0)

# How light the tongue is against the lips.
TONGUE = 0.95
Teeth = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours (3,) float32 RGB taken from the picture."""

    tooth: F32
    lip: F32
    dark: F32

    def dimmed(self, factor: float) -> Palette:
        """Return the palette in less light, which comes through the lips and so takes their colour."""
        tooth = self.tooth * factor
        return Palette((0.72 * tooth + 0.28 * self.lip * factor).astype(np.float32), self.lip * factor, self.dark)


def luma(rgb: F32) -> F32:
    """Return ITU-R BT.601 luma of (..., 3) RGB."""
    return (rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.float32)


def draw_arch(teeth: Teeth, palette: Palette, px_per_mm: float, upper: bool) -> F32:
    """Draw one dental arch as premultiplied RGBA over SPRITE_MM; the biting edge of the front teeth lies in the middle.
    """
    shares = _arch_shares(teeth, px_per_mm, upper)
    rgb = shares[:, :, :1] * palette.tooth + shares[:, :, 1:2] * palette.lip
    return np.concatenate([np.clip(rgb, 0, 255), shares[:, :, 2:] * 255], 2).astype(np.float32)


@lru_cache(maxsize=8)
def _arch_shares(teeth: Teeth, px_per_mm: float, upper: bool) -> F32:
    """Return (h, w, 3): share of the tooth's colour, of the lip's colour, and coverage.

    Crowns are drawn from the back to the front over a band of gum. The drawing is the same for every face.
    """
    k = 3
    scale = px_per_mm * k
    w, h = (round(side * scale) for side in SPRITE_MM)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    x_mm, y_mm = xx / scale - SPRITE_MM[0] / 2, (yy / scale - SPRITE_MM[1] / 2) * (-1.0 if upper else 1.0)
    # The smile arc: side teeth stand higher (upper) or lower (lower) in the picture.
    y_mm = y_mm - (0.0055 if upper else 0.003) * x_mm * x_mm
    light = 1 - 0.62 * np.clip(np.abs(x_mm) / ARCH_HALF_MM, 0, 1) ** 2.4
    gum = np.clip((y_mm - 5.0) / 1.0, 0, 1) * np.clip((16 - y_mm) / 1.0, 0, 1) * (np.abs(x_mm) < ARCH_HALF_MM)
    tooth = gum * light * 0.86 * 0.5
    lip, alpha = tooth.copy(), gum.astype(np.float32)
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
        body = _tooth_shape(u, v)
        tip = 1 - 0.05 * np.clip(1 - v / 0.15, 0, 1)
        shade = (1 - 0.13 * np.abs(u) ** 3) * (1 - 0.12 * np.clip(v, 0, 1) ** 2) * tip
        tooth = tooth * (1 - body) + body * shade * light
        lip = lip * (1 - body)
        alpha = np.maximum(alpha, body)
    size = (max(4, round(w / k)), max(4, round(h / k)))
    image = np.dstack([tooth, lip, alpha]).astype(np.float32)
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


def draw_tongue(flesh: F32, px_per_mm: float) -> F32:
    """Draw a tongue of a colour (3,) RGB as premultiplied RGBA over SPRITE_MM."""
    w, h = (max(4, round(side * px_per_mm)) for side in SPRITE_MM)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    u, v = (xx / w - 0.5) * SPRITE_MM[0] / 20.0, (yy / h - 0.5) * SPRITE_MM[1] / 9.0
    top = np.clip((1.0 - np.hypot(u, np.minimum(v, 0.0))) / 0.35, 0, 1)
    alpha = top * top * (3 - 2 * top)
    shade = TONGUE + 0.22 * np.clip(-v, 0, 1) - 0.10 * np.exp(-((u / 0.12) ** 2))
    rgb = shade[:, :, None] * flesh * alpha[:, :, None]
    return np.concatenate([rgb, alpha[:, :, None] * 255], 2).astype(np.float32)
