"""Where the teeth are: the upper ones stay with the head, the lower ones go with the jaw, and both stand on an arch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..geometry import CHIN, HeadLocal
from ..types import F32
from .own_teeth import Sprite

if TYPE_CHECKING:
    from .mouth import Mouth

UPPER_LIP, LOWER_LIP = 13, 14
# The upper lip bares its teeth by no more than this, from the biting edge up: a tooth and a little gum.
BARED_MM = 11.0
# The lower teeth are seen in no more than this share of an open mouth (1,100 photographed ones: about a third).
LOWER_SHARE = 0.4
# The dental arch is a parabola: teeth at x mm beside the middle are this much times x^2 mm farther back.
RECEDES = 1 / 44


def teeth_shifts(mouth: Mouth, local: HeadLocal, target: F32, turned: F32, centre: F32, scale: float
                 ) -> tuple[F32, F32]:
    """Return how far the upper and the lower teeth went from their place in the portrait, (3,) head-local each, in a
    face with the target landmarks (478, 3) px."""
    lip, low_lip, chin = ((target[[UPPER_LIP, LOWER_LIP, CHIN]] - centre) @ turned) / (local.scale * scale)
    # Teeth go with the jaw bone; the chin's skin moves a little more.
    jaw = 0.85 * (chin - local.shape[CHIN])
    jaw[0] *= 0.7
    # The upper teeth stay with the head, but where they are under closed lips is a guess: no lip goes up so far that it
    # bares more than a little gum. The lower teeth were guessed from the same line.
    unit = mouth.ppm / local.scale
    bared = (_edge(mouth.upper) - float(lip[1])) / unit
    up = np.array([0, min(BARED_MM - bared, 0.0) * unit, 0], np.float32)
    low = (jaw + up).astype(np.float32)
    most = LOWER_SHARE * float(low_lip[1] - lip[1])
    low[1] += max(float(low_lip[1]) - most - _edge(mouth.lower) - float(low[1]), 0.0)
    return up, low


def _edge(drawn: Sprite) -> float:
    """Return the head-local y of the biting edge of drawn teeth."""
    return float(drawn.corners[[0, 2], 1].mean())


def placed_corners(sprite: Sprite, shift: F32 | float, turned: F32, centre: F32, size: float) -> F32:
    """Return (3, 2) px: where a sprite's corners are drawn, moved by `shift` (3,) head-local; size: px per unit."""
    return (((sprite.corners + shift) @ turned.T) * size + centre)[:, :2].astype(np.float32)


def along_arch(sprite: Sprite, middle: Sprite, corners: F32, away: F32, unit: float, ppm: float, size: tuple[int, int]
               ) -> tuple[F32, F32]:
    """Return what of a sprite of teeth is seen at each pixel of a patch of `size` (w, h): (h, w) 0..1 across it and
    (h, w) 0..1 down.

    middle: the teeth whose middle is the front of the arch; corners: (3, 2) px, where the sprite's lie in the patch;
    away: (2,) where what is behind the front has moved since the sprite was drawn, in px per px of depth; unit:
    head-local units per mm; ppm: px per mm.
    """
    w, h = size
    basis = np.stack([corners[1] - corners[0], corners[2] - corners[0]], 1)
    if abs(float(np.linalg.det(basis))) < 1.0:
        return np.full((h, w), -1, np.float32), np.full((h, w), -1, np.float32)  # Seen from the edge.
    inverse = np.linalg.inv(basis)
    x, y = np.arange(w, dtype=np.float32) - corners[0, 0], (np.arange(h, dtype=np.float32) - corners[0, 1])[:, None]
    across, down = (inverse[i, 0] * x + inverse[i, 1] * y for i in (0, 1))
    edge = sprite.corners[1] - sprite.corners[0]
    width = float(np.linalg.norm(edge))
    # The middle of the biting edge, along the sprite's own width.
    front = float((middle.corners[1:].mean(0) - sprite.corners[0]) @ edge) / max(width ** 2, 1e-9)
    back = inverse @ away * (RECEDES * (width / unit) ** 2 * ppm)
    # What is seen at q beside the front stands at p with q = p + back p^2.
    q = across - front
    inside = 1 + 4 * float(back[0]) * q
    p = 2 * q / (1 + np.sqrt(np.maximum(inside, 0)))
    # Beyond its outline there is none of the arch.
    return (np.where(inside < 0, -1, front + p).astype(np.float32),
            (down - float(back[1]) * p * p).astype(np.float32))
