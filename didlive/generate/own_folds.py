"""The folds of a smile that a portrait shows: they go as far as the smile goes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import SHAPE_INDEX, expression_modes
from ..types import F32
from .mesh import smoothstep

# On the left of the picture is the right of the face.
SMILES = [SHAPE_INDEX["mouthSmileRight"], SHAPE_INDEX["mouthSmileLeft"]]
OTHERS = [SHAPE_INDEX[name] for name in ("jawOpen", "eyeBlinkRight", "eyeBlinkLeft")]
# Folds are dark lines no wider than the second of these and no finer than the first (in 1/192 of the face's box), and
# longer than broad; the strongest (natural logarithm of brightness).
FINE, BROAD, LONG, DEEPEST = 1.0, 6.0, 3.0, 0.4
# Where people's smiles darken the skin by this much (natural logarithm), and so far around, a dark line is a fold.
DARKENS, AROUND = 0.03, 2.0
# Portraits that smile less than the first have no such folds, all from the second on.
HARDLY, WELL = 0.2, 0.6
# With this share of the smile gone there is no fold.
WITHOUT = 0.75


@dataclass(frozen=True, slots=True)
class OwnFolds:
    """maps: (2, S, S) by how much the folds on the left and on the right of a flattened face darken it (natural
    logarithm). way: (MOVES, 2), moves @ way is how much of the smile on either side is gone, 0..1."""

    maps: F32
    way: F32

    def gone(self, moved: F32) -> F32:
        """Return (2,) 0..1: how much less of the folds there is after the moves (MOVES,)."""
        return np.clip(moved @ self.way / WITHOUT, 0, 1).astype(np.float32)


def find_own_folds(flat: F32, smile_light: F32, smile_moves: F32, other_moves: F32, smiles: F32) -> OwnFolds | None:
    """Return the folds in the logarithm `flat` (S, S) of a flattened portrait's brightness; None where it does not
    smile. smile_light: (S, S) what a smile does to it; smile_moves: (2, MOVES) the moves of a full smile on the left
    and on the right; other_moves: (K, MOVES) those of what else lowers the corners of the mouth or the skin beside it,
    and is no end of a smile; smiles: (2,) 0..1, how much the portrait smiles there."""
    strength = smoothstep((smiles - HARDLY) / (WELL - HARDLY))
    if strength.max() == 0:
        return None
    scale = len(flat) / 192
    where = np.clip(-smile_light / DARKENS, 0, 1)
    # Below the eyes it is the lid that comes up.
    rows = np.arange(len(flat))[:, None] / len(flat)
    where = where * smoothstep((rows - 0.45) / 0.05)
    where = cv2.GaussianBlur(cv2.dilate(where.astype(np.float32), _disc(AROUND * scale)), (0, 0), 2 * scale)
    dark = cv2.GaussianBlur(flat, (0, 0), BROAD * scale) - cv2.GaussianBlur(flat, (0, 0), FINE * scale)
    dark = cv2.GaussianBlur(dark, (0, 0), 0.5 * scale, sigmaY=LONG * scale)
    folds = np.clip(dark, 0, DEEPEST) * where
    left = np.arange(len(flat)) < len(flat) / 2
    maps = np.stack([folds * left * strength[0], folds * ~left * strength[1]]).astype(np.float32)
    ways = np.concatenate([-smile_moves * smiles[:, None], other_moves])
    return OwnFolds(maps, np.linalg.pinv(ways)[:, :2].astype(np.float32))


def _disc(radius: float) -> np.ndarray:
    size = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def smile_shapes() -> F32:
    """Return (2, 478, 3), what a full smile adds to a head-local face on the left and on the right of a picture."""
    return expression_modes()[SMILES]


def other_shapes() -> F32:
    """Return (3, 478, 3), what an open jaw and a shut eye on either side add."""
    return expression_modes()[OTHERS]
