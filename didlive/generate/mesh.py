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
# The ring that follows the outline of the skull, and where that may lie, in oval radii; from which height it does, in
# heights of the face above its middle; and how far behind the ears lies what is beside the face, in scales of the head.
OUTLINE, OUTLINES, UPPER, BEHIND_EARS = 1.34, (1.1, 1.7), 0.35, 0.25
# Where glasses sit on the nose, and how flat they are.
BRIDGE, FLAT = 168, 0.4


@dataclass(frozen=True, slots=True)
class Skull:
    """What the outline of the head above the ears does in a turn: it is an ellipsoid's, which stays as wide as it was.

    share: (R,) how far each ring point is outline; centre: (3,) of the skull, head-local; beside: (R, 2) px from
    there to each ring point at rest.
    """

    share: F32
    centre: F32
    beside: F32

    def moved(self, relative: F32) -> F32:
        """Return (R, 2) px from the centre to each point of the outline after a turn (3, 3): only its roll shows."""
        roll = np.arctan2(relative[1, 0] - relative[0, 1], relative[0, 0] + relative[1, 1])
        turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]], dtype=np.float32)
        return self.beside @ turn.T


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
    skull: Skull


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


def smoothstep(x: np.ndarray | float) -> np.ndarray:
    """Return 0 below 0, 1 above 1, and 3 x^2 - 2 x^3 between."""
    clipped = np.clip(x, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def build_mesh(landmarks: F32, local: HeadLocal, person: F32, above: int, stiff: F32, flat: float = FLAT
               ) -> HeadMesh:
    """Return the mesh for landmarks (478, 3) px in a crop with person coverage (above + H, W) 0..1, the first rows of
    it above the crop; stiff: (468, 1) 0..1, where glasses, or lines, hold the face; flat: how flat they are."""
    face = landmarks[:FACE_POINTS]
    oval = face[OVAL]
    middle = (oval[:, :2].max(0) + oval[:, :2].min(0)) / 2
    ears = float(face[[234, 454], 2].mean())
    upper = smoothstep((middle[1] - oval[:, 1]) / np.ptp(oval[:, 1]) / UPPER)
    ends = OUTLINE + upper * (_outline(middle, oval[:, :2], person, above) - OUTLINE)
    outside, share = _rings(oval, middle, ends, upper, (ears, ears + BEHIND_EARS * local.scale))
    outside[:, :2] = _clip_to_box(middle, outside[:, :2], person.shape, above)
    ring_local = _to_local(outside, local)
    weight = _head_weight(outside, ring_local, landmarks, local, person, above)
    follow = np.repeat([*FOLLOW, *[0.0] * (len(RINGS) - len(FOLLOW))], len(OVAL)).astype(np.float32)
    outer = _ring_triangles()
    holes = [t for ring in (*EYE_RINGS, LIPS_INNER) for t in strip(ring)]
    triangles = np.concatenate([outer, np.array(holes, np.int32), tessellation()]).astype(np.int32)
    centre = np.array([*middle, ears], dtype=np.float32)
    skull = Skull(share, _to_local(centre, local), (outside - centre)[:, :2])
    tuck = np.concatenate([_tuck(face[:, :2], person, above, local.scale), np.zeros_like(outside[:, :2])])
    return HeadMesh(np.concatenate([face, outside]).astype(np.float32), tuck, ring_local,
                    weight.astype(np.float32), follow, triangles, len(outer), stiff, _frame(face, local, stiff, flat),
                    skull)


def _to_local(points: F32, local: HeadLocal) -> F32:
    return (((points - local.centre) @ local.rotation) / local.scale).astype(np.float32)


def _rings(oval: F32, middle: F32, ends: F32, upper: F32, planes: tuple[float, float]) -> tuple[F32, F32]:
    """Return (R, 3) px, the rings around the oval (36, 3), and (R,) how far each of their points is outline.

    ends: (36,) where that is, in oval radii; upper: (36,) how far a point is above the ears; planes: depth px of the
    outline above the ears, and of what lies beside the face below.
    """
    far, n = np.array(RINGS, dtype=np.float32)[:, None], len(RINGS)
    # The same ring lies on the outline all around the skull; those beyond share the rest of the way.
    inside, beyond = np.minimum((far - 1) / (OUTLINE - 1), 1), np.maximum(far - OUTLINE, 0) / (RINGS[-1] - OUTLINE)
    factors = 1 + inside * (ends - 1) + beyond * (RINGS[-1] - ends)
    # Off the face the surface turns away: above the ears as an ellipsoid does.
    share = upper * (1 - np.sqrt(np.maximum(ends ** 2 - factors ** 2, 0) / (ends ** 2 - 1)))
    lower = (1 - upper) * smoothstep((factors - 1) / 0.5)
    rings = np.tile(oval, (n, 1, 1))
    rings[..., :2] = middle + (oval[:, :2] - middle) * factors[..., None]
    rings[..., 2] += share * (planes[0] - oval[:, 2]) + lower * (planes[1] - oval[:, 2])
    return rings.reshape(-1, 3).astype(np.float32), share.ravel().astype(np.float32)


def _outline(middle: F32, oval: F32, person: F32, above: int) -> F32:
    """Return (36,) how far from `middle` the head ends beyond each point of the oval (36, 2) px, in oval radii."""
    steps = np.arange(*OUTLINES, 0.02, dtype=np.float32)
    at = middle + (oval - middle) * steps[:, None, None]
    seen = np.asarray(cv2.remap(person, at[..., 0], at[..., 1] + above, cv2.INTER_LINEAR)) > 0.5
    ends = np.where(seen.all(0), steps[-1], steps[np.argmin(seen, 0)])
    return np.mean([np.roll(ends, k) for k in (-1, 0, 1)], axis=0).astype(np.float32)


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


def _frame(face: F32, local: HeadLocal, stiff: F32, flatness: float) -> F32:
    """Return (468, 3) head-local positions of the face points, those under glasses nearly in a plane across the bridge
    of the nose: a frame is flat, and stays straight in a turn."""
    flat = _to_local(face, local)
    held = stiff[:, 0] > 0
    # Beside the face the temples lead back to the ears.
    held[OVAL] = False
    # Along the line of sight, so that the picture at rest is the same.
    sight = local.rotation[2] / local.rotation[2, 2]
    flat[held] += flatness * (local.shape[BRIDGE, 2] - flat[held, 2:]) * sight
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
    chin = float(_to_local(landmarks[CHIN], local)[1])
    neck = 1 - smoothstep((ring_local[:, 1] - (chin - 0.35)) / 1.5)
    # Far to the side nothing belongs to the head; hair does for some way.
    side = 1 - smoothstep((np.abs(ring_local[:, 0]) - 1.9) / 1.6)
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
    return neck * side * smoothstep(border / np.tile(reach, len(RINGS)))


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
    skull = (mesh.skull.centre @ turned.T) * (local.scale * scale) + centre
    outline = skull[:2] + mesh.skull.moved(turned @ local.rotation.T) * scale
    carried[:, :2] += mesh.skull.share[:, None] * (outline - carried[:, :2])
    moved = rest + mesh.weight[:, None] * (carried - rest)
    # What the oval does beyond moving with the head: the jaw opens, cheeks lift.
    rigid = (((mesh.rest[OVAL] - local.centre) @ local.rotation) @ turned.T) * scale + centre
    own = face[OVAL] - rigid
    # At the chin only the part that the neck skin shares; hair never follows.
    moved += mesh.follow[:, None] * np.tile(own, (len(RINGS), 1))
    return np.concatenate([face, moved]).astype(np.float32)
