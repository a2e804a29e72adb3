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
    """What the tracker saw: the chosen face or None; `size` (width, height) px; `count` is the number of faces seen."""

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
class Measure:
    """One face taken apart: expression, pose, place.

    shape: (478, 3) head-local landmarks, unit = RMS radius of the rigid points. rotvec: (3,) head rotation, radians,
    image axes. centre: (2,) px, centre of the rigid points. scale: (1,) px. lids: (2,) eye opening over eye width
    (image left, image right). gaze: (2, 2) iris offset from the eye centre over eye width. blendshapes: (52,).
    All float32.
    """

    shape: F32
    rotvec: F32
    centre: F32
    scale: F32
    lids: F32
    gaze: F32
    blendshapes: F32


@dataclass(frozen=True, slots=True)
class Ranges:
    """How far one performer's face goes; the defaults are the typical person's.

    lids: (2,) float32 opening of closed lids over that of the neutral eye (image left, image right), as the tracker
    sees it. blink: (2,) float32 blink score of closed lids. jaw, brows: rise of the score over neutral, 0..1.
    turn_deg: the widest turn, to the side that turns less.
    """

    lids: F32 = field(default_factory=lambda: np.full(2, 0.38, np.float32))
    blink: F32 = field(default_factory=lambda: np.full(2, 0.62, np.float32))
    jaw: float = 0.65
    brows: float = 0.6
    turn_deg: float = 28.0


@dataclass(frozen=True, slots=True)
class Performer:
    """A person who drives portraits: numbers, no picture. `neutral` is the relaxed face, not mirrored."""

    name: str
    neutral: Measure
    ranges: Ranges = field(default_factory=Ranges)


@dataclass(frozen=True, slots=True)
class Motion:
    """The performer's motion: `now` against the performer's own `neutral`.

    lids: (2,) float32 eye opening in the performer's own range: 0 = closed, 1 = as in neutral.
    """

    now: Measure
    neutral: Measure
    lids: F32
    presence: Presence
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Drive:
    """Where the portrait's landmarks go: what a generator draws.

    landmarks: (478, 3) float32 px in the portrait image.
    rotation: (3, 3) float32 rotation of the portrait's head relative to the portrait's own pose, image axes.
    centre: (3,) float32 px, head origin after the move; scale: size relative to the portrait.
    lids: (2,) float32 0 = closed, 1 = as in the portrait (image left, image right).
    """

    landmarks: F32
    rotation: F32
    centre: F32
    scale: float
    lids: F32
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
    faces found (largest first), where it came from, the SHA-256 of its file ("": it is no file), and whether the face
    is drawn, in flat colours and lines."""

    image: U8
    alpha: U8 | None
    face: Face
    faces: int
    name: str
    warnings: tuple[str, ...] = field(default=())
    sha256: str = ""
    drawn: bool = False
