"""The visible label of a synthetic picture: a small dark pill with white letters in one corner."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .types import F32, U8

# What it says by itself, and where there is no room for more.
TEXT, SHORT = "AI portrait", "AI"
# All in parts of the picture's shorter side, with the least and the largest letters in pixels.
LETTERS, SMALLEST_PX, LARGEST_PX = 0.034, 9, 64
MARGIN = 0.025
# In parts of the letters' size.
PAD_X, PAD_Y = 0.55, 0.36
# At most so wide, in parts of the picture's width; with the smallest letters it may hide less.
WIDEST, WIDEST_SMALL = 0.9, 0.5
DARK, LIGHT = (18, 18, 22), (255, 255, 255)
PILL_OPACITY, RIM_OPACITY = 0.62, 0.28
# OpenCV brings the font, with Chinese signs in it.
FONT, WEIGHT, BASELINE = "sans", 500, 0.86
# Drawn this much larger and reduced: round ends without steps.
FINER = 4


@dataclass(frozen=True, slots=True)
class Badge:
    """A drawn label. Its top left corner is at (x, y) px; colour: (h, w, 3) float32 RGB times opacity; opacity:
    (h, w, 1) float32 0..1."""

    x: int
    y: int
    colour: F32
    opacity: F32

    def draw_on(self, image: U8) -> None:
        """Draw the label into a picture (H, W, 3 or 4) of the size that it was made for."""
        height, width = self.opacity.shape[:2]
        place = image[self.y:self.y + height, self.x:self.x + width]
        below = 1.0 - self.opacity
        if place.shape[2] == 3:
            place[:] = self.colour + place * below + 0.5
            return
        behind = place[:, :, 3:] * (below / 255)
        whole = self.opacity + behind
        place[:, :, :3] = (self.colour + place[:, :, :3] * behind) / np.maximum(whole, 1e-6) + 0.5
        place[:, :, 3:] = whole * 255 + 0.5


def make_badge(size: tuple[int, int], text: str, corner: str) -> Badge | None:
    """Return the label for pictures of `size` (width, height) px in a corner such as `bottom-right`; a text that would
    hide too much of a small picture becomes `AI`. None when there is no text, or no room for a readable one."""
    text = " ".join(text.split())
    width, height = size
    shorter = min(size)
    if not text:
        return None
    letters = _letters(text, size)
    if letters < SMALLEST_PX:
        text, letters = SHORT, _letters(SHORT, size)
    if letters < SMALLEST_PX:
        return None
    colour, opacity = _pill(text, letters)
    pill_h, pill_w = opacity.shape[:2]
    margin = round(MARGIN * shorter)
    x = width - pill_w - margin if corner.endswith("right") else margin
    y = height - pill_h - margin if corner.startswith("bottom") else margin
    return Badge(x, y, colour, opacity) if min(x, y) >= 0 else None


def _letters(text: str, size: tuple[int, int]) -> int:
    """Return how large the letters can be, in px."""
    wanted = round(LETTERS * min(size))
    letters = int(np.clip(wanted, SMALLEST_PX, LARGEST_PX))
    room = (WIDEST if wanted >= SMALLEST_PX else WIDEST_SMALL) * size[0] - 2 * PAD_X * letters
    wide = _text_width(text, letters)
    return letters if wide <= room else int(letters * room / wide)


def _text_width(text: str, letters: int) -> int:
    x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace(FONT), letters, WEIGHT)
    return x + width


def _pill(text: str, letters: int) -> tuple[F32, F32]:
    """Return colour times opacity, and opacity, of the label."""
    width, height = _text_width(text, letters) + 2 * round(PAD_X * letters), letters + 2 * round(PAD_Y * letters)
    body, inner = _rounded(width, height, 0.0), _rounded(width, height, max(1.0, letters / 16))
    writing = np.zeros((height, width, 3), np.uint8)
    base = round(PAD_Y * letters + BASELINE * letters)
    cv2.putText(writing, text, (round(PAD_X * letters), base), (255, 255, 255), cv2.FontFace(FONT), letters, WEIGHT)
    colour, opacity = np.zeros((height, width, 3), np.float32), np.zeros((height, width, 1), np.float32)
    layers = ((DARK, PILL_OPACITY * body), (LIGHT, RIM_OPACITY * (body - inner)),
              (LIGHT, writing[:, :, 0].astype(np.float32) / 255))
    for paint, cover in layers:
        cover = cover[:, :, None]
        colour = colour * (1 - cover) + np.array(paint, np.float32) * cover
        opacity = opacity * (1 - cover) + cover
    return np.ascontiguousarray(colour, np.float32), np.ascontiguousarray(opacity, np.float32)


def _rounded(width: int, height: int, inset_px: float) -> F32:
    """Return how much of each pixel a pill covers that is `inset_px` smaller on every side."""
    y, x = np.mgrid[:height * FINER, :width * FINER].astype(np.float32) / FINER + 0.5 / FINER
    radius = height / 2
    beside = np.maximum(np.abs(x - width / 2) - (width / 2 - radius), 0)
    inside = np.hypot(beside, y - radius) <= radius - inset_px
    return np.asarray(cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA), np.float32)
