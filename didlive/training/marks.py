"""Learns where the features of a drawn face are, from faces that `didlive.training.drawings` draws."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import BadInput
from ..marks import CELLS, MARKS, SIDE, mirrored_marks, read_maps
from ..types import F32, U8
from .drawings import CANVAS, draw_face
from .export import manifest_line

WARM_UP = 30
# A mark's heat map is to be as wide as this many cells.
SPREAD = 1.2
SHAPE_WEIGHT = 0.05


class MarkNet(nn.Module):
    """(N, 3, SIDE, SIDE) RGB 0..1 -> (N, MARKS, CELLS, CELLS): how likely each mark is in each cell of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, 24, 2, 5)
        self.down = nn.ModuleList([
            nn.Sequential(_conv(24, 48, 2), _conv(48, 48)),
            nn.Sequential(_conv(48, 96, 2), _conv(96, 96), _conv(96, 96)),
            nn.Sequential(_conv(96, 128, 2), _conv(128, 128), _conv(128, 128)),
        ])
        self.up = nn.ModuleList([_conv(128, 96), _conv(96, 48), _conv(48, 24)])
        self.heat = nn.Conv2d(24, MARKS, 1)

    def maps(self, picture: Tensor) -> Tensor:
        """Return (N, MARKS, CELLS * CELLS): the share of each cell."""
        x = self.stem(picture - 0.5)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        for up in self.up:
            x = F.interpolate(up(x), scale_factor=2.0, mode="nearest") + skips.pop()
        return self.heat(x).flatten(2).softmax(2)

    def forward(self, picture: Tensor) -> Tensor:
        """Return (N, MARKS, CELLS, CELLS), see above."""
        return self.maps(picture).unflatten(2, (CELLS, CELLS))

    @staticmethod
    def places(maps: Tensor) -> Tensor:
        """Return (N, MARKS, 2), the means of maps, 0..1 of the picture (Nibali et al.: Numerical Coordinate Regression
        with Convolutional Neural Networks, 2018)."""
        at = (torch.arange(CELLS, device=maps.device, dtype=maps.dtype) + 0.5) / CELLS
        grid = maps.unflatten(2, (CELLS, CELLS))
        return torch.stack([(grid.sum(2) * at).sum(2), (grid.sum(3) * at).sum(2)], 2)


def _conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
                         nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1, inplace=True))


def loss_of(maps: Tensor, truth: Tensor) -> Tensor:
    """Return the loss of heat maps against marks (N, MARKS, 2), 0..1: how far their means are, and how far from round
    spots they are (Jensen and Shannon)."""
    places = MarkNet.places(maps)
    inside = ((truth > 0) & (truth < 1)).all(2).to(maps.dtype)
    away = (places - truth).norm(dim=2)
    at = (torch.arange(CELLS, device=maps.device, dtype=maps.dtype) + 0.5) / CELLS
    dx, dy = (at - truth[:, :, :1]) ** 2, (at - truth[:, :, 1:]) ** 2
    spot = torch.exp(-(dy[:, :, :, None] + dx[:, :, None]) * CELLS ** 2 / (2 * SPREAD ** 2)).flatten(2)
    spot = spot / spot.sum(2, keepdim=True).clamp_min(1e-8)
    middle = ((maps + spot) / 2).clamp_min(1e-12).log()
    apart = 0.5 * ((maps * (maps.clamp_min(1e-12).log() - middle)).sum(2)
                   + (spot * (spot.clamp_min(1e-12).log() - middle)).sum(2))
    return ((away + SHAPE_WEIGHT * apart) * inside).sum() / inside.sum().clamp_min(1)


def drawings(count: int, seed: int, workers: int) -> tuple[U8, F32]:
    """Return pictures (count, SIDE, SIDE, 3) and marks (count, MARKS, 2), 0..1."""
    size = 250
    jobs = [(seed, k, min(size, count - k)) for k in range(0, count, size)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(_draw_some, jobs))
    return np.concatenate([p for p, _ in parts]), np.concatenate([m for _, m in parts])


def _draw_some(job: tuple[int, int, int]) -> tuple[U8, F32]:
    cv2.setNumThreads(1)
    seed, first, count = job
    made = [draw_face(np.random.default_rng([seed, first + k])) for k in range(count)]
    small = [cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p, _ in made]
    # Pixel centres are at integers there, and at halves of cells here.
    return np.stack(small).astype(np.uint8), ((np.stack([m for _, m in made]) + 0.5) / CANVAS).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Batches:
    """Random batches of drawings, turned, mirrored and coloured anew each time."""

    pictures: U8
    marks: F32
    size: int
    seed: int

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng(self.seed)
        while True:
            chosen = rng.integers(0, len(self.pictures), self.size)
            made = [_varied(rng, self.pictures[i], self.marks[i]) for i in chosen]
            picture = torch.from_numpy(np.stack([p for p, _ in made])).permute(0, 3, 1, 2)
            yield picture.contiguous(), torch.from_numpy(np.stack([m for _, m in made]))


