"""The `refine` generator: the warp, and a trained network that adds what no warp knows - teeth, lids, folds, light."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from engines import Engine, EngineFailed, open_engine

from ..types import F32, U8, Drive, Patch, Portrait
from .canonical import (
    EYE,
    FACE,
    MOUTH,
    Reference,
    Region,
    Views,
    corners_of,
    make_reference,
    pose_of,
    still_pose,
    views,
)
from .mouth import Mouth
from .raster import Box, add_residual, lay
from .warp import WarpGenerator, WarpSource

_log = logging.getLogger(__name__)
# Nothing is added where the portrait's own pixels are right: below the first, the landmarks of a region (RMS, mm) have
# not moved; above the second they have.
STILL_MM, MOVED_MM = 0.15, 0.7
# Stills do not shut their eyes: lids that are open by less than the second share of the portrait's own opening are
# changed less and less, down to a faint shadow (LID_LEAST) where they are shut (the first).
SHUT_TO, SHUT_FROM, LID_LEAST = 0.2, 0.5, 0.3
# A portrait is black and white where its channels differ by less than this on average.
GREY = 2.0
# Share of the network's change between the lips. Where it cannot tell teeth from the dark behind them it draws the
# mean of both, which greys them: with half of it the light of 200 photographed rows of teeth is met best.
INSIDE = 0.5
# Width in px over which a crop fades out at its border.
BORDER_PX = 10


@dataclass(frozen=True, slots=True)
class RefineSource:
    """A portrait prepared for the warp, its own canonical crops (None: it is drawn, and stays as the warp draws it),
    and whether it is black and white."""

    warp: WarpSource
    reference: Reference | None
    grey: bool

    @property
    def portrait(self) -> Portrait:
        return self.warp.portrait


class RefineGenerator:
    """Refines what the warp drew by `engine`, a network with the regions mouth, eyes and face; by default the one that
    ships with didlive, on the CPU. Raises EngineFailed when it cannot be opened. An engine that fails in a show is not
    asked again: the plain warp goes on."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine if engine is not None else open_engine("refiner", "ort", precision="fp32")
        self.failure = ""
        self._warp = WarpGenerator()

    @property
    def provider(self) -> str:
        if self.failure:
            return f"{self._warp.provider} ({self.failure})"
        return f"refined warp, {self.engine.provider}"

    def prepare(self, portrait: Portrait) -> RefineSource:
        """Prepare the warp and cut the portrait's own crops."""
        return self.adopt(self._warp.prepare(portrait))

    def adopt(self, source: WarpSource) -> RefineSource:
        """Make a source out of one that the warp prepared."""
        if not isinstance(source.mouth, Mouth):
            return RefineSource(source, None, False)
        h, w = source.identity_x.shape
        crop = np.ascontiguousarray(source.portrait.image[source.y:source.y + h, source.x:source.x + w])
        pose = still_pose(source.landmarks, source.local)
        grey = float(np.ptp(crop[::4, ::4].astype(np.int16), axis=2).mean()) < GREY
        return RefineSource(source, make_reference(crop, pose, source.local, source.mouth), grey)

    def generate(self, source: RefineSource, drive: Drive) -> Patch:
        """Draw the crop for one drive."""
        patch = self._warp.generate(source.warp, drive)
        if self.failure or source.reference is None:
            return patch
        seen = views(patch.image, pose_of(drive, source.warp), source.reference)
        gates = find_gates(seen)
        if max(gates) > 0:
            try:
                paste(patch.image, seen, gates, self.engine.run(network_input(seen)))
                if source.grey:
                    without_colour(patch.image)
            except EngineFailed as error:
                self.failure = f"the refiner failed: {error}"
                _log.warning("%s", self.failure)
        return replace(patch, stamp=drive.stamp.mark("generate"))


def without_colour(image: U8) -> None:
    """Make a picture (H, W, 3) black and white in place: what a network adds to such a portrait has a tint."""
    cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB, dst=image)


def find_gates(seen: Views) -> list[float]:
    """Return how much of its residual each region gets, 0..1: mouth, left eye, right eye, face."""
    return [min(max((moved - STILL_MM) / (MOVED_MM - STILL_MM), 0.0), 1.0) for moved in seen.moved]


def network_input(seen: Views) -> dict[str, F32]:
    """Return the crops as the network takes them: (N, C, H, W) float32, -1..1."""

    def planes(*crops: U8) -> F32:
        return np.stack(crops).astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)

    return {"mouth": planes(seen.mouth), "eyes": planes(*seen.eyes), "face": planes(seen.face)}


