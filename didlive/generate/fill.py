"""What lies behind a person is filled with the texture of the rest of the picture."""

from __future__ import annotations

import cv2
import numba
import numpy as np

from ..types import F32
from .holes import fill_holes

# Half a patch's side, px; the longer side of the coarser pictures, px, and how often each is searched and voted; the
# longest side of the finest: finer texture is not missed behind a head. Beyond this part of the longer side into the
# hole, which no head uncovers, the fill runs out into a smooth one.
RADIUS = 3
LEVELS = ((32, 8), (64, 5), (128, 2))
FINEST_PX, REACH = 512, 0.15
# Where patches miss what is known around the hole by so many levels they are trusted, and not at all any more.
TRUSTED, DOUBTED = 12.0, 40.0
# Where the picture itself differs by more than this within a patch (standard deviation, levels), so much more.
CALM = 12.0
# Fewer patches than this have nothing to tell.
FEWEST = 40
# What lies inside of the hole counts less, per px, but so much at least: what is known decides.
FADE, LEAST = 0.75, 0.02
# Patches from far away must be so much more alike: squared levels of a patch, for the longer side.
PULL = 120_000.0
# Votes that are much less alike than the mean do not count. In the finest picture only near ones are heard, or texture
# would be lost, and a patch looks no farther than this: it nearly knows its place.
SHARP, NEAR, AROUND_PX = 0.5, 1, 4.0


def fill_background(picture: F32, known: F32) -> F32:
    """Fill (H, W, 3) `picture` 0..255 where `known` (H, W) is 0 with patches of the rest of it, or smoothly where too
    little of it is known.

    After Wexler, Shechtman, Irani: Space-Time Completion of Video (2007), with the search of Barnes et al.: PatchMatch
    (2009): from coarse to fine, every patch over the hole looks for the most similar one outside, and every pixel of
    the hole becomes the mean of what the patches over it found.
    """
    hole = known < 0.5
    height, width = hole.shape
    longest = max(height, width)
    finest = min(longest, FINEST_PX)
    smooth = fill_holes(picture, known)
    field, filled, doubt = None, smooth, np.zeros_like(known)
    for side, rounds in (*(level for level in LEVELS if level[0] < finest), (finest, 1)):
        size = max(1, round(width * side / longest)), max(1, round(height * side / longest))
        gap = _scaled(hole.astype(np.float32), size) > 0
        image = np.where(gap[:, :, None], _scaled(filled, size), _scaled(picture, size))
        wanted, usable = _centres(gap)
        if gap.any() and usable.sum() >= FEWEST:
            field = _first(usable) if field is None else _finer(field, usable)
            filled, doubt = _complete(image, gap, wanted, usable, field, rounds, side == finest)
    deep = np.asarray(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    share = np.clip(1.3 - deep / (REACH * longest), 0, 1)
    share *= np.clip((DOUBTED - _scaled(doubt, (width, height))) / (DOUBTED - TRUSTED), 0, 1)
    filled = smooth + share[:, :, None] * (np.clip(_scaled(filled, (width, height)), 0, 255) - smooth)
    return np.where(hole[:, :, None], filled, picture).astype(np.float32)


def _scaled(values: F32, size: tuple[int, int]) -> F32:
    how = cv2.INTER_AREA if size[0] < values.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, size, interpolation=how), np.float32)


