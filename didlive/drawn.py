"""Faces that are drawn, as anime and cartoons do: where their features are, and a face mesh that fits them.

MediaPipe was made for photographs. It misses many drawn faces, and lays human eyes over the large ones that it finds.
So a network of ours (`didlive.training.marks`) finds 36 marks, or a person places them, and the mesh is bent to them.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from skimage.transform import ThinPlateSplineTransform

from engines import Engine, open_engine

from .demo import demo_motion
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
)
from .recording import load_recording
from .types import F32, U8, Face

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
# Marks that every face has, by which a place of the picture is judged; how sure they must be to be a face.
CORE = np.array([0, 1, 3, 4, 10, 11, 13, 14, 27, 28, 31, 34, 35])
SURE = 0.65
# A mark is found where picture and mirror image agree within this share of the crop.
AGREE = 0.05
# Half the width of a face in its crop, and how far the middle between the eyes is above the middle, in half widths.
HALF_WIDTH, ABOVE = 0.35, 0.2
LOOKS = 3
# How large cheeks are looked at (px of the face's width), and how much the brightness of flat ones varies at most: 160
# photographs had 0.006 and more, nine anime faces 0.003 and less.
CHEEK_PX, FLAT = 170.0, 0.0045
# How far the middle of a drawn face is in front of its sides, in half widths.
DEPTH = 0.75
# How thick drawn lips are taken to be, in mouth widths, how square their outline is, and the landmarks of the corners.
LIP, BOW = 0.12, 0.6
# How far the line from jaw to chin is from straight, in widths of the jaw.
ROUND = 0.04
LIP_CORNERS = ((61, 76, 62, 78), (291, 306, 292, 308))


def find_drawn(rgb: U8, face: Face | None) -> Face | None:
    """Return the drawn face of a picture (H, W, 3), at or instead of the face that was tracked in it; None when there
    is none, or it is a photograph's."""
    if face is not None and shading(rgb, _tracked_marks(face)) > FLAT:
        return None
    finder = MarkFinder(open_engine("marks", "ort", threads=1))
    marks, sure = finder.find(rgb, None if face is None else frame_of(_tracked_marks(face)))
    finder.close()
    if sure < SURE or not plausible(marks) or shading(rgb, marks) > FLAT:
        return None
    return fit_face(marks)


def _tracked_marks(face: Face) -> F32:
    """Return the marks (MARKS, 2) px that a tracked face has in common with a drawn one; the others are 0."""
    marks = np.zeros((MARKS, 2), np.float32)
    index = [145, 374, 468, 473, 61, 291, 152, 127, 356]
    marks[[3, 13, 4, 14, 27, 28, CHIN, 34, 35]] = face.landmarks[index, :2]
    return marks


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


