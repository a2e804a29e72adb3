"""The head mesh: the tracked face, and rings around it that carry hair, ears and neck."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from ..geometry import CHIN, EYE_RINGS, LIPS_INNER, OVAL, HeadLocal, tessellation
from ..types import F32

FACE_POINTS = 468
# Distance of each ring from the face's middle, in oval radii.
RINGS = (1.06, 1.13, 1.22, 1.34, 1.5, 1.7, 1.95, 2.3, 2.8, 3.6)
# How much of the jaw's own movement (opening, smile) the first rings share.
FOLLOW = (0.72, 0.45, 0.24, 0.1, 0.03)
# A face point this near to the edge of the person, or so far outside of it at most, is tucked in (scales of the head),
# wholly once the head has turned by so many degrees: the picture at rest stays the same.
EDGE, FARTHEST, TUCKED_DEG = 0.05, 0.3, 10.0
# Where glasses sit on the nose, and how flat they are.
BRIDGE, FLAT = 168, 0.4


@dataclass(frozen=True, slots=True)
class HeadMesh:
    """Vertices: 468 face points, then the rings from inside out (36 points each).

    rest: (V, 3) px in the crop, depth in px. local: (R, 3) head-local position of the ring points. weight: (R,) how far
    each ring point moves with the head. follow: (R,) share of the movement of its oval point. triangles: (T, 3) int32,
    the first `outer` of them outside the face. stiff: (468, 1) how far each face point moves with the head alone, as if
    the face had no expression; frame: (468, 3) its head-local position then.
    """

    rest: F32
    tuck: F32
    local: F32
    weight: F32
    follow: F32
    triangles: np.ndarray
    outer: int
    stiff: F32
    frame: F32


def strip(ring: np.ndarray) -> list[tuple[int, int, int]]:
    """Triangulate a closed ring of landmarks that runs over the top and back below."""
    half = len(ring) // 2
    top, bottom = ring[:half + 1], np.concatenate([ring[:1], ring[:half - 1:-1]])
    triangles = []
    for i in range(half):
        a, b, c, d = int(top[i]), int(top[i + 1]), int(bottom[i]), int(bottom[i + 1])
        if a != c:
            triangles.append((a, b, c))
        if b != d:
            triangles.append((b, d, c))
    return triangles


def _smoothstep(x: np.ndarray | float) -> np.ndarray:
    clipped = np.clip(x, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def build_mesh(landmarks: F32, local: HeadLocal, person: F32, above: int, stiff: F32) -> HeadMesh:
    """Return the mesh for landmarks (478, 3) px in a crop with person coverage (above + H, W) 0..1, the first rows of
    it above the crop; stiff: (468, 1) 0..1, where glasses hold the face."""
    face = landmarks[:FACE_POINTS]
    oval = face[OVAL]
    middle = (oval[:, :2].max(0) + oval[:, :2].min(0)) / 2
    ears = float((face[234, 2] + face[454, 2]) / 2)
    back = ears + 0.25 * local.scale
    rings = []
    for factor in RINGS:
        ring = oval.copy()
        ring[:, :2] = _clip_to_box(middle, middle + (oval[:, :2] - middle) * factor, person.shape, above)
        # Off the face the surface turns away to the plane of the ears.
        reach = _smoothstep((factor - 1) / 0.5)
        ring[:, 2] = oval[:, 2] + reach * (back - oval[:, 2])
        rings.append(ring)
    outside = np.concatenate(rings)
    ring_local = ((outside - local.centre) @ local.rotation) / local.scale
    weight = _head_weight(outside, ring_local, landmarks, local, person, above)
    follow = np.repeat([*FOLLOW, *[0.0] * (len(RINGS) - len(FOLLOW))], len(OVAL)).astype(np.float32)
    outer = _ring_triangles()
    holes = [t for ring in (*EYE_RINGS, LIPS_INNER) for t in strip(ring)]
    triangles = np.concatenate([outer, np.array(holes, np.int32), tessellation()]).astype(np.int32)
    tuck = np.concatenate([_tuck(face[:, :2], person, above, local.scale), np.zeros_like(outside[:, :2])])
    return HeadMesh(np.concatenate([face, outside]).astype(np.float32), tuck, ring_local.astype(np.float32),
                    weight.astype(np.float32), follow, triangles, len(outer), stiff, _frame(face, local, stiff))


def _tuck(points: F32, person: F32, above: int, scale: float) -> F32:
    """Return (468, 2) px from face points that lie just outside of the person to the person's inside: the far cheek of
    a turned head is tracked some pixels off, and would bring background along when the head turns back."""
    side = 2 * round(EDGE * scale) + 1
    inside = cv2.erode((person > 0.9).astype(np.uint8), np.ones((side, side), np.uint8))
    distance, found = cv2.distanceTransformWithLabels(1 - inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    labels = np.asarray(found, dtype=np.int32)
    # Label -> position of the pixel that carries it.
    ys, xs = np.nonzero(inside)
    place = np.zeros((int(labels.max()) + 1, 2), dtype=np.float32)
    place[labels[ys, xs]] = np.stack([xs, ys], 1)
    at = (np.round(points).astype(int) + np.array([0, above])).clip(0, np.array(person.shape)[::-1] - 1)
    far, way = np.asarray(distance)[at[:, 1], at[:, 0]], place[labels[at[:, 1], at[:, 0]]] - at
    # Farther off it is the mask that is wrong.
    return np.where(((far > 0) & (far < FARTHEST * scale))[:, None], way, 0).astype(np.float32)


def _frame(face: F32, local: HeadLocal, stiff: F32) -> F32:
    """Return (468, 3) head-local positions of the face points, those under glasses nearly in a plane across the bridge
    of the nose: a frame is flat, and stays straight in a turn."""
    flat = ((face - local.centre) @ local.rotation / local.scale).astype(np.float32)
    held = stiff[:, 0] > 0
    # Beside the face the temples lead back to the ears.
    held[OVAL] = False
    # Along the line of sight, so that the picture at rest is the same.
    sight = local.rotation[2] / local.rotation[2, 2]
    flat[held] += FLAT * (local.shape[BRIDGE, 2] - flat[held, 2:]) * sight
    return flat


def _clip_to_box(origin: F32, points: F32, shape: tuple[int, ...], above: int) -> F32:
    """Pull points back along their ray from `origin` until they lie in the crop, or in the rows above it."""
    ray = points - origin
    low = np.array([0, -above], dtype=np.float32)
    high = low + np.array([shape[1] - 1, shape[0] - 1], dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(ray > 0, (high - origin) / ray, np.where(ray < 0, (low - origin) / ray, np.inf))
    return (origin + ray * np.minimum(1.0, reach.min(1, keepdims=True))).astype(np.float32)


def _head_weight(points: F32, ring_local: F32, landmarks: F32, local: HeadLocal, person: F32,
                 above: int) -> np.ndarray:
    """1 on the head, falling over the neck to 0 on the shoulders and to 0 at the border of the crop."""
    height, width = person.shape
    points = points[:, :2] + np.array([0, above], dtype=np.float32)
    chin = float((((landmarks[CHIN] - local.centre) @ local.rotation) / local.scale)[1])
    neck = 1 - _smoothstep((ring_local[:, 1] - (chin - 0.35)) / 1.5)
    # Far to the side nothing belongs to the head; hair does for some way.
    side = 1 - _smoothstep((np.abs(ring_local[:, 0]) - 1.9) / 1.6)
    border = np.minimum(np.minimum(points[:, 0], width - 1 - points[:, 0]),
                        np.minimum(points[:, 1], height - 1 - points[:, 1])) / max(width, height)
    # Where the person is cut by the border of the picture the warp must fade out over some way, or a torn edge would
    # show; where only background lies there, the head moves freely up to it.
    n = len(OVAL)
    ends = np.round(points[-n:, :2]).astype(int)
    cut = cv2.blur(person, (9, 9))[ends[:, 1].clip(0, height - 1), ends[:, 0].clip(0, width - 1)]
    cut = np.maximum.reduce([np.roll(cut, k) for k in range(-2, 3)])
    cut = np.mean([np.roll(cut, k) for k in range(-2, 3)], axis=0)
    reach = 0.015 + 0.095 * np.clip(cut, 0, 1)
    return neck * side * _smoothstep(border / np.tile(reach, len(RINGS)))


def _ring_triangles() -> np.ndarray:
    """Quad strips from the oval out through the rings."""
    n = len(OVAL)
    indices = [OVAL, *[FACE_POINTS + k * n + np.arange(n) for k in range(len(RINGS))]]
    triangles = []
    for inner, outer in pairwise(indices):
        for i in range(n):
            j = (i + 1) % n
            triangles += [(inner[i], outer[i], inner[j]), (inner[j], outer[i], outer[j])]
    # Outermost first, so that nearer rings are drawn over farther ones.
    return np.array(triangles[::-1], dtype=np.int32)


def pose_mesh(mesh: HeadMesh, local: HeadLocal, target: F32, turned: F32, centre: F32, scale: float) -> F32:
    """Return (V, 3) px vertices for the target landmarks (478, 3) px of the crop.

    turned: (3, 3) head rotation after the move; centre: (3,) px; scale: head size relative to the portrait.
    """
    n = FACE_POINTS
    stiff = (mesh.frame @ turned.T) * (local.scale * scale) + centre
    face = target[:n] + mesh.stiff * (stiff - target[:n])
    rest = mesh.rest[n:]
    carried = (mesh.local @ turned.T) * (local.scale * scale) + centre
    moved = rest + mesh.weight[:, None] * (carried - rest)
    # What the oval does beyond moving with the head: the jaw opens, cheeks lift.
    rigid = (((mesh.rest[OVAL] - local.centre) @ local.rotation) @ turned.T) * scale + centre
    own = face[OVAL] - rigid
    # At the chin only the part that the neck skin shares; hair never follows.
    moved += mesh.follow[:, None] * np.tile(own, (len(RINGS), 1))
    return np.concatenate([face, moved]).astype(np.float32)
