"""Compiled inner loops: triangles to a backward map, and layers over a background (they release the GIL); and masks."""

from __future__ import annotations

import math

import cv2
import numba
import numpy as np

from ..types import F32, U8

# How much faster a channel of the skin loses that is darker than the brightest one (measured: 0.26 to 0.64).
DEEPENS = 0.45
# Masks are drawn so many times larger.
OVERSAMPLE = 4
_INVERSE = (1 / np.maximum(np.arange(256), 1)).astype(np.float32)
# Rows and columns of a picture.
Box = tuple[slice, slice]


@numba.njit(cache=True, nogil=True, fastmath=True)
def rasterise(points: F32, sources: F32, triangles: np.ndarray, order: np.ndarray, map_x: F32, map_y: F32) -> None:
    """Draw triangles into a backward map, later ones over earlier ones.

    points: (V, 2) px where the vertices are drawn. sources: (V, 2) px where they come from. triangles: (T, 3) int32.
    order: (T,) drawing order. map_x, map_y: (H, W) float32, written in place: where each covered pixel comes from.
    """
    height, width = map_x.shape
    for k in range(order.shape[0]):
        t = order[k]
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        det = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(det) < 1e-6:
            continue
        du1, du2 = sources[b, 0] - sources[a, 0], sources[c, 0] - sources[a, 0]
        dv1, dv2 = sources[b, 1] - sources[a, 1], sources[c, 1] - sources[a, 1]
        inv = 1.0 / det
        ux = (du1 * (y2 - y0) - du2 * (y1 - y0)) * inv
        uy = (du2 * (x1 - x0) - du1 * (x2 - x0)) * inv
        vx = (dv1 * (y2 - y0) - dv2 * (y1 - y0)) * inv
        vy = (dv2 * (x1 - x0) - dv1 * (x2 - x0)) * inv
        # From the upper corner p over q to the lower one r: an edge runs from p to r, two others over q.
        px, py, qx, qy, rx, ry = x0, y0, x1, y1, x2, y2
        if py > qy:
            px, py, qx, qy = qx, qy, px, py
        if qy > ry:
            qx, qy, rx, ry = rx, ry, qx, qy
        if py > qy:
            px, py, qx, qy = qx, qy, px, py
        long = (rx - px) / max(ry - py, 1e-4)
        upper, lower = (qx - px) / max(qy - py, 1e-4), (rx - qx) / max(ry - qy, 1e-4)
        for y in range(max(0, math.ceil(py - 0.02)), min(height - 1, math.floor(ry + 0.02)) + 1):
            at = min(max(float(y), py), ry)
            left = px + (at - py) * long
            right = px + (at - py) * upper if at < qy else qx + (at - qy) * lower
            if left > right:
                left, right = right, left
            first = max(0, math.ceil(left - 0.02))
            last = min(width - 1, math.floor(right + 0.02))
            u = sources[a, 0] + (first - x0) * ux + (y - y0) * uy
            v = sources[a, 1] + (first - x0) * vx + (y - y0) * vy
            for x in range(first, last + 1):
                map_x[y, x] = u
                map_y[y, x] = v
                u += ux
                v += vx


@numba.njit(cache=True, nogil=True)
def _first_to_last(reach: U8, map_x: F32, map_y: F32, spans: np.ndarray) -> None:
    """Write into `spans` (H, 2) the first and the last column + 1 of each row that comes from where `reach` (h, w) is
    not 0; columns as far away as can be for a row without any."""
    bottom, right = reach.shape[0] - 1, reach.shape[1] - 1
    for y in range(map_x.shape[0]):
        spans[y, 0], spans[y, 1] = map_x.shape[1], 0
        for side in range(2):
            for k in range(map_x.shape[1]):
                x = k if side == 0 else map_x.shape[1] - 1 - k
                row = min(max(math.floor(map_y[y, x] + 0.5), 0), bottom)
                column = min(max(math.floor(map_x[y, x] + 0.5), 0), right)
                if reach[row, column] != 0:
                    spans[y, side] = x + side
                    break


def find_spans(reach: U8, map_x: F32, map_y: F32) -> np.ndarray:
    """Return (H, 2) int32: the columns, from the first to the one behind the last, in which a row of the maps (H, W) px
    can show what lies where `reach` (h, w) is not 0, with a margin for what is smoothed there; an empty row begins
    behind its end."""
    found = np.empty((len(map_x), 2), np.int32)
    _first_to_last(reach, map_x, map_y, found)
    spans = found + np.array([-2, 2], np.int32)
    for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        spans[here, 0] = np.minimum(spans[here, 0], found[there, 0] - 2)
        spans[here, 1] = np.maximum(spans[here, 1], found[there, 1] + 2)
    return np.clip(spans, 0, map_x.shape[1])


def everywhere(height: int, width: int) -> np.ndarray:
    """Return the spans (height, 2) of a whole picture, see `find_spans`."""
    return np.tile(np.array([0, width], np.int32), (height, 1))


