"""How far the tracked mouth can be believed: is it in the picture, lit, and does it look like this person's mouth?"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from ..geometry import LIPS_OUTER
from ..types import F32, U8, Face

# The look below the nose, in eye distances from the middle of the eyes (x to the image's right, y down the face).
LEFT, RIGHT, TOP, BOTTOM = -0.5, 0.5, 0.55, 1.45
WIDTH, HEIGHT = 30, 27
OUTER_EYES = (33, 263)
# Likeness (normalised correlation of what is finer than DETAIL px) to the mouth's usual look under which it is hidden,
# and over which it is seen; and the same for its colour, as a distance in Lab's a and b. Measured with drawn mugs,
# hands and phones before nine clips: colour tells all but hands (people 0..5, mugs and phones 12..55).
HIDDEN, SEEN = 0.25, 0.50
OTHER_COLOUR, SAME_COLOUR = 11.0, 7.0
DETAIL = 5.0
# Contrast of the look, in grey levels, under which the picture is too dark or too flat to tell.
FLAT, CLEAR = 2.5, 6.0
# How much of a new look the usual one takes over per frame: at first, and later.
FIRST_FRAMES, LEARN_FIRST, LEARN = 15, 0.2, 0.03
# A hidden mouth that looks the same for so many frames is this person's mouth of now (a beard mask, another light).
ADOPT_FRAMES = 150


@cache
def _corners() -> F32:
    """Return the three corners (left top, right top, left bottom) of the look in px of the look."""
    return np.array([[0, 0], [WIDTH, 0], [0, HEIGHT]], np.float32)


def look_at_mouth(image: U8, landmarks: F32) -> U8:
    """Return (HEIGHT, WIDTH, 3) uint8 RGB of the part below the nose, upright and of one size. image: (H, W, 3)
    RGB; landmarks: (478, 3) px."""
    right, left = (landmarks[i, :2] for i in OUTER_EYES)
    along = left - right
    down = np.array([-along[1], along[0]], np.float32)
    middle = (left + right) / 2
    places = [middle + x * along + y * down for x, y in ((LEFT, TOP), (RIGHT, TOP), (LEFT, BOTTOM))]
    to_look = cv2.getAffineTransform(np.array(places, np.float32), _corners())
    # Shrunk by area first, so that a large face is not sampled at single pixels.
    x0, y0 = np.floor(np.min(places, axis=0) - np.abs(along).max() * 0.2).astype(int)
    x1, y1 = np.ceil(np.max([*places, places[1] + places[2] - places[0]], axis=0)).astype(int)
    x0, y0 = max(x0, 0), max(y0, 0)
    part = image[y0:max(y1, y0 + 1), x0:max(x1, x0 + 1), :3]
    if part.size == 0:
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    blur = max(1.0, float(np.linalg.norm(along)) / WIDTH)
    soft = cv2.GaussianBlur(np.ascontiguousarray(part), (0, 0), 0.5 * blur)
    to_look[:, 2] += to_look[:, :2] @ np.array([x0, y0], np.float64)
    return np.asarray(cv2.warpAffine(soft, to_look, (WIDTH, HEIGHT), borderMode=cv2.BORDER_CONSTANT), np.uint8)


def detail_of(look: U8) -> tuple[F32, float]:
    """Return the (HEIGHT, WIDTH) fine structure of a look, and its contrast in grey levels."""
    grey = cv2.cvtColor(look, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), DETAIL)
    return (fine - fine.mean()).astype(np.float32), float(grey.std())


def colour_of(look: U8) -> F32:
    """Return (2,) mean a and b of a look in Lab."""
    lab = cv2.cvtColor(look, cv2.COLOR_RGB2LAB)[4:-3, 5:-5, 1:]
    return lab.reshape(-1, 2).mean(axis=0).astype(np.float32)


def inside(landmarks: F32, size: tuple[int, int]) -> float:
    """Return the share 0..1 of the lips that lies in the picture of `size` (width, height) px."""
    points = landmarks[LIPS_OUTER, :2]
    return float(((points >= 0) & (points < np.array(size))).all(axis=1).mean())


class MouthSight:
    """Judges one performer's mouth frame by frame: 1 = seen well, 0 = not. Only numbers leave it."""

    def __init__(self) -> None:
        self._usual: F32 | None = None
        self._other: F32 | None = None
        self._colour = np.zeros(2, np.float32)
        self._frames = self._others = 0

    def reset(self) -> None:
        """Forget whose mouth it was."""
        self.__init__()

    def confidence(self, image: U8, face: Face | None) -> float:
        """Return how far the mouth can be believed in this frame (RGB or RGBA)."""
        if face is None:
            return 0.0
        height, width = image.shape[:2]
        there = np.clip((inside(face.landmarks, (width, height)) - 0.7) / 0.25, 0, 1)
        look = look_at_mouth(image, face.landmarks)
        detail, contrast = detail_of(look)
        lit = np.clip((contrast - FLAT) / (CLEAR - FLAT), 0, 1)
        return float(there * lit * (self._known(detail, colour_of(look)) if lit > 0 else 0))

    def _known(self, detail: F32, colour: F32) -> float:
        """Return 1 for the usual look, 0 for another one; learn it."""
        if self._usual is None:
            self._usual, self._colour = detail, colour
        like = np.clip((_likeness(detail, self._usual) - HIDDEN) / (SEEN - HIDDEN), 0, 1)
        far = float(np.linalg.norm(colour - self._colour))
        like *= np.clip((OTHER_COLOUR - far) / (OTHER_COLOUR - SAME_COLOUR), 0, 1)
        self._frames += 1
        if self._frames <= FIRST_FRAMES or like == 1:
            share = LEARN_FIRST if self._frames <= FIRST_FRAMES else LEARN
            self._usual, self._colour = _mixed(self._usual, detail, share), _mixed(self._colour, colour, share)
            self._others = 0
            return 1.0
        self._adopt(detail, colour)
        return float(like)

    def _adopt(self, detail: F32, colour: F32) -> None:
        same = self._other is not None and _likeness(detail, self._other) > SEEN
        self._others = self._others + 1 if same else 0
        self._other = detail if self._other is None or not same else _mixed(self._other, detail, LEARN)
        if self._others > ADOPT_FRAMES:
            self._usual, self._colour, self._others = self._other, colour, 0


def _mixed(a: F32, b: F32, share: float) -> F32:
    return (a + share * (b - a)).astype(np.float32)


def _likeness(a: F32, b: F32) -> float:
    """Return the normalised correlation of two looks, -1..1."""
    return float((a * b).mean() / max(float(a.std() * b.std()), 1e-6))