def _complete(image: F32, gap: np.ndarray, wanted: np.ndarray, usable: np.ndarray, field: np.ndarray, rounds: int,
              last: bool) -> tuple[F32, F32]:
    """Search and vote `rounds` times from the `field` on, which is changed; return the picture with the gap filled, and
    (H, W) by how many levels the patches miss what is known around it. last: this is the finest picture."""
    deep = np.asarray(cv2.distanceTransform(gap.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    sure = np.maximum(FADE ** deep, LEAST).astype(np.float32)
    cost, rng, mended = np.zeros(gap.shape, np.float32), np.random.default_rng(1), image
    for k in range(rounds):
        for sweep in range(1 if last else 2):
            reach_px = AROUND_PX if last else float(max(gap.shape))
            _search(mended, wanted, usable, field, sure, cost, reach_px, (k + sweep) % 2 == 1, rng)
        weight = sure * np.exp(-cost / (SHARP * float(cost[wanted].mean()) + 1))
        votes = _vote(mended, wanted, field, weight.astype(np.float32), NEAR if last else RADIUS)
        voted = votes[:, :, :3] / np.maximum(votes[:, :, 3:], 1e-9)
        heard = votes[:, :, 3] > 1e-3
        # What the votes miss around the gap fades out inside of it, as in Perez et al.: Poisson Image Editing (2003).
        ring = (~gap & heard).astype(np.float32)
        step = fill_holes(((image - voted) * ring[:, :, None]).astype(np.float32), ring)
        mended = np.where((gap & heard)[:, :, None], voted + step, mended).astype(np.float32)
    rim = (wanted & ~gap).astype(np.float32)
    missed = np.sqrt(cost / (3 * (2 * RADIUS + 1) ** 2)) * rim
    # Among leaves and pebbles nothing fits, and nobody sees it.
    missed /= np.maximum(_contrast(image, (~gap).astype(np.float32)) / CALM, 1)
    return mended, fill_holes(missed[:, :, None].astype(np.float32), rim)[:, :, 0]


def _contrast(image: F32, known: F32) -> F32:
    """Return (H, W), how much (H, W, 3) differs within a patch where it is `known` (H, W): standard deviation."""
    side = (2 * RADIUS + 1, 2 * RADIUS + 1)
    share = np.maximum(cv2.boxFilter(known, -1, side), 1e-3)[:, :, None]
    mean = cv2.boxFilter(image * known[:, :, None], -1, side) / share
    square = cv2.boxFilter(image * image * known[:, :, None], -1, side) / share
    return np.sqrt(np.maximum(square - mean * mean, 0).mean(2)).astype(np.float32)


def _centres(gap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) bool: centres of the patches that touch the gap, and of those that lie wholly outside of it."""
    side = 2 * RADIUS + 1
    near = np.asarray(cv2.dilate(gap.astype(np.uint8), np.ones((side, side), np.uint8))) > 0
    inside = np.zeros(gap.shape, bool)
    inside[RADIUS:-RADIUS, RADIUS:-RADIUS] = True
    return near & inside, ~near & inside


def _first(usable: np.ndarray) -> np.ndarray:
    """Return an (H, W, 2) int32 field that sends every patch (y, x) to a usable one at random."""
    ys, xs = np.nonzero(usable)
    pick = np.random.default_rng(1).integers(0, len(ys), usable.shape)
    return np.stack([ys[pick], xs[pick]], 2).astype(np.int32)


def _finer(field: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the field of a coarser picture for one of the size of `usable`."""
    height, width = usable.shape
    zoom_y, zoom_x = height / field.shape[0], width / field.shape[1]
    yy, xx = np.mgrid[0:height, 0:width]
    old_y = np.minimum((yy / zoom_y).astype(int), field.shape[0] - 1)
    old_x = np.minimum((xx / zoom_x).astype(int), field.shape[1] - 1)
    way = field[old_y, old_x] - np.stack([old_y, old_x], 2)
    there = np.stack([yy, xx], 2) + np.round(way * [zoom_y, zoom_x]).astype(int)
    there = there.clip(0, [height - 1, width - 1])
    ok = usable[there[:, :, 0], there[:, :, 1]]
    return np.where(ok[:, :, None], there, _first(usable)).astype(np.int32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _distance(image: F32, sure: F32, at: tuple[int, int], other: tuple[int, int], most: float) -> float:
    """Return how different two patches are, and how far from each other, or something over `most`."""
    (y, x), (v, u) = at, other
    total = PULL * ((y - v) ** 2 + (x - u) ** 2) / max(image.shape[0], image.shape[1]) ** 2
    for i in range(-RADIUS, RADIUS + 1):
        for j in range(-RADIUS, RADIUS + 1):
            part = np.float32(0)
            for c in range(3):
                d = image[y + i, x + j, c] - image[v + i, u + j, c]
                part += d * d
            total += sure[y + i, x + j] * part
        if total > most:
            break
    return total


@numba.njit(cache=True, nogil=True, fastmath=True)
def _search(image: F32, wanted: np.ndarray, usable: np.ndarray, field: np.ndarray, sure: F32, cost: F32,
            reach_px: float, back: bool, rng: np.random.Generator) -> None:
    """Improve the field in place in one sweep: by what the neighbours found, and by chance. cost: (H, W), written."""
    height, width = wanted.shape
    step = -1 if back else 1
    for n in range(height * width):
        y, x = divmod(height * width - 1 - n if back else n, width)
        if not wanted[y, x]:
            continue
        found = field[y, x, 0], field[y, x, 1]
        best = _distance(image, sure, (y, x), found, 1e30)
        reach = reach_px
        for k in range(64):
            if k < 2:
                dy, dx = (step, 0) if k == 0 else (0, step)
                there = min(max(y - dy, 0), height - 1), min(max(x - dx, 0), width - 1)
                if not wanted[there]:
                    continue
                v, u = field[there[0], there[1], 0] + dy, field[there[0], there[1], 1] + dx
            else:
                v = int(found[0] + reach * (2 * rng.random() - 1))
                u = int(found[1] + reach * (2 * rng.random() - 1))
                reach /= 2
            if 0 <= v < height and 0 <= u < width and usable[v, u]:
                other = _distance(image, sure, (y, x), (v, u), best)
                if other < best:
                    best, found = other, (v, u)
            if reach < 1:
                break
        field[y, x, 0], field[y, x, 1], cost[y, x] = found[0], found[1], best


@numba.njit(cache=True, nogil=True, fastmath=True)
def _vote(image: F32, wanted: np.ndarray, field: np.ndarray, weight: F32, radius: int) -> F32:
    """Return (H, W, 4), the sums of what the patches over each pixel found times their weight (H, W), and of these."""
    height, width = wanted.shape
    total = np.zeros((height, width, 4), np.float32)
    for y in range(height):
        for x in range(width):
            if wanted[y, x]:
                v, u = field[y, x, 0], field[y, x, 1]
                for i in range(-radius, radius + 1):
                    for j in range(-radius, radius + 1):
                        for c in range(3):
                            total[y + i, x + j, c] += weight[y, x] * image[v + i, u + j, c]
                        total[y + i, x + j, 3] += weight[y, x]
    return total
