"""The still background behind a moving head: who is the person, and what lies behind them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..types import F32, U8
from .fill import fill_background
from .holes import fill_holes
from .mesh import smoothstep

STRANDS_PX = 640
# A coarse mask is doubted in a picture of so many px, where it is unsure itself: between these two.
DOUBTED_PX, UNSURE = 128, (0.04, 0.96)
# Such a px is compared with every second one within NEAR_PX that is surely the person or surely not, and of those with
# the few that are most like it. When the background's are closer by the first share of TAKEN it begins to be taken from
# the person, by the second it is all taken. Colours that differ by less than NOISE (CIELAB) say nothing.
NEAR_PX, BORDER_PX, ALIKE, TAKEN, NOISE = 20, 7, 4, (0.15, 0.45), 4.0
# Levels by which neighbours in a flat colour may differ, noise smoothed away.
FLAT_LEVELS = 3
# Hair before a background has a colour between both: up to the first share of its distance off that line, never beyond
# the second.
MIXED = (0.5, 0.7)
# What does not hang on to the head, and is smaller than this share of it, is not the person.
LOOSE = 0.2


@dataclass(frozen=True, slots=True)
class Matte:
    """`person` (above + H, W, 4) uint8 premultiplied RGBA and `background` (H, W, 3) uint8 RGB: person over background
    is the picture itself, but for the rows of the person that lie above it."""

    person: U8
    background: U8

    @property
    def above(self) -> int:
        """How many rows of the person lie above the picture."""
        return len(self.person) - len(self.background)


def guided_filter(guide: F32, target: F32, radius: int, epsilon: float) -> F32:
    """Smooth `target` (H, W) along the edges of grey `guide` (H, W), 0..1 (He, Sun, Tang: Guided Image Filtering)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(x: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(x, size), dtype=np.float32)

    mean_guide, mean_target = mean(guide), mean(target)
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = (mean(guide * target) - mean_guide * mean_target) / (variance + epsilon)
    offset = mean_target - slope * mean_guide
    return (mean(slope) * guide + mean(offset)).astype(np.float32)


