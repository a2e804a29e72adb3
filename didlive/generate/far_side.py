"""The far side of a face that the portrait shows half from the side: few pixels saw it, and a head that turns back
would draw them into streaks. The near side, mirrored, has what is missing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import BROWS, OVAL, HeadLocal, mirror_index, tessellation
from ..types import F32, U8
from .mesh import FACE_POINTS, HeadMesh, smoothstep
from .raster import Box, fade, rasterise
from .wrinkles import Light

# A point is replaced when it faces the camera less than the first of these (cosine), wholly from the second on, and
# when its mirror image faces it more than it does by the third, wholly by the fourth.
SIDEWAYS, MOSTLY, BETTER, MUCH_BETTER = 0.6, 0.25, 0.1, 0.35
# The replaced points must face the camera more than in the portrait by this, wholly by so much more.
TURNED, FULLY = 0.04, 0.16
# Light is compared over this part of the face's height; hair on one side only keeps its own: the light differs from the
# usual one within these bounds.
LIGHT, BOUNDS = 0.06, (0.7, 1.35)
# How far the first rings around the face are replaced with it, and how far they are cleared of glasses that stick out.
BESIDE, CLEARED = (1.0, 1.0, 0.5, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0, 1.0, 0.0)
# Forehead, brows, tip of the nose, corners of the mouth.
LEVELS = ([10], BROWS, [1], [61, 291])
# Fewer points than this, in whole ones, are not worth it.
WORTH = 20.0


@dataclass(frozen=True, slots=True)
class FarSide:
    """What may replace the far side of a portrait's crop.

    layer: (H, W, 4) premultiplied RGBA, the near side in the far side's light, where the crop has it. uv: (N, 2) px in
    it of the mesh's first N vertices, each at its mirror image. triangles: (T, 3) int32. weight: (468,) how far a face
    point is replaced. normals: (468, 3) head-local. facing: how much such points face the camera at rest, cosine.
    gone: (H, W) 0..255, where beside the far side glasses stick out that are not to be seen; None without glasses.
    """

    layer: U8
    uv: F32
    triangles: np.ndarray
    weight: F32
    normals: F32
    facing: float
    gone: U8 | None

    def shown(self, turned: F32) -> float:
        """Return how far it is shown, 0..1, by a head turned so (3, 3)."""
        facing = -float((self.weight * (self.normals @ turned.T)[:, 2]).sum() / self.weight.sum())
        return float(smoothstep((facing - self.facing - TURNED) / (FULLY - TURNED)))


def prepare_far_side(crop: U8, cover: U8, local: HeadLocal, mesh: HeadMesh, glasses: bool) -> FarSide | None:
    """Return the far side of a crop (H, W, 3), the person in it where `cover` (H, W) says so, with or without glasses;
    None where both sides are seen well."""
    n, mirror = len(OVAL), mirror_index()[:FACE_POINTS]
    normals = _normals(local.shape[:FACE_POINTS])
    facing = -(normals @ local.rotation.T)[:, 2]
    weight = (smoothstep((SIDEWAYS - facing) / (SIDEWAYS - MOSTLY))
              * smoothstep((facing[mirror] - facing - BETTER) / (MUCH_BETTER - BETTER))).astype(np.float32)
    if weight.sum() < WORTH:
        return None
    mirrors = np.concatenate([mirror, *(FACE_POINTS + k * n + -np.arange(n) % n for k in range(len(BESIDE)))])
    # Beside the jaw there is a collar and beside the forehead a hat, which no mirror knows.
    forehead, brows, nose, mouth = (float(local.shape[points, 1].mean()) for points in LEVELS)
    height = local.shape[OVAL, 1]
    beside = (weight[OVAL] * smoothstep((mouth - height) / (mouth - nose))
              * smoothstep((height - forehead) / (brows - forehead)))
    everywhere = np.concatenate([weight, *(share * beside for share in BESIDE)])
    cleared = np.concatenate([0 * weight, *(glasses * share * beside for share in CLEARED)])
    triangles = mesh.triangles[(mesh.triangles < len(mirrors)).all(1)]
    triangles = triangles[(np.maximum(everywhere, cleared)[triangles] > 0.01).any(1)]
    rest = mesh.rest[:len(mirrors)]
    uv = np.ascontiguousarray(rest[mirrors, :2])
    light = _light(crop, rest[:FACE_POINTS], uv[:FACE_POINTS])
    usual = np.median(light[weight > 0.5 * weight.max()], axis=0)
    light = np.clip(light, usual * BOUNDS[0], usual * BOUNDS[1])
    gain = np.concatenate([light, np.tile(usual, (len(rest) - FACE_POINTS, 1))]).astype(np.float32)
    maps = [np.zeros(crop.shape[:2], np.float32) for _ in range(4)]
    order = np.arange(len(triangles), dtype=np.int32)
    rasterise(uv, np.ascontiguousarray(gain[:, :2]), triangles, order, maps[0], maps[1])
    rasterise(uv, np.stack([gain[:, 2], everywhere], 1).astype(np.float32), triangles, order, maps[2], maps[3])
    alpha = np.clip(maps[3], 0, 1)[:, :, None]
    colour = np.clip(crop * np.stack(maps[:3], 2), 0, 255)
    layer = np.round(np.concatenate([colour * alpha, 255 * alpha], 2)).astype(np.uint8)
    fade(layer, np.ascontiguousarray(cover), 1.0)
    gone = None
    if glasses:
        rasterise(uv, np.stack([cleared, cleared], 1).astype(np.float32), triangles, order, maps[0], maps[1])
        gone = np.round(np.clip(maps[0], 0, 1) * (255 - cover)).astype(np.uint8)
    return FarSide(layer, uv, triangles, weight, normals, float((weight * facing).sum() / weight.sum()), gone)


def far_box(far: FarSide | None, vertices: F32, turned: F32, shape: tuple[int, ...]) -> Box | None:
    """Return the rows and columns of a picture (h, w) that the far side touches, None where it is not shown.

    vertices: (V, 3) px, the mesh there; turned: (3, 3) the head's rotation.
    """
    if far is None or far.shown(turned) == 0:
        return None
    reached = vertices[np.unique(far.triangles), :2]
    low = np.maximum(np.floor(reached.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(reached.max(0)) + 1, shape[1::-1]).astype(int)
    return (slice(low[1], high[1]), slice(low[0], high[0])) if (high - low >= 2).all() else None


def lay_far_side(far: FarSide | None, vertices: F32, turned: F32, person: U8, box: Box | None,
                 light: Light | None) -> U8 | None:
    """Return (h, w, 4) premultiplied RGBA, what goes over the person in its `far_box`, and take glasses that stick out
    there off `person` (H, W, 4); None where there is no box. light: what an expression does to the skin's."""
    if far is None or box is None:
        return None
    part, shown = person[box], far.shown(turned)
    map_x, map_y = (np.full(part.shape[:2], -9, np.float32) for _ in range(2))
    points = vertices[:len(far.uv), :2] - np.array([box[1].start, box[0].start], np.float32)
    # The rings are behind the face.
    depth = np.where((far.triangles >= FACE_POINTS).any(1), np.inf, vertices[far.triangles, 2].mean(1))
    order = np.argsort(-depth, kind="stable").astype(np.int32)
    rasterise(np.ascontiguousarray(points), far.uv, far.triangles, order, map_x, map_y)
    layer = np.asarray(cv2.remap(far.layer, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.uint8)
    if light is not None:
        # It comes from the near side, and shows what that does.
        light.fall(layer, map_x, map_y, (slice(0, layer.shape[0]), slice(0, layer.shape[1])))
    if far.gone is not None:
        gone = cv2.remap(far.gone, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        rest = np.ascontiguousarray(part)
        fade(rest, np.asarray(255 - shown * np.asarray(gone, np.float32) + 0.5, np.uint8), 1.0)
        part[:] = rest
    fade(layer, np.ascontiguousarray(part[:, :, 3]), shown)
    return layer


def _normals(shape: F32) -> F32:
    """Return (468, 3) unit normals of the face, outwards."""
    triangles = tessellation()
    a, b, c = (shape[triangles[:, k]] for k in range(3))
    normals = np.zeros_like(shape)
    for k in range(3):
        np.add.at(normals, triangles[:, k], np.cross(b - a, c - a))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    # The nose's tip looks to the camera, whichever way the triangles run.
    return (normals * -np.sign(normals[1, 2])).astype(np.float32)


def _light(crop: U8, face: F32, uv: F32) -> F32:
    """Return (468, 3) how much brighter the face is at its points than at their mirror images."""
    mask = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(face[OVAL, :2]).astype(np.int32)], 1)
    sigma = LIGHT * float(np.ptp(face[:, 1]))
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)[:, :, None] + np.float32(1e-3)
    level = cv2.GaussianBlur((crop * mask[:, :, None]).astype(np.float32), (0, 0), sigma) / weight
    own, other = (cv2.remap(level, p[:, :1].copy(), p[:, 1:2].copy(), cv2.INTER_LINEAR,
                            borderMode=cv2.BORDER_REPLICATE)[:, 0] for p in (face, uv))
    return ((own + 4) / (other + 4)).astype(np.float32)
