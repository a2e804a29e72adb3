"""Faces that are drawn, as anime and cartoons do: found, and a face mesh that fits them.

MediaPipe was made for photographs. It misses many drawn faces, and lays human eyes over the large ones that it finds.
So the mesh of an average face is bent to marks that a network of ours finds.
"""

from __future__ import annotations

import logging
from contextlib import closing
from functools import cache

import numpy as np

from engines import EngineFailed, open_engine

from .demo import demo_motion
from .errors import BadInput
from .geometry import (
    BLENDSHAPES,
    COLUMNS_LOWER,
    COLUMNS_UPPER,
    EYE_RINGS,
    IRISES,
    LANDMARKS,
    OVAL,
    from_euler_deg,
    head_local,
    head_rotation,
    mirror_index,
    tessellation,
)
from .marks import CHIN, EYE_MARKS, MARKS, MOUTH, NOSE, SIDES, MarkFinder, frame_of, plausible, shading
from .recording import load_recording
from .types import F32, U8, Face

_log = logging.getLogger(__name__)
# How sure the marks must be to be a face: drawn ones had 0.78 and more, pictures without any 0.79 and less, but hardly
# ever in flat colours.
SURE = 0.65
# A drawing that was turned is found this much more surely when it is turned back: 23 of 24 drawings, no photograph.
CLEARER = 0.1
# How much the brightness of flat cheeks varies at most: 160 photographs had 0.006 and more, nine of ten anime faces
# 0.004 and less.
FLAT = 0.0055
# Colours flatter than this are drawn whatever the eyes are like; else eyes are so many times as high as tracked ones.
VERY_FLAT, LARGER = 0.0025, 1.35
# How far the middle of a drawn face is in front of its sides, in half widths.
DEPTH = 0.75
# How thick drawn lips are taken to be, in mouth widths, how square their outline is, and the landmarks of the corners.
LIP, BOW = 0.12, 0.6
LIP_CORNERS = ((61, 76, 62, 78), (291, 306, 292, 308))
# A mouth is shut when the marks of its edges are nearer to each other than this, in mouth widths.
SHUT = 0.12
# How far the line from jaw to chin is from straight, in widths of the jaw; how much of the way inwards from the side of
# the face to the jaw the cheek has gone where it is 0.4 of the way down.
ROUND, CHEEK = 0.07, 0.18
# How often points of the mesh are moved at most until none lies over another.
ROUNDS = 60


def find_drawn(rgb: U8, face: Face | None, surely: bool = False, there: bool = False) -> Face | None:
    """Return the drawn face of a picture (H, W, 3), at or instead of the face that was tracked in it; None when there
    is none, or it is a photograph's. surely: somebody says that it is drawn; there: where it was tracked and nowhere
    else. Raises BadInput when it cannot be looked for although somebody says that it is drawn."""
    if face is not None and not surely and shading(rgb, tracked_marks(face)) > FLAT:
        return None
    try:
        with closing(MarkFinder(open_engine("marks", "ort", threads=1))) as finder:
            marks, sure = finder.find(rgb, None if face is None else frame_of(tracked_marks(face)))
            if face is not None and not there and (sure < SURE or not plausible(marks)):
                # The tracker may have taken a pattern in the hair for a face.
                marks, sure = finder.find(rgb)
    except EngineFailed as error:
        if surely:
            raise BadInput(f"the network that finds drawn faces cannot be used: {error}") from error
        _log.warning("drawn faces cannot be found: %s", error)
        return None
    if sure < SURE or not plausible(marks) or not (surely or _looks_drawn(rgb, marks, face)):
        return None
    return fit_face(marks)


def turned_drawing(rgb: U8) -> int:
    """Return by how many quarters clockwise a picture (H, W, 3) of a drawn face was turned, 1 to 3; 0 when it is
    upright or shows none."""
    try:
        with closing(MarkFinder(open_engine("marks", "ort", threads=1))) as finder:
            clearest, turned = finder.find(rgb)[1] + CLEARER, 0
            for turn in (1, 2, 3):
                back = np.ascontiguousarray(np.rot90(rgb, turn))
                marks, sure = finder.find(back)
                if sure > max(clearest, SURE) and plausible(marks) and _looks_drawn(back, marks, None):
                    clearest, turned = sure, turn
            return turned
    except EngineFailed as error:
        _log.warning("drawn faces cannot be found: %s", error)
        return 0


