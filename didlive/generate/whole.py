"""The `refine` generator on a graphics card: one network draws the whole picture, the CPU only says what goes where."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from engines import Engine, EngineFailed

from ..geometry import EYE_CORNERS, EYE_RINGS, LIPS_OUTER
from ..types import F32, U8, Drive, Patch, Portrait
from .canonical import Pose, Reference, Views, pose_of, views
from .eyes import draw_eye
from .far_side import far_box, lay_far_side
from .lip_line import calm_lips
from .open_lips import REACH
from .raster import Box, put_over
from .refine import RefineGenerator, RefineSource, feathers, find_gates, without_colour
from .warp import WarpSource, draw_mesh, moved_person, skin_light
from .wrinkles import GRID, Light

# How far lashes and lid edges reach around an eye, in eye widths.
EYE_REACH = 0.35
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WholeSource:
    """A portrait prepared for the CPU, and what the card keeps of it. size: px of the network's picture, 0 when the
    portrait is drawn, or larger than any; x, y: (size, size) float32, where px come from that nothing moves."""

    refine: RefineSource
    size: int
    constants: dict[str, F32]
    x: F32
    y: F32

    @property
    def portrait(self) -> Portrait:
        return self.refine.portrait


class WholeGenerator:
    """Draws by `engines`, the networks of `engines.graph` by their size in px; by `cpu` what they are too small for,
    and everything from the moment on at which the card is lost."""

    def __init__(self, engines: Mapping[int, Engine], cpu: RefineGenerator) -> None:
        self._engines, self._cpu = dict(engines), cpu
        self._loaded: dict[int, WholeSource] = {}

    @property
    def provider(self) -> str:
        on_card = next(iter(self._engines.values()), None)
        return self._cpu.provider if on_card is None else f"refined warp, all on {on_card.provider}"

    def prepare(self, portrait: Portrait) -> WholeSource:
        """Prepare for the CPU, and what goes to the card once."""
        refine = self._cpu.prepare(portrait)
        warp = refine.warp
        fitting = (s for s in sorted(self._engines) if s >= max(warp.matte.person.shape))
        # Drawn portraits have nothing to refine.
        size = 0 if refine.reference is None else next(fitting, 0)
        x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
        return WholeSource(refine, size, _constants(refine, size) if size else {}, x, y)

    def generate(self, source: WholeSource, drive: Drive) -> Patch:
        """Draw the crop for one drive."""
        engine = self._engines.get(source.size)
        if engine is None:
            return self._cpu.generate(source.refine, drive)
        feeds = frame_inputs(source, drive)
        if self._loaded.get(source.size) is not source:
            feeds |= source.constants
        try:
            drawn = engine.run(feeds)["image"][0]
        except EngineFailed as error:
            _log.warning("the card draws no more, the CPU goes on: %s", error)
            self._engines.clear()
            engine.close()
            return self._cpu.generate(source.refine, drive)
        self._loaded[source.size] = source
        warp = source.refine.warp
        h, w = warp.identity_x.shape
        image = np.ascontiguousarray(drawn[:h, :w, :3])
        if source.refine.grey:
            without_colour(image)
        return Patch(image, warp.x, warp.y, drive.stamp.mark("generate"),
                     np.ascontiguousarray(drawn[:h, :w, 3]))


def _constants(source: RefineSource, size: int) -> dict[str, F32]:
    """Return the inputs that stay the same while a portrait plays. The crop lies in the upper left corner; its border
    goes on beyond it, as the CPU's remap has it."""
    matte, reference = source.warp.matte, _reference(source)

    def padded(image: U8) -> F32:
        h, w = image.shape[:2]
        return _unit(np.pad(image, ((0, size - h), (0, size - w), (0, 0)), mode="edge").transpose(2, 0, 1)[None])

    return {"person": padded(matte.person), "background": padded(matte.background),
            "mouth_own": _unit(reference.mouth[None, :3]), "face_own": _unit(reference.face[None, :3]),
            "eyes_own": _unit(np.stack([eye[:3] for eye in reference.eyes]))}


def _reference(source: RefineSource) -> Reference:
    if source.reference is None:
        raise ValueError("a drawn portrait is not drawn by a card")
    return source.reference


