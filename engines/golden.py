"""Golden frames: inputs made from nothing, alike on every machine, that show whether an engine computes what the CPU
does before it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .engine import Array, Engine, Shape

# PSNR in dB for a range of 1 (255 for uint8) that an engine must reach against float32 on the CPU.
BARS_DB = {"fp32": 50.0, "fp16": 45.0, "int8": 28.0, "s8": 28.0}


def make_frame(shapes: Mapping[str, Shape], dtypes: Mapping[str, np.dtype[Any]], seed: int = 3) -> dict[str, Array]:
    """Return one set of inputs: smooth noise of 0..1, and where they belong together (`engines.graph`) what a warp and
    three crops could be."""
    rng = np.random.default_rng(seed)
    feeds: dict[str, Array] = {name: _smooth(rng, shape) for name, shape in shapes.items() if dtypes[name] != np.uint8}
    if {"person", "grid", "matrices", "inverses", "overlay"} <= set(shapes):
        size = shapes["grid"][1]
        alpha = np.clip(3 * feeds["person"][:, 3:] - 0.8, 0, 1)
        feeds["person"] = np.concatenate([feeds["person"][:, :3] * alpha, alpha], 1)
        # Fine texture, which aliases where a crop is not averaged.
        feeds["background"] = 0.5 * (feeds["background"] + rng.random(shapes["background"], dtype=np.float32))
        feeds["grid"], feeds["overlay"] = _grid(size), _overlay(size)
        rows, columns = (np.hanning(n) for n in shapes["light"][2:])
        feeds["light"] = (0.5 * feeds["light"] - 0.25) * np.outer(rows, columns)
        feeds["light_place"] = np.array([[2.0, 1.6], [0.1, -0.2]])
        feeds["matrices"] = _matrices(size)
        feeds["inverses"] = np.stack([_invert(m) for m in feeds["matrices"]])
        for name in [n for n in shapes if n.endswith("_feather")]:
            rows, columns = (np.hanning(n) for n in shapes[name][2:])
            feeds[name] = np.broadcast_to(np.outer(rows, columns), shapes[name])
    return {name: np.ascontiguousarray(feeds[name], dtype=dtypes[name]) for name in shapes}


def psnr_db(expected: Mapping[str, Array], got: Mapping[str, Array]) -> float:
    """Return the PSNR of the worst output; -inf when one is not finite or has another shape."""
    worst = np.inf
    for name, want in expected.items():
        have = got[name]
        if have.shape != want.shape or not np.isfinite(have).all():
            return -np.inf
        peak = 255.0 if want.dtype == np.uint8 else 1.0
        error = float(((have.astype(np.float64) - want) ** 2).mean()) / peak**2
        worst = min(worst, -10 * float(np.log10(max(error, 1e-12))))
    return worst


def compare(engine: Engine, reference: Engine) -> float:
    """Return the PSNR in dB of an engine's golden frame against the reference's."""
    feeds = make_frame(reference.inputs, reference.dtypes)
    return psnr_db(reference.run(feeds), engine.run(feeds))


def _smooth(rng: np.random.Generator, shape: Shape) -> Array:
    """Return float32 noise 0..1; with two last axes that look like a picture's it is smooth along them."""
    if len(shape) < 4:
        return rng.random(shape, dtype=np.float32)
    values = rng.random((*shape[:2], max(2, shape[2] // 16), max(2, shape[3] // 16)), dtype=np.float32)
    for axis in (2, 3):
        at = np.linspace(0, values.shape[axis] - 1, shape[axis])
        low = np.minimum(at.astype(int), values.shape[axis] - 2)
        share = (at - low).reshape([-1 if i == axis else 1 for i in range(4)]).astype(np.float32)
        values = np.take(values, low, axis) * (1 - share) + np.take(values, low + 1, axis) * share
    return values


def _grid(size: int) -> Array:
    """(1, size, size, 2): a wave, and a nose that hides a cheek, where the map jumps."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    map_x = x + 0.02 * size * np.sin(y / size * 7)
    map_y = y + 0.015 * size * np.cos(x / size * 5)
    map_x[size // 3 : size // 2, size // 2 : size // 2 + size // 8] += 0.05 * size
    return np.stack([map_x, map_y], -1)[None] * 2 / (size - 1) - 1


def _overlay(size: int) -> Array:
    """(1, size, size, 4) uint8: one drawn layer that hides most of what is below it."""
    overlay = np.zeros((1, size, size, 4), np.uint8)
    y, x = np.mgrid[0:40, 0:60]
    overlay[0, size // 2 : size // 2 + 40, size // 3 : size // 3 + 60] = np.stack(
        [5 * y, 4 * x, 2 * (x + y), np.full_like(x, 200)], -1)
    return overlay


def _matrices(size: int) -> Array:
    """(4, 2, 3): mouth, left eye, mirrored right eye and face, a little turned."""
    k = size / 512
    rows = ((1.1, (250, 340), (128, 96), 1), (1.1, (190, 200), (64, 64), 1), (1.1, (310, 210), (64, 64), -1),
            (4.4, (250, 260), (64, 64), 1))
    found = []
    for scale, at, crop, flip in rows:
        c, s = scale * k * np.cos(0.1), scale * k * np.sin(0.1)
        turn = np.array([[flip * c, -s], [flip * s, c]])
        shift = k * np.array(at) - turn @ ((np.array(crop) - 1) / 2)
        found.append(np.concatenate([turn, shift[:, None]], 1))
    return np.stack(found).astype(np.float32)


def _invert(matrix: Array) -> Array:
    turn = np.linalg.inv(matrix[:, :2])
    return np.concatenate([turn, -turn @ matrix[:, 2:]], 1)
