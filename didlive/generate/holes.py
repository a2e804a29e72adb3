"""Holes in pictures are filled smoothly from around."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import F32


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
