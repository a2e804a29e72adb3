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
        top = max(0, math.ceil(min(y0, y1, y2) - 0.02))
        bottom = min(height - 1, math.floor(max(y0, y1, y2) + 0.02))
        for y in range(top, bottom + 1):
            left, right = 1e9, -1e9
            for e in range(3):
                if e == 0:
                    ax, ay, bx, by = x0, y0, x1, y1
                elif e == 1:
                    ax, ay, bx, by = x1, y1, x2, y2
                else:
                    ax, ay, bx, by = x2, y2, x0, y0
                if ay > by:
                    ax, ay, bx, by = bx, by, ax, ay
                if y < ay - 0.02 or y > by + 0.02:
                    continue
                if by - ay < 1e-4:
                    left, right = min(left, ax, bx), max(right, ax, bx)
                    continue
                f = min(1.0, max(0.0, (y - ay) / (by - ay)))
                x = ax + f * (bx - ax)
                left, right = min(left, x), max(right, x)
            first = max(0, math.ceil(left - 0.02))
            last = min(width - 1, math.floor(right + 0.02))
            u = sources[a, 0] + (first - x0) * ux + (y - y0) * uy
            v = sources[a, 1] + (first - x0) * vx + (y - y0) * vy
            for x in range(first, last + 1):
                map_x[y, x] = u
                map_y[y, x] = v
                u += ux
                v += vx


@numba.njit(cache=True, nogil=True, fastmath=True)
def soften_folds(image: U8, map_x: F32, map_y: F32) -> None:
    """Smooth `image` (H, W, 4) in place where the map jumps: there one surface hides another behind a hard edge."""
    height, width = map_x.shape
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            jump = abs(map_x[y, x + 1] - map_x[y, x] - 1) + abs(map_y[y, x + 1] - map_y[y, x])
            jump = max(jump, abs(map_x[y + 1, x] - map_x[y, x]) + abs(map_y[y + 1, x] - map_y[y, x] - 1))
            if jump > 3.0:
                for dy, dx in ((0, 0), (0, 1), (1, 0)):
                    for c in range(4):
                        around = (int(image[y + dy, x + dx - 1, c]) + image[y + dy, min(x + dx + 1, width - 1), c]
                                  + image[y + dy - 1, x + dx, c] + image[min(y + dy + 1, height - 1), x + dx, c])
                        image[y + dy, x + dx, c] = (around + 2 * int(image[y + dy, x + dx, c])) // 6


@numba.njit(cache=True, nogil=True)
def plain_edges(image: U8, person: U8, edge: U8, map_x: F32, map_y: F32) -> None:
    """Draw linearly, in place, what a cubic remap of a premultiplied `person` (h, w, 4) made too bright in `image`
    (H, W, 4): where the person ends it goes beyond what there is, and coverage is cut off at 255 but colours are not.
    edge: (h, w) not 0 where that can be; map_x, map_y: (H, W) px of the person."""
    bottom, right = person.shape[0] - 2, person.shape[1] - 2
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            if image[y, x, 3] < 255:
                continue
            u, v = map_x[y, x], map_y[y, x]
            if not (0 <= u < right + 1 and 0 <= v < bottom + 1):
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
def over(layer: U8, background: U8, out: U8) -> None:
    """Write premultiplied RGBA `layer` (H, W, 4) over RGB `background` (H, W, 3) into `out` (H, W, 3)."""
    height, width = out.shape[:2]
    for y in range(height):
        for x in range(width):
            rest = 255 - layer[y, x, 3]
            if rest == 0:
                for c in range(3):
                    out[y, x, c] = layer[y, x, c]
            else:
                for c in range(3):
                    out[y, x, c] = min(255, layer[y, x, c] + (background[y, x, c] * rest + 127) // 255)


def put_over(layer: U8, image: U8, box: Box) -> None:
    """Put a premultiplied RGBA layer over the box of an image (H, W, 3)."""
    below = image[box].copy()
    mixed = np.empty_like(below)
    over(layer, below, mixed)
    image[box] = mixed


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
def add_residuals(out: U8, face: F32, mouth: F32, left: F32, right: F32, inverse: F32,
                  box: tuple[int, int, int, int]) -> None:
    """Add layers to `out` (H, W, 3) inside the box (x0, y0, x1, y1): the face's, under those of mouth and eyes.

    Layers: (h, w, 4) float32, colour times weight and weight 0..1. inverse: (4, 2, 3) from px of `out` to px of face,
    mouth, left and right layer.
    """
    x0, y0, x1, y1 = box
    for y in range(y0, y1):
        for x in range(x0, x1):
            r, g, b = np.float32(0), np.float32(0), np.float32(0)
            for k in range(4):
                u = inverse[k, 0, 0] * x + inverse[k, 0, 1] * y + inverse[k, 0, 2]
                v = inverse[k, 1, 0] * x + inverse[k, 1, 1] * y + inverse[k, 1, 2]
                layer = face if k == 0 else mouth if k == 1 else left if k == 2 else right
                if u < 0 or v < 0 or u >= layer.shape[1] - 1 or v >= layer.shape[0] - 1:
                    continue
                i, j = int(v), int(u)
                fy, fx = v - i, u - j
                p, q = (1 - fy) * (1 - fx), (1 - fy) * fx
                s, t = fy * (1 - fx), fy * fx
                a = p * layer[i, j, 3] + q * layer[i, j + 1, 3] + s * layer[i + 1, j, 3] + t * layer[i + 1, j + 1, 3]
                if a < 1e-3:
                    continue
                keep = 1 - a if k > 0 else np.float32(1)
                r = r * keep + (p * layer[i, j, 0] + q * layer[i, j + 1, 0] + s * layer[i + 1, j, 0]
                                + t * layer[i + 1, j + 1, 0])
                g = g * keep + (p * layer[i, j, 1] + q * layer[i, j + 1, 1] + s * layer[i + 1, j, 1]
                                + t * layer[i + 1, j + 1, 1])
                b = b * keep + (p * layer[i, j, 2] + q * layer[i, j + 1, 2] + s * layer[i + 1, j, 2]
                                + t * layer[i + 1, j + 1, 2])
            if r != 0 or g != 0 or b != 0:
                out[y, x, 0] = min(255, max(0, int(out[y, x, 0] + r + 0.5)))
                out[y, x, 1] = min(255, max(0, int(out[y, x, 1] + g + 0.5)))
                out[y, x, 2] = min(255, max(0, int(out[y, x, 2] + b + 0.5)))


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
    k = OVERSAMPLE
    canvas = np.zeros((height * k, width * k), dtype=np.uint8)
    # Pixel centres are at integers, so a big pixel spans -0.5..0.5 around them.
    scaled = (points - [x0, y0] + 0.5) * k - 0.5
    cv2.fillPoly(canvas, [np.round(scaled * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return (cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)).astype(np.float32)
