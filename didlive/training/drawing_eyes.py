"""Draws eyes, lashes and brows for `didlive.training.drawings`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..types import F32
from .drawing_tools import Floats, Rng, Sheet, Style, any_colour


@dataclass(frozen=True, slots=True)
class EyeStyle:
    """How both eyes of a drawing are drawn, in face units: half width `wide`, heights above and below the corners, the
    shape of either lid (small: square), the iris' half width and height, where it looks."""

    at: F32
    wide: float
    up: float
    down: float
    upper: float
    lower: float
    corner: float
    iris: F32
    look: F32
    colours: F32
    lash: F32
    lash_width: float
    wing: float
    crease: float
    lights: F32
    under: float
    brow: float


def eye_style(rng: Rng, style: Style) -> EyeStyle:
    """Return how the eyes of a drawing are drawn, left to chance."""
    wide = rng.uniform(0.17, 0.29)
    tall = wide * (rng.uniform(0.9, 2.5) if rng.random() < 0.75 else rng.uniform(0.4, 0.8))
    up = tall * rng.uniform(0.45, 0.75)
    iris_x = min(rng.uniform(0.5, 0.85) * wide, rng.uniform(0.42, 0.65) * tall + 0.03)
    iris_y = min(iris_x * rng.uniform(0.95, 1.6), max(0.62 * tall, iris_x))
    hue = any_colour(rng, 30, 230)
    light = np.clip(hue * rng.uniform(0.9, 1.5), 0, 255)
    colours = np.stack([hue * rng.uniform(0.2, 0.6), light, any_colour(rng, 215, 255),
                        hue * rng.uniform(0.05, 0.4)])
    lights = np.stack([rng.uniform(-0.5, 0.5, 3), rng.uniform(-0.6, 0.5, 3), rng.uniform(0.08, 0.35, 3)], 1)
    dark = style.ink * 0.5 if rng.random() < 0.7 else style.hair * 0.35
    return EyeStyle(np.array([rng.uniform(0.4, 0.56), rng.uniform(-0.06, 0.06)]), float(wide), float(up),
                    float(tall - up), float(rng.uniform(0.35, 1)), float(rng.uniform(0.35, 1.2)),
                    float(rng.uniform(-0.25, 0.3)) * tall, np.array([iris_x, iris_y]),
                    (rng.normal(0, [0.15, 0.08]) * wide).astype(np.float32), colours.astype(np.float32),
                    dark.astype(np.float32),
                    float(rng.uniform(0.01, 0.09)), float(rng.uniform(0, 0.3)), float(rng.uniform(-0.1, 0.12)),
                    lights.astype(np.float32), float(rng.uniform(-0.5, 1)), float(rng.uniform(0.1, 0.35)))


def _lid(eye: EyeStyle, upper: bool) -> F32:
    """Return (21, 2) from the inner corner (x < 0) to the outer one, about the eye's middle."""
    t = np.linspace(-1, 1, 21)
    shape = (1 - t ** 2) ** (eye.upper if upper else eye.lower)
    y = (-eye.up if upper else eye.down) * shape + eye.corner * np.where(t > 0, t, -0.3 * t) * (1 - shape * 0.6)
    return np.stack([eye.wide * t, y], 1).astype(np.float32)


def draw_eye(sheet: Sheet, style: Style, eye: EyeStyle, side: int) -> F32:
    """Draw one eye; return its marks."""
    flip = np.array([-1 if side == 0 else 1, 1], np.float32)
    upper, lower = _lid(eye, True), _lid(eye, False)
    look = eye.look * [1 if side else -1, 1]

    def place(points: Floats) -> F32:
        return style.turn((np.asarray(points, np.float32) + eye.at) * flip)

    hole = place(np.concatenate([upper, lower[::-1]]))
    under = sheet.image.copy()
    sheet.fill(hole, eye.colours[2])
    t = np.linspace(0, 2 * np.pi, 32)
    circle = np.stack([np.cos(t), np.sin(t)], 1)
    middle = np.array([0, (eye.down - eye.up) / 2]) + look
    for k, share in enumerate(np.linspace(1, 0.55, 4)):
        # Lighter towards the lower rim.
        colour = eye.colours[0] + (eye.colours[1] - eye.colours[0]) * k / 3
        sheet.fill(place(middle + [0, (1 - share) * 0.5 * eye.iris[1]] + circle * eye.iris * share), colour)
    sheet.fill(place(middle + circle * eye.iris * 0.42), eye.colours[3])
    for x, y, size in eye.lights[:2 + side]:
        sheet.fill(place(middle + circle * eye.iris * size + np.array([x, y]) * eye.iris), np.full(3, 250.0))
    shadow = np.concatenate([upper, (upper + np.array([0, 0.25 * (eye.up + eye.down)]))[::-1]])
    sheet.fill(place(shadow), eye.colours[2] * 0.5, 0.35)
    inside = np.zeros(sheet.image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(sheet.px(hole) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    share = (inside / np.float32(255))[:, :, None]
    sheet.image[:] = (sheet.image * share + under * (1 - share)).astype(np.uint8)
    _lashes(sheet, style, eye, place, upper, lower)
    return place(np.stack([upper[20], upper[0], upper[10], lower[10], middle, middle + np.array([eye.iris[0], 0]),
                           upper[15], upper[5], lower[15], lower[5]]))


def _lashes(sheet: Sheet, style: Style, eye: EyeStyle, place: Callable[[Floats], F32], upper: F32,
            lower: F32) -> None:
    thick = eye.lash_width * (0.5 + 0.5 * np.linspace(0, 1, 21) ** 0.5)
    wing = np.array([[eye.wide * (1 + eye.wing), upper[20, 1] - 0.25 * eye.wing * (eye.up + eye.down)]])
    top = upper - np.stack([0 * thick, thick], 1)
    sheet.fill(place(np.concatenate([upper, wing, top[::-1]])), eye.lash)
    sheet.line(place(upper), eye.lash, style.pen)
    if eye.under > 0:
        first = int(20 * (1 - eye.under))
        sheet.line(place(lower[first:]), eye.lash, 0.8 * style.pen)
    if eye.crease > 0:
        sheet.line(place(top[4:18] - [0, eye.crease]), style.shade * 0.8, 0.8 * style.pen)
    if eye.wing > 0.2:
        for k in (14, 17):
            tip = top[k] + [0.05, -0.06]
            sheet.fill(place(np.stack([top[k - 1], tip, top[k + 1]])), eye.lash)


def draw_brow(rng: Rng, sheet: Sheet, style: Style, eye: EyeStyle, side: int) -> F32:
    """Draw one brow; return its outer end, middle and inner end."""
    flip = np.array([-1 if side == 0 else 1, 1], np.float32)
    y = eye.at[1] - eye.up - eye.lash_width - eye.brow
    bend, slope, half = rng.uniform(0, 0.1), rng.normal(0, 0.08), eye.wide * rng.uniform(0.8, 1.15)
    t = np.linspace(-1, 1, 15)
    line = np.stack([eye.at[0] + 0.03 + half * t, y - bend * (1 - t ** 2) + slope * t], 1)
    width = rng.uniform(0.01, 0.08)
    shape = np.stack([0 * t, width * (1 - 0.8 * (t + 1) / 2)], 1)
    if rng.random() < 0.92:
        sheet.fill(style.turn(np.concatenate([line, (line + shape)[::-1]]) * flip), style.hair * 0.6)
    seen = style.turn((line + shape / 2) * flip)
    return seen[[14, 7, 0]]
