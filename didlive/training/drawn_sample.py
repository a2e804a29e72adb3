"""Draws the anime portrait that ships: `python -m didlive.training.drawn_sample didlive/data/anime.png`."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..types import F32, U8
from .drawing_eyes import EyeStyle, draw_eye
from .drawing_tools import Sheet, Style, curve

SIZE = 768
SUPER = 2
SKIN, HAIR, INK = (255, 232, 216), (78, 92, 148), (52, 40, 66)


def rgb(*levels: float) -> F32:
    """Return an RGB colour (3,)."""
    return np.array(levels, np.float32)


def at(x: float, y: float) -> F32:
    """Return a point (2,) in face units."""
    return np.array([x, y], np.float32)


def draw_sample() -> U8:
    """Return the portrait (SIZE, SIZE, 3) RGB."""
    size = SIZE * SUPER
    skin, hair = rgb(*SKIN), rgb(*HAIR)
    style = Style(skin, skin * rgb(0.95, 0.82, 0.82), hair, rgb(*INK), 0.012, 0.0, 0.0)
    rows = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    paper = rgb(206, 226, 246) + rows * (rgb(250, 236, 240) - rgb(206, 226, 246))
    image = np.ascontiguousarray(np.broadcast_to(paper, (size, size, 3)).astype(np.uint8))
    sheet = Sheet(image, np.array([[size * 0.235, 0, size * 0.5], [0, size * 0.235, size * 0.47]], np.float32))
    _back(sheet, style)
    _body(sheet, style)
    _face(sheet, style)
    for side in (0, 1):
        draw_eye(sheet, style, _eye(), side)
    _front(sheet, style)
    for side in (-1, 1):
        # Drawn over the hair, as is the custom.
        _brow(sheet, style, side)
    return np.asarray(cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def _both(points: list[tuple[float, float]]) -> list[F32]:
    """Return a shape and its mirror image."""
    right = np.array(points, np.float32)
    return [right, right * at(-1, 1)]


def _inked(sheet: Sheet, style: Style, points: F32, colour: F32) -> None:
    line = curve(points, 80)
    sheet.fill(line, colour)
    sheet.line(line, style.ink, style.pen)


def _back(sheet: Sheet, style: Style) -> None:
    """The hair behind the head."""
    half = [(0, -1.52), (0.72, -1.38), (1.2, -0.8), (1.36, 0.0), (1.42, 0.8), (1.3, 1.5), (1.05, 1.75)]
    points = [*[(-x, y) for x, y in half[::-1]], *half[1:]]
    _inked(sheet, style, np.array(points, np.float32), style.hair * 0.72)


def _body(sheet: Sheet, style: Style) -> None:
    """Neck, shoulders, a sailor's collar and a ribbon."""
    cloth, navy, red = rgb(248, 248, 252), rgb(60, 76, 128), rgb(214, 66, 84)
    sheet.fill(np.array([(-0.3, 0.8), (0.3, 0.8), (0.34, 1.7), (-0.34, 1.7)]), style.skin)
    sheet.fill(np.array([(-0.3, 0.95), (0.3, 0.95), (0.3, 1.15), (0, 1.33), (-0.3, 1.15)]), style.shade)
    for side in _both([(0, 1.95), (0.34, 1.4), (0.9, 1.56), (1.7, 1.86), (2.0, 2.6), (0, 2.6)]):
        sheet.fill(side, cloth)
        sheet.line(side[1:5], style.ink, style.pen)
    for side in _both([(0, 2.05), (0.33, 1.36), (0.62, 1.42), (1.06, 1.68), (0.95, 2.3), (0.35, 2.5)]):
        sheet.fill(side, navy)
        sheet.line(side, style.ink, style.pen, closed=True)
    for side in _both([(0.42, 1.5), (0.9, 1.74), (0.84, 2.2)]):
        sheet.line(side, cloth, 0.025)
    for side in _both([(0, 2.0), (0.3, 1.88), (0.36, 2.16), (0.06, 2.12)]):
        _inked(sheet, style, side, red)


