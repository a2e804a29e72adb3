"""Face topology and head geometry: landmark groups, the head-local frame, rotations.

Landmark numbers are MediaPipe Face Mesh's. "Right" in a name means the performer's right, which is image left.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import cv2
import numpy as np

from .types import F32, Face

BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft",
    "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft",
    "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft",
    "jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
)
SHAPE_INDEX = {name: i for i, name in enumerate(BLENDSHAPES)}

LANDMARKS = 478
PORTRAIT_DEPTH = 1.5
RIGID = np.array([10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 33, 263, 133, 362, 127, 356, 234, 454, 103, 332, 54, 284, 67,
                  297, 109, 338])
OVAL = np.array([10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148,
                 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109])
# Rings run from one corner over the top to the other corner and back below.
LIPS_INNER = np.array([78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95])
LIPS_OUTER = np.array([61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146])
INNER_UPPER = np.array([191, 80, 81, 82, 13, 312, 311, 310, 415])
INNER_LOWER = np.array([95, 88, 178, 87, 14, 317, 402, 318, 324])
# The lips in columns of landmarks from the outer edge to the inner one, in the order of INNER_UPPER and INNER_LOWER.
COLUMNS_UPPER = np.array([[185, 184, 183, 191], [40, 74, 42, 80], [39, 73, 41, 81], [37, 72, 38, 82], [0, 11, 12, 13],
                          [267, 302, 268, 312], [269, 303, 271, 311], [270, 304, 272, 310], [409, 408, 407, 415]])
COLUMNS_LOWER = np.array([[146, 77, 96, 95], [91, 90, 89, 88], [181, 180, 179, 178], [84, 85, 86, 87], [17, 16, 15, 14],
                          [314, 315, 316, 317], [405, 404, 403, 402], [321, 320, 319, 318], [375, 307, 325, 324]])
# From the upper edge of a brow over its lower one and two rows to the upper lid, from the outer end of each brow to the
# inner one; first of all its tail, over one row to the corner of the eye.
COLUMNS_BROW = np.array([[70, 46, 113, 33, 33], [70, 46, 225, 30, 161], [63, 53, 224, 29, 160], [105, 52, 223, 27, 159],
                         [66, 65, 222, 28, 158], [107, 55, 221, 56, 157],
                         [300, 276, 342, 263, 263], [300, 276, 445, 260, 388], [293, 283, 444, 259, 387],
                         [334, 282, 443, 257, 386], [296, 295, 442, 258, 385], [336, 285, 441, 286, 384]])
EYE_RINGS = (
    np.array([33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]),
    np.array([362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382]),
)
EYE_UPPER = tuple(ring[1:8] for ring in EYE_RINGS)
EYE_LOWER = tuple(ring[:8:-1] for ring in EYE_RINGS)
EYE_CORNERS = tuple((int(ring[0]), int(ring[8])) for ring in EYE_RINGS)
# The next rings of skin around each eye, upper lid fold first: they follow the lid in part.
LID_FOLDS = (np.array([247, 30, 29, 27, 28, 56, 190]), np.array([414, 286, 258, 257, 259, 260, 467]))
IRISES = (np.arange(468, 473), np.arange(473, 478))
BROWS = np.array([70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285])
BROW_SETS = (BROWS[:10], BROWS[10:])
CHIN = 152
JAW_CORNERS = np.array([172, 136, 150, 58, 397, 365, 379, 288])
JAW_FLAT = 0.55

_FLIP = np.diag([1.0, -1.0, -1.0]).astype(np.float32)


class HeadLocal(NamedTuple):
    """Landmarks without pose: `shape` (N, 3) = (landmarks - centre) @ rotation / scale."""

    shape: F32
    rotation: F32
    centre: F32
    scale: float


@cache
def _mesh_data() -> dict[str, np.ndarray]:
    with (files("didlive") / "data" / "face_mesh.npz").open("rb") as stream, np.load(stream) as data:
        return {name: data[name].astype(np.int32) for name in data.files}


def tessellation() -> np.ndarray:
    """Return the (852, 3) int32 triangles of the face mesh; eyes and mouth are holes."""
    return _mesh_data()["triangles"]


def mirror_index() -> np.ndarray:
    """Return (478,) int32: landmark i of a mirrored face is landmark mirror_index()[i] of the face."""
    return _mesh_data()["mirror"]


@cache
def expression_modes() -> F32:
    """Return (52, 478, 3) float32: how the head-local landmarks of an average person move per unit of each blendshape.

    Ridge regression over tracked faces: people photographed neutral and with an expression, and clips.
    """
    with (files("didlive") / "data" / "expression_modes.npz").open("rb") as stream, np.load(stream) as data:
        return data["modes"].astype(np.float32)


def head_rotation(face: Face) -> F32:
    """Return the (3, 3) head rotation in image axes (x right, y down, z away): F R F with F = diag(1, -1, -1)."""
    rotation = _FLIP @ face.transform[:3, :3] @ _FLIP
    u, _, vt = np.linalg.svd(rotation)
    return np.asarray(u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt, dtype=np.float32)


def head_local(landmarks: F32, rotation: F32) -> HeadLocal:
    """Separate expression from pose; scale is the RMS radius of the rigid points, in px."""
    centre = landmarks[RIGID].mean(0)
    local = (landmarks - centre) @ rotation
    scale = float(np.sqrt((local[RIGID] ** 2).sum(1).mean()))
    return HeadLocal((local / scale).astype(np.float32), rotation, centre.astype(np.float32), scale)


def aligned(shape: F32, neutral: F32) -> F32:
    """Return a head-local shape turned, moved and scaled so that its rigid points fit the neutral's (Umeyama 1991).

    What the tracker's head rotation missed of a turn stays in the local shape; without this it would be added to the
    portrait a second time, as a twist of the face.
    """
    a, b = shape[RIGID], neutral[RIGID]
    mean_a, mean_b = a.mean(0), b.mean(0)
    u, values, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a))
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((values * sign).sum() / ((a - mean_a) ** 2).sum())
    return ((shape - mean_a) @ rotation.T * scale + mean_b).astype(np.float32)


def portrait_landmarks(face: Face) -> F32:
    """Return the landmarks of a still with the depth that makes a turned warp look turned by the asked angle.

    MediaPipe's z is too flat for that (measured by turning portraits and tracking the result), most of all in the
    middle of the face; at the ears it is kept, or a turn would pull the jaw out over the neck.
    """
    landmarks = face.landmarks.copy()
    z = landmarks[:, 2]
    front, back = float(z.min()), float(max(z[234], z[454]))
    depth = np.clip((z - front) / max(back - front, 1e-3), 0, 1.2)
    # depth' = depth + lift: slope PORTRAIT_DEPTH in front, 1 at the ears, where the total is (1 + PORTRAIT_DEPTH) / 2.
    gain = PORTRAIT_DEPTH - 1
    depth = depth + gain * (depth - depth * depth / 2)
    # The corners of the jaw are flattened towards the chin: nothing of the picture lies behind them that a turn
    # could bring out, and the cheek would puff.
    flat = JAW_FLAT * spread(JAW_CORNERS, 4)
    depth = depth - flat * np.maximum(depth - depth[CHIN], 0)
    landmarks[:, 2] = front + (back - front) * depth
    return landmarks.astype(np.float32)


def spread(seeds: np.ndarray, rounds: int) -> F32:
    """Return (478,) weights 1 on the seed landmarks, falling to 0 over `rounds` rings of mesh neighbours."""
    triangles = tessellation()
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    distance = np.full(LANDMARKS, rounds + 1.0)
    distance[seeds] = 0
    for _ in range(rounds):
        np.minimum.at(distance, edges[:, 0], distance[edges[:, 1]] + 1)
        np.minimum.at(distance, edges[:, 1], distance[edges[:, 0]] + 1)
    return np.clip(1 - distance / (rounds + 1), 0, 1).astype(np.float32)


def to_rotvec(rotation: F32) -> F32:
    """Return the (3,) rotation vector in radians."""
    return cv2.Rodrigues(np.asarray(rotation, dtype=np.float64))[0].ravel().astype(np.float32)


def from_rotvec(vector: F32) -> F32:
    """Return the (3, 3) rotation of a (3,) rotation vector in radians."""
    return cv2.Rodrigues(np.asarray(vector, dtype=np.float64))[0].astype(np.float32)


def euler_deg(rotation: F32) -> tuple[float, float, float]:
    """Return (pitch, yaw, roll) in degrees of R = Rz(roll) Ry(yaw) Rx(pitch), image axes (pitch > 0 looks down is
    negative here because y points down: pitch > 0 tilts the face up)."""
    yaw = np.degrees(np.arcsin(np.clip(-rotation[2, 0], -1, 1)))
    pitch = np.degrees(np.arctan2(rotation[2, 1], rotation[2, 2]))
    roll = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    return float(pitch), float(yaw), float(roll)


def from_euler_deg(pitch: float, yaw: float, roll: float) -> F32:
    """Return the (3, 3) rotation whose `euler_deg` is the arguments, in degrees."""
    p, y, r = np.radians([pitch, yaw, roll])
    rx = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (rz @ ry @ rx).astype(np.float32)


def angle_deg(a: F32, b: F32) -> float:
    """Return the angle between two rotations in degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(a @ b.T) - 1) / 2, -1, 1))))