def paste(image: U8, seen: Views, gates: list[float], drawn: dict[str, F32]) -> None:
    """Add the network's residuals (units of 0..1) to the warp's picture (H, W, 3) in place, each as far as its region
    moved (gates 0..1): the face's everywhere but where mouth and eyes have their own."""
    weights = feathers(seen, gates)
    mouth, left, right, face = (_layer(residual, weight) for residual, weight in
                                zip((drawn["mouth_out"][0], *drawn["eyes_out"], drawn["face_out"][0]), weights,
                                    strict=True))
    whole = _box(seen.matrices[3], FACE, (slice(0, image.shape[0]), slice(0, image.shape[1])))
    corner = whole[0].start, whole[1].start
    total = _placed(face, seen.matrices[3], whole)
    for layer, matrix, region in zip((mouth, left, right), seen.matrices[:3], (MOUTH, EYE, EYE), strict=True):
        rows, columns = _box(matrix, region, whole)
        lay(_placed(layer, matrix, (rows, columns)), total, (rows.start - corner[0], columns.start - corner[1]))
    add_residual(image, total, corner)


def _box(matrix: F32, region: Region, within: Box) -> Box:
    """Return the rows and columns of a picture that a crop can touch, inside those given."""
    x, y = corners_of(matrix, region)

    def side(at: F32, limit: slice) -> slice:
        return slice(min(max(math.floor(at.min()), limit.start), limit.stop),
                     max(min(math.ceil(at.max()) + 1, limit.stop), limit.start))

    return side(y, within[0]), side(x, within[1])


def _placed(layer: F32, matrix: F32, box: Box) -> F32:
    """Return a crop's layer (h, w, 4) where it lies in the box of the picture."""
    height, width = (side.stop - side.start for side in box)
    if height < 1 or width < 1:
        return np.zeros((height, width, 4), np.float32)
    moved = matrix - np.array([[0, 0, box[1].start], [0, 0, box[0].start]], np.float32)
    return np.asarray(cv2.warpAffine(layer, moved, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def feathers(seen: Views, gates: list[float]) -> list[F32]:
    """Return (H, W) weights 0..1 of the residuals of mouth, left eye, right eye and face."""
    skin = seen.face[6].astype(np.float32) / 255
    face = np.asarray(cv2.GaussianBlur(skin, (0, 0), 2.0), dtype=np.float32) * skin * window(FACE)
    eyes = []
    for side, crop in enumerate(seen.eyes):
        share = _eye_share(crop)
        eyes.append(window(EYE) * share)
        face = face * (1 - _to_face(window(EYE) * (1 - share), seen, 1 + side))
    mouth = window(MOUTH)
    # A portrait's own teeth are in its own light already.
    less = np.float32(1 - (0 if seen.own_teeth else INSIDE))
    inside = _softened(seen.mouth[6])
    mouth, face = mouth * (1 - less * inside), face * (1 - _to_face(inside, seen, 0))
    windows = (mouth, *eyes, face)
    return [(weight * np.float32(gate)).astype(np.float32) for weight, gate in zip(windows, gates, strict=True)]


def _eye_share(crop: U8) -> F32:
    """Return (H, W) shares 0..1 of the network's change that an eye's crop (9, H, W) takes. The iris takes none: the
    warp moves the portrait's own as a whole, and the network, unsure where it went, draws a mean of iris and white."""
    doubt = np.float32(_shutness(crop) * (1 - LID_LEAST))
    return (1 - doubt) * (1 - _softened(np.minimum(crop[6], crop[7])))


def _softened(mask: U8) -> F32:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.0), np.float32) / np.float32(255)


def _shutness(crop: U8) -> float:
    """Return 0..1 how far an eye's crop (9, H, W) shows lids shut as training has seen too few of."""
    share = float((crop[6] > 127).sum()) / max(float((crop[8] > 127).sum()), 1.0)
    return min(max((SHUT_FROM - share) / (SHUT_FROM - SHUT_TO), 0.0), 1.0)


def _to_face(weight: F32, seen: Views, region: int) -> F32:
    """Return weights of a crop (index into the matrices) as weights of the face crop."""
    crop, face = (np.vstack([seen.matrices[i], [0, 0, 1]]) for i in (region, 3))
    matrix = (np.linalg.inv(face) @ crop)[:2]
    return np.asarray(cv2.warpAffine(weight, matrix, (FACE.width, FACE.height), flags=cv2.INTER_AREA), np.float32)


def _layer(residual: F32, weight: F32) -> F32:
    """(h, w, 4): residual in units of 0..255 times weight, and weight."""
    return np.dstack([residual.transpose(1, 2, 0) * (255 * weight[:, :, None]), weight]).astype(np.float32)


@cache
def window(region: Region) -> F32:
    """Return (H, W) weights: 1 inside, a raised cosine down to 0 at the border."""
    def side(length: int) -> F32:
        away = np.minimum(np.arange(length), np.arange(length)[::-1]) / BORDER_PX
        return (0.5 - 0.5 * np.cos(np.pi * np.clip(away, 0, 1))).astype(np.float32)

    return side(region.height)[:, None] * side(region.width)[None, :]
