"""Draws faces as cartoons and anime do, with every style left to chance, and says where their features are: what
`didlive.training.marks` learns from. No picture of anyone is needed.

A face is drawn in units of half its width; x right, y down, the origin between the eyes.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..marks import MARKS
from ..types import F32, U8
from .drawing_eyes import EyeStyle, draw_brow, draw_eye, eye_style
from .drawing_tools import Rng, Sheet, Style, any_colour, curve

CANVAS = 256


def draw_face(rng: Rng, canvas: int = CANVAS, close: bool | None = None) -> tuple[U8, F32]:
    """Return one drawing (canvas, canvas, 3) RGB and its marks (MARKS, 2) px, see `didlive.marks`. close: whether the
    face fills the picture; None leaves it to chance."""
    style = _style(rng)
    sheet = Sheet(_backdrop(rng, canvas), _placement(rng, canvas, rng.random() < 0.6 if close is None else close))
    chin = float(rng.uniform(0.95, 1.5))
    outline, marks = _outline(rng, style, chin), np.zeros((MARKS, 2), np.float32)
    _behind(rng, sheet, style, chin)
    sheet.fill(outline, style.skin)
    _shading(rng, sheet, style, outline)
    if rng.random() < 0.85:
        sheet.line(outline, style.ink, style.pen)
    marks[31:36] = _sides(outline)
    marks[26] = _nose(rng, sheet, style, chin)
    marks[27:31] = _mouth(rng, sheet, style, chin)
    eyes = eye_style(rng, style)
    over_hair = rng.random() < 0.4
    for late in (False, True):
        if late == over_hair:
            for side in (0, 1):
                marks[10 * side:10 * side + 10] = draw_eye(sheet, style, eyes, side)
                marks[20 + 3 * side:23 + 3 * side] = draw_brow(rng, sheet, style, eyes, side)
        if not late:
            _bangs(rng, sheet, style, chin)
    if rng.random() < 0.12:
        _glasses(rng, sheet, style, eyes)
    return _finish(rng, sheet.image), sheet.px(marks)


def _style(rng: Rng) -> Style:
    light = rng.uniform(215, 262) if rng.random() < 0.7 else rng.uniform(80, 215)
    skin = light * np.array([1, rng.uniform(0.8, 0.98), rng.uniform(0.66, 0.96)], np.float32)
    shade = skin * np.array([0.92, 0.80, 0.80], np.float32) * rng.uniform(0.85, 1)
    hair = any_colour(rng) if rng.random() < 0.7 else rng.uniform(20, 90) * np.ones(3, np.float32)
    ink = any_colour(rng, 0, 60) if rng.random() < 0.6 else skin * rng.uniform(0.3, 0.7)
    yaw = np.radians(rng.normal(0, 14))
    return Style(skin, shade.astype(np.float32), hair.astype(np.float32), ink.astype(np.float32),
                 float(rng.uniform(0.008, 0.03)), float(np.clip(yaw, -0.6, 0.6)), float(rng.normal(0, 0.08)))


def _placement(rng: Rng, canvas: int, close: bool) -> F32:
    """From face units to px: a close face fills the picture, others are anywhere in it."""
    size = canvas * (rng.uniform(0.28, 0.42) if close else rng.uniform(0.12, 0.3))
    roll = np.radians(rng.normal(0, 10))
    c, s = np.cos(roll) * size, np.sin(roll) * size
    room = 0.07 if close else 0.5 - 1.15 * size / canvas
    at = canvas * (0.5 + rng.uniform(-room, room, 2)) - np.array([0, (0.2 if close else 0.3) * size])
    return np.array([[c, -s, at[0]], [s, c * rng.uniform(0.92, 1.08), at[1]]], np.float32)


def _backdrop(rng: Rng, canvas: int) -> U8:
    image = np.empty((canvas, canvas, 3), np.float32)
    image[:] = any_colour(rng) if rng.random() < 0.7 else rng.uniform(200, 255)
    if rng.random() < 0.5:
        coarse = rng.uniform(0, 255, (int(rng.integers(2, 9)), int(rng.integers(2, 9)), 3)).astype(np.float32)
        image += rng.uniform(0.2, 1) * (cv2.resize(coarse, (canvas, canvas), interpolation=cv2.INTER_CUBIC) - image)
    out = np.clip(image, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 7))):
        points = (rng.uniform(-0.2, 1.2, (int(rng.integers(3, 6)), 2)) * canvas).astype(np.int32)
        cv2.fillPoly(out, [points], [float(v) for v in any_colour(rng)], cv2.LINE_AA)
    return out


def _outline(rng: Rng, style: Style, chin: float) -> F32:
    """Return the line of the face from the left temple over the chin to the right one and over the crown."""
    jaw, cheek, low = rng.uniform(0.6, 0.85), rng.uniform(0.9, 1.0), rng.uniform(0.6, 0.72)
    tip, point = rng.uniform(0.1, 0.3), rng.uniform(0.93, 0.985)
    half = [(0.97, -0.45), (1.0, 0), (cheek, 0.4 * chin), (jaw, low * chin), (tip, point * chin)]
    shift = 0.45 * np.sin(style.yaw)
    left = [(-x, y) for x, y in half]
    line = [*left, (0, chin), *reversed(half)]
    moved = [(x + shift * np.clip(y / chin, -0.3, 1), y + style.pitch * 0.4 * np.clip(y, 0, 1)) for x, y in line]
    return np.concatenate([curve(np.array(moved), 90), [[0.8, -0.95], [0, -1.15], [-0.8, -0.95]]]).astype(np.float32)


def _sides(outline: F32) -> F32:
    """Return chin, jaw left, jaw right, side left, side right of an outline."""
    below = outline[:90]
    chin = below[np.argmax(below[:, 1])]
    left, right = below[:45], below[45:]
    level = 0.7 * chin[1]
    return np.stack([chin, *(part[np.argmin(abs(part[:, 1] - y))] for y in (level, 0) for part in (left, right))])


def _behind(rng: Rng, sheet: Sheet, style: Style, chin: float) -> None:
    """Hair at the back, neck, shoulders, ears."""
    wide, low = rng.uniform(1.15, 1.7), rng.uniform(-0.2, 3)
    back = curve(np.array([(-wide, low), (-wide, -0.2), (-1.1, -1.2), (0, -rng.uniform(1.4, 1.75)), (1.1, -1.2),
                            (wide, -0.2), (wide, low)]))
    sheet.fill(back, style.hair * rng.uniform(0.6, 1))
    neck, drop = rng.uniform(0.25, 0.5), rng.uniform(0.3, 0.7)
    body = np.array([(-neck, 0.6), (neck, 0.6), (neck, chin + drop), (2.2, chin + drop + 0.5), (2.5, 5), (-2.5, 5),
                     (-2.2, chin + drop + 0.5), (-neck, chin + drop)])
    sheet.fill(body, style.shade)
    if rng.random() < 0.8:
        cloth = np.array([(-2.2, chin + drop + 0.5), (-neck, chin + drop), (0, chin + drop + rng.uniform(0, 1)),
                          (neck, chin + drop), (2.2, chin + drop + 0.5), (2.5, 5), (-2.5, 5)])
        sheet.fill(cloth, any_colour(rng))
    if rng.random() < 0.6:
        for side in (-1, 1):
            ear = np.array([(0.93, -0.15), (1.14, -0.25), (1.2, 0.05), (1.06, 0.36), (0.9, 0.4)]) * [side, 1]
            sheet.fill(curve(ear), style.skin)
            sheet.line(curve(ear), style.ink, style.pen)


def _shading(rng: Rng, sheet: Sheet, style: Style, outline: F32) -> None:
    face = np.zeros(sheet.image.shape[:2], np.uint8)
    cv2.fillPoly(face, [np.round(sheet.px(outline)).astype(np.int32)], 255, cv2.LINE_AA)
    before = sheet.image.copy()
    if rng.random() < 0.5:
        top = rng.uniform(-0.7, -0.1)
        shadow = [(-1.2, -1.3), *((x, top + rng.uniform(-0.15, 0.15)) for x in np.linspace(-1.2, 1.2, 9)), (1.2, -1.3)]
        sheet.fill(np.array(shadow), style.shade, rng.uniform(0.3, 1))
    if rng.random() < 0.3:
        side = rng.choice([-1, 1])
        sheet.fill(np.array([(side * rng.uniform(0.3, 0.8), -1.2), (side * 1.3, -1.2), (side * 1.3, 1.6),
                             (side * rng.uniform(0.1, 0.6), 1.6)]), style.shade, rng.uniform(0.3, 0.9))
    if rng.random() < 0.6:
        blush = style.skin * np.array([1, 0.8, 0.8])
        t = np.linspace(0, 2 * np.pi, 24)
        for side in (-1, 1):
            at = style.turn(np.array([[side * 0.58, rng.uniform(0.35, 0.5)]]))[0]
            sheet.fill(at + np.stack([0.22 * np.cos(t), 0.12 * np.sin(t)], 1), blush, rng.uniform(0.2, 0.7))
    soft = cv2.GaussianBlur(sheet.image, (0, 0), rng.uniform(0.3, 6))
    share = (face / np.float32(255))[:, :, None]
    sheet.image[:] = (soft * share + before * (1 - share)).astype(np.uint8)


def _nose(rng: Rng, sheet: Sheet, style: Style, chin: float) -> F32:
    at = style.turn(np.array([[0, chin * rng.uniform(0.3, 0.48)]]))[0]
    at[0] += 0.08 * np.sin(style.yaw)
    kind, side = rng.random(), rng.choice([-1, 1])
    if kind < 0.35:
        sheet.line(np.stack([at, at + np.array([0.03 * side, 0.03])]), style.ink, 0.02)
    elif kind < 0.7:
        line = np.array([(0.04, -rng.uniform(0.1, 0.45)), (-0.08, 0.0), (0.02, 0.05)]) * [side, 1]
        sheet.line(at + curve(line), style.ink, style.pen)
    elif kind < 0.9:
        sheet.fill(at + np.array([(-0.08, 0.02), (0, -0.12), (0.08, 0.02), (0, 0.07)]), style.shade)
    return at


def _mouth(rng: Rng, sheet: Sheet, style: Style, chin: float) -> F32:
    """Draw the mouth; return its left and right corner and the middle of the upper and the lower edge."""
    half, y = rng.uniform(0.08, 0.38), chin * rng.uniform(0.58, 0.78)
    bend, slant = rng.normal(0, 0.05), rng.normal(0, 0.02)
    gap = 0.0 if rng.random() < 0.45 else float(rng.uniform(0.03, 0.35))
    t = np.linspace(-1, 1, 21)
    round_off = (1 - np.abs(t) ** rng.uniform(1.5, 4)) ** rng.uniform(0.5, 1)
    upper = np.stack([half * t, y + slant * t + bend * (1 - t ** 2) - 0.15 * gap * round_off], 1)
    lower = np.stack([half * t, y + slant * t + bend * (1 - t ** 2) + gap * round_off], 1)
    upper, lower = style.turn(upper), style.turn(lower)
    lips = style.skin * np.array([1, rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9)])
    if rng.random() < 0.3:
        rim = rng.uniform(0.03, 0.1)
        out = np.stack([0 * t, rim * (1 - t ** 2)], 1)
        sheet.fill(np.concatenate([upper - out, (lower + out)[::-1]]), lips)
    if gap > 0:
        hole = np.concatenate([upper, lower[::-1]])
        sheet.fill(hole, any_colour(rng, 30, 200) * [1, 0.5, 0.5])
        if rng.random() < 0.4:
            share = rng.uniform(0.15, 0.5)
            sheet.fill(np.concatenate([upper, (upper + share * (lower - upper))[::-1]]), any_colour(rng, 225, 255))
        if rng.random() < 0.6:
            share = rng.uniform(0.4, 0.8)
            sheet.fill(np.concatenate([upper + share * (lower - upper), lower[::-1]])[3:-3], lips * [1, 0.7, 0.7])
        if rng.random() < 0.8:
            sheet.line(hole, style.ink, style.pen, closed=True)
    else:
        keep = slice(0, 21) if rng.random() < 0.7 else slice(4, 17)
        sheet.line(upper[keep], style.ink, rng.uniform(0.012, 0.035))
    if rng.random() < 0.3:
        under = (lower[8:13] + np.array([0, rng.uniform(0.05, 0.12)])).astype(np.float32)
        sheet.line(under, style.shade, style.pen)
    return np.stack([upper[0], upper[-1], upper[10], lower[10]])


def _bangs(rng: Rng, sheet: Sheet, style: Style, chin: float) -> None:
    """Hair in front of the face."""
    top = rng.uniform(1.3, 1.7)
    line = rng.uniform(-0.85, -0.5)
    cap = curve(np.array([(-1.2, 0.1), (-1.18, -0.6), (-0.9, -1.15), (0, -top), (0.9, -1.15), (1.18, -0.6),
                          (1.2, 0.1)]))
    under = np.array([(0.98, -0.1), (0.9, line), (0, line - 0.15), (-0.9, line), (-0.98, -0.1)])
    bald = rng.random() < 0.06
    if not bald:
        sheet.fill(np.concatenate([cap, under]), style.hair)
    ink = style.hair * rng.uniform(0.4, 0.9)
    roots = np.sort(rng.uniform(-1.1, 1.1, int(rng.integers(0, 9)) * (not bald)))
    for root in roots:
        wide, low = rng.uniform(0.1, 0.4), rng.uniform(-0.5, 0.05 if abs(root) < 0.7 else chin)
        tip = np.array([root * rng.uniform(0.7, 1.2) + rng.normal(0, 0.1), low])
        lock = curve(np.array([(root - wide, line - 0.2), (root - wide * 0.7, (line + low) / 2), tip]), 14)
        back = curve(np.array([tip, (root + wide * 0.7, (line + low) / 2), (root + wide, line - 0.2)]), 14)
        colour = style.hair * rng.uniform(0.85, 1.1)
        sheet.fill(np.concatenate([lock, back]), colour)
        if rng.random() < 0.6:
            sheet.line(np.concatenate([lock, back]), ink, 0.6 * style.pen)
    for side in (-1, 1):
        if rng.random() < 0.5 and not bald:
            edge, low = rng.uniform(0.75, 1.0), rng.uniform(0.3, 2.5)
            lock = np.array([(edge, -0.7), (edge - 0.03, low * 0.5), (1.05, low), (1.35, low), (1.25, -0.7)])
            lock = lock * [side, 1]
            sheet.fill(curve(lock), style.hair)
            sheet.line(curve(lock), ink, 0.6 * style.pen)


def _glasses(rng: Rng, sheet: Sheet, style: Style, eye: EyeStyle) -> None:
    t = np.linspace(0, 2 * np.pi, 40)
    power = rng.uniform(0.5, 1)
    ring = np.stack([np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power * rng.uniform(0.32, 0.42),
                     np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power * rng.uniform(0.22, 0.42)], 1)
    colour, width = any_colour(rng), rng.uniform(0.02, 0.06)
    for side in (-1, 1):
        at = np.array([side * eye.at[0], eye.at[1] + 0.05])
        sheet.line(style.turn(at + ring), colour, width, closed=True)
        sheet.line(style.turn(np.array([[side * (eye.at[0] + 0.35), 0], [side * 1.05, -0.05]])), colour, width)
    sheet.line(style.turn(np.array([[-0.12, 0.02], [0.12, 0.02]])), colour, width)


def _finish(rng: Rng, image: U8) -> U8:
    """Light, softness, noise and compression."""
    out = image.astype(np.float32)
    if rng.random() < 0.4:
        coarse = rng.uniform(0.75, 1.2, (3, 3)).astype(np.float32)
        out *= cv2.resize(coarse, out.shape[1::-1], interpolation=cv2.INTER_CUBIC)[:, :, None]
    if rng.random() < 0.08:
        out[:] = out.mean(2, keepdims=True)
    if rng.random() < 0.5:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.4:
        out += rng.normal(0, rng.uniform(1, 7), out.shape).astype(np.float32)
    drawn = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, code = cv2.imencode(".jpg", drawn[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))])
        drawn = np.ascontiguousarray(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1])
    return drawn
