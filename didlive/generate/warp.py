"""The `warp` generator: real pixels of the portrait in layers - still background, head mesh, eyeballs, mouth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import (
    EYE_CORNERS,
    OVAL,
    HeadLocal,
    angle_deg,
    head_box,
    head_local,
    head_rotation,
    portrait_landmarks,
)
from ..types import F32, U8, Drive, Patch, Portrait
from .brows import Brows, find_brows
from .crown import grow_crown
from .drawn import DrawnMouth, lid_stiffness, paint_out_drawn, prepare_drawn_eye, prepare_drawn_mouth
from .eyes import Eye, draw_eye, prepare_eye
from .far_side import FarSide, far_box, lay_far_side, prepare_far_side
from .glasses import Rims, find_rims, stiffness
from .lids import paint_out
from .lip_line import LipLine, calm_lips, find_lip_line
from .matte import Matte, before_flat, catch_strands, cut_out, doubt_mask, drop_loose, make_matte, refine_mask
from .mesh import TUCKED_DEG, HeadMesh, build_mesh, pose_mesh
from .mouth import Mouth, prepare_mouth
from .open_lips import Corners, is_open, paint_lips
from .own_folds import SMILES
from .own_teeth import box_around
from .raster import everywhere, find_spans, over, plain_edges, put_over, rasterise, soften_folds
from .wrinkles import Light, Wrinkles, prepare_wrinkles

CUBIC_UP_TO_PX = 720 * 720
# So many rows are drawn at once, from the first to the last column in which the person can be.
BAND = 32


@dataclass(frozen=True, slots=True)
class WarpSource:
    """A portrait prepared for the warp: everything of the crop whose top left corner is (x, y) px. edge: where the
    person ends, see `plain_edges`; reach: not 0 where a drawn px can take something of the person."""

    portrait: Portrait
    x: int
    y: int
    landmarks: F32
    local: HeadLocal
    mesh: HeadMesh
    matte: Matte
    eyes: tuple[Eye, Eye]
    mouth: Mouth | DrawnMouth
    far: FarSide | None
    wrinkles: Wrinkles | None
    identity_x: F32
    identity_y: F32
    uv: F32
    lip_line: LipLine | None
    brows: Brows | None
    corners: Corners | None
    edge: U8
    reach: U8


class WarpGenerator:
    """Moves the portrait's own pixels; runs on one CPU core."""

    provider = "warp on CPU"

    def prepare(self, portrait: Portrait) -> WarpSource:
        """Cut the crop, split person from background, build mesh, eyes and mouth."""
        height, width = portrait.image.shape[:2]
        bx0, by0, bx1, by1 = head_box(portrait.face.landmarks)
        x, y = max(0, int(bx0)), max(0, int(by0))
        x1, y1 = min(width, int(np.ceil(bx1))), min(height, int(np.ceil(by1)))
        crop = np.ascontiguousarray(portrait.image[y:y1, x:x1])
        landmarks = portrait_landmarks(portrait.face) - np.array([x, y, 0], dtype=np.float32)
        local = head_local(landmarks, head_rotation(portrait.face))
        h, w = crop.shape[:2]
        coverage = person_coverage(portrait, x, y, crop, landmarks)
        rims = None if portrait.drawn else find_rims(crop, landmarks)
        painted, corners = ((paint_out_drawn(crop, landmarks), None) if portrait.drawn
                            else paint_lips(paint_out(crop, landmarks, rims), landmarks))
        matte = make_matte(painted, coverage) if portrait.alpha is None else cut_out(painted, coverage)
        if y == 0:
            matte = Matte(grow_crown(matte.person, landmarks), matte.background)
        coverage = np.concatenate([matte.person[:matte.above, :, 3].astype(np.float32) / np.float32(255), coverage])
        if portrait.drawn:
            mesh = build_mesh(landmarks, local, coverage, matte.above, lid_stiffness(), 0.0)
        else:
            mesh = build_mesh(landmarks, local, coverage, matte.above, stiffness(rims, landmarks))
        eyes, mouth = _features(portrait, crop, painted, landmarks, local, rims)
        identity_x, identity_y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
        edge, reach = _edge(matte.person[:, :, 3])
        # Once, on nothing: it is not compiled in a show.
        nothing = np.empty((0, 1), np.float32)
        plain_edges(np.empty((0, 1, 4), np.uint8), matte.person, edge, nothing, nothing, everywhere(0, 1))
        far, wrinkles = None, None
        if not portrait.drawn:
            far = prepare_far_side(painted, matte.person[matte.above:, :, 3], local, mesh, rims is not None)
            wrinkles = prepare_wrinkles(painted, landmarks, local, portrait.face.blendshapes[SMILES])
        return WarpSource(portrait, x, y, landmarks, local, mesh, matte, eyes, mouth, far,
                          wrinkles, identity_x, identity_y,
                          np.ascontiguousarray(mesh.rest[:, :2]),
                          None if is_open(landmarks) else find_lip_line(crop, landmarks),
                          None if portrait.drawn or rims is not None else find_brows(crop, landmarks),
                          corners, edge, reach)

    def generate(self, source: WarpSource, drive: Drive) -> Patch:
        """Draw the crop for one drive."""
        offset = np.array([source.x, source.y, 0], dtype=np.float32)
        target, centre = drive.landmarks - offset, drive.centre - offset
        turned = (drive.rotation @ source.local.rotation).astype(np.float32)
        map_x, map_y = source.identity_x.copy(), source.identity_y.copy()
        vertices = draw_mesh(source, target, turned, centre, drive.scale, (map_x, map_y))
        person, spans = moved_person(source, map_x, map_y)
        light = skin_light(source, target, turned, centre, drive.scale)
        if light is not None:
            low, high = box_around(target[:, :2], 0, person)
            light.fall(person, map_x, map_y, (slice(low[1], high[1]), slice(low[0], high[0])))
        if source.corners is not None:
            source.corners.fall(person, target, drive.scale, (map_x, map_y))
        calm_lips(person, map_y, target)
        box = far_box(source.far, vertices, turned, person.shape)
        far = lay_far_side(source.far, vertices, turned, person, box, light)
        image = source.matte.background.copy()
        over(person, image, (0, 0), spans)
        if far is not None and box is not None:
            put_over(far, image, box)
        for eye in source.eyes:
            draw_eye(image, eye, source.landmarks, target, float(drive.lids[eye.side]), (map_x, map_y))
        source.mouth.draw(image, source.local, target, turned, centre, drive.scale)
        return Patch(image, source.x, source.y, drive.stamp.mark("generate"), np.ascontiguousarray(person[:, :, 3]))


