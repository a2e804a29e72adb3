"""Canonical crops: mouth, eyes and face cut out upright and at a fixed scale, with a drawn guide of what belongs where.

They are what the refiner sees, in training and in the show. A crop is uint8 (C, H, W): what the warp drew (RGB), the
portrait's own crop (RGB), then the guide's channels; fields of -1..1 are stored as 128 + 127 * value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..geometry import EYE_CORNERS, EYE_RINGS, LIPS_INNER, LIPS_OUTER, OVAL, HeadLocal, tessellation
from ..types import F32, U8, Drive
from .arch import placed_corners, teeth_shifts
from .eyes import iris_disc
from .mouth import FACE_WIDTH_MM, Mouth
from .raster import polygon_mask, rasterise
from .warp import WarpSource


@dataclass(frozen=True, slots=True)
class Region:
    """A crop's size px and scale (px per millimetre of the face), and its number of channels."""

    width: int
    height: int
    px_per_mm: float
    channels: int


MOUTH = Region(128, 96, 1.28, 12)
EYE = Region(64, 64, 1.28, 9)
FACE = Region(64, 64, 0.32, 9)
# Displacement of a landmark, in head radii, that the face guide shows as 1.
FULL_MOVE = 0.25
_ROWS, _COLUMNS = np.arange(MOUTH.height, dtype=np.float32), np.arange(MOUTH.width, dtype=np.float32)
_ORDER = np.arange(len(tessellation()), dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Pose:
    """Landmarks (478, 3) px of a head in a picture, its rotation (3, 3), centre (3,) px, scale (1 = as in the portrait)
    and px per millimetre."""

    landmarks: F32
    rotation: F32
    centre: F32
    scale: float
    ppm: float

    def upright(self, at: npt.NDArray[np.floating], region: Region) -> F32:
        """Return the (2, 3) matrix from crop px to picture px of the crop around `at` (2,) px."""
        axis = self.rotation[:2, 0] / max(float(np.linalg.norm(self.rotation[:2, 0])), 1e-6)
        x = axis * self.ppm / region.px_per_mm
        turn = np.array([[x[0], -x[1]], [x[1], x[0]]], dtype=np.float32)
        middle = np.array([(region.width - 1) / 2, (region.height - 1) / 2], dtype=np.float32)
        return np.concatenate([turn, (at - turn @ middle)[:, None]], 1).astype(np.float32)

    def mouth(self) -> F32:
        """Return the (2, 3) matrix of the mouth crop."""
        return self.upright(self.landmarks[LIPS_OUTER, :2].mean(0), MOUTH)

    def eye(self, side: int) -> F32:
        """Return the (2, 3) matrix of an eye crop; image right is mirrored, so that both look like image left."""
        a, b = EYE_CORNERS[side]
        matrix = self.upright((self.landmarks[a, :2] + self.landmarks[b, :2]) / 2, EYE)
        if side == 1:
            matrix[:, 2] += matrix[:, 0] * (EYE.width - 1)
            matrix[:, 0] *= -1
        return matrix

    def face(self) -> F32:
        """Return the (2, 3) matrix of the face crop."""
        return self.upright(self.landmarks[OVAL, :2].mean(0), FACE)


def still_pose(landmarks: F32, local: HeadLocal) -> Pose:
    """Return the pose of the portrait itself: landmarks (478, 3) px with the depth that the warp uses."""
    ppm = float(np.linalg.norm(landmarks[234] - landmarks[454])) / FACE_WIDTH_MM
    return Pose(landmarks, local.rotation, local.centre, 1.0, ppm)


def pose_of(drive: Drive, source: WarpSource) -> Pose:
    """Return where a drive puts the portrait, in px of the source's crop."""
    corner = np.array([source.x, source.y, 0], dtype=np.float32)
    turned = (drive.rotation @ source.local.rotation).astype(np.float32)
    still = still_pose(source.landmarks, source.local)
    return Pose(drive.landmarks - corner, turned, drive.centre - corner, drive.scale, still.ppm * drive.scale)


@dataclass(frozen=True, slots=True)
class Views:
    """The crops of one picture, uint8 (C, H, W) as the module describes, and their matrices (2, 3) from crop px to
    picture px. eyes: image left, then image right mirrored. own_teeth: those between the lips are the portrait's."""

    mouth: U8
    eyes: tuple[U8, U8]
    face: U8
    matrices: tuple[F32, F32, F32, F32]
    moved: tuple[float, float, float, float]
    own_teeth: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """What stays the same while a portrait plays: its own crops with their masks, its pose, its mouth layers; points:
    landmarks (N, 2) px of the crops of mouth, eyes and face, see `_moved`."""

    pose: Pose
    local: HeadLocal
    layers: Mouth
    mouth: U8
    eyes: tuple[U8, U8]
    face: U8
    points: tuple[F32, ...]


def make_reference(image: U8, pose: Pose, local: HeadLocal, layers: Mouth) -> Reference:
    """Cut the portrait's own crops out of `image` (H, W, 3)."""
    mouth, left, right, face = matrices(pose)
    own_mouth = np.concatenate([_planes(image, mouth, MOUTH), _mask(pose.landmarks[LIPS_INNER], mouth, MOUTH)])
    eyes = [np.concatenate([_planes(image, m, EYE), _mask(pose.landmarks[EYE_RINGS[side]], m, EYE)])
            for side, m in enumerate((left, right))]
    return Reference(pose, local, layers, own_mouth, (eyes[0], eyes[1]), _planes(image, face, FACE),
                     _outlines(pose, (mouth, left, right, face)))


def matrices(pose: Pose) -> tuple[F32, F32, F32, F32]:
    """Return the matrices of mouth, eyes and face."""
    return pose.mouth(), pose.eye(0), pose.eye(1), pose.face()


def corners_of(matrix: F32, region: Region) -> F32:
    """Return (2, 4), x and y px of the picture in which the corners of a crop lie."""
    w, h = region.width, region.height
    return matrix[:, :2] @ np.array([[0, w, 0, w], [0, 0, h, h]], np.float32) + matrix[:, 2:]


def take(image: U8, matrix: F32, region: Region) -> U8:
    """Cut a crop out of `image` (H, W, 3); a much larger picture is smoothed first so that nothing aliases."""
    zoom = float(np.linalg.norm(matrix[:, 0]))
    h, w = region.height, region.width
    if zoom > 1.5:
        # Only the part that is needed: smoothing a whole large picture would cost more than all the rest.
        corners = corners_of(matrix, region)
        low = np.maximum(np.floor(corners.min(1)).astype(int) - 4, 0)
        high = np.minimum(np.ceil(corners.max(1)).astype(int) + 5, [image.shape[1], image.shape[0]])
        if (high > low + 1).all():
            part = image[low[1]:high[1], low[0]:high[0]]
            image = np.asarray(cv2.blur(part, (round(zoom), round(zoom))), dtype=np.uint8)
            matrix = np.concatenate([matrix[:, :2], matrix[:, 2:] - low[:, None]], 1).astype(np.float32)
    return np.asarray(cv2.warpAffine(image, matrix, (w, h), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                     borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def _planes(image: U8, matrix: F32, region: Region) -> U8:
    return take(image, matrix, region).transpose(2, 0, 1)


def views(image: U8, pose: Pose, reference: Reference) -> Views:
    """Cut and stack the crops of a picture `image` (H, W, 3) in which the portrait has the given pose."""
    placed = mouth, left, right, face = matrices(pose)
    drawn = np.concatenate([_planes(image, mouth, MOUTH), reference.mouth[:3], _mouth_guide(pose, mouth, reference)])
    eyes = [np.concatenate([_planes(image, m, EYE), reference.eyes[side][:3], _eye_guide(pose, m, side, reference)])
            for side, m in enumerate((left, right))]
    whole = np.concatenate([_planes(image, face, FACE), reference.face, _face_guide(pose, face, reference)])
    return Views(drawn, (eyes[0], eyes[1]), whole, placed, _moved(pose, placed, reference),
                 reference.layers.own is not None)


def to_crop(points: F32, matrix: F32) -> F32:
    """Return picture points (N, 2+) px as crop px (N, 2)."""
    return ((points[:, :2] - matrix[:, 2]) @ _inverse(matrix).T).astype(np.float32)


def _inverse(matrix: F32) -> F32:
    """Return the inverse of the first two columns; for so few numbers much faster than a solver."""
    (a, b), (c, d) = matrix[:, :2].tolist()
    det = a * d - b * c
    return np.array([[d / det, -b / det], [-c / det, a / det]], np.float32)


def _mask(points: F32, matrix: F32, region: Region) -> U8:
    mask = polygon_mask(to_crop(points, matrix), 0, 0, region.width, region.height)
    return np.round(mask * 255).astype(np.uint8)[None]


def _field(values: F32) -> U8:
    return np.round(128 + 127 * np.clip(values, -1, 1)).astype(np.uint8)[None]


def _mouth_guide(pose: Pose, matrix: F32, reference: Reference) -> U8:
    """(6, 96, 128): the opening, the lips, the portrait's own opening, and the place along the dental arch, up the
    upper teeth and up the lower teeth (-1..1 over the drawn layer): tooth borders have a place to stick to."""
    layers, local = reference.layers, reference.local
    size = local.scale * pose.scale
    up, jaw = teeth_shifts(layers, local, pose.landmarks, pose.rotation, pose.centre, pose.scale)
    arch = []
    for sprite, shift in ((layers.upper, up), (layers.lower, jaw)):
        corners = to_crop(placed_corners(sprite, shift, pose.rotation, pose.centre, size), matrix)
        basis = np.stack([corners[1] - corners[0], corners[2] - corners[0]], 1)
        if abs(float(np.linalg.det(basis))) < 1.0:
            basis = np.eye(2, dtype=np.float32) * MOUTH.height  # Seen from the edge: no place on the arch to speak of.
        steps = 2 * _inverse(basis)
        arch.append([np.add.outer(down * (_ROWS - corners[0, 1]) - 1, across * (_COLUMNS - corners[0, 0]))
                     for across, down in steps])
    lips = _mask(pose.landmarks[LIPS_OUTER], matrix, MOUTH)
    opening = _mask(pose.landmarks[LIPS_INNER], matrix, MOUTH)
    return np.concatenate([opening, lips, reference.mouth[3:], _field(arch[0][0]), _field(arch[0][1]),
                           _field(arch[1][1])])


def _eye_guide(pose: Pose, matrix: F32, side: int, reference: Reference) -> U8:
    """(3, 64, 64): the opening of the lids, the iris in it, the portrait's own opening."""
    opening = _mask(pose.landmarks[EYE_RINGS[side]], matrix, EYE)
    a, b = EYE_CORNERS[side]
    width = float(np.linalg.norm(pose.landmarks[a, :2] - pose.landmarks[b, :2]))
    centre, radius = iris_disc(pose.landmarks, side, width)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = centre + radius * np.stack([np.cos(turn), np.sin(turn)], 1)
    return np.concatenate([opening, _mask(circle.astype(np.float32), matrix, EYE), reference.eyes[side][3:]])


def _face_guide(pose: Pose, matrix: F32, reference: Reference) -> U8:
    """(3, 64, 64): the face, and how far its skin moved against the portrait, x and y in the head's own frame."""
    local = reference.local
    shape = ((pose.landmarks - pose.centre) @ pose.rotation) / (local.scale * pose.scale)
    move = np.ascontiguousarray((shape - local.shape)[:, :2] / FULL_MOVE, dtype=np.float32)
    x, y = np.zeros((FACE.height, FACE.width), np.float32), np.zeros((FACE.height, FACE.width), np.float32)
    rasterise(to_crop(pose.landmarks, matrix), move, tessellation(), _ORDER, x, y)
    return np.concatenate([_mask(pose.landmarks[OVAL], matrix, FACE), _field(x), _field(y)])


def _outlines(pose: Pose, placed: tuple[F32, ...]) -> tuple[F32, ...]:
    rows = (LIPS_OUTER, EYE_RINGS[0], EYE_RINGS[1], OVAL)
    return tuple(to_crop(pose.landmarks[row], matrix) for row, matrix in zip(rows, placed, strict=True))


def _moved(pose: Pose, placed: tuple[F32, ...], reference: Reference) -> tuple[float, float, float, float]:
    """How far each region's landmarks went against the portrait inside the crop, RMS in millimetres."""
    out = [math.sqrt(float(((now - still) ** 2).sum(1).mean())) / region.px_per_mm
           for now, still, region in zip(_outlines(pose, placed), reference.points, (MOUTH, EYE, EYE, FACE),
                                         strict=True)]
    return out[0], out[1], out[2], out[3]