def _face(sheet: Sheet, style: Style) -> None:
    half = [(0.97, -0.5), (1.0, 0.0), (0.95, 0.42), (0.7, 0.84), (0.22, 1.1)]
    outline = curve(np.array([*[(-x, y) for x, y in half], (0, 1.16), *half[::-1]], np.float32), 120)
    for ear in _both([(0.94, -0.1), (1.1, -0.18), (1.14, 0.06), (1.04, 0.32), (0.92, 0.34)]):
        _inked(sheet, style, ear, style.skin)
    sheet.fill(np.concatenate([outline, np.array([(0.9, -1.1), (-0.9, -1.1)], np.float32)]), style.skin)
    t = np.linspace(0, 2 * np.pi, 40)
    for x in (-0.6, 0.6):
        blush = np.stack([x + 0.2 * np.cos(t), 0.46 + 0.09 * np.sin(t)], 1)
        for share in (1.0, 0.75, 0.5):
            middle = at(x, 0.46)
            sheet.fill(middle + (blush - middle) * share, rgb(255, 190, 184), 0.25)
    sheet.line(outline, style.ink, style.pen)
    sheet.line(np.array([(0.0, 0.5), (-0.03, 0.55)]), style.shade * 0.75, 0.02)
    smile = np.linspace(-1, 1, 21)
    sheet.line(np.stack([0.17 * smile, 0.78 + 0.045 * (1 - smile ** 2)], 1), rgb(140, 62, 66), 0.018)


def _eye() -> EyeStyle:
    hue = rgb(64, 132, 188)
    colours = np.stack([hue * 0.45, np.minimum(hue * 1.45, 255), rgb(252, 252, 255), hue * 0.25])
    lights = np.array([(-0.32, -0.42, 0.3), (0.4, 0.42, 0.16), (0.1, -0.1, 0.08)], np.float32)
    return EyeStyle(at(0.47, 0.06), 0.245, 0.27, 0.2, 0.6, 0.75, 0.02, at(0.165, 0.225), at(-0.01, 0.0), colours,
                    rgb(44, 34, 58), 0.062, 0.14, 0.07, lights, 0.35, 0.2)


def _brow(sheet: Sheet, style: Style, side: int) -> None:
    t = np.linspace(-1, 1, 15)
    line = np.stack([0.5 + 0.22 * t, -0.42 - 0.06 * (1 - t ** 2) + 0.02 * t], 1)
    thick = np.stack([0 * t, 0.035 * (1 - 0.6 * (t + 1) / 2)], 1)
    sheet.fill(np.concatenate([line, (line + thick)[::-1]]) * at(side, 1), style.hair * 0.55)


def _front(sheet: Sheet, style: Style) -> None:
    """The hair before the face: a cap, locks over the forehead and beside the cheeks, and the light on them."""
    hair, light = style.hair, np.minimum(style.hair * 1.3 + 18, 255)
    half = [(1.17, 0.1), (1.2, -0.5), (0.92, -1.15), (0.5, -1.45), (0, -1.55)]
    cap = curve(np.array([*[(-x, y) for x, y in half], *half[-2::-1]], np.float32), 80)
    sheet.fill(np.concatenate([cap, np.array([(1.0, -0.35), (0.8, -0.62), (0, -0.72), (-0.8, -0.62), (-1.0, -0.35)])]),
               hair)
    sheet.line(cap, style.ink, style.pen)
    for lock in _both([(0.98, -0.7), (0.96, 0.1), (1.0, 0.7), (0.9, 1.3), (1.2, 0.8), (1.24, 0.0), (1.15, -0.7)]):
        _inked(sheet, style, lock, hair)
    locks = [(-0.95, -0.62, -0.18), (-0.66, -0.3, -0.3), (-0.34, 0.02, -0.24), (0.0, 0.3, -0.34), (0.3, 0.62, -0.28),
             (0.6, 0.97, -0.16)]
    for first, last, low in locks:
        tip = (0.35 * first + 0.65 * last, low)
        lock = np.array([(first, -0.8), (first + 0.02, -0.55), tip, (last - 0.01, -0.55), (last, -0.8)], np.float32)
        sheet.fill(curve(lock, 40), hair)
        sheet.line(curve(lock, 40)[2:-2], style.ink, style.pen)
    x = np.linspace(-0.85, 0.85, 35)
    bow, deep = -0.96 - 0.26 * np.sqrt(1 - (x / 0.95) ** 2), np.clip(1 - (x / 0.85) ** 2, 0, 1)
    teeth = (0.05 + 0.09 * np.where(np.arange(35) % 2 == 0, 1, 0.2)) * deep
    sheet.fill(np.concatenate([np.stack([x, bow - 0.02 * deep], 1), np.stack([x, bow + teeth], 1)[::-1]]), light, 0.8)


if __name__ == "__main__":
    Image.fromarray(draw_sample()).quantize(256, dither=Image.Dither.NONE).save(Path(sys.argv[1]), optimize=True)
