"""Brows keep their thickness: trackers draw their lower edge too high, and hair below it would be drawn out to the lid
when the brow goes up or the eye is shut."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import COLUMNS_BROW
from ..types import F32, U8
from .mesh import smoothstep

# Columns of a brow in COLUMNS_BROW.
SIDE = 6
# Places from the outer to the inner end of the brow, and steps from its middle to the lid, at which the picture is
# looked at.
PLACES, STEPS = 31, 49
# The last of these steps show lashes.
LASHES = 6
# Hair ends where it is this much of the way to the lightest skin below it; a brow that is darker than the skin by less
# than this share has no edge to be seen.
ENDS, FAINT = 0.45, 0.12
# Hair, or what is taken for it, ends this far from the lid at least, in ways from the brow to the lid.
ROOM = 0.3
# What is below the edge begins again so far from there to the lid.
BELOW = 0.3
# Everything is in its place once the way to the lid is so much longer than in the portrait.
LONGER = 0.15


@dataclass(frozen=True, slots=True)
class Brows:
    """hair: (12,) how far down each column of COLUMNS_BROW the hair of the brow reaches, in ways from its tracked lower
    edge to the lid."""

    hair: F32

    def keep(self, sources: F32, points: F32, resting: F32) -> None:
        """Change, in place, where the landmarks between brows and lids come from (V, 2) px and where they are drawn
        (V, 3) px, as far as brow and lid are farther apart than in the portrait: hair stays as long as it was, and the
        skin below it is stretched. resting: (478, 3) px, where the head carries the portrait's own landmarks."""
        _, brow, under, fold, lid = COLUMNS_BROW.T
        away = points[lid, :2] - points[brow, :2]
        ways = np.linalg.norm(resting[lid, :2] - resting[brow, :2], axis=1)
        # Seen from far below or above there is hardly any way.
        longer = np.linalg.norm(away, axis=1) / np.maximum(ways, 0.3 * float(ways.max()) + 1e-3)
        share = smoothstep((longer - 1) / LONGER)
        if share.max() == 0:
            return
        # As far down as hair reaches it is as long as it was.
        held = self.hair / np.maximum(longer, 1)
        fold_at = np.maximum(_along(sources, brow, fold, lid), self.hair + BELOW * (1 - self.hair))
        drawn = held + (fold_at - self.hair) / (1 - self.hair) * (1 - held)
        for row, here, there in ((under, self.hair, held), (fold, fold_at, drawn)):
            for places, wanted in ((sources, here), (points, there)):
                missing = share * (wanted - _along(places, brow, row, lid))
                places[row, :2] += missing[:, None] * (places[lid, :2] - places[brow, :2])


def _along(places: F32, brow: np.ndarray, row: np.ndarray, lid: np.ndarray) -> F32:
    """Return (12,) where landmarks of a row are on the ways from brow (0) to lid (1) at places (V, 2 or 3) px."""
    way, to = places[lid, :2] - places[brow, :2], places[row, :2] - places[brow, :2]
    return (to * way).sum(1) / np.maximum((way ** 2).sum(1), 1e-3)


def find_brows(image: U8, landmarks: F32) -> Brows:
    """Return how far down the brows of a crop (H, W, 3) with landmarks (478, 3) px reach."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    hair = []
    for columns in (COLUMNS_BROW[:SIDE], COLUMNS_BROW[SIDE:]):
        upper, brow, under, _, lid = (landmarks[points, :2] for points in columns.T)
        way = np.linalg.norm(lid - brow, axis=1)
        own = np.linalg.norm(under - brow, axis=1) / np.maximum(way, 1e-3)
        hair.append(np.clip(_hair(grey, np.mean([upper, brow], axis=0), brow, lid), 0.5 * own, 1 - ROOM))
    return Brows(np.concatenate(hair).astype(np.float32))


def _hair(grey: U8, middle: F32, brow: F32, lid: F32) -> F32:
    """Return (6,) where hair ends below the brow, in ways from `brow` to `lid` (6, 2) px; middle: (6, 2) px, of it."""
    at, steps = np.linspace(0, SIDE - 1, PLACES), np.linspace(0, 1, STEPS)

    def between(points: F32) -> F32:
        return np.stack([np.interp(at, range(SIDE), points[:, k]) for k in (0, 1)], 1).astype(np.float32)

    top, bottom, edge = between(middle), between(lid), between(brow)
    place = (top[:, None] + steps[:, None] * (bottom - top)[:, None]).astype(np.float32)
    blurred = cv2.GaussianBlur(grey, (0, 0), max(0.6, 0.02 * float(np.linalg.norm(brow[0] - brow[-1]))))
    light = np.asarray(cv2.remap(blurred, place[..., 0], place[..., 1], cv2.INTER_LINEAR,
                                 borderMode=cv2.BORDER_REPLICATE), np.float32)
    light = cv2.GaussianBlur(light, (0, 0), 0.6, sigmaY=1.5)
    dark = light[:, :STEPS // 3].min(1)
    below = np.arange(STEPS) > light[:, :STEPS // 3].argmin(1)[:, None]
    # Next to the lid there are lashes and their shadow.
    skin = np.where(below, light, 0)[:, :STEPS - LASHES].max(1)
    level = dark + ENDS * (skin - dark)
    beyond = (light > level[:, None]) & below
    ends = np.where(beyond.any(1), beyond.argmax(1), 0) / (STEPS - 1)
    ends[skin - dark < FAINT * skin] = 0
    ends = np.median(np.stack([np.roll(np.pad(ends, 2, mode="edge"), k)[2:-2] for k in range(-2, 3)]), axis=0)
    # From the middle of the brow to its tracked edge.
    before = np.linalg.norm(edge - top, axis=1) / np.maximum(np.linalg.norm(bottom - top, axis=1), 1e-3)
    found = (ends - before) / np.maximum(1 - before, 1e-3)
    return np.interp(range(SIDE), at, found).astype(np.float32)