def doubt_mask(rgb: U8, mask: F32) -> F32:
    """Take out of a coarse person mask (H, W) 0..1 what looks like the background around: a segmenter half believes
    that a flag's stripe beside a cheek is skin."""
    height, width = mask.shape
    scale = DOUBTED_PX / max(height, width)
    size = max(round(width * scale), 8), max(round(height * scale), 8)
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
    picture = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float32)
    cover = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.float32)
    rows, columns = np.nonzero((cover > UNSURE[0]) & (cover < UNSURE[1]))
    if len(rows) == 0:
        return mask
    taken = np.zeros_like(cover)
    # Some at a time: a mask that is unsure everywhere would need hundreds of megabytes.
    for some in np.array_split(np.stack([rows, columns]), len(rows) // 1000 + 1, axis=1):
        taken[tuple(some)] = _like_background(picture, cover, *some)
    less = cv2.resize(cv2.GaussianBlur(taken, (0, 0), 0.7), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(mask < UNSURE[1], mask * (1 - np.asarray(less, np.float32)), mask).astype(np.float32)


def _like_background(picture: F32, cover: F32, rows: np.ndarray, columns: np.ndarray) -> F32:
    """Return (N,) how clearly (0..1) px of a picture (H, W, 3) CIELAB look like the background near by, for coverage
    (H, W) by the person."""
    y, x = np.mgrid[-NEAR_PX:NEAR_PX + 1:2, -NEAR_PX:NEAR_PX + 1:2]
    within = y ** 2 + x ** 2 <= NEAR_PX ** 2
    wide = np.pad(picture, ((NEAR_PX, NEAR_PX), (NEAR_PX, NEAR_PX), (0, 0)))
    # Beyond the picture nothing is sure.
    known = np.pad(cover, NEAR_PX, constant_values=0.5)
    place = (rows + NEAR_PX)[:, None] + y[within], (columns + NEAR_PX)[:, None] + x[within]
    away = np.sqrt(((wide[place] - picture[rows, columns][:, None]) ** 2).sum(2))
    # At its own border the mask is not to be trusted even where it is sure.
    inner = cv2.erode((known >= UNSURE[1]).astype(np.uint8), np.ones((BORDER_PX, BORDER_PX), np.uint8))
    unlike = np.float32(1e3)
    person, behind = (np.partition(np.where(sure[place], away, unlike), ALIKE, 1)[:, :ALIKE].mean(1)
                      for sure in (np.asarray(inner) > 0, known <= UNSURE[0]))
    closer = (person - behind) / (person + behind + NOISE)
    comparable = np.maximum(person, behind) < 0.9 * unlike
    return (comparable * smoothstep((closer - TAKEN[0]) / (TAKEN[1] - TAKEN[0]))).astype(np.float32)


def before_flat(rgb: U8, head: U8) -> F32 | None:
    """Return (H, W) coverage 0..1 by a drawn figure that stands before one colour or a slope of it, or None where the
    picture's upper border is none, or it goes on into the head (H, W), not 0 inside it. Of a drawing's hair and sleeves
    a segmenter is not sure; the line around them holds the wall."""
    height, width = head.shape
    smooth = cv2.medianBlur(rgb, 5)
    corners = smooth[0], smooth[:height // 2, 0], smooth[:height // 2, -1]
    steps = np.concatenate([np.abs(np.diff(edge.astype(np.int16), axis=0)).max(1) for edge in corners])
    if (steps <= FLAT_LEVELS).mean() < 0.97:
        return None
    wall = np.zeros((height + 2, width + 2), np.uint8)
    for corner in ((0, 0), (width - 1, 0)):
        cv2.floodFill(smooth, wall, corner, 0, [FLAT_LEVELS] * 3, [FLAT_LEVELS] * 3,
                      4 | cv2.FLOODFILL_MASK_ONLY | 1 << 8)
    behind = wall[1:-1, 1:-1]
    if behind[head > 0].mean() > 0.01:
        return None
    figure = 1 - behind
    # White cloth before a pale wall is as solid as all else; only its border is soft.
    solid = np.asarray(cv2.erode(figure, np.ones((3, 3), np.uint8)), np.float32)
    return np.maximum(refine_mask(rgb, figure.astype(np.float32)), solid)


def drop_loose(alpha: F32, head: U8) -> F32:
    """Leave out of coverage `alpha` (H, W) the small parts that do not hang on to the head (H, W), not 0 inside it."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.3).astype(np.uint8))
    parts = np.asarray(labels, np.int32)
    loose = np.asarray(stats, np.int32)[:, cv2.CC_STAT_AREA] <= LOOSE * np.count_nonzero(head)
    loose[np.unique(parts[head > 0])] = loose[0] = False
    # Together with their fringe, but without touching what is kept.
    fringe = np.asarray(cv2.dilate(loose[parts].astype(np.uint8), np.ones((9, 9), np.uint8)))
    return np.where((fringe > 0) & (loose[parts] | (parts == 0)), 0, alpha).astype(np.float32)


def refine_mask(rgb: U8, mask: F32) -> F32:
    """Sharpen a soft (H, W) person mask 0..1 to the picture's edges."""
    guide = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) / np.float32(255)).astype(np.float32)
    radius = max(4, min(rgb.shape[:2]) // 48)
    fine = guided_filter(guide, mask.astype(np.float32), radius, 1e-4)
    fine = np.clip((fine - 0.12) / 0.76, 0, 1)
    return (fine * fine * (3 - 2 * fine)).astype(np.float32)


def catch_strands(rgb: U8, alpha: F32, eyes: float) -> F32:
    """Add to coverage `alpha` (H, W) the loose hair that a coarse mask leaves behind: what differs clearly from the
    background around it, judged by how rough that background is. eyes: px from the top; below them a strand has to
    have the colour of the person beside it as well, or the seam of a flag beside a cheek would be one."""
    height, width = alpha.shape
    if max(height, width) > STRANDS_PX:
        # Loose hair is wide enough to be found in a smaller picture, in a quarter of the time.
        size = (round(width * STRANDS_PX / max(height, width)), round(height * STRANDS_PX / max(height, width)))
        small, cover = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (rgb, alpha))
        found = catch_strands(np.asarray(small, dtype=np.uint8), np.asarray(cover, dtype=np.float32),
                              eyes * size[1] / height)
        hair = cv2.resize(found * (found > cover + 0.02), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.maximum(alpha, hair).astype(np.float32)
    side = max(5, round(0.06 * max(rgb.shape[:2]))) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * side + 1, 2 * side + 1))
    near = np.asarray(cv2.dilate((alpha > 0.3).astype(np.uint8), disc)) > 0
    beyond = np.asarray(cv2.dilate(near.astype(np.uint8), disc)) > 0
    picture = rgb.astype(np.float32)
    known = (beyond & ~near).astype(np.float32)
    if known.sum() < 64:
        return alpha
    expected = fill_holes(picture, known)
    rough = np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 3)).max(2)[:, :, None]
    noise = cv2.GaussianBlur(fill_holes(rough.astype(np.float32), known), (0, 0), 6)
    # Neither a gradient of the background nor a post behind the head is hair: only fine structure counts.
    different = np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 2)).max(2)
    far = np.abs(picture - expected).max(2)
    strand = np.clip((np.minimum(different, far) - 4 * noise - 3) / 10, 0, 1) * near * (noise < 5)
    lower = max(round(eyes), 0)
    strand[lower:] *= _between(picture, expected, alpha, 2 * side + 1)[lower:]
    strand = cv2.GaussianBlur(np.asarray(cv2.dilate(strand.astype(np.float32), np.ones((3, 3), np.uint8))), (0, 0), 1)
    together = np.maximum(alpha, np.clip(strand * 1.3, 0, 1)).astype(np.float32)
    # Hair hangs on to the head.
    _, parts = cv2.connectedComponents((together > 0.15).astype(np.uint8))
    kept = np.isin(parts, np.unique(parts[alpha > 0.6]))
    return np.where(kept, together, alpha).astype(np.float32)


