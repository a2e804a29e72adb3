"""What the voice did in one frame of a show, as numbers: a take keeps it, so that the same mouth is drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import BLENDSHAPES
from ..types import F32, Measure, Motion, Stamp
from .motion import nobody, speaking, with_mouth_of
from .mouth import Mouth

# A row of numbers: whether there was a voice, the numbers of `Said` and `Mouth` in their order, the blendshapes.
_MOUTH = ("time_s", "contact", "speech", "accent", "nod_deg", "lids")
COLUMNS = 1 + 4 + len(_MOUTH) + len(BLENDSHAPES)


@dataclass(frozen=True, slots=True)
class Said:
    """The voice's part of one frame.

    mouth: the speaking face. share: 0..1, how far it moves the mouth. life: how far brows, nods and blinks follow it.
    strength: how far the mouth opens. back: so many frames ago the tracked mouth was believed last; what was seen since
    is not shown. 0: it is believed, or there is none.
    """

    mouth: Mouth
    share: float
    life: float
    strength: float
    back: int = 0

    def move(self, motion: Motion | None, stamp: Stamp, seed: int, believed: Measure | None) -> Motion:
        """Return the performer's motion with this voice in it. believed: what was seen `back` frames ago, None where
        that does not matter. Where nobody was ever seen, a face that lives by itself speaks."""
        motion = nobody(stamp, seed) if motion is None else motion
        motion = motion if believed is None else with_mouth_of(motion, believed)
        return speaking(motion, self.mouth, self.share, self.life, self.strength)


def pack(said: Said | None) -> F32:
    """Return (COLUMNS,) numbers of a frame; zeros: there was no voice."""
    if said is None:
        return np.zeros(COLUMNS, np.float32)
    head = [1.0, said.share, said.life, said.strength, said.back, *(getattr(said.mouth, name) for name in _MOUTH)]
    return np.concatenate([np.array(head, np.float32), said.mouth.rises])


def unpack(row: F32) -> Said | None:
    """Return what `pack` made a row of. Raises ValueError for numbers that it cannot have made."""
    if not np.isfinite(row).all():
        raise ValueError("its voice is not all numbers")
    if row[0] == 0:
        return None
    share, life, strength, back, *mouth = (float(value) for value in row[1:5 + len(_MOUTH)])
    return Said(Mouth(rises=row[5 + len(_MOUTH):], **dict(zip(_MOUTH, mouth, strict=True))), share, life, strength,
                max(0, round(back)))
