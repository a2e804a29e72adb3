"""Glasses: found in the portrait, and kept stiff while the face under them moves."""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry import EYE_CORNERS, EYE_RINGS, tessellation
from ..types import F32, U8

# A rim is looked for on ellipses around each eye: half axes and shift down in eye widths, and which sizes of them.
AXES, SHIFT, SIZES = (0.83, 0.66), 0.08, (0.80, 1.60)
ANGLES, RADII, BORDER = 72, 44, 4
# Widths of lines and edges, in steps of the radius and in rows of the bridge; what a step of the radius costs.
WIDTHS, BEND = (2, 3, 4), 0.02
BLUR = 0.018
# Where nothing but a rim draws a line around the eye: below it.
BELOW = slice(2, 35)
# Nobody's glasses if less than 0: logistic regression over 162 portraits that were looked at. How clear the line below
# both eyes is, how large the rims are, how clear a line crosses the nose between the eyes, and 1.
WEIGHTS = np.array([1.79, 3.04, 1.52, 1.65])
# Where lines are everywhere, as in drawings, none is a rim: it must be this much clearer than what is around the eyes.
STANDS_OUT = 1.42
# Thickness of what is kept stiff, in eye widths, and how far it goes on beside the rims, in widths of the glasses.
THICK, HINGE = 0.12, 0.12
# The rims around both eyes in the order of geometry.EYE_RINGS, each (72, 2) px.
Rims = tuple[F32, F32]


def stiffness(rims: Rims | None, landmarks: F32) -> F32:
    """Return (468, 1) how stiffly each face point follows the head alone, 0..1: 1 under the frame of glasses; all 0
    without any. landmarks: (478, 3) px."""
    stiff = np.zeros((468, 1), dtype=np.float32)
    if rims is None:
        return stiff
    width = float(np.mean([eye_width(landmarks, side) for side in (0, 1)]))
    low = np.floor(landmarks[:468, :2].min(0)) - 2
    high = np.ceil(landmarks[:468, :2].max(0)) + 3
    frame = np.zeros((int(high[1] - low[1]), int(high[0] - low[0])), dtype=np.uint8)
    thick = max(1, round(THICK * width))
    left, right = sorted(rims, key=lambda rim: float(rim[:, 0].mean()))
    bridge = np.stack([left[left[:, 0].argmax()], right[right[:, 0].argmin()]])
    outer = np.stack([left[left[:, 0].argmin()], right[right[:, 0].argmax()]])
    beyond = (outer[1] - outer[0]) * HINGE
    hinges = np.stack([outer[0], outer[0] - beyond]), np.stack([outer[1], outer[1] + beyond])
    for line, closed in ((left, True), (right, True), (bridge, False), (hinges[0], False), (hinges[1], False)):
        cv2.polylines(frame, [np.round(line - low).astype(np.int32)], closed, 1, thick)
    triangles = tessellation()
    # Ten points of each triangle tell whether the frame lies on it.
    shares = np.array([[i, j, 3 - i - j] for i in range(4) for j in range(4 - i)], dtype=np.float32) / 3
    points = np.einsum("kc,tcd->tkd", shares, landmarks[triangles, :2] - low).astype(int)
    under = frame[points[..., 1], points[..., 0]].any(1)
    stiff[triangles[under]] = 1
    # Half of it beside the frame, or skin that moves would dent it.
    beside = triangles[(stiff[triangles, 0] > 0).any(1)]
    stiff[beside] = np.maximum(stiff[beside], 0.5)
    # Eyelids move behind the glass.
    stiff[np.concatenate(EYE_RINGS)] = 0
    return stiff