def _varied(rng: np.random.Generator, picture: U8, marks: F32) -> tuple[F32, F32]:
    if rng.random() < 0.5:
        picture, marks = picture[:, ::-1], mirrored_marks(marks, 1.0)
    angle, zoom = np.radians(rng.normal(0, 8)), rng.uniform(0.9, 1.12)
    c, s = np.cos(angle) * zoom, np.sin(angle) * zoom
    matrix = np.array([[c, -s], [s, c]], np.float32)
    shift = np.float32(0.5) - matrix @ np.full(2, 0.5, np.float32) + rng.uniform(-0.04, 0.04, 2).astype(np.float32)
    in_px = np.concatenate([matrix, (matrix @ np.full(2, 0.5) + shift * SIDE - 0.5)[:, None]], 1)
    turned = cv2.warpAffine(np.ascontiguousarray(picture), in_px, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    light = turned.astype(np.float32) / 255
    light = (light - 0.5) * rng.uniform(0.6, 1.15) + 0.5 + rng.uniform(-0.1, 0.1, 3)
    if rng.random() < 0.1:
        light = 1 - light[:, :, ::-1] if rng.random() < 0.1 else light[:, :, rng.permutation(3)]
    return np.clip(light, 0, 1).astype(np.float32), (marks @ matrix.T + shift).astype(np.float32)


def train_marks(pictures: U8, marks: F32, *, minutes: float, steps: int = 1_000_000, seed: int = 0, size: int = 32,
                rate: float = 3e-3, tell: Callable[[str], None] = print) -> MarkNet:
    """Return a network trained for so many minutes, or steps. The learning rate falls to nothing by the end."""
    torch.manual_seed(seed)
    net, held = MarkNet(), max(len(pictures) // 20, 1)
    adam = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    started, mean = time.monotonic(), 0.0
    for step, (picture, truth) in enumerate(Batches(pictures[held:], marks[held:], size, seed)):
        share = max((time.monotonic() - started) / (60 * minutes), step / steps)
        if share >= 1:
            break
        for group in adam.param_groups:
            group["lr"] = rate * min(1, (step + 1) / WARM_UP) * 0.5 * (1 + np.cos(np.pi * share))
        loss = loss_of(net.maps(picture), truth)
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        mean += (float(loss.detach()) - mean) * max(0.02, 1 / (step + 1))
        if step % 100 == 99:
            tell(f"{100 * share:3.0f} %  step {step + 1}  loss {mean:.4f}")
    tell(f"held out: marks are {100 * miss(net, pictures[:held], marks[:held]):.2f} % of the picture off")
    return net


@torch.no_grad()
def miss(net: MarkNet, pictures: U8, marks: F32) -> float:
    """Return the mean distance of the marks from the truth, in sides of the picture."""
    net.eval()
    away = []
    for k in range(0, len(pictures), 64):
        part = torch.from_numpy(pictures[k:k + 64]).permute(0, 3, 1, 2).float() / 255
        there = (marks[k:k + 64] > 0).all(2) & (marks[k:k + 64] < 1).all(2)
        found = np.stack([read_maps(maps)[:, :2] for maps in net(part).numpy()])
        away.append(np.linalg.norm(found - marks[k:k + 64], axis=2)[there])
    net.train()
    return float(np.concatenate(away).mean())


def export_marks(net: MarkNet, path: Path) -> None:
    """Write the network as ONNX: input `picture` (1, 3, SIDE, SIDE), output `maps` (1, MARKS, CELLS, CELLS)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The exporter that torch recommends instead stumbles over warnings of its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(net.eval(), (torch.zeros(1, 3, SIDE, SIDE),), str(path), input_names=["picture"],
                          output_names=["maps"], opset_version=17, dynamo=False)


def make_marks(out: Path, count: int, minutes: float, seed: int, workers: int, sheet: Path | None,
               tell: Callable[[str], None]) -> str:
    """Draw faces, train, write the network; return what to put into the manifest. Raises BadInput."""
    if count < 40 or minutes <= 0 or workers < 1:
        raise BadInput("--count must be 40 or more, --minutes above 0, --workers 1 or more")
    tell(f"drawing {count} faces")
    pictures, marks = drawings(count, seed, workers)
    torch.set_num_threads(workers)
    net = train_marks(pictures, marks, minutes=minutes, seed=seed, tell=tell)
    export_marks(net, out)
    if sheet is not None:
        write_sheet(net, pictures[:48], sheet)
    return manifest_line("fp32", out)


@torch.no_grad()
def write_sheet(net: MarkNet, pictures: U8, path: Path) -> None:
    """Write pictures (N, SIDE, SIDE, 3) with the marks that the network finds."""
    found = net.eval()(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255).numpy()
    shown = []
    for picture, maps in zip(pictures, found, strict=True):
        large = cv2.resize(picture, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_CUBIC)
        for x, y in read_maps(maps)[:, :2] * 2 * SIDE:
            cv2.circle(large, (round(float(x)), round(float(y))), 2, (255, 0, 0), -1, cv2.LINE_AA)
        shown.append(large)
    rows = [np.hstack(shown[k:k + 8]) for k in range(0, len(shown) - 7, 8)]
    Image.fromarray(np.vstack(rows)).save(path)
