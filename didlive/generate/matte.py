"""The still background behind a moving head: who is the person, and what lies behind them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..types import F32, U8


@dataclass(frozen=True, slots=True)
class Matte:
    """`person` (H, W, 4) uint8 premultiplied RGBA and `background` (H, W, 3) uint8 RGB: person over background is
    the picture itself."""

    person: U8
    background: U8


def fill_holes(values: F32, weight: F32) -> F32:
    """Fill where `weight` (H, W) is 0 from around, smoothly: the pull-push pyramid of Gortler et al. (Lumigraph, 1996).

    values: (H, W, C) float32. Known pixels (weight 1) stay as they are.
    """
    height, width = weight.shape
    if min(height, width) <= 2:
        total = float(weight.sum())
        mean = (values * weight[:, :, None]).sum((0, 1)) / max(total, 1e-6)
        return np.where(weight[:, :, None] > 1e-3, values, mean).astype(np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(values * weight[:, :, None], size, interpolation=cv2.INTER_AREA)
    small = small.reshape(*small_weight.shape, -1) / np.maximum(small_weight, 1e-6)[:, :, None]
    coarse = fill_holes(small.astype(np.float32), np.minimum(small_weight * 2, 1).astype(np.float32))
    up = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    return (values * weight[:, :, None] + up * (1 - weight[:, :, None])).astype(np.float32)


def guided_filter(guide: F32, target: F32, radius: int, epsilon: float) -> F32:
    """Smooth `target` (H, W) along the edges of grey `guide` (H, W), both 0..1 (He, Sun, Tang: Guided Image Filtering)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(x: F32) -> F32:
        return np.asarray(cv2.blur(x, size), dtype=np.float32)

    mean_guide, mean_target = mean(guide), mean(target)
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = (mean(guide * target) - mean_guide * mean_target) / (variance + epsilon)
    offset = mean_target - slope * mean_guide
    return mean(slope) * guide + mean(offset)


def refine_mask(rgb: U8, mask: F32) -> F32:
    """Sharpen a soft (H, W) person mask 0..1 to the picture's edges."""
    guide = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    radius = max(4, min(rgb.shape[:2]) // 48)
    fine = guided_filter(guide, mask.astype(np.float32), radius, 1e-4)
    fine = np.clip((fine - 0.12) / 0.76, 0, 1)
    return (fine * fine * (3 - 2 * fine)).astype(np.float32)


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
        background = fill_holes(picture, known)
    # Where nothing of the person is, the background is the picture.
    clear = (alpha <= 0.003)[:, :, None]
    background = np.where(clear, picture, background)
    amount = np.where(alpha <= 0.003, 0, alpha)[:, :, None]
    person = np.clip(picture - (1 - amount) * background, 0, 255 * amount)
    rgba = np.concatenate([person, 255 * amount], axis=2)
    return Matte(np.ascontiguousarray((rgba + 0.5).astype(np.uint8)),
                 np.ascontiguousarray((background + 0.5).astype(np.uint8)))
