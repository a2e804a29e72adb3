"""Wrinkles: what an expression does to the light on the skin. A smile cuts folds beside the mouth, a frown lines the
forehead and darkens the eyes; moved pixels know nothing of it.

Expression ratio images (Liu, Shan, Zhang: Expressive Expression Mapping with Ratio Images, 2001): by how much each spot
of the skin is brighter or darker than in the same person's resting face. Here they are learned from many people, linear
in a few moves of the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import cv2
import numpy as np

from ..geometry import HeadLocal, mirror_index, tessellation
from ..types import F32, U8
from .mesh import FACE_POINTS, smoothstep
from .own_folds import OwnFolds, find_own_folds, other_shapes, smile_shapes
from .raster import Box, mix_maps, rasterise, shade

# The moves: mean x (0) or y (1) of some head-local landmarks, of those on the left of the picture and of their mirror
# image each; mean y of some in the middle of the face; and how far the lips are apart.
SIDES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((61,), 0), ((61,), 1), ((98, 129), 1), ((107, 55), 1), ((70, 46, 53), 1), ((107, 55), 0), ((50, 205), 1),
    ((145, 153, 144), 1),
)  # fmt: skip
MIDDLE: tuple[tuple[int, ...], ...] = ((0,), (17,), (152, 175))
MOVES = 2 * len(SIDES) + len(MIDDLE) + 1
NOSTRILS = np.array([98, 97, 2, 326, 327, 294, 278, 1, 48, 64])
# Points along each side of the face's box at which the change of light is worked out.
GRID = 128
# Natural logarithm of the strongest change.
STRONGEST = 0.6
# A face whose moves are this share of their reach (RMS) folds in proportion.
HALF = 0.5
# A change that is nowhere larger than this is none: half a level of grey.
UNSEEN = 0.004
# A face whose skin hardly varies in brightness (natural logarithm, structures of 2 to 8 mm, the flattest quarter) is
# painted flat, and gets no wrinkles: below the first none, above the second all. 150 photographs had 0.012 and more.
FLAT, SHADED = 0.007, 0.011


@dataclass(frozen=True, slots=True)
class Maps:
    """What was learned, on a flattened face.

    maps: (MOVES, S, S) natural logarithm of the change of brightness per unit of each `folding`. reach: (MOVES,) how
    far people moved: nothing is known beyond. layout: (468, 2) px of the maps, where the landmarks lie.
    """

    maps: F32
    reach: F32
    layout: F32


@dataclass(frozen=True, slots=True)
class Wrinkles:
    """The maps on a portrait: (K, GRID, GRID) on points `step` (2,) px apart from `corner` (2,) px of the crop on.
    rest: (MOVES,) the moves of the portrait itself. folds: those of its own smile; their two maps come last."""

    maps: F32
    corner: F32
    step: F32
    rest: F32
    folds: OwnFolds | None

    def light(self, shape: F32) -> Light | None:
        """Return what the light does when the head-local landmarks become `shape` (478, 3); None for nothing."""
        change = np.empty((GRID, GRID), np.float32)
        moved = moves(shape) - self.rest
        shares = folding(moved, learned().reach)
        if self.folds is not None:
            shares = np.concatenate([shares, self.folds.gone(moved)])
        if mix_maps(shares, self.maps, STRONGEST, change) < UNSEEN:
            return None
        # The step makes whole px of it; what a grid point stands for begins half a step before it.
        size = np.round(self.step * GRID).astype(int)
        fine = cv2.resize(change, (int(size[0]), int(size[1])), interpolation=cv2.INTER_LINEAR)
        first = self.corner - self.step / 2 + 0.5
        return Light(change, np.asarray(fine, np.float32), (float(first[0]), float(first[1])))


@dataclass(frozen=True, slots=True)
class Light:
    """By how much the skin gets brighter (0.1: a tenth): (GRID, GRID) where `Wrinkles` has it, and (H, W) px of the
    crop from the place `first` (x, y) px on."""

    change: F32
    fine: F32
    first: tuple[float, float]

    def fall(self, layer: U8, map_x: F32, map_y: F32, box: Box) -> None:
        """Light premultiplied RGBA pixels (h, w, 4) in a box, in place; maps (h, w): px of the crop they come from."""
        shade(layer, self.fine, map_x, map_y, self.first, (box[0].start, box[0].stop, box[1].start, box[1].stop))


@cache
def learned() -> Maps:
    """Return the maps that ship with didlive."""
    with (files("didlive") / "data" / "wrinkles.npz").open("rb") as stream, np.load(stream) as data:
        maps = data["maps"].astype(np.float32) * data["unit"].astype(np.float32)[:, None, None]
        return Maps(maps, data["reach"].astype(np.float32), data["layout"].astype(np.float32))


@cache
def _sums() -> F32:
    """Return (MOVES, 478, 2): the moves as weighted sums of x and y of the landmarks."""
    mirror = mirror_index()
    sums = np.zeros((MOVES, len(mirror), 2), np.float32)
    for k, (points, axis) in enumerate(SIDES):
        sums[2 * k, list(points), axis] = 1 / len(points)
        sums[2 * k + 1, mirror[list(points)], axis] = (1 if axis else -1) / len(points)
    for k, points in enumerate(MIDDLE, 2 * len(SIDES)):
        sums[k, list(points), 1] = 1 / len(points)
    sums[-1, 13, 1], sums[-1, 14, 1] = 1, -1
    return sums


def moves(shape: F32) -> F32:
    """Return (MOVES,) of head-local landmarks (478, 3)."""
    return np.einsum("kpi,pi->k", _sums(), shape[:, :2]).astype(np.float32)


def folding(moved: F32, reach: F32) -> F32:
    """Return how much moves (..., MOVES) fold the skin: small ones less than in proportion (they hardly do, and half of
    them is the tracker's noise), none more than within `reach`."""
    within = np.clip(moved, -reach, reach)
    size = np.sqrt(np.mean((within / reach) ** 2, axis=-1, keepdims=True))
    return (within * 2 * size / (size + HALF)).astype(np.float32)


def flatten(image: U8, points: F32, layout: F32, size: int) -> F32:
    """Return (size, size), the natural logarithm of the brightness of a face, laid out flat: landmarks (468, 2) px of
    the picture `image` (H, W, 3) come to lie at `layout` (468, 2) px. What is not face has the picture's corner."""
    x, y = _lay(layout, points, size)
    flat = np.asarray(cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    # The offset keeps noise in the dark from counting.
    return np.log(cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY).astype(np.float32) + np.float32(8))


def _lay(points: F32, sources: F32, size: int) -> tuple[F32, F32]:
    x, y = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    triangles = tessellation()
    rasterise(np.ascontiguousarray(points, np.float32), np.ascontiguousarray(sources, np.float32), triangles,
              np.arange(len(triangles), dtype=np.int32), x, y)
    return x, y


def prepare_wrinkles(crop: U8, landmarks: F32, local: HeadLocal, smiles: F32) -> Wrinkles | None:
    """Lay the learned maps on a portrait with landmarks (478, 3) px of its crop (H, W, 3); None for one whose skin is
    painted flat. smiles: (2,) 0..1, how much it smiles on the left and on the right of the picture."""
    known = learned()
    points = landmarks[:FACE_POINTS, :2]
    flat = flatten(crop, points, known.layout, known.maps.shape[1])
    strength = float(smoothstep((_shading(flat, known) - FLAT) / (SHADED - FLAT)))
    if strength == 0:
        return None
    smile, others = (np.stack([moves(shape) for shape in shapes]) for shapes in (smile_shapes(), other_shapes()))
    lit = np.tensordot(folding(smile.sum(0), known.reach), known.maps, 1)
    folds = find_own_folds(flat, lit, smile, others, smiles)
    flat_maps = known.maps if folds is None else np.concatenate([known.maps, folds.maps])
    corner, step = points.min(0), np.ceil(np.ptp(points, axis=0) * GRID / (GRID - 1)) / GRID
    x, y = _lay((points - corner) / step, known.layout, GRID)
    maps = np.stack([np.asarray(cv2.remap(m, x, y, cv2.INTER_LINEAR)) for m in flat_maps])
    # Once, on nothing: it is not compiled in a show.
    made = Wrinkles((strength * maps).astype(np.float32), corner, step.astype(np.float32), moves(local.shape), folds)
    mix_maps(moves(local.shape), made.maps, STRONGEST, np.empty((0, GRID), np.float32))
    shade(np.zeros((1, 1, 4), np.uint8), x, x, y, (0.0, 0.0), (0, 0, 0, 0))
    return made


def _shading(flat: F32, known: Maps) -> float:
    """Return how much the skin's brightness varies, as FLAT and SHADED have it."""
    scale = len(flat) / 192
    between = cv2.GaussianBlur(flat, (0, 0), 1.5 * scale) - cv2.GaussianBlur(flat, (0, 0), 6 * scale)
    skin = np.abs(known.maps).max(0) > 0
    return float(np.percentile(np.abs(between[skin]), 25))