def mirrored_marks(marks: F32, width: float) -> F32:
    """Return the marks (MARKS, 2) of a mirrored picture `width` wide."""
    out = marks[MIRROR].copy()
    out[:, 0] = width - out[:, 0]
    return out


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
        first = np.asarray(middle) - side / 2
        scale = SIDE / side
        matrix = np.array([[scale, 0, -first[0] * scale - 0.5 + scale / 2],
                           [0, scale, -first[1] * scale - 0.5 + scale / 2]])
        sigma = 0.35 / scale
        soft = cv2.GaussianBlur(rgb, (0, 0), sigma) if sigma > 0.6 else rgb
        crop = cv2.warpAffine(soft, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
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
        side = share * min(width, height)
        xs = np.linspace(side / 2, width - side / 2, max(1, int(np.ceil(2 * (width - side) / side)) + 1))
        ys = np.linspace(side / 2, height - side / 2, max(1, int(np.ceil(2 * (height - side) / side)) + 1))
        out += [(np.array([x, y], np.float32), side) for y in ys for x in xs]
    return out


def frame_of(marks: F32) -> tuple[F32, float]:
    """Return the middle (2,) px and the side px of the square in which a face with these marks is looked at best."""
    eyes = (marks[4] + marks[14]) / 2
    low = (marks[CHIN] + eyes) / 2
    half = 0.5 * max(float(np.linalg.norm(marks[35] - marks[34])), 1.2 * float(np.linalg.norm(marks[CHIN] - eyes)))
    return (eyes + 0.4 * (low - eyes)).astype(np.float32), half / HALF_WIDTH


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
    pairs += zip((1, 61, 291, 152), marks[[NOSE, 27, 28, CHIN]], strict=True)
    lip = LIP * float(np.linalg.norm(marks[28] - marks[27]))
    pairs += zip((0, 17), marks[[29, 30]] + np.array([[0, -lip], [0, lip]], np.float32), strict=True)
    # Nobody marks the forehead, which hair hides: it is as high as an average one.
    brow = (marks[4] + marks[14]) / 2
    middle = turned[[159, 386, 145, 374], :2].mean(0)
    pairs += ((i, brow + (turned[i, :2] - middle) * size) for i in (10, 67, 297))
    oval = turned[OVAL]
    eyes_y, chin_y = turned[[159, 386], 1].mean(), turned[152, 1]
    # Between jaw and chin it is nearly straight.
    low = [marks[k] + 0.5 * (marks[CHIN] - marks[k]) + ROUND * (marks[k] - marks[65 - k]) for k in (32, 33)]
    for share, two in ((0.85, low), (0.7, marks[32:34]), (0.0, marks[SIDES])):
        level = eyes_y + share * (chin_y - eyes_y)
        for at, sign in zip(two, (-1, 1), strict=True):
            there = OVAL[sign * (oval[:, 0] - oval[:, 0].mean()) > 0]
            pairs.append((int(there[np.argmin(np.abs(turned[there, 1] - level))]), at))
    return np.array([i for i, _ in pairs]), np.array([p for _, p in pairs], np.float32)


def _lay_lips(landmarks: F32, mouth: F32) -> None:
    """Lay the lips on the marks (4, 2) px of a mouth, in place: drawn lips have no width to speak of."""
    left, right, top, bottom = mouth
    width = float(np.linalg.norm(right - left))
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
    share = (end[1] - halfway[1]) / min(end[1] - middle[1], -1e-3) if middle[1] < end[1] else (
        (halfway[1] - end[1]) / max(middle[1] - end[1], 1e-3))
    return float(np.clip(np.log(np.clip(abs(share), 0.05, 0.99)) / np.log(0.75), 0.25, 2.5))


def _iris(eye: F32) -> F32:
    centre, side = eye[4], eye[5]
    radius = float(np.linalg.norm(side - centre))
    return centre + radius * np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]], np.float32)


def shading(rgb: U8, marks: F32) -> float:
    """Return how much the brightness of both cheeks varies (natural logarithm, structures of 2 to 8 mm): skin has pores
    and stubble, flat colour has nothing."""
    width = max(float(np.linalg.norm(marks[35] - marks[34])), 8.0)
    scale = CHEEK_PX / width
    middle, side = frame_of(marks)
    size = max(16, round(side * scale))
    first = middle - side / 2
    matrix = np.array([[scale, 0, -first[0] * scale], [0, scale, -first[1] * scale]])
    soft = cv2.GaussianBlur(rgb, (0, 0), 0.4 / scale) if scale < 0.7 else rgb
    grey = cv2.cvtColor(cv2.warpAffine(soft, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE), cv2.COLOR_RGB2GRAY)
    light = np.log(grey.astype(np.float32) + 8)
    detail = np.abs(cv2.GaussianBlur(light, (0, 0), 1.3) - cv2.GaussianBlur(light, (0, 0), 5.2))
    mask = np.zeros((size, size), np.uint8)
    for below, corner in ((marks[3], marks[27]), (marks[13], marks[28])):
        at = (0.5 * (below + corner) - first) * scale
        cv2.circle(mask, (round(float(at[0])), round(float(at[1]))), round(0.1 * CHEEK_PX), 255, -1)
    return float(np.percentile(detail[mask > 0], 30)) if mask.any() else 1.0