@numba.njit(cache=True, nogil=True, fastmath=True)
def soften_folds(image: U8, map_x: F32, map_y: F32, spans: np.ndarray) -> None:
    """Smooth `image` (H, W, 4) in place where the map jumps: there one surface hides another behind a hard edge. Only
    inside the spans, see `find_spans`."""
    height, width = map_x.shape
    one, far = np.float32(1), np.float32(3)
    for y in range(1, height - 1):
        for x in range(max(spans[y, 0], 1), min(spans[y, 1], width - 1)):
            jump = abs(map_x[y, x + 1] - map_x[y, x] - one) + abs(map_y[y, x + 1] - map_y[y, x])
            jump = max(jump, abs(map_x[y + 1, x] - map_x[y, x]) + abs(map_y[y + 1, x] - map_y[y, x] - one))
            if jump > far:
                for dy, dx in ((0, 0), (0, 1), (1, 0)):
                    for c in range(4):
                        around = (int(image[y + dy, x + dx - 1, c]) + image[y + dy, min(x + dx + 1, width - 1), c]
                                  + image[y + dy - 1, x + dx, c] + image[min(y + dy + 1, height - 1), x + dx, c])
                        image[y + dy, x + dx, c] = (around + 2 * int(image[y + dy, x + dx, c])) // 6


@numba.njit(cache=True, nogil=True)
def plain_edges(image: U8, person: U8, edge: U8, map_x: F32, map_y: F32, spans: np.ndarray) -> None:
    """Draw linearly, in place, what a cubic remap of a premultiplied `person` (h, w, 4) made too bright in `image`
    (H, W, 4): where the person ends it goes beyond what there is, and coverage is cut off at 255 but colours are not.
    edge: (h, w) not 0 where that can be; map_x, map_y: (H, W) px of the person. Only inside the spans."""
    nothing, bottom, right = np.float32(0), np.float32(person.shape[0] - 1), np.float32(person.shape[1] - 1)
    for y in range(image.shape[0]):
        for x in range(spans[y, 0], spans[y, 1]):
            if image[y, x, 3] < 255:
                continue
            u, v = map_x[y, x], map_y[y, x]
            if not (nothing <= u < right and nothing <= v < bottom):
                continue
            column, row = int(u), int(v)
            if edge[row, column] == 0:
                continue
            du, dv = u - column, v - row
            for c in range(4):
                upper = person[row, column, c] * (1 - du) + person[row, column + 1, c] * du
                lower = person[row + 1, column, c] * (1 - du) + person[row + 1, column + 1, c] * du
                image[y, x, c] = int(upper * (1 - dv) + lower * dv + 0.5)


@numba.njit(cache=True, nogil=True)
def fade(layer: U8, cover: U8, share: float) -> None:
    """Leave of a premultiplied RGBA `layer` (H, W, 4) only a `share` 0..1 of what `cover` (H, W) covers, in place."""
    for y in range(layer.shape[0]):
        for x in range(layer.shape[1]):
            kept = share * cover[y, x] / 255
            for c in range(4):
                layer[y, x, c] = int(layer[y, x, c] * kept + 0.5)


@numba.njit(cache=True, nogil=True)
def over(layer: U8, image: U8, corner: tuple[int, int], spans: np.ndarray) -> None:
    """Put a premultiplied RGBA `layer` (h, w, 4) over RGB `image` (H, W, 3) in place, its upper left at the corner
    (y, x) of the image. Only inside the spans of the layer's rows."""
    for y in range(layer.shape[0]):
        for x in range(spans[y, 0], spans[y, 1]):
            rest = np.int32(255) - layer[y, x, 3]
            row, column = y + corner[0], x + corner[1]
            if rest == 0:
                for c in range(3):
                    image[row, column, c] = layer[y, x, c]
            elif rest < 255:
                for c in range(3):
                    behind = (image[row, column, c] * rest + 127) // 255
                    image[row, column, c] = min(255, layer[y, x, c] + behind)


def put_over(layer: U8, image: U8, box: Box) -> None:
    """Put a premultiplied RGBA layer over the box of an image (H, W, 3)."""
    over(layer, image, (box[0].start, box[1].start), everywhere(*layer.shape[:2]))


@numba.njit(cache=True, nogil=True, fastmath=True)
def blend(layer: F32, mask: F32, out: U8, x0: int, y0: int) -> None:
    """Mix RGB `layer` (h, w, 3) float32 into `out` (H, W, 3) at (x0, y0) with weights `mask` (h, w) 0..1."""
    for y in range(layer.shape[0]):
        for x in range(layer.shape[1]):
            m = mask[y, x]
            if m > 0.002:
                for c in range(3):
                    value = out[y0 + y, x0 + x, c] * (1 - m) + layer[y, x, c] * m
                    out[y0 + y, x0 + x, c] = min(255, max(0, int(value + 0.5)))


