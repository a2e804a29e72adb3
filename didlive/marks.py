"""Where the features of a drawn face are: 36 marks, which a network of ours finds (`didlive.training.marks`)."""

from __future__ import annotations

import cv2
import numpy as np

from engines import Engine

from .types import F32, U8

# The marks: of the eye on the left of the picture and of the other one outer corner, inner corner, middle of the upper
# and of the lower lid, iris, outer side of the iris, upper lid halfway to the outer and to the inner corner, lower lid
# likewise; of either brow outer end, middle, inner end; nose; mouth left, right, middle of the opening's upper and of
# its lower edge; chin, jaw left and right (at 0.7 of the way from the eyes to the chin), sides of the face at the eyes.
MARKS = 36
SIDE = 128
# Heat maps have a cell per two pixels; a mark is read in so many cells around the peak of its map.
CELLS, AROUND = SIDE // 2, 3
EYE_MARKS = (slice(0, 10), slice(10, 20))
NOSE, MOUTH, CHIN, SIDES = 26, slice(27, 31), 31, slice(34, 36)
MIRROR = np.array([*range(10, 20), *range(10), 23, 24, 25, 20, 21, 22, 26, 28, 27, 29, 30, 31, 33, 32, 35, 34])
# Marks that every face has, by which a place of the picture is judged.
CORE = np.array([0, 1, 3, 4, 10, 11, 13, 14, 27, 28, 31, 34, 35])
# A mark is found where picture and mirror image agree within this share of the crop.
AGREE = 0.05
# Half the width of a face in its crop, and how often a place is looked at more closely.
HALF_WIDTH, LOOKS = 0.35, 3
# How many squares lie along a picture at most (half overlapping), and how large the squares are in which cheeks are
# looked at, px of the face's width and in all.
MOST_ALONG, CHEEK_PX, LARGEST_PX = 8, 170.0, 1024


def mirrored_marks(marks: F32, width: float) -> F32:
    """Return the marks (MARKS, 2) of a mirrored picture `width` wide."""
    out = marks[MIRROR].copy()
    out[:, 0] = width - out[:, 0]
    return out


def frame_of(marks: F32) -> tuple[F32, float]:
    """Return the middle (2,) px and the side px of the square in which a face with these marks is looked at best."""
    eyes = (marks[4] + marks[14]) / 2
    low = (marks[CHIN] + eyes) / 2
    half = 0.5 * max(float(np.linalg.norm(marks[35] - marks[34])), 1.2 * float(np.linalg.norm(marks[CHIN] - eyes)))
    return (eyes + 0.4 * (low - eyes)).astype(np.float32), half / HALF_WIDTH


def plausible(marks: F32) -> bool:
    """Return whether marks (MARKS, 2) px lie as in a face: eyes beside each other between its sides, the mouth below
    them and above the chin."""
    left, right = marks[[0, 1, 4], :].mean(0), marks[[10, 11, 14], :].mean(0)
    across = right - left
    apart = float(np.linalg.norm(across))
    if apart < 4:
        return False
    axes = np.stack([across, [-across[1], across[0]]], 1) / apart ** 2
    x, y = ((marks - (left + right) / 2) @ axes).T
    mouth = float(y[[27, 28]].mean())
    return bool(x[34] < -0.5 < 0.5 < x[35] and x[35] - x[34] < 3.5 and x[27] < x[28] and abs(x[[27, 28]].mean()) < 0.6
                and 0.25 < mouth < 1.8 and mouth < y[CHIN] < 2.6 and abs(x[CHIN]) < 0.8 and 0 < y[NOSE] < y[CHIN]
                and y[2] < y[3] and y[12] < y[13])


def shading(rgb: U8, marks: F32) -> float:
    """Return how much the brightness of both cheeks varies (natural logarithm, structures of 2 to 8 mm): skin has pores
    and stubble, flat colour has nothing."""
    width = max(float(np.linalg.norm(marks[35] - marks[34])), 8.0)
    scale = CHEEK_PX / width
    middle, side = frame_of(marks)
    size = min(max(16, round(side * scale)), LARGEST_PX)
    crop, first, side = cut_square(rgb, middle, side, size)
    scale = size / side
    light = np.log(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32) + 8)
    detail = np.abs(cv2.GaussianBlur(light, (0, 0), 1.3) - cv2.GaussianBlur(light, (0, 0), 5.2))
    mask = np.zeros((size, size), np.uint8)
    for below, corner in ((marks[3], marks[27]), (marks[13], marks[28])):
        at = (0.5 * (below + corner) - first) * scale
        cv2.circle(mask, (round(float(at[0])), round(float(at[1]))), round(0.1 * CHEEK_PX), 255, -1)
    return float(np.percentile(detail[mask > 0], 30)) if mask.any() else 1.0


