"""The still background behind a moving head: who is the person, and what lies behind them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..types import F32, U8
from .fill import fill_background
from .holes import fill_holes

STRANDS_PX = 640


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


def refine_mask(rgb: U8, mask: F32) -> F32:
    """Sharpen a soft (H, W) person mask 0..1 to the picture's edges."""
    guide = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) / np.float32(255)).astype(np.float32)
    radius = max(4, min(rgb.shape[:2]) // 48)
    fine = guided_filter(guide, mask.astype(np.float32), radius, 1e-4)
    fine = np.clip((fine - 0.12) / 0.76, 0, 1)
    return (fine * fine * (3 - 2 * fine)).astype(np.float32)


def catch_strands(rgb: U8, alpha: F32) -> F32:
    """Add to coverage `alpha` (H, W) the loose hair that a coarse mask leaves behind: what differs clearly from the
    background around it, judged by how rough that background is."""
    height, width = alpha.shape
    if max(height, width) > STRANDS_PX:
        # Loose hair is wide enough to be found in a smaller picture, in a quarter of the time.
        size = (round(width * STRANDS_PX / max(height, width)), round(height * STRANDS_PX / max(height, width)))
        small, cover = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (rgb, alpha))
        found = catch_strands(np.asarray(small, dtype=np.uint8), np.asarray(cover, dtype=np.float32))
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
    strand = cv2.GaussianBlur(np.asarray(cv2.dilate(strand.astype(np.float32), np.ones((3, 3), np.uint8))), (0, 0), 1)
    together = np.maximum(alpha, np.clip(strand * 1.3, 0, 1)).astype(np.float32)
    # Hair hangs on to the head.
    _, parts = cv2.connectedComponents((together > 0.15).astype(np.uint8))
    kept = np.isin(parts, np.unique(parts[alpha > 0.6]))
    return np.where(kept, together, alpha).astype(np.float32)


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
