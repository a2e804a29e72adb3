"""Getting to know a performer: the neutral face, and how far lids, mouth, brows and head go."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import BadInput, reason
from .geometry import SHAPE_INDEX, euler_deg, from_rotvec
from .motion import TYPICAL, average, unrest
from .recording import DAMAGED_ARCHIVE
from .settings import MotionSettings
from .types import F32, Measure, Performer, Ranges

VERSION = 1
LEAST_GAIN, MOST_GAIN = 0.7, 1.6
# Which part of the frames of a step counts as its extreme: nobody holds it all the time.
EXTREME = 0.2
FEWEST_FRAMES = 5
_BLINKS = [SHAPE_INDEX["eyeBlinkRight"], SHAPE_INDEX["eyeBlinkLeft"]]
_BROWS = [SHAPE_INDEX[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]
_JAW = SHAPE_INDEX["jawOpen"]


@dataclass(frozen=True)
class Step:
    """One step of the wizard: its name, what the person is asked to do, and how long, in seconds."""

    name: str
    text: str
    seconds: float


STEPS = (
    Step("neutral", "Look into the camera with a relaxed face and closed mouth", 2.0),
    Step("close eyes", "Close your eyes gently and keep them closed", 2.0),
    Step("open mouth", "Open your mouth as wide as is comfortable", 2.0),
    Step("raise brows", "Raise your eyebrows", 2.0),
    Step("turn", "Turn your head slowly to the left and to the right", 5.0),
)


class RangeWizard:
    """Collects measures step by step: `feed` what is seen, `next` ends a step (without measures it is skipped), and
    `result` judges. No threads, no clock."""

    def __init__(self) -> None:
        self._seen: list[list[Measure]] = [[] for _ in STEPS]
        self.position = 0

    @property
    def step(self) -> Step | None:
        """The step that is being measured; None when all are over."""
        return STEPS[self.position] if self.position < len(STEPS) else None

    def feed(self, measure: Measure) -> None:
        """Take one measure (not mirrored, not smoothed) for the present step."""
        if self.step is not None:
            self._seen[self.position].append(measure)

    def next(self) -> Step | None:
        """End the present step; return the new one, or None when it was the last."""
        self.position = min(self.position + 1, len(STEPS))
        return self.step

    def result(self, name: str) -> Performer:
        """Return the performer. A step that shows nothing usable counts as skipped: the typical person's range is
        taken. Raises BadInput when the neutral face was not seen."""
        seen = dict(zip((step.name for step in STEPS), self._seen, strict=True))
        calm = sorted(seen["neutral"], key=unrest)[:max(FEWEST_FRAMES, len(seen["neutral"]) // 2)]
        if len(calm) < FEWEST_FRAMES:
            raise BadInput("your neutral face was not seen; sit in front of the camera and start the calibration again")
        neutral = average(calm)
        lids, blink = _closed(seen["close eyes"], neutral)
        jaw = _rise(seen["open mouth"], neutral, [_JAW], TYPICAL.jaw)
        brows = _rise(seen["raise brows"], neutral, _BROWS, TYPICAL.brows)
        return Performer(name, neutral, Ranges(lids, blink, jaw, brows, _turn(seen["turn"], neutral)))


def _closed(measures: list[Measure], neutral: Measure) -> tuple[F32, F32]:
    """Opening over neutral and blink score of closed lids; the typical ones when the eyes did not close."""
    if len(measures) < FEWEST_FRAMES:
        return TYPICAL.lids, TYPICAL.blink
    ratio = np.quantile([m.lids / np.maximum(neutral.lids, 1e-3) for m in measures], EXTREME, axis=0)
    blink = np.quantile([m.blendshapes[_BLINKS] for m in measures], 1 - EXTREME, axis=0)
    shut = (ratio < 0.75) & (blink > neutral.blendshapes[_BLINKS] + 0.2)
    return (np.where(shut, np.clip(ratio, 0.15, 0.6), TYPICAL.lids).astype(np.float32),
            np.where(shut, np.clip(blink, 0.35, 0.95), TYPICAL.blink).astype(np.float32))


def _rise(measures: list[Measure], neutral: Measure, scores: list[int], typical: float) -> float:
    """How far the mean of some scores rises over neutral; the typical rise when it hardly did."""
    if len(measures) < FEWEST_FRAMES:
        return typical
    high = float(np.quantile([m.blendshapes[scores].mean() for m in measures], 1 - EXTREME))
    rise = high - float(neutral.blendshapes[scores].mean())
    return rise if rise > 0.15 * typical else typical


def _turn(measures: list[Measure], neutral: Measure) -> float:
    """The widest turn in degrees, to the side that turns less; the typical one when the head was not turned."""
    if len(measures) < FEWEST_FRAMES:
        return TYPICAL.turn_deg
    straight = from_rotvec(neutral.rotvec).T
    yaws = [euler_deg(from_rotvec(m.rotvec) @ straight)[1] for m in measures]
    widest = min(-float(np.quantile(yaws, 0.05)), float(np.quantile(yaws, 0.95)))
    return widest if widest > 8 else TYPICAL.turn_deg


def adapted(motion: MotionSettings, ranges: Ranges) -> MotionSettings:
    """Return the settings for this performer: a face that opens or rises less than the typical one gets so much more
    gain, 0.7 to 1.6 times; the turn's soft limit is the performer's own range within a quarter of the set one."""
    gains, limits = motion.gains, motion.limits

    def factor(typical: float, own: float) -> float:
        return float(np.clip(typical / max(own, 1e-3), LEAST_GAIN, MOST_GAIN))

    jaw, brows = gains.jaw * factor(TYPICAL.jaw, ranges.jaw), gains.brows * factor(TYPICAL.brows, ranges.brows)
    yaw_deg = float(np.clip(ranges.turn_deg, 0.75 * limits.yaw_deg, 1.25 * limits.yaw_deg))
    return dataclasses.replace(motion, gains=dataclasses.replace(gains, jaw=jaw, brows=brows),
                               limits=dataclasses.replace(limits, yaw_deg=yaw_deg))


_SHAPES = {"shape": (478, 3), "rotvec": (3,), "centre": (2,), "scale": (1,), "lids": (2,), "gaze": (2, 2),
           "blendshapes": (52,)}
_RANGES = {"lids": (2,), "blink": (2,), "jaw": (), "brows": (), "turn_deg": ()}


def dump_performer(performer: Performer) -> bytes:
    """Return a performer as the bytes of an npz archive."""
    arrays = {f"neutral_{name}": getattr(performer.neutral, name) for name in _SHAPES}
    arrays |= {f"range_{name}": np.asarray(getattr(performer.ranges, name), np.float32) for name in _RANGES}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, version=np.int64(VERSION), **arrays)
    return buffer.getvalue()


def load_performer(path: Path) -> Performer:
    """Read a performer; the file's name is the person's. Raises BadInput when it cannot be read or used."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"performer {path.stem} cannot be read: {reason(error)}; calibrate again") from error
    return read_performer(data, path.stem)