def _features(portrait: Portrait, crop: U8, painted: U8, landmarks: F32, local: HeadLocal, rims: Rims | None
              ) -> tuple[tuple[Eye, Eye], Mouth | DrawnMouth]:
    """Return what is behind the lids and the lips of a portrait."""
    if portrait.drawn:
        return ((prepare_drawn_eye(crop, painted, landmarks, 0), prepare_drawn_eye(crop, painted, landmarks, 1)),
                prepare_drawn_mouth(crop, landmarks))
    eyes = prepare_eye(crop, painted, landmarks, 0, rims), prepare_eye(crop, painted, landmarks, 1, rims)
    white = np.mean([_bright(eye.white) for eye in eyes], axis=0).astype(np.float32)
    return eyes, prepare_mouth(crop, landmarks, local, white, float(portrait.face.blendshapes[SMILES].mean()))


def moved_person(source: WarpSource, map_x: F32, map_y: F32) -> tuple[U8, np.ndarray]:
    """Return (h, w, 4), the person's pixels from where the maps (h, w) px of the crop say, and the spans (h, 2) of its
    rows in which there can be any."""
    # Cubic keeps fine texture sharp but costs nine times as much: a large picture has pixels to spare.
    method = cv2.INTER_CUBIC if source.identity_x.size <= CUBIC_UP_TO_PX else cv2.INTER_LINEAR
    rows = (map_y + source.matte.above).astype(np.float32) if source.matte.above else map_y
    spans = find_spans(source.reach, map_x, rows)
    person = np.zeros((*map_x.shape, 4), np.uint8)
    for top in range(0, len(person), BAND):
        band = slice(top, top + BAND), slice(int(spans[top:top + BAND, 0].min()), int(spans[top:top + BAND, 1].max()))
        if band[1].start < band[1].stop:
            person[band] = cv2.remap(source.matte.person, map_x[band], rows[band], method,
                                     borderMode=cv2.BORDER_REPLICATE)
    if method == cv2.INTER_CUBIC:
        plain_edges(person, source.matte.person, source.edge, map_x, rows, spans)
    soften_folds(person, map_x, map_y, spans)
    return person, spans


