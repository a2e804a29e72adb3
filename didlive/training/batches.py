"""Batches: crops from memory maps to tensors, with changed colours, light and sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..types import F32, U8
from .synth import Samples

# Channels of the guides that point left or right: they change sign when the crop is mirrored.
SIDED = {"mouth": (9,), "eyes": (), "face": (7,)}
GREY_SHARE = 0.12
# Vowels are rare among stills, which smile: mouths rounder than the first (height over width) are drawn more often, up
# to the second, by this factor; less than so many px of the crop is no opening.
ROUND_FROM, ROUND_TO, ROUND_FACTOR, OPEN_PX = 0.28, 0.5, 9.0, 7
# A wide opening (px of the crop, height over width) whose lower half is brighter than the lips by this factor shows a
# tongue that hangs out.
TONGUE_PX, TONGUE_ROUND, TONGUE_LIGHT = 14, 0.3, 1.15


@dataclass(frozen=True, slots=True)
class Batch:
    """x: the refiner's input (N, C, H, W) -1..1; warped, source, truth: RGB (N, 3, H, W) 0..1; guide -1..1; weight
    (N, 1, H, W): how much a pixel matters."""

    x: Tensor
    truth: Tensor
    weight: Tensor

    @property
    def warped(self) -> Tensor:
        return (self.x[:, :3] + 1) / 2

    @property
    def source(self) -> Tensor:
        return (self.x[:, 3:6] + 1) / 2

    @property
    def guide(self) -> Tensor:
        return self.x[:, 6:]

    @property
    def focus(self) -> Tensor:
        """(N, 1, H, W): 1 where more than the common weight lies and 3 px around, else 0; 1 everywhere without such."""
        heavy = (self.weight > 1.1).float()
        if not bool(heavy.any()):
            return torch.ones_like(heavy)
        return F.max_pool2d(heavy, 7, 1, 3)


class Loader:
    """Draws batches of one region from samples. On a GPU all crops are moved there first."""

    def __init__(self, samples: list[Samples], region: str, device: torch.device, seed: int) -> None:
        self.region, self.device = region, device
        self._crops = [s.crops[region] for s in samples]
        self._starts = np.cumsum([0, *(len(c) for c in self._crops)])
        self._rng = np.random.default_rng(seed)
        odds = np.concatenate([_odds(c) for c in self._crops]) if region == "mouth" else np.ones(len(self))
        self._odds = odds / odds.sum()
        self._on_gpu = None
        if device.type == "cuda":
            self._on_gpu = torch.cat([torch.from_numpy(np.ascontiguousarray(c)).to(device) for c in self._crops])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rows(self, rows: np.ndarray) -> Tensor:
        """Return the crops (N, n, H, W, C + 3) uint8 of sample rows."""
        if self._on_gpu is not None:
            return self._on_gpu[torch.from_numpy(rows).to(self.device)]
        picked = []
        for row in rows:
            part = int(np.searchsorted(self._starts, row, "right")) - 1
            picked.append(self._crops[part][row - self._starts[part]])
        return torch.from_numpy(np.stack(picked))

    def draw(self, size: int) -> Batch:
        """Return a random batch of about `size` crops, augmented."""
        crops = self.rows(self._rng.choice(len(self), max(1, size // self._crops[0].shape[1]), p=self._odds))
        return self._augmented(self._batch(crops))

    def plain(self, rows: np.ndarray) -> Batch:
        """Return the crops of given sample rows as they are."""
        return self._batch(self.rows(rows))

    def _batch(self, crops: Tensor) -> Batch:
        flat = crops.flatten(0, 1).permute(0, 3, 1, 2).float()
        x, truth = flat[:, :-3], flat[:, -3:] / 255
        weight = torch.ones_like(truth[:, :1])
        if self.region == "mouth":
            weight = weight + 4 * x[:, 6:7] / 255 + 2 * x[:, 7:8] / 255
        elif self.region == "eyes":
            weight = weight + 2 * torch.maximum(x[:, 6:7], x[:, 8:9]) / 255
        return Batch(x / 127.5 - 1, truth, weight)

    def _augmented(self, batch: Batch) -> Batch:
        n, device = len(batch.x), batch.x.device

        def uniform(low: float, high: float, channels: int = 1) -> Tensor:
            values = self._rng.uniform(low, high, (n, channels, 1, 1)).astype(np.float32)
            return torch.from_numpy(values).to(device)

        gain, shift, power = uniform(0.8, 1.2) * uniform(0.75, 1.25, 3), uniform(-0.06, 0.06), uniform(0.8, 1.25)
        grey = (uniform(0, 1) < GREY_SHARE).float()

        def coloured(picture: Tensor) -> Tensor:
            mono = picture.mean(1, keepdim=True)
            picture = picture * (1 - grey) + mono * grey
            return (picture.clamp(0, 1) ** power * gain + shift).clamp(0, 1)

        warped, source, truth = coloured(batch.warped), coloured(batch.source), coloured(batch.truth)
        x = torch.cat([2 * warped - 1, 2 * source - 1, batch.guide], 1)
        weight = batch.weight
        if self.region != "eyes" and self._rng.random() < 0.5:
            x, truth, weight = x.flip(3).clone(), truth.flip(3), weight.flip(3)
            for channel in SIDED[self.region]:
                x[:, channel] = -x[:, channel]
        return Batch(x, truth, weight)


def _odds(crops: U8) -> F32:
    """Return (N,) how often each mouth (N, 1, H, W, C + 3) is drawn; 0 where a tongue hangs out."""
    out = np.ones(len(crops), np.float32)
    for i, crop in enumerate(crops):
        opening = crop[0, :, :, 6] > 127
        height, width = int(opening.sum(0).max()), max(int(opening.sum(1).max()), 1)
        roundness = min(max((height / width - ROUND_FROM) / (ROUND_TO - ROUND_FROM), 0), 1)
        if height > OPEN_PX:
            out[i] = 1 + (ROUND_FACTOR - 1) * roundness
        if height > TONGUE_PX and height / width > TONGUE_ROUND:
            truth, lips = crop[0, :, :, -3:].mean(2), crop[0, :, :, 7] > 127
            lower = opening & (np.cumsum(opening, 0) > 0.55 * height)
            if np.median(truth[lower]) > TONGUE_LIGHT * np.median(truth[lips & ~opening]):
                out[i] = 0
    return out
