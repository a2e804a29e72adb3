"""A faint mark in the luma of every outgoing picture: 32 bits that say "made by didlive" and survive a video call.

Sixteen bits name the application, sixteen are their check sum. Each bit is spread over some hundred square cells of the
picture, made a little lighter or darker by a fixed secret-free pattern, so anybody can look for the mark. It shows
where a picture comes from; it is no protection against someone who wants to remove it.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from .types import F32, U8

BITS = 32
APPLICATION = 0xD1D1
WORD = APPLICATION << 16 | binascii.crc_hqx(APPLICATION.to_bytes(2, "big"), 0xFFFF)
# The shorter side of a picture has this many cells, whatever its size: a scaled picture keeps its mark.
CELLS = 128
# Levels by which a cell is lighter or darker: 45 dB.
LEVELS = 1.6
SEED = b"didlive luma mark 1"
# A picture without the mark scores like a normal deviate, so 6 is one in a billion.
LEAST_SCORE, LEAST_BITS = 6.0, 24
SMALLEST_PX = 64
# What a strong edge may add to a cell; more of it says nothing about the mark.
LARGEST_RESIDUAL = 6.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was found. present: the mark is there; bits: how many of the 32 are right; score: how much better the
    pattern fits than by chance, in standard deviations; pictures: how many were looked at."""

    present: bool
    bits: int
    score: float
    pictures: int


def _grid(width: int, height: int) -> tuple[int, int]:
    """Return the cells (across, down) of a picture."""
    scale = CELLS / min(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


@cache
def _cells(across: int, down: int) -> tuple[F32, npt.NDArray[np.intp]]:
    """Return, for every cell (down, across), the sign of a bit that is 1, and the number of its bit."""
    # Not NumPy's random numbers: those may be others in the next version, and old pictures keep their mark.
    raw = np.frombuffer(hashlib.shake_256(SEED).digest(CELLS * CELLS // 8), np.uint8)
    signs = np.unpackbits(raw).reshape(CELLS, CELLS).astype(np.float32) * 2 - 1
    rows, columns = np.arange(down)[:, None], np.arange(across)[None]
    return signs[rows % CELLS, columns % CELLS], (5 * rows + columns) % BITS


def _pattern(across: int, down: int) -> F32:
    """Return the sign of every cell of a marked picture."""
    signs, bits = _cells(across, down)
    values = np.array([1.0 if WORD >> k & 1 else -1.0 for k in range(BITS)], np.float32)
    return signs * values[bits]


class LumaMark:
    """The mark for pictures of one size, RGB or RGBA (`channels`); made once, put on every frame."""

    def __init__(self, width: int, height: int, channels: int = 3) -> None:
        shift = np.asarray(cv2.resize(LEVELS * _pattern(*_grid(width, height)), (width, height),
                                      interpolation=cv2.INTER_CUBIC))
        levels = np.rint(shift)[:, :, None].repeat(3, axis=2)
        # The same for red, green and blue is luma only; transparency has no mark.
        levels = np.dstack([levels, np.zeros((height, width), np.float32)]) if channels == 4 else levels
        self._lighter = np.ascontiguousarray(levels.clip(0, 255).astype(np.uint8))
        self._darker = np.ascontiguousarray((-levels).clip(0, 255).astype(np.uint8))

    def put_on(self, image: U8) -> U8:
        """Return a marked copy of a picture of the size that was declared."""
        lighter = cv2.add(image, self._lighter)
        return cast(U8, cv2.subtract(lighter, self._darker, dst=lighter))


@lru_cache(maxsize=2)
def luma_mark(width: int, height: int, channels: int) -> LumaMark:
    """Return the mark for pictures of this size; the last ones are kept, since backgrounds change often, sizes do
    not."""
    return LumaMark(width, height, channels)


def look_for(pictures: Iterable[U8]) -> Sighting:
    """Look for the mark in pictures (H, W, 3 or 4) uint8 RGB of one clip: what stays the same in all of them adds up.

    Pictures below 64 px are passed over.
    """
    total: F32 | None = None
    seen = 0
    for picture in pictures:
        height, width = picture.shape[:2]
        if min(width, height) < SMALLEST_PX:
            continue
        residual = _residual(picture)
        if total is not None and total.shape != residual.shape:
            continue
        total = residual if total is None else total + residual
        seen += 1
    if total is None:
        return Sighting(False, 0, 0.0, 0)
    down, across = total.shape
    signs, bits = _cells(across, down)
    fit = np.bincount(bits.ravel(), (total * signs).ravel(), BITS)
    chance = np.sqrt(np.bincount(bits.ravel(), (total * total).ravel(), BITS)) + 1e-9
    wanted = np.array([1.0 if WORD >> k & 1 else -1.0 for k in range(BITS)])
    right = int((fit * wanted > 0).sum())
    score = float((fit * wanted).sum() / np.sqrt((chance * chance).sum()))
    return Sighting(score >= LEAST_SCORE and right >= LEAST_BITS, right, score, seen)


def _residual(picture: U8) -> F32:
    """Return what each cell differs by from its neighbours: the mark, and the picture's own texture."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture[:, :, :3]), cv2.COLOR_RGB2GRAY)
    across, down = _grid(grey.shape[1], grey.shape[0])
    cells = cv2.resize(grey.astype(np.float32), (across, down), interpolation=cv2.INTER_AREA)
    rest = cells - cv2.medianBlur(cells, 5)
    return cast(F32, np.clip(rest, -LARGEST_RESIDUAL, LARGEST_RESIDUAL))
