"""Batches: crops from memory maps to tensors, with changed colours, light and sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .synth import Samples

# Channels of the guides that point left or right: they change sign when the crop is mirrored.
SIDED = {"mouth": (9,), "eyes": (), "face": (7,)}
GREY_SHARE = 0.12


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


class Loader:
    """Draws batches of one region from samples. On a GPU all crops are moved there first."""

    def __init__(self, samples: list[Samples], region: str, device: torch.device, seed: int) -> None:
        self.region, self.device = region, device
        self._crops = [s.crops[region] for s in samples]
        self._starts = np.cumsum([0, *(len(c) for c in self._crops)])
        self._rng = np.random.default_rng(seed)
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
        crops = self.rows(self._rng.integers(len(self), size=max(1, size // self._crops[0].shape[1])))
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

        gain, shift, power = uniform(0.8, 1.2) * uniform(0.88, 1.12, 3), uniform(-0.06, 0.06), uniform(0.8, 1.25)
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
