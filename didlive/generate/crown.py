"""The crown of a head that the upper border of the picture cuts off: a head that nods or turns shows what was never
photographed."""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry import CHIN
from ..types import F32, U8

# Where the forehead ends, and the face's left and right.
FOREHEAD, SIDES = 10, (234, 454)
# Rows below the border whose outline tells how the head goes on above it, as part of the way up to the border from the
# top of the face; and how far up the picture may go on at most, in heights of the face.
TOLD_BY, HIGHEST = 0.6, 0.22
# A part of a person narrower than this part of the face is a hand or a strand, no head.
NARROWEST = 0.3
# So much must be seen above the forehead, in heights of the face, or the border goes through the hairline, and nobody
# knows where hair begins.
LEAST = 0.2
# Room above the crown, in widths of the face: the head moves in it without being held by a border.
MARGIN = 0.1


def grow_crown(person: U8, landmarks: F32) -> U8:
    """Return `person` (H, W, 4) premultiplied RGBA with rows above it in which a cut-off head closes, as many as needed
    (none for a head that is not cut, or cut too far down). landmarks: (478, 3) px."""
    width = person.shape[1]
    x, reach = float(np.clip(landmarks[FOREHEAD, 0], 0, width - 1)), TOLD_BY * float(landmarks[FOREHEAD, 1])
    face_height = float(landmarks[CHIN, 1] - landmarks[FOREHEAD, 1])
    if landmarks[FOREHEAD, 1] < LEAST * face_height:
        return person
    spans = [_span(row[:, 3], x) for row in person[:int(reach) + 1]]
    face_width = np.linalg.norm(np.subtract(*landmarks[[*SIDES], :2]))
    room = round(MARGIN * face_width)
    if spans[0][1] - spans[0][0] < NARROWEST * face_width:
        return np.concatenate([np.zeros_like(person[:room]), person])
    lefts, rights = np.array(spans, np.float64).T
    # A head is an ellipse there: the square of its width is a parabola, open below. Its middle goes on straight.
    rows, squares = np.arange(len(spans)), (rights - lefts) ** 2
    square = np.poly1d(np.polyfit(rows, squares, 2))
    if square.c[0] > 0:
        square = np.poly1d(np.polyfit(rows, squares, 1))
    middle = np.poly1d(np.polyfit(rows, (lefts + rights) / 2, 1))
    most = int(HIGHEST * face_height)
    closed = np.flatnonzero(square(-np.arange(most)) < 1)
    height = int(closed[0]) if len(closed) else most
    up = np.arange(height + room, 0, -1)[:, None]
    across = np.arange(width, dtype=np.float64)[None]
    # Hair goes on as in a mirror, but never down to the forehead, drawn together as the head closes.
    mirrored = np.minimum(up, reach)
    ratio = np.sqrt(np.maximum(square(mirrored), 1) / np.maximum(square(-up), 1))
    map_x = np.where(up < height, middle(mirrored) + (across - middle(-up)) * ratio, -2.0)
    map_y = np.broadcast_to(mirrored, map_x.shape)
    grown = cv2.remap(person, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_CONSTANT)
    return np.concatenate([np.asarray(grown, np.uint8), person])


def _span(cover: U8, x: float) -> tuple[float, float]:
    """Return where the person begins and ends in a row of coverage (W,) around `x`."""
    gaps = np.flatnonzero(cover < 128)
    left, right = gaps[gaps < x], gaps[gaps > x]
    return (float(left[-1]) if len(left) else -1.0), (float(right[0]) if len(right) else float(len(cover)))