def frame_inputs(source: WholeSource, drive: Drive) -> dict[str, np.ndarray]:
    """Return the inputs that change with every frame; see `engines.graph`."""
    warp, size = source.refine.warp, source.size
    pose = pose_of(drive, warp)
    map_x, map_y = source.x.copy(), source.y.copy()
    vertices = draw_mesh(warp, pose.landmarks, pose.rotation, pose.centre, drive.scale, (map_x, map_y))
    light = skin_light(warp, pose.landmarks, pose.rotation, pose.centre, drive.scale)
    canvas, boxes = _draw_layers(warp, pose, drive, (map_x, map_y), vertices, light)
    overlay = np.zeros((1, size, size, 4), np.uint8)
    for rows, columns in boxes:
        overlay[0, rows, columns, :3] = canvas[rows, columns]
        overlay[0, rows, columns, 3] = 255
    # For the guides: the drawn channels are cut out on the card, of the whole picture.
    seen = views(canvas, pose, _reference(source.refine))
    mouth, left, right, face = feathers(seen, find_gates(seen))
    grid = np.stack([map_x, map_y + np.float32(warp.matte.above)], -1)[None]
    return {
        "grid": grid * np.float32(2 / (size - 1)) - np.float32(1), "overlay": overlay, **_light(light, warp, size),
        "matrices": np.stack(seen.matrices),
        "inverses": np.stack([cv2.invertAffineTransform(m) for m in seen.matrices]).astype(np.float32),
        "mouth_feather": mouth[None, None], "eyes_feather": np.stack([left, right])[:, None],
        "face_feather": face[None, None], **_guides(seen),
    }  # fmt: skip


def _light(light: Light | None, warp: WarpSource, size: int) -> dict[str, F32]:
    if light is None or warp.wrinkles is None:
        return {"light": np.zeros((1, 1, GRID, GRID), np.float32), "light_place": np.zeros((2, 2), np.float32)}
    # From px of the person to -1..1 over the points of the light; the grid's own -1..1 is over the px.
    corner = warp.wrinkles.corner + np.array([0, warp.matte.above], np.float32)
    span = (GRID - 1) * warp.wrinkles.step
    scale = (size - 1) / span
    place = np.stack([scale, scale - 2 * corner / span - 1]).astype(np.float32)
    return {"light": light.change[None, None], "light_place": place}


def _guides(seen: Views) -> dict[str, F32]:
    stacks = {"mouth": seen.mouth[None], "eyes": np.stack(seen.eyes), "face": seen.face[None]}
    return {f"{name}_guide": _unit(crops[:, 6:]) * np.float32(2) - np.float32(1) for name, crops in stacks.items()}


def _unit(levels: U8) -> F32:
    return np.ascontiguousarray(levels, dtype=np.float32) / np.float32(255)


def _draw_layers(warp: WarpSource, pose: Pose, drive: Drive, maps: tuple[F32, F32],
                 vertices: F32, light: Light | None) -> tuple[U8, list[Box]]:
    """Return (h, w, 3), which has the warp and all that is drawn over it only in the boxes that come with it."""
    h, w = warp.identity_x.shape
    canvas, person = np.zeros((h, w, 3), np.uint8), np.zeros((h, w, 4), np.uint8)
    box = far_box(warp.far, vertices, pose.rotation, (h, w))
    boxes = [*_boxes(pose.landmarks, (w, h)), *([] if box is None else [box])]
    for rows, columns in boxes:
        person[rows, columns], _ = moved_person(warp, *(np.ascontiguousarray(m[rows, columns]) for m in maps))
        if light is not None:
            light.fall(person, *maps, (rows, columns))
    if warp.corners is not None:
        warp.corners.fall(person, pose.landmarks, drive.scale, maps)
    calm_lips(person, maps[1], pose.landmarks)
    far = lay_far_side(warp.far, vertices, pose.rotation, person, box, light)
    for rows, columns in boxes:
        canvas[rows, columns] = warp.matte.background[rows, columns]
        put_over(np.ascontiguousarray(person[rows, columns]), canvas, (rows, columns))
    if far is not None and box is not None:
        put_over(far, canvas, box)
    for eye in warp.eyes:
        draw_eye(canvas, eye, warp.landmarks, pose.landmarks, float(drive.lids[eye.side]), maps)
    warp.mouth.draw(canvas, warp.local, pose.landmarks, pose.rotation, pose.centre, drive.scale)
    return canvas, boxes


def _boxes(landmarks: F32, size: tuple[int, int]) -> Iterator[Box]:
    """Yield the rows and columns that the drawn eyes and mouth may touch, inside a picture of `size` (w, h)."""
    reaches = [(ring, EYE_REACH * float(np.linalg.norm(landmarks[a, :2] - landmarks[b, :2])) + 4)
               for ring, (a, b) in zip(EYE_RINGS, EYE_CORNERS, strict=True)]
    lips = 4 + REACH * float(np.linalg.norm(landmarks[61] - landmarks[291]))
    for ring, reach in (*reaches, (LIPS_OUTER, lips)):
        low = np.maximum(np.floor(landmarks[ring, :2].min(0) - reach), 0).astype(int)
        high = np.minimum(np.ceil(landmarks[ring, :2].max(0) + reach), size).astype(int)
        if (high - low >= 3).all():
            yield slice(low[1], high[1]), slice(low[0], high[0])