def cut_square(rgb: U8, middle: F32, side: float, size: int) -> tuple[U8, F32, float]:
    """Return a square of a picture (H, W, 3), scaled to (size, size, 3), with its first corner (2,) px and its side px,
    which are whole numbers; beyond the picture its border goes on."""
    height, width = rgb.shape[:2]
    side = max(round(side), 1)
    first = np.round(np.asarray(middle, np.float64) - side / 2).astype(int)
    low, high = np.clip(first, 0, [width - 1, height - 1]), np.clip(first + side, 1, [width, height])
    part = rgb[low[1]:max(high[1], low[1] + 1), low[0]:max(high[0], low[0] + 1)]
    lacking = np.maximum([low - first, first + side - (low + part.shape[1::-1])], 0)
    part = cv2.copyMakeBorder(part, int(lacking[0, 1]), int(lacking[1, 1]), int(lacking[0, 0]), int(lacking[1, 0]),
                              cv2.BORDER_REPLICATE)[:side, :side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return (np.asarray(cv2.resize(part, (size, size), interpolation=method), np.uint8), first.astype(np.float32),
            float(side))


def read_maps(maps: F32) -> F32:
    """Return (MARKS, 3) of heat maps (MARKS, CELLS, CELLS): x and y, 0..1 of the picture, and the share of the map that
    is around its peak, 0..1."""
    out = np.empty((len(maps), 3), np.float32)
    for k, heat in enumerate(maps):
        y, x = np.unravel_index(int(heat.argmax()), heat.shape)
        rows = np.arange(max(y - AROUND, 0), min(y + AROUND + 1, CELLS))
        columns = np.arange(max(x - AROUND, 0), min(x + AROUND + 1, CELLS))
        part = heat[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        mass = max(float(part.sum()), 1e-9)
        out[k] = (float((part.sum(0) * (columns + 0.5)).sum()) / mass / CELLS,
                  float((part.sum(1) * (rows + 0.5)).sum()) / mass / CELLS, mass)
    return out


class MarkFinder:
    """Finds the marks of drawn faces in pictures."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        """Free the network."""
        self._engine.close()

    def look(self, rgb: U8, middle: F32, side: float) -> tuple[F32, float]:
        """Return marks (MARKS, 2) px seen in a square of a picture (H, W, 3), and how sure they are, 0..1."""
        crop, first, side = cut_square(rgb, middle, side, SIDE)
        found = self._read(crop)
        other = self._read(crop[:, ::-1])[MIRROR] * [-1, 1, 1] + [1, 0, 0]
        # What is seen in the mirror, too, is seen better.
        share = found[:, 2:] / np.maximum(found[:, 2:] + other[:, 2:], 1e-6)
        both = found * share + other * (1 - share)
        near = np.linalg.norm(found[:, :2] - other[:, :2], axis=1) < AGREE
        at = (both[:, :2] * side + first - 0.5).astype(np.float32)
        return at, float((both[CORE, 2] * near[CORE]).mean())

    def _read(self, crop: U8) -> F32:
        picture = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        return read_maps(self._engine.run({"picture": picture})["maps"][0])

    def find(self, rgb: U8, near: tuple[F32, float] | None = None) -> tuple[F32, float]:
        """Return the marks (MARKS, 2) px of the face in a picture (H, W, 3) and how sure they are, 0..1.

        near: middle (2,) px and side px of a square in which a face is known to be.
        """
        height, width = rgb.shape[:2]
        places = [near] if near is not None else list(_places(width, height))
        marks, sure = max((self.look(rgb, middle, side) for middle, side in places), key=lambda seen: seen[1])
        for _ in range(LOOKS):
            middle, side = frame_of(marks)
            if side < 16:
                break
            again = self.look(rgb, middle, side)
            if again[1] < 0.8 * sure:
                break
            marks, sure = again
        return marks, sure


def _places(width: int, height: int) -> list[tuple[F32, float]]:
    """Squares to look at: the whole picture, and overlapping parts of it."""
    out = [(np.array([width / 2, height / 2], np.float32), float(max(width, height)))]
    for share in (1.0, 0.66, 0.42):
        side = max(share * min(width, height), max(width, height) / MOST_ALONG)
        xs = np.linspace(side / 2, width - side / 2, max(1, int(np.ceil(2 * (width - side) / side)) + 1))
        ys = np.linspace(side / 2, height - side / 2, max(1, int(np.ceil(2 * (height - side) / side)) + 1))
        out += [(np.array([x, y], np.float32), side) for y in ys for x in xs]
    return out