def skin_light(source: WarpSource, target: F32, turned: F32, centre: F32, scale: float) -> Light | None:
    """Return what the light on the skin does for the target landmarks (478, 3) px of the crop; None for nothing."""
    if source.wrinkles is None:
        return None
    shape = (((target - centre) @ turned) / (source.local.scale * scale)).astype(np.float32)
    return source.wrinkles.light(shape)


def draw_mesh(source: WarpSource, target: F32, turned: F32, centre: F32, scale: float, maps: tuple[F32, F32]) -> F32:
    """Write into the maps (h, w) where each pixel that the head covers comes from, px of the crop; return the moved
    vertices, see `pose_mesh`."""
    mesh = source.mesh
    vertices = pose_mesh(mesh, source.local, target, turned, centre, scale)
    away = min(angle_deg(turned, source.local.rotation) / TUCKED_DEG, 1.0)
    uv = (source.uv + away * mesh.tuck).astype(np.float32)
    if source.lip_line is not None:
        source.lip_line.part(uv, vertices)
    if source.brows is not None:
        local = source.local
        source.brows.keep(uv, vertices, (local.shape @ turned.T) * (local.scale * scale) + centre)
    rasterise(np.ascontiguousarray(vertices[:, :2]), uv, mesh.triangles, _draw_order(mesh, vertices), *maps)
    return vertices


def _draw_order(mesh: HeadMesh, vertices: F32) -> np.ndarray:
    """Return (T,) indices of the mesh's triangles: rings from outside in, then the face from far to near."""
    face = mesh.triangles[mesh.outer:]
    depth = vertices[face, 2].mean(1)
    return np.concatenate([np.arange(mesh.outer), mesh.outer + np.argsort(-depth)]).astype(np.int32)


def _edge(coverage: U8) -> tuple[U8, U8]:
    """Return (h, w) 1 where a cubic remap at or beside a pixel mixes full coverage with less, and not 0 where it finds
    any."""
    near = cv2.getStructuringElement(cv2.MORPH_RECT, (5, 5))
    most = np.asarray(cv2.dilate(coverage, near), np.uint8)
    return np.asarray((most == 255) & (cv2.erode(coverage, near) < 255), np.uint8), most


def _bright(white: F32) -> F32:
    pixels = white.reshape(-1, 3)
    level = pixels.sum(1)
    return pixels[level >= np.percentile(level, 70)].mean(0).astype(np.float32)


def person_coverage(portrait: Portrait, x: int, y: int, crop: U8, landmarks: F32) -> F32:
    """Return (h, w) person coverage 0..1 of the crop: the portrait's own alpha, or a segmenter's mask.

    The segmenter knows photos. When it does not even find the surroundings of the face (some drawings), everything
    counts as person: then the background moves a little with the head instead of tearing.
    """
    h, w = crop.shape[:2]
    if portrait.alpha is not None:
        return (portrait.alpha[y:y + h, x:x + w] / np.float32(255)).astype(np.float32)
    from ..track.mediapipe import segment_person

    oval = landmarks[OVAL, :2]
    middle = oval.mean(0)
    head = np.zeros((h, w), dtype=np.uint8)
    cv2.fillPoly(head, [np.round(middle + (oval - middle) * 0.97).astype(np.int32)], 255, cv2.LINE_AA)
    if portrait.drawn and (flat := before_flat(crop, head)) is not None:
        return np.maximum(flat, head / np.float32(255)).astype(np.float32)
    raw = segment_person(crop)
    if float(raw[head > 0].mean()) < 0.5:
        return np.ones((h, w), dtype=np.float32)
    # Of a drawing the segmenter is unsure everywhere, and whole sleeves have the colour of the wall.
    coverage = refine_mask(crop, raw) if portrait.drawn else drop_loose(refine_mask(crop, doubt_mask(crop, raw)), head)
    eyes = float(landmarks[np.ravel(EYE_CORNERS), 1].mean())
    return np.maximum(catch_strands(crop, coverage, eyes), head / np.float32(255)).astype(np.float32)
