"""Contact sheets: source, warp, refined and truth side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from ..types import U8
from .batches import Batch


def to_picture(x: Tensor) -> U8:
    """Return (N, 3, H, W) 0..1 as (N, H, W, 3) uint8."""
    return (x.detach().clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy() * 255 + 0.5).astype(np.uint8)


def save_sheet(path: Path, batch: Batch, drawn: Tensor, zoom: int = 2, per_row: int = 3) -> None:
    """Write a PNG: per sample the source's crop, the warp, the refined crop and the truth."""
    columns = [to_picture(x) for x in (batch.source, batch.warped, drawn, batch.truth)]
    tiles = [np.hstack(row) for row in zip(*columns, strict=True)]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % per_row)
    rows = [np.hstack(tiles[i:i + per_row]) for i in range(0, len(tiles), per_row)]
    sheet = np.vstack(rows)
    sheet = cv2.resize(sheet, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), sheet[:, :, ::-1])