def read_performer(data: bytes, name: str) -> Performer:
    """Return the performer in the bytes of an npz archive. Raises BadInput when they cannot be read or used."""
    who = f"performer {name}".rstrip()
    shapes = {f"neutral_{k}": v for k, v in _SHAPES.items()} | {f"range_{k}": v for k, v in _RANGES.items()}
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            if int(archive["version"]) != VERSION:
                raise BadInput(f"{who} has version {int(archive['version'])}; this didlive reads version "
                               f"{VERSION}; calibrate again")
            arrays = {key: np.asarray(archive[key], np.float32) for key in shapes}
    except (*DAMAGED_ARCHIVE, OSError, ValueError, KeyError) as error:
        raise BadInput(f"{who} cannot be used: the file is damaged; calibrate again") from error
    for key, shape in shapes.items():
        if arrays[key].shape != shape or not np.isfinite(arrays[key]).all():
            raise BadInput(f"{who} cannot be used: {key} is damaged; calibrate again")
    jaw, brows, turn_deg = (float(arrays[f"range_{key}"]) for key in ("jaw", "brows", "turn_deg"))
    ranges = Ranges(arrays["range_lids"], arrays["range_blink"], jaw, brows, turn_deg)
    return Performer(name, Measure(*(arrays[f"neutral_{key}"] for key in _SHAPES)), ranges)