def find_rims(image: U8, landmarks: F32) -> Rims | None:
    """Return the rims of both glasses, clockwise from the right; None where there are no glasses, or hardly visible
    ones. image: (H, W, 3); landmarks: (478, 3) px."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), max(0.5, BLUR * eye_width(landmarks, 0))), dtype=np.float32)
    rims, clear, size, stands_out = [], [], [], []
    for side in (0, 1):
        points, radii = _around(landmarks, side)
        lines = _lines(_light(grey, points), 1, WIDTHS, edges=True)
        lines[:, :BORDER] = lines[:, -BORDER:] = 0
        way = _closed_way(lines)
        rows = np.arange(ANGLES)
        rims.append(points[rows, way])
        clear.append(float(np.percentile(lines[rows, way][BELOW], 25)))
        stands_out.append(clear[-1] / max(float(np.median(lines[BELOW, BORDER:-BORDER])), 1e-3))
        size.append(float(np.median(radii[way][BELOW])))
    seen = np.array([np.log(min(clear) + 0.01), np.mean(size), np.log(_bridge(grey, landmarks) + 0.005), 1])
    worn = float(seen @ WEIGHTS) > 0 and np.mean(stands_out) > STANDS_OUT
    return (rims[0], rims[1]) if worn else None


def eye_width(landmarks: F32, side: int) -> float:
    """Return the distance of an eye's corners, px."""
    a, b = (landmarks[i, :2] for i in EYE_CORNERS[side])
    return max(float(np.linalg.norm(b - a)), 1.0)


def _around(landmarks: F32, side: int) -> tuple[F32, F32]:
    """Return (ANGLES, RADII, 2) px on ellipses around an eye, and the (RADII,) sizes of these."""
    a, b = sorted((landmarks[i, :2] for i in EYE_CORNERS[side]), key=lambda corner: float(corner[0]))
    width = eye_width(landmarks, side)
    along = (b - a) / width
    down = np.array([-along[1], along[0]])
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    ray = AXES[0] * np.cos(angle)[:, None] * along + AXES[1] * np.sin(angle)[:, None] * down
    radii = np.linspace(SIZES[0] - 0.15, SIZES[1] + 0.15, RADII)
    points = (a + b) / 2 + SHIFT * width * down + width * radii[None, :, None] * ray[:, None, :]
    return points.astype(np.float32), radii.astype(np.float32)


def _light(grey: F32, points: F32) -> F32:
    """Return the logarithm of the light at (..., 2) px: lines are as clear in shadow as in light."""
    seen = cv2.remap(grey, np.ascontiguousarray(points[..., 0]), np.ascontiguousarray(points[..., 1]),
                     cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.log(seen + 12).astype(np.float32)


def _lines(light: F32, axis: int, widths: tuple[int, ...], edges: bool = False) -> F32:
    """Return how clear a line, or half as much an edge, lies across `axis` at each sample."""
    clear = np.zeros_like(light)
    for k in widths:
        before, after = np.roll(light, k, axis), np.roll(light, -k, axis)
        clear = np.maximum(clear, np.abs(light - (before + after) / 2))
        if edges:
            clear = np.maximum(clear, np.abs(after - before) / 2)
    return clear


def _closed_way(clear: F32) -> np.ndarray:
    """Return (N,) columns of the clearest way down the rows of (N, M) that ends where it began: three rounds of dynamic
    programming, of which the middle one counts."""
    n, m = clear.shape
    steps = np.arange(-2, 3)
    total, back = clear[0].copy(), np.zeros((3 * n, m), dtype=int)
    for i in range(1, 3 * n):
        padded = np.pad(total, 2, constant_values=-1e9)
        options = np.stack([padded[2 + k:2 + k + m] - BEND * abs(k) for k in steps])
        best = options.argmax(0)
        back[i] = np.arange(m) + steps[best]
        total = clear[i % n] + options[best, np.arange(m)]
    at = int(total.argmax())
    way = np.empty(3 * n, dtype=int)
    for i in range(3 * n - 1, -1, -1):
        way[i] = at
        at = int(back[i, at])
    return way[n:2 * n]


def _bridge(grey: F32, landmarks: F32) -> float:
    """Return how clear a line crosses the nose between the eyes."""
    corners = sorted((landmarks[i, :2] for pair in EYE_CORNERS for i in pair), key=lambda corner: float(corner[0]))
    inner = corners[1:3]
    apart = inner[1] - inner[0]
    length = max(float(np.linalg.norm(apart)), 1.0)
    down = np.array([-apart[1], apart[0]]) / length
    across = np.linspace(-0.22, 0.22, 15)[None, :, None] * apart
    along = np.arange(-0.55, 0.55, 0.02)[:, None, None] * eye_width(landmarks, 0) * down
    light = _light(grey, ((inner[0] + inner[1]) / 2 + across + along).astype(np.float32))
    lines = _lines(light, 0, (*WIDTHS, 5))[5:-5]
    return float(np.median(lines[:, 6:-6], axis=1).max())