def _looks_drawn(rgb: U8, marks: F32, face: Face | None) -> bool:
    """Return whether a face with these marks is drawn: in flat colours, and with larger eyes than the tracker, which
    knows people's, lays over them, unless its colours are very flat."""
    flat = shading(rgb, marks)
    if face is None or flat < VERY_FLAT:
        return flat < FLAT
    tracked = np.linalg.norm(face.landmarks[[159, 386], :2] - face.landmarks[[145, 374], :2], axis=1)
    drawn = np.linalg.norm(marks[[2, 12]] - marks[[3, 13]], axis=1)
    return flat < FLAT and float((drawn / np.maximum(tracked, 1.0)).mean()) > LARGER


def tracked_marks(face: Face) -> F32:
    """Return the marks (MARKS, 2) px that a tracked face has in common with a drawn one; the others are 0."""
    marks = np.zeros((MARKS, 2), np.float32)
    index = [145, 374, 468, 473, 61, 291, 152, 127, 356]
    marks[[3, 13, 4, 14, 27, 28, CHIN, 34, 35]] = face.landmarks[index, :2]
    return marks


@cache
def _template() -> F32:
    """Return (478, 3), an average head-local face that looks ahead: a performer of ours and his mirror image."""
    recording = load_recording(demo_motion())
    face = Face(recording.landmarks[0], recording.blendshapes[0], recording.transforms[0])
    shape = head_local(face.landmarks, head_rotation(face)).shape
    other = shape[mirror_index()] * np.array([-1, 1, 1], np.float32)
    return ((shape + other) / 2).astype(np.float32)


def fit_face(marks: F32) -> Face:
    """Return the face mesh bent to marks (MARKS, 2) px: a thin plate spline of an average face's landmarks, with eye
    rings through the marks of the eyes."""
    # scipy behind it takes some tenths of a second to import.
    from skimage.transform import ThinPlateSplineTransform

    across = marks[14] - marks[4]
    roll = float(np.degrees(np.arctan2(across[1], across[0])))
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    upright = marks @ np.array([[c, -s], [s, c]], np.float32)
    yaw = _yaw_deg(upright)
    turned = _template() @ from_euler_deg(0, yaw, 0).T
    size = float(np.linalg.norm(upright[35] - upright[34]) / np.linalg.norm(np.ptp(turned[OVAL, 0])))
    index, at = _anchors(upright, turned, size)
    spline = ThinPlateSplineTransform.from_estimate(turned[index, :2], at)
    landmarks = np.empty((LANDMARKS, 3), np.float32)
    landmarks[:, :2] = spline(turned[:, :2])
    _lay_lips(landmarks, upright[MOUTH])
    _untangle(landmarks, np.concatenate([index, OVAL, COLUMNS_UPPER.ravel(), COLUMNS_LOWER.ravel(), *LIP_CORNERS]))
    for side, eye in enumerate(EYE_MARKS):
        landmarks[EYE_RINGS[side], :2] = eye_ring(upright[eye], side)
        landmarks[IRISES[side], :2] = _iris(upright[eye])
    landmarks[:, 2] = _depth(landmarks[:, :2], upright)
    landmarks[:, :2] = landmarks[:, :2] @ np.array([[c, s], [-s, c]], np.float32)
    flip = np.diag([1.0, -1.0, -1.0])
    transform = np.eye(4, dtype=np.float32)
    transform[:3, :3] = flip @ from_euler_deg(0, yaw, roll) @ flip
    transform[:3, 3] = (0, 0, -40)
    return Face(landmarks, np.zeros(len(BLENDSHAPES), np.float32), transform)


