"""The values that travel between the stages. All are frozen; arrays are not modified after they leave their maker.

Image axes everywhere: x right, y down, z away from the viewer. Colour is RGB. Time is `time.perf_counter_ns()`.
"""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identity and history of one frame: `sequence` counts from 0, `captured_ns` is the capture time, `marks` the
    (stage name, time in ns) pairs added on the way. Latency is the difference of two of them."""

    sequence: int
    captured_ns: int
    marks: tuple[tuple[str, int], ...] = ()

    def mark(self, stage: str) -> Stamp:
        """Return a copy with `stage` marked now."""
        return replace(self, marks=(*self.marks, (stage, time.perf_counter_ns())))


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: `image` (H, W, 3) RGB or (H, W, 4) RGBA (straight alpha), uint8, C-contiguous."""

    image: U8
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Face:
    """One tracked face in pixels of the tracked image.

    landmarks: (478, 3) float32 px, MediaPipe Face Mesh order (468 mesh + 2 x 5 iris), z in the same unit as x.
    blendshapes: (52,) float32 0..1 in the order of `didlive.geometry.BLENDSHAPES`.
    transform: (4, 4) float32 canonical face to camera (y up, z to the viewer, cm).
    """

    landmarks: F32
    blendshapes: F32
    transform: F32


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the tracker saw: the chosen face, or None. `size` is (width, height) px, `count` the number of faces seen."""

    face: Face | None
    size: tuple[int, int]
    count: int
    stamp: Stamp


class Presence(enum.Enum):
    """Whether the performer is there: tracked, held for a moment, easing to neutral, or idle."""

    TRACK = "track"
    HOLD = "hold"
    EASE = "ease"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Motion:
    """The performer's motion, free of identity of place: what is transferred.

    shape: (478, 3) float32 head-local landmarks, unit = RMS radius of the rigid points.
    neutral: (478, 3) float32 head-local landmarks of the performer's neutral face.
    rotation: (3, 3) float32 head rotation relative to the neutral pose, image axes.
    rotation_absolute: (3, 3) float32 head rotation towards the camera, image axes.
    translation: (2,) float32 move of the head from its neutral place, in units of the neutral head scale.
    scale: head size relative to neutral (1.0 = unchanged).
    lids: (2,) float32 eye opening (image left, image right) as a fraction of the performer's own neutral, 0 = closed.
    gaze: (2, 2) float32 iris offset from the eye centre per eye (x right, y down) in units of the eye width,
        minus the neutral gaze when motion is relative.
    blendshapes, blendshapes_neutral: (52,) float32.
    strength: 0..1, how far the motion applies (less than 1 while easing to neutral).
    """

    shape: F32
    neutral: F32
    rotation: F32
    rotation_absolute: F32
    translation: F32
    scale: float
    lids: F32
    gaze: F32
    blendshapes: F32
    blendshapes_neutral: F32
    presence: Presence
    strength: float
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Drive:
    """Where the portrait's landmarks go: what a generator draws.

    landmarks: (478, 3) float32 px in the portrait image.
    rotation: (3, 3) float32 rotation of the portrait's head relative to the portrait's own pose, image axes.
    centre: (3,) float32 px, head origin after the move; scale: size relative to the portrait.
    lids: (2,) float32 0 = closed, 1 = as in the portrait (image left, image right).
    iris: (2, 2) float32 px shift of each iris relative to its eye's corners (image left, image right).
    """

    landmarks: F32
    rotation: F32
    centre: F32
    scale: float
    lids: F32
    iris: F32
    presence: Presence
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Patch:
    """What a generator drew: RGB pixels for the rectangle of the portrait whose top left corner is (x, y) px.

    image: (h, w, 3) uint8 RGB, already composited over the portrait's own background, or None when nothing moved.
    alpha: (h, w) uint8 person coverage, for transparent outputs; None when the generator has none.
    """

    image: U8
    x: int
    y: int
    stamp: Stamp
    alpha: U8 | None = None


@dataclass(frozen=True, slots=True)
class Portrait:
    """A loaded still: `image` (H, W, 3) uint8 RGB upright, `alpha` (H, W) uint8 or None, its chosen face, all the
    faces found (largest first) and where it came from."""

    image: U8
    alpha: U8 | None
    face: Face
    faces: int
    name: str
    warnings: tuple[str, ...] = field(default=())