@numba.njit(cache=True, nogil=True, fastmath=True)
def lay(layer: F32, on: F32, corner: tuple[int, int]) -> None:
    """Put a `layer` (h, w, 4) of colour times weight, and weight 0..1, over another one (H, W, 4) in place, its upper
    left at the corner (y, x)."""
    for y in range(layer.shape[0]):
        for x in range(layer.shape[1]):
            rest = np.float32(1) - layer[y, x, 3]
            for c in range(4):
                on[y + corner[0], x + corner[1], c] = on[y + corner[0], x + corner[1], c] * rest + layer[y, x, c]


@numba.njit(cache=True, nogil=True, fastmath=True)
def add_residual(image: U8, residual: F32, corner: tuple[int, int]) -> None:
    """Add the first three channels of `residual` (h, w, 4), levels of 0..255, to `image` (H, W, 3) in place, its upper
    left at the corner (y, x)."""
    half, most = np.float32(0.5), np.float32(255)
    for y in range(residual.shape[0]):
        for x in range(residual.shape[1]):
            for c in range(3):
                level = image[y + corner[0], x + corner[1], c] + residual[y, x, c] + half
                image[y + corner[0], x + corner[1], c] = np.uint8(min(most, max(half, level)))


@numba.njit(cache=True, nogil=True, fastmath=True)
def mix_maps(shares: F32, maps: F32, limit: float, out: F32) -> float:
    """Write into `out` (H, W) exp(s) - 1 for the sum s of maps (K, H, W) times their shares (K,), bent so that |s|
    stays below the limit (at most 0.7, or the series is too short); return the largest |s| there was.

    No matrix product of a library: its threads wait for each other while the tracker is at work.
    """
    most, square, half = np.float32(0), np.float32(1 / limit ** 2), np.float32(0.5)
    one, sixth = np.float32(1), np.float32(1 / 6)
    for y in range(out.shape[0]):
        row = out[y]
        row[:] = 0
        for k in range(shares.shape[0]):
            share = shares[k]
            if share != 0:
                for x in range(out.shape[1]):
                    row[x] += share * maps[k, y, x]
        for x in range(out.shape[1]):
            s = row[x]
            most = max(most, abs(s))
            s /= np.sqrt(one + s * s * square)
            row[x] = s * (one + s * (half + s * sixth))
    return float(most)


@numba.njit(cache=True, nogil=True, fastmath=True)
def shade(layer: U8, change: F32, map_x: F32, map_y: F32, corner: tuple[float, float],
          box: tuple[int, int, int, int]) -> None:
    """Make the colours of a premultiplied RGBA `layer` (h, w, 4) brighter by the `change` (H, W; 0.1: a tenth) of where
    they come from, in place, inside the box (y0, y1, x0, x1). map_x, map_y: (h, w) px; corner: px (x, y) of change[0,
    0]; beyond it nothing changes. c becomes c + change * c * (1 + DEEPENS * (1 - c / the brightest channel)), since
    skin loses blue before red; what is bright already has little room to become brighter."""
    rows, columns = change.shape
    half, one, x0, y0 = np.float32(0.5), np.float32(1), np.float32(corner[0]), np.float32(corner[1])
    for y in range(box[0], box[1]):
        for x in range(box[2], box[3]):
            u, v = map_x[y, x] - x0 + half, map_y[y, x] - y0 + half
            if u < 0 or v < 0 or u >= columns or v >= rows:
                continue
            r, g, b = np.float32(layer[y, x, 0]), np.float32(layer[y, x, 1]), np.float32(layer[y, x, 2])
            most = max(max(r, g), b)
            more = change[int(v), int(u)]
            more = min(more, more * min(one, (np.float32(255) - most) * np.float32(1 / 128)))
            gain, bend = one + more * np.float32(1 + DEEPENS), more * np.float32(DEEPENS) * _INVERSE[int(most)]
            top = np.float32(layer[y, x, 3]) + half
            layer[y, x, 0] = np.uint8(min(top, r * (gain - bend * r) + half))
            layer[y, x, 1] = np.uint8(min(top, g * (gain - bend * g) + half))
            layer[y, x, 2] = np.uint8(min(top, b * (gain - bend * b) + half))


def polygon_mask(points: F32, x0: int, y0: int, width: int, height: int) -> F32:
    """Return (height, width) float32 coverage 0..1 of a polygon (N, 2) px, antialiased by supersampling."""
    k, out = OVERSAMPLE, np.zeros((height, width), np.float32)
    points = points - np.array([x0, y0], np.float32)
    left, top = np.maximum(np.floor(points.min(0)), 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(points.max(0)) + 1, [width, height]).astype(int).tolist()
    if left >= right or top >= bottom:
        return out
    canvas = np.zeros(((bottom - top) * k, (right - left) * k), dtype=np.uint8)
    # Pixel centres are at integers, so a big pixel spans -0.5..0.5 around them.
    scaled = (points - np.array([left, top], np.float32) + 0.5) * k - 0.5
    cv2.fillPoly(canvas, [np.round(scaled * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    small = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    out[top:bottom, left:right] = small * np.float32(1 / 255)
    return out