def _yaw_deg(marks: F32) -> float:
    """Return how far an upright drawn face is turned, degrees, from where its features are between its sides."""
    left, right = marks[SIDES]
    half = max(float(right[0] - left[0]) / 2, 1.0)
    features = float(np.mean([(marks[0, 0] + marks[10, 0]) / 2, (marks[1, 0] + marks[11, 0]) / 2, marks[NOSE, 0],
                              (marks[27, 0] + marks[28, 0]) / 2]))
    shift = (features - (left[0] + right[0]) / 2) / half
    return float(-np.degrees(np.arcsin(np.clip(shift / DEPTH, -0.5, 0.5))))


def _depth(points: F32, marks: F32) -> F32:
    """Return (N,) px, how far points (N, 2) px of an upright face are from the viewer: an even bulge, since the slopes
    of a human cheek would tear the line around a drawn one."""
    left, right = marks[SIDES, 0]
    middle = float((marks[1, 0] + marks[11, 0]) / 2)
    half = np.where(points[:, 0] < middle, max(middle - left, 1.0), max(right - middle, 1.0))
    level = float((marks[4, 1] + marks[14, 1]) / 2)
    tall = max(float(marks[CHIN, 1]) - level, 1.0)
    across, down = (points[:, 0] - middle) / half, (points[:, 1] - level) / tall - 0.3
    bulge = np.cos(np.pi / 2 * np.clip(np.abs(across), 0, 1.2)) * np.cos(np.pi / 2 * np.clip(0.6 * down, -1, 1))
    return (-DEPTH * (right - left) / 2 * bulge).astype(np.float32)


def _anchors(marks: F32, turned: F32, size: float) -> tuple[np.ndarray, F32]:
    """Return landmark numbers (K,) and where the marks put them (K, 2) px; size: px per unit of the average face."""
    pairs: list[tuple[int, F32]] = []
    for side, eye in enumerate(EYE_MARKS):
        pairs += zip(EYE_RINGS[side][::2].tolist(), eye_ring(marks[eye], side)[::2], strict=True)
    pairs += zip((46, 52, 55, 276, 282, 285), marks[20:26], strict=True)
    pairs += zip((1, 61, 291), marks[[NOSE, 27, 28]], strict=True)
    lip = LIP * float(np.linalg.norm(marks[28] - marks[27]))
    pairs += zip((0, 17), marks[[29, 30]] + np.array([[0, -lip], [0, lip]], np.float32), strict=True)
    # Nobody marks the forehead, which hair hides: it is as high as an average one.
    brow = (marks[4] + marks[14]) / 2
    middle = turned[[159, 386, 145, 374], :2].mean(0)
    pairs += ((i, brow + (turned[i, :2] - middle) * size) for i in (10, 67, 297))
    eyes_y, chin_y = turned[[159, 386], 1].mean(), turned[152, 1]
    pairs += _outline(marks, turned, (float(eyes_y), float(chin_y)))
    return np.array([i for i, _ in pairs]), np.array([p for _, p in pairs], np.float32)


def _outline(marks: F32, turned: F32, levels: tuple[float, float]) -> list[tuple[int, F32]]:
    """Return landmarks of the oval below the eyes and where on the line of the drawn face they lie (2,) px; levels: the
    heights of eyes and chin in the turned average face."""
    out = [(152, marks[CHIN])]
    oval = turned[OVAL]
    middle = oval[:, 0].mean()
    for k, sign in ((0, -1), (1, 1)):
        jaw, side = marks[32 + k], marks[34 + k]
        # Between jaw and chin it is nearly straight.
        low = jaw + 0.5 * (marks[CHIN] - jaw) + ROUND * (jaw - marks[33 - k])
        cheek = side + np.array([CHEEK, 0.57]) * (jaw - side)
        line = np.stack([side, cheek, jaw, low, marks[CHIN]])
        for i in OVAL[(sign * (oval[:, 0] - middle) > 0) & (OVAL != 152)]:
            level = (turned[i, 1] - levels[0]) / (levels[1] - levels[0])
            if -0.05 < level < 0.99:
                at = [np.interp(level, (0, 0.4, 0.7, 0.85, 1), line[:, axis]) for axis in (0, 1)]
                out.append((int(i), np.array(at)))
    return out