def _between(picture: F32, background: F32, alpha: F32, reach: int) -> F32:
    """Return (H, W) 1 where a colour is a mixture of the background and of the person around (within `reach` px), 0
    where it is clearly something else."""
    sure = (alpha > 0.9).astype(np.float32)[:, :, None]
    size = (2 * reach + 1, 2 * reach + 1)
    amount = np.asarray(cv2.blur(sure, size), np.float32)[:, :, None]
    person = np.asarray(cv2.blur(picture * sure, size), np.float32) / np.maximum(amount, 1e-3)
    along, away = person - background, picture - background
    share = np.clip((along * away).sum(2) / np.maximum((along ** 2).sum(2), 1), 0, 1)[:, :, None]
    off = np.linalg.norm(away - share * along, axis=2) / np.maximum(np.linalg.norm(away, axis=2), 1)
    return smoothstep((MIXED[1] - off) / (MIXED[1] - MIXED[0])).astype(np.float32)


def cut_out(rgb: U8, alpha: F32) -> Matte:
    """Split a picture whose transparency `alpha` (H, W) 0..1 is known: it stays what it is, to the last bit."""
    picture, amount = rgb.astype(np.float32), alpha[:, :, None]
    known = (alpha < 0.01).astype(np.float32)
    background = fill_holes(picture, known) if known.sum() >= 64 else picture
    person = np.clip(picture - (1 - amount) * background, 0, 255 * amount)
    rest = np.where(amount < 0.98, (picture - person) / np.maximum(1 - amount, 0.02), background)
    rgba = np.concatenate([person, 255 * amount], axis=2)
    return Matte(np.ascontiguousarray((rgba + 0.5).astype(np.uint8)),
                 np.ascontiguousarray(np.clip(rest + 0.5, 0, 255).astype(np.uint8)))


def make_matte(rgb: U8, alpha: F32) -> Matte:
    """Split a picture (H, W, 3) by person coverage `alpha` (H, W) 0..1 so that the two parts add up to it exactly."""
    side = max(3, min(rgb.shape[:2]) // 60) | 1
    # What lies within some pixels of the person is mixed with it and must not bleed into the background.
    behind = 1 - np.asarray(cv2.dilate(alpha, np.ones((side, side), np.uint8)), dtype=np.float32)
    known = (behind > 0.98).astype(np.float32)
    picture = rgb.astype(np.float32)
    if known.sum() < 64:
        background = picture
        alpha = np.ones_like(alpha)
    else:
        background = fill_background(picture, known)
    # Away from the person the background is the picture, without a visible step.
    near = cv2.GaussianBlur((alpha > 0.003).astype(np.float32), (0, 0), 0.006 * max(alpha.shape))
    share = np.clip(2 * near, 0, 1)[:, :, None]
    background = np.clip(picture * (1 - share) + background * share, 0, 255)
    # The least coverage with which person over background can still be the picture, channel by channel.
    darker, lighter = 1 - picture / np.maximum(background, 1), (picture - background) / np.maximum(255 - background, 1)
    least = np.where(picture < background, darker, lighter).max(2)
    amount = np.maximum(alpha, np.where(near > 0.002, least, 0))[:, :, None]
    person = np.clip(picture - (1 - amount) * background, 0, 255 * amount)
    rgba = np.concatenate([person, 255 * amount], axis=2)
    return Matte(np.ascontiguousarray((rgba + 0.5).astype(np.uint8)),
                 np.ascontiguousarray((background + 0.5).astype(np.uint8)))