def lid_opening(shape: F32) -> F32:
    """Return (2,) eye opening over eye width for landmarks (N, 3) in any unit: mean of the seven lid pairs."""
    opening = []
    for upper, lower, (a, b) in zip(EYE_UPPER, EYE_LOWER, EYE_CORNERS, strict=True):
        gap = np.linalg.norm(shape[upper] - shape[lower], axis=1)[1:6].mean()
        opening.append(gap / max(float(np.linalg.norm(shape[a] - shape[b])), 1e-6))
    return np.array(opening, dtype=np.float32)


def gaze_offset(shape: F32) -> F32:
    """Return (2, 2) iris centre minus eye corner midpoint per eye over eye width, head-local x right and y down."""
    offsets = []
    for iris, (a, b) in zip(IRISES, EYE_CORNERS, strict=True):
        width = max(float(np.linalg.norm(shape[a] - shape[b])), 1e-6)
        middle = (shape[a] + shape[b]) / 2
        offsets.append((shape[iris[0]] - middle)[:2] / width)
    return np.array(offsets, dtype=np.float32)


def landmark_box(landmarks: F32) -> tuple[float, float, float, float]:
    """Return (x0, y0, x1, y1) px of the landmarks."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def head_box(landmarks: F32, zoom: float = 2.4) -> tuple[float, float, float, float]:
    """Return the square (x0, y0, x1, y1) px around the head: `zoom` times the landmark box, moved up by 6 %."""
    x0, y0, x1, y1 = landmark_box(landmarks)
    half = max(x1 - x0, y1 - y0) * zoom / 2
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2 - 0.06 * (y1 - y0)
    return cx - half, cy - half, cx + half, cy + half
