"""From faces to motion: pose and expression apart, smoothed, against the performer's neutral; and what happens when
nobody is there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from .filters import OneEuro
from .geometry import (
    BLENDSHAPES,
    SHAPE_INDEX,
    from_rotvec,
    gaze_offset,
    head_local,
    head_rotation,
    lid_opening,
    mirror_index,
    to_rotvec,
)
from .settings import MotionSettings, Smoothing
from .types import F32, Face, Measure, Motion, Performer, Presence, Ranges, Stamp, Tracking

# Filter gain per field: (factor on the rest cut-off, cut-off Hz gained per unit of speed). Blinks last 100 ms, so lids
# and gaze open early; units differ (shape: face radii, rotvec: radians, centre: head scales, lids: eye widths).
_FILTERS = {
    "shape": (1.0, 14.0),
    "rotvec": (1.0, 18.0),
    "centre": (0.8, 10.0),
    "scale": (0.6, 10.0),
    "lids": (3.0, 14.0),
    "gaze": (1.2, 12.0),
    "blendshapes": (2.0, 4.0),
}
# Lids that are less unlike than the first (openings 0..1) blink together, more than the second they wink.
WINK = (0.25, 0.5)
# How far lids are ahead of what the tracker shows of them, while they shut and while they open, where they move faster
# than AT_REST (eye widths per second).
SHUTTING_S, OPENING_S, AT_REST = 0.025, 0.01, 0.15
_CALIBRATION_S = 0.5
_SEARCH_S = 0.5
_REACQUIRE_S = 0.25


def measure(face: Face, mirror: bool = False) -> Measure:
    """Take a face apart. `mirror` gives the measure of the mirrored picture (see `mirrored`)."""
    rotation = head_rotation(face)
    local = head_local(face.landmarks, rotation)
    seen = Measure(local.shape, to_rotvec(rotation), local.centre[:2], np.array([local.scale], np.float32),
                   lid_opening(local.shape), gaze_offset(local.shape), face.blendshapes)
    return mirrored(seen) if mirror else seen


def mirrored(m: Measure) -> Measure:
    """Return the measure of the mirrored picture (x counted from the right border as negative numbers: only differences
    of `centre` have a meaning)."""
    flip = np.array([-1, 1, 1], dtype=np.float32)
    return Measure((m.shape * flip)[mirror_index()], m.rotvec * -flip, m.centre * flip[:2], m.scale, m.lids[::-1],
                   m.gaze[::-1] * flip[:2], m.blendshapes[_mirrored_shapes()])


@cache
def _mirrored_shapes() -> list[int]:
    swap = {"Left": "Right", "Right": "Left"}
    index = []
    for name in BLENDSHAPES:
        side = next((s for s in swap if name.endswith(s)), None)
        partner = name if side is None else name[:-len(side)] + swap[side]
        index.append(SHAPE_INDEX.get(partner, SHAPE_INDEX[name]))
    return index


def unrest(m: Measure) -> float:
    """Return how far a face is from a relaxed look into the camera, about 0..5; the smallest is the best neutral."""
    b = m.blendshapes

    def total(*prefixes: str) -> float:
        return float(sum(v for n, v in zip(BLENDSHAPES, b, strict=True) if n.startswith(prefixes)))

    turn = 3.0 * np.linalg.norm(m.rotvec)
    return (2.0 * total("jawOpen", "mouthSmile", "mouthPucker", "mouthFunnel", "mouthFrown", "mouthStretch") * 0.5
            + total("eyeBlink") + 0.5 * total("browInnerUp", "browDown", "browOuterUp", "eyeSquint", "eyeWide")
            + 0.7 * total("eyeLook") * 0.5 + float(turn))


def average(measures: Sequence[Measure]) -> Measure:
    """Return the mean of measures (rotation vectors are averaged as vectors: neutral poses are close together)."""
    return Measure(*(np.mean([getattr(m, f.name) for m in measures], axis=0).astype(np.float32)
                     for f in dataclasses.fields(Measure)))


def mix(a: Measure, b: Measure, t: float) -> Measure:
    """Return a + t (b - a), field by field."""
    return Measure(*(((1 - t) * getattr(a, f.name) + t * getattr(b, f.name)).astype(np.float32)
                     for f in dataclasses.fields(Measure)))


def together(lids: F32) -> F32:
    """Return lid openings (2,) 0..1 of which only a wink is left uneven: eyes blink together, and on a face that looks
    aside the tracker sees one of them shut first."""
    difference = float(lids[0] - lids[1])
    even, uneven = WINK
    share = float(np.clip((abs(difference) - even) / (uneven - even), 0, 1))
    return (lids.mean() + np.array([0.5, -0.5]) * difference * share).astype(np.float32)


def hasten(now: Measure, before: Measure, dt_s: float) -> Measure:
    """Return a measure with its lids where they are by now, from the measure dt_s earlier.

    The tracker smooths over time, and a blink is over in four frames: against the same network without a memory it is
    10 ms late, and lids that the picture shows shut still read as half of the open eye.
    """
    if not 0 < dt_s < _REACQUIRE_S:
        return now
    speed = (now.lids - before.lids) / dt_s
    fast = np.sign(speed) * np.maximum(np.abs(speed) - AT_REST, 0)
    lids = np.maximum(now.lids + fast * np.where(fast < 0, SHUTTING_S, OPENING_S), 0)
    return dataclasses.replace(now, lids=lids.astype(np.float32))


def find_neutral(measures: Sequence[Measure]) -> Measure:
    """Return the best neutral of a whole clip: the mean of the calmest frames (at most half a second's worth)."""
    order = sorted(range(len(measures)), key=lambda i: unrest(measures[i]))
    best = measures[order[0]]
    near = [i for i in order[:12] if float(np.abs(measures[i].shape - best.shape).mean()) < 0.02]
    return average([measures[i] for i in near] or [best])


class _Smoother:
    """One filter per field; `centre` and `scale` in head sizes, so that the camera's size does not matter."""

    def __init__(self, smoothing: Smoothing) -> None:
        self._filters = {name: OneEuro(smoothing.rest_hz * rest, smoothing.quick * beta)
                         for name, (rest, beta) in _FILTERS.items()}
        self._unit = 1.0

    def __call__(self, m: Measure, dt_s: float, first: bool) -> Measure:
        if first:
            self._unit = float(m.scale[0])
            for f in self._filters.values():
                f.reset()
        values = {}
        for name, smooth in self._filters.items():
            unit = self._unit if name in ("centre", "scale") else 1.0
            values[name] = (smooth(getattr(m, name) / unit, dt_s) * unit).astype(np.float32)
        return Measure(**values)


def smooth_clip(measures: Sequence[Measure], times_s: Sequence[float], smoothing: Smoothing) -> list[Measure]:
    """Smooth a whole clip without delay: the mean of a forward and a backward pass."""
    fresh = [measures[0], *(hasten(now, before, b - a) for (before, now), (a, b) in
                            zip(pairwise(measures), pairwise(times_s), strict=True))] if measures else []

    def one_way(order: Sequence[int]) -> dict[int, Measure]:
        smoother, out, previous = _Smoother(smoothing), {}, None
        for i in order:
            dt = 0.0 if previous is None else abs(times_s[i] - times_s[previous])
            out[i] = smoother(fresh[i], dt, previous is None)
            previous = i
        return out

    indices = range(len(measures))
    forward, backward = one_way(indices), one_way(indices[::-1])
    return [mix(forward[i], backward[i], 0.5) for i in indices]


TYPICAL = Ranges()


def own_range_lids(lids: F32, neutral: F32, blink: F32, blink_neutral: F32, ranges: Ranges = TYPICAL) -> F32:
    """Return (2,) eye opening in the performer's own range: 0 closed, 1 neutral.

    The tracker under-reports: a closed lid still reads as a third of the open eye, a half-closed one as three fifths
    (apertures measured in the pictures of six sharp clips). Its blink score, which sees the picture and not only the
    points, closes the rest.
    """
    ratio = lids / np.maximum(neutral, 1e-3)
    # A performer whose closed lids read otherwise: stretched so that they read as the typical ones.
    ratio = np.where(ratio < 1, 1 - (1 - ratio) * (1 - TYPICAL.lids) / (1 - ranges.lids), ratio)
    opening = np.interp(ratio, (0.38, 0.5, 0.7, 1.0, 1.3), (0.0, 0.34, 0.66, 1.0, 1.35))
    rise = np.clip((blink - blink_neutral) / np.maximum(ranges.blink - blink_neutral, 0.2), 0.0, 1.0)
    return np.minimum(opening, np.where(rise > 0.75, (1 - rise) * 4 * opening, opening)).astype(np.float32)


_BLINKS = [SHAPE_INDEX["eyeBlinkRight"], SHAPE_INDEX["eyeBlinkLeft"]]


def to_motion(now: Measure, neutral: Measure, presence: Presence, stamp: Stamp, ranges: Ranges = TYPICAL) -> Motion:
    """Relate a measure to the performer's neutral and ranges."""
    lids = own_range_lids(now.lids, neutral.lids, now.blendshapes[_BLINKS], neutral.blendshapes[_BLINKS], ranges)
    return Motion(now, neutral, lids, presence, stamp)


class MotionEstimator:
    """The live path: calibrates a neutral, smooths, and keeps the portrait alive while nobody is seen. smoothed: the
    measures are so already."""

    def __init__(self, settings: MotionSettings, neutral: Measure | None = None, smoothed: bool = False) -> None:
        self.settings = settings
        self._smoothed = smoothed
        self._smoother = _Smoother(settings.smoothing)
        self._neutral = neutral
        self._calibrating: list[Measure] = []
        self._calibrated = neutral is not None
        self._candidate: list[Measure] = []
        self._search_start = self._calibration_start = 0.0
        self._last: Measure | None = None
        self._raw: Measure | None = None
        self._last_s = self._lost_s = self._found_s = -math.inf
        self._shown: Measure | None = None
        self._from: Measure | None = None
        self._afresh = False
        self.performer: Performer | None = None
        self._ranges = TYPICAL

    def recalibrate(self) -> None:
        """Take the next half second as the performer's neutral."""
        self._calibrated, self._calibrating = False, []

    @property
    def calibrating(self) -> bool:
        """Whether the neutral is still being looked for."""
        return not self._calibrated

    def configure(self, settings: MotionSettings) -> None:
        """Change the settings; the neutral is kept, and mirrored when left and right change places."""
        before, self.settings = self.settings, settings
        if settings.smoothing != before.smoothing:
            self._smoother, self._afresh = _Smoother(settings.smoothing), True
        if settings.mirror != before.mirror:
            self._afresh, self._candidate, self._calibrating = True, [], []
            self._neutral, self._last, self._shown, self._from = (
                None if m is None else mirrored(m) for m in (self._neutral, self._last, self._shown, self._from))
        self.use(self.performer)

    def use(self, performer: Performer | None) -> None:
        """Take face and ranges of a known performer (None: of nobody, and calibrate anew). Where the head is and how it
        is turned at rest is another matter each day: that is calibrated all the same."""
        if performer is None and self.performer is not None:
            self.recalibrate()
        self.performer, self._ranges = performer, TYPICAL
        if performer is not None:
            own = performer.ranges
            flipped = dataclasses.replace(own, lids=own.lids[::-1], blink=own.blink[::-1])
            self._ranges = flipped if self.settings.mirror else own
        if self._neutral is not None:
            self._neutral = self._known(self._neutral)

    def _known(self, neutral: Measure) -> Measure:
        """Return the neutral with the face of the performer, if there is one."""
        if self.performer is None:
            return neutral
        face = mirrored(self.performer.neutral) if self.settings.mirror else self.performer.neutral
        return dataclasses.replace(neutral, shape=face.shape, lids=face.lids, gaze=face.gaze,
                                   blendshapes=face.blendshapes)

    @property
    def neutral(self) -> Measure | None:
        """The performer's neutral now; None before the first face."""
        return self._neutral

    def estimate(self, tracking: Tracking) -> Motion | None:
        """Return the motion at this frame, or None as long as no face was ever seen."""
        seen = None if tracking.face is None else measure(tracking.face, self.settings.mirror)
        return self.follow(seen, tracking.stamp)

    def follow(self, seen: Measure | None, stamp: Stamp) -> Motion | None:
        """As `estimate`, from a measure; None: no face in this frame."""
        now_s = stamp.captured_ns * 1e-9
        motion = self._absent(now_s, stamp) if seen is None else self._present(seen, now_s, stamp)
        if motion is not None:
            self._shown = motion.now
        return motion

    def _present(self, raw: Measure, now_s: float, stamp: Stamp) -> Motion:
        gap = now_s - self._last_s
        first = self._last is None or self._afresh or gap > self.settings.idle.hold_s + self.settings.idle.ease_s
        self._afresh = False
        smooth = raw if self._smoothed else self._filter(raw, gap, first)
        if self._lost_s > self._last_s and self._shown is not None:
            # Back again: from where the portrait has got to in the meantime, without a jump.
            self._found_s, self._from = now_s, self._shown
        self._calibrate(smooth, raw, now_s)
        self._last, self._last_s = smooth, now_s
        neutral = self._neutral or smooth
        arrive = min(1.0, (now_s - self._found_s) / _REACQUIRE_S)
        shown = smooth
        if self._from is not None and arrive < 1:
            shown = mix(self._from, smooth, arrive * arrive * (3 - 2 * arrive))
        return to_motion(shown, neutral, Presence.TRACK, stamp, self._ranges)

    def _filter(self, raw: Measure, gap_s: float, first: bool) -> Measure:
        before, self._raw = self._raw, raw
        return self._smoother(raw if first or before is None else hasten(raw, before, gap_s), gap_s, first)

    def _calibrate(self, smooth: Measure, raw: Measure, now_s: float) -> None:
        if not self._calibrated:
            if not self._calibrating:
                self._calibration_start = now_s
            self._calibrating.append(raw)
            self._neutral = self._known(average(self._calibrating))
            self._calibrated = now_s - self._calibration_start >= _CALIBRATION_S
            return
        if not self.settings.auto_neutral or self._neutral is None or self.performer is not None:
            return
        # A calmer face held for half a second becomes the neutral, eased in so that nothing jumps.
        if unrest(smooth) < unrest(self._neutral) - 0.15:
            if not self._candidate:
                self._search_start = now_s
            self._candidate.append(smooth)
            if now_s - self._search_start >= _SEARCH_S:
                self._neutral = mix(self._neutral, average(self._candidate[-8:]), 0.06)
        else:
            self._candidate = []

    def _absent(self, now_s: float, stamp: Stamp) -> Motion | None:
        if self._last is None or self._neutral is None:
            return None
        self._lost_s = now_s
        idle, missing = self.settings.idle, now_s - self._last_s
        eased = min(1.0, max(0.0, (missing - idle.hold_s) / idle.ease_s))
        t = eased * eased * (3 - 2 * eased)
        easing = Presence.EASE if eased < 1 else Presence.IDLE
        presence = Presence.HOLD if missing <= idle.hold_s else easing
        # Never freeze in the middle of a blink: the lids open while the rest is held.
        open_eyes = min(1.0, missing / max(idle.hold_s, 0.1))
        held = dataclasses.replace(
            self._last, lids=self._last.lids + open_eyes * (self._neutral.lids - self._last.lids),
            blendshapes=self._last.blendshapes + open_eyes * (self._neutral.blendshapes - self._last.blendshapes))
        shown = mix(held, self._neutral, t)
        motion = to_motion(shown, self._neutral, presence, stamp, self._ranges)
        if idle.enabled and t > 0:
            motion = add_idle(motion, now_s, idle.seed, t)
        return motion


def blink_curve(now_s: float, seed: int) -> float:
    """Return the eye opening 0..1 of a spontaneous blink pattern: one blink every 2-6 s, 0.2 s long, by seed."""
    slot = 4.0
    i = math.floor(now_s / slot)
    at = float(np.random.default_rng([seed, i & 0xFFFFFFFF]).uniform(0.3, slot - 0.5))
    phase = (now_s - i * slot - at) / 0.2
    if not 0 <= phase <= 1:
        return 1.0
    # Lids fall faster than they rise.
    return abs(phase - 0.35) / (0.35 if phase < 0.35 else 0.65)


def add_idle(motion: Motion, now_s: float, seed: int, strength: float) -> Motion:
    """Return the motion with slow breathing sway and blinks, `strength` 0..1."""
    a, b = math.sin(now_s * 0.9 + seed), math.sin(now_s * 0.53 + 2.1 * seed)
    sway = np.array([0.012 * a, 0.02 * b, 0.008 * a * b], dtype=np.float32) * strength
    rotvec = to_rotvec(from_rotvec(sway) @ from_rotvec(motion.now.rotvec))
    centre = motion.now.centre + np.array([0.01 * b, 0.012 * a], np.float32) * motion.now.scale * strength
    now = dataclasses.replace(motion.now, rotvec=rotvec, centre=centre.astype(np.float32))
    opening = 1 - strength * (1 - blink_curve(now_s, seed))
    return dataclasses.replace(motion, now=now, lids=(motion.lids * opening).astype(np.float32))