def _untangle(landmarks: F32, fixed: np.ndarray) -> None:
    """Move points of the mesh that fell over others, in place, between their neighbours; but for the fixed ones."""
    triangles = tessellation()
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    count = np.bincount(edges[:, 0], minlength=LANDMARKS)[:, None]
    free = np.ones(LANDMARKS, bool)
    free[fixed] = False
    for _ in range(ROUNDS):
        points = landmarks[:, :2]
        a, b, c = (points[triangles[:, k]] for k in range(3))
        area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        over = triangles[area * np.median(area) <= 0]
        move = np.zeros(LANDMARKS, bool)
        move[over] = True
        move[edges[move[edges[:, 0]], 1]] = True
        move &= free
        if not len(over) or not move.any():
            return
        between = np.zeros((LANDMARKS, 2))
        np.add.at(between, edges[:, 0], points[edges[:, 1]])
        landmarks[move, :2] = (between / np.maximum(count, 1))[move]


def _lay_lips(landmarks: F32, mouth: F32) -> None:
    """Lay the lips on the marks (4, 2) px of a mouth, in place: drawn lips have no width to speak of."""
    left, right, top, bottom = mouth
    width = float(np.linalg.norm(right - left))
    if float(np.linalg.norm(bottom - top)) < SHUT * width:
        top = bottom = (top + bottom) / 2
    along = np.linspace(-1, 1, 11)[1:-1]
    bow = ((1 - along ** 2) ** BOW)[:, None]
    ends = left + (right - left) * ((along + 1) / 2)[:, None]
    for columns, middle, out in ((COLUMNS_UPPER, top, -1), (COLUMNS_LOWER, bottom, 1)):
        inner = ends + bow * (middle - (left + right) / 2)
        for row, share in enumerate((1, 0.67, 0.33, 0)):
            landmarks[columns[:, row], :2] = inner + share * out * bow * np.array([0, LIP * width])
    for corners, at in ((LIP_CORNERS[0], left), (LIP_CORNERS[1], right)):
        landmarks[corners, :2] = at


def eye_ring(eye: F32, side: int) -> F32:
    """Return (16, 2) px, the eye ring (see `geometry.EYE_RINGS`) through the marks (10, 2) px of an eye."""
    out, inner, top, bottom = eye[:4]
    lids = []
    for middle, beside in ((top, eye[[6, 7]]), (bottom, eye[[8, 9]])):
        rows = []
        for t in np.linspace(-1, 1, 9)[1:-1]:
            # From the middle (t = 0) to the outer corner (t < 0) and to the inner one: y falls as (1 - t^2)^q.
            end, halfway = (out, beside[0]) if t < 0 else (inner, beside[1])
            fallen = (1 - t * t) ** _shape(middle, halfway, end)
            x = middle[0] + abs(t) * (end[0] - middle[0])
            rows.append((x, end[1] + (middle[1] - end[1]) * fallen))
        lids.append(np.array(rows, np.float32))
    upper, lower = lids
    # From the corner that the ring of this side begins with, over the upper lid.
    ring = [out[None], upper, inner[None], lower[::-1]] if side == 0 else [inner[None], upper[::-1], out[None], lower]
    return np.concatenate(ring).astype(np.float32)


def _shape(middle: F32, halfway: F32, end: F32) -> float:
    """Return the exponent of a lid that is square (small) or pointed (large)."""
    height = float(middle[1] - end[1])
    share = float(halfway[1] - end[1]) / height if abs(height) > 1e-3 else 0.75
    return float(np.clip(np.log(np.clip(share, 0.05, 0.99)) / np.log(0.75), 0.25, 2.5))


def _iris(eye: F32) -> F32:
    centre, side = eye[4], eye[5]
    radius = float(np.linalg.norm(side - centre))
    return centre + radius * np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]], np.float32)
