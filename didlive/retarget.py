"""From the performer's motion to the portrait's landmarks: feature sizes adapted, the portrait's own expression
respected, softly limited."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np

from .geometry import (
    BLENDSHAPES,
    BROW_SETS,
    BROWS,
    CHIN,
    EYE_CORNERS,
    EYE_LOWER,
    EYE_RINGS,
    EYE_UPPER,
    INNER_LOWER,
    INNER_UPPER,
    IRISES,
    LID_FOLDS,
    LIPS_INNER,
    LIPS_OUTER,
    OVAL,
    SHAPE_INDEX,
    aligned,
    euler_deg,
    expression_modes,
    from_euler_deg,
    from_rotvec,
    head_box,
    head_local,
    head_rotation,
    portrait_landmarks,
    spread,
)
from .motion import together
from .settings import MotionSettings
from .types import F32, Drive, Face, Measure, Motion

MOUTH = np.unique(np.concatenate([LIPS_INNER, LIPS_OUTER]))
MOUTH_CORNERS = (61, 291)
GAZE_RANGE = np.array([0.30, 0.16], dtype=np.float32)
# Share of the viewing angle that the tracker's head rotation takes over (measured by shifting portraits).
RAY = 0.28
# Share of the portrait's own expression that is relaxed, and which part of it.
RELAX = 0.8
OWN_EXPRESSION = ("mouthSmile", "mouthStretch", "mouthFrown", "mouthPucker", "mouthPress", "mouthUpperUp",
                  "mouthLowerDown", "mouthDimple", "brow")
# Share of the performer's movement that is replaced by the average person's movement of the same expression: it
# carries no trace of the performer's own features.
TYPICAL = 0.5
BROW_LOW = 0.9
# By how much of its own turn a portrait has less room to turn that way, and the least part of it that is left.
AWAY, LEAST = 0.6, 0.4
# Of a drawn movement the tracker sees a part, and so it does of the performer's: what it reports was more.
MOUTH_SEEN, BROWS_SEEN = 1.1, 1.5
# No brow rises or sinks by more than this share of its height above the eye.
BROW_LIFT, BROW_DROP = 0.36, 0.6
# Lips rolled in, pressed or pushed forward show by shading that no warp draws: their outline moves this much further.
FAINT = {"mouthRoll": 1.0, "mouthPress": 1.0, "mouthPucker": 0.5, "mouthFunnel": 0.5}
_FAINT = np.array([sum(extra for start, extra in FAINT.items() if name.startswith(start)) for name in BLENDSHAPES],
                  dtype=np.float32)
# Logits that a unit of blendshape movement is worth, and the movement at which the whole missing way is gone.
LOGITS, PUSH_SPAN = 5.5, 0.4
# How far the outline of a drawn face holds what is inside it, in distances of the lips from it; and the least width of
# its mouth against the performer's.
HELD, DRAWN_MOUTH = 0.8, 0.3
# Drawn brows are moved less, since the hair that they are drawn on moves, too.
DRAWN_BROWS = 0.9
# Performer's lid apertures under this (in mouth widths) are closed lips.
CONTACT = 0.035


def soft_limit(value: float, limit: float) -> float:
    """Return `value` unchanged up to 70 % of `limit` (0 or more), then easing towards it (tanh), never beyond."""
    knee = 0.7 * limit
    if abs(value) <= knee:
        return value
    room = max(limit - knee, 1e-9)
    return math.copysign(knee + room * math.tanh((abs(value) - knee) / room), value)


def _logit(score: F32) -> F32:
    score = np.clip(score, 0.02, 0.98)
    return np.log(score / (1 - score)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Response:
    """Gains by which asked moves are multiplied: 1 = the portrait answers as asked."""

    yaw: float = 1.0
    pitch: float = 1.0
    gaze_x: float = 1.0
    gaze_y: float = 1.0


class _Regions(NamedTuple):
    """Soft regions of the face, (478, 1) weights. Brows: with the forehead that moves with them, without the eyes."""

    brows: F32
    eyes: F32
    mouth: F32


@cache
def _regions() -> _Regions:
    """The regions belong to the mesh, not to a face: found once."""
    eyes = spread(np.concatenate([*EYE_RINGS, *LID_FOLDS]), 1)
    eyes[BROWS] = 0
    return _Regions((spread(BROWS, 3) * (1 - eyes))[:, None], eyes[:, None], spread(MOUTH, 6)[:, None])


@cache
def _own_modes() -> F32:
    """Return the expression modes (52, 478, 3) with those of brows and eyes on brows and eyes only: people who raise
    their brows open their mouths, too, often enough for a regression to believe in it."""
    upper = [name.startswith(("brow", "eye")) for name in BLENDSHAPES]
    there = np.clip(_regions().brows + _regions().eyes, 0, 1)
    return np.where(np.array(upper)[:, None, None], expression_modes() * there, expression_modes())


def distance(shape: F32, a: int, b: int) -> float:
    """Return the distance of two landmarks, never 0."""
    return max(float(np.linalg.norm(shape[a] - shape[b])), 1e-4)


def _brow_height(shape: F32, side: int) -> float:
    a, b = EYE_CORNERS[side]
    return max(abs(float(shape[BROW_SETS[side], 1].mean() - (shape[a, 1] + shape[b, 1]) / 2)), 1e-4)


def _inside_outline(shape: F32) -> F32:
    """Return (478, 1), from 0 on the outline of a face to 1 where the lips are: evenly, or the line would fray."""
    start, end = shape[OVAL, :2], shape[np.roll(OVAL, -1), :2]
    along = end - start
    away = shape[:, None, :2] - start
    share = np.clip((away * along).sum(2) / np.maximum((along ** 2).sum(1), 1e-9), 0, 1)
    distance_to = np.linalg.norm(away - share[:, :, None] * along, axis=2).min(1)
    reach = HELD * float(distance_to[MOUTH].min())
    held = np.clip(distance_to / max(reach, 1e-6), 0, 1)
    return (held * held * (3 - 2 * held))[:, None].astype(np.float32)


def _ratio(source: float, driver: float, low: float, high: float) -> float:
    return min(max(source / driver, low), high)


class Retargeter:
    """Bound to one portrait face; `retarget` is a pure function of the motion.

    Expression: delta = local(now) - local(neutral) of the performer, scaled by the ratio of feature sizes, added to the
    portrait's own local shape. Absolute in units of the person's own range: lid closure, lip contact, gaze range.
    """

    def __init__(self, face: Face, settings: MotionSettings, response: Response | None = None,
                 drawn: bool = False) -> None:
        self.settings = settings
        self._drawn = drawn
        # The line around a drawn face keeps its shape, and small mouths do not grow wider than they are.
        self._narrowest = DRAWN_MOUTH if drawn else 0.6
        self._brows_seen = DRAWN_BROWS if drawn else BROWS_SEEN
        self._response = response or Response()
        self._face = face
        self._local = head_local(portrait_landmarks(face), head_rotation(face))
        self._yields = _inside_outline(self._local.shape) if drawn else np.ones((1, 1), np.float32)
        self._own_yaw = euler_deg(self._local.rotation)[1]
        self._regions = _regions()
        x0, y0, x1, y1 = head_box(face.landmarks)
        self._middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2], dtype=np.float32)
        # MediaPipe's camera has 63 degrees of vertical field; the picture is about the head box.
        self._focal_px = (y1 - y0) / (2 * math.tan(math.radians(63 / 2)))
        self._mouth_width = distance(self._local.shape, *MOUTH_CORNERS)
        self._relax = self._own_expression()
        own = face.blendshapes * np.where([n.startswith(OWN_EXPRESSION) for n in BLENDSHAPES], 1 - RELAX, 1.0)
        self._own_logit = _logit(own.astype(np.float32))
        self._pushed = np.array([n.startswith(("brow", "mouth", "jawOpen")) for n in BLENDSHAPES])
        # For each landmark, how much it follows the upper or lower lip when the aperture is set.
        self._upper, self._lower = self._lip_weights()

    def retarget(self, motion: Motion) -> Drive:
        """Return where the portrait's landmarks go, px."""
        source = self._local
        neutral = motion.neutral
        now = replace(motion.now, shape=self._answered(aligned(motion.now.shape, neutral.shape), motion))
        motion = replace(motion, now=now)
        shape = source.shape + self._expression(now, neutral)
        shape = self._lips(shape, now, neutral)
        shape, lids = self._lids(shape, motion)
        self._gaze(shape, now, neutral)
        centre, scale = self._place(now, neutral)
        facing = self._facing(centre) @ self._rotation(now, neutral) @ self._facing(source.centre).T
        rotation = facing.astype(np.float32)
        turned = (rotation @ source.rotation).astype(np.float32)
        landmarks = (shape @ turned.T) * (source.scale * scale) + centre
        return Drive(landmarks.astype(np.float32), rotation, centre, scale, lids, motion.presence,
                     motion.stamp.mark("retarget"))

    def _answered(self, shape: F32, motion: Motion) -> F32:
        """Return the performer's shape, partly replaced by the average person's for the same expression, and pushed
        on where the portrait starts farther from the expression than the performer does.

        A mouth that rests far below a smile has a longer way to it: seen expression follows the movement as a logistic
        function, so the difference of the two neutrals in logits is the missing way.
        """
        wanted = motion.now.blendshapes - motion.neutral.blendshapes
        farther = np.clip(_logit(motion.neutral.blendshapes) - self._own_logit, -2, 3) / LOGITS
        push = wanted * np.clip(farther, -0.3, 0.5) / np.maximum(np.abs(wanted), PUSH_SPAN)
        # In the direction of the expression the way is longer, away from it there is none.
        push[~self._pushed | (wanted < 0)] = 0
        delta = shape - motion.neutral.shape
        moved = np.tensordot((TYPICAL + _FAINT) * wanted + push, _own_modes(), 1)
        return (shape - TYPICAL * delta + moved).astype(np.float32)

    def _expression(self, now: Measure, neutral: Measure) -> F32:
        gains, source = self.settings.gains, self._local.shape
        delta = now.shape - neutral.shape
        driver = distance(neutral.shape, *MOUTH_CORNERS)
        wide, mouth = (MOUTH_SEEN * _ratio(self._mouth_width, driver, low, 1.6) for low in (self._narrowest, 0.6))
        jaw_drop = float(delta[CHIN, 1])
        jaw = self._lower * jaw_drop * mouth
        # The jaw's part of the mouth region moves with its own gain.
        lower_face = delta * np.array([wide, mouth, mouth], np.float32) * self._saturation(now, neutral)
        lower_face[:, 1] += (gains.jaw / max(gains.mouth, 1e-3) - 1) * jaw if gains.mouth > 0 else 0
        out = self._regions.mouth * lower_face * gains.mouth
        for side in (0, 1):
            height = _brow_height(source, side)
            brow = self._brows_seen * _ratio(height, _brow_height(neutral.shape, side), BROW_LOW, 1.5)
            lift = brow * float(delta[BROW_SETS[side], 1].mean())
            if lift:
                brow *= soft_limit(lift, (BROW_LIFT if lift < 0 else BROW_DROP) * height) / lift
            half = (source[:, 0] < 0 if side == 0 else source[:, 0] >= 0)[:, None]
            out = out + half * self._regions.brows * delta * brow * gains.brows
        rest = np.clip(1 - self._regions.mouth - self._regions.brows - self._regions.eyes, 0, 1)
        return (self._yields * (out + rest * delta + self._relax)).astype(np.float32)

    def _own_expression(self) -> F32:
        """Return (478, 3) what undoes the expression that the portrait already shows, on mouth and brows.

        A smile added to a smile is a clown, and a face that cannot smile any more cannot follow one: so the portrait is
        relaxed first, and shows its smile again when the performer smiles.
        """
        names = [n for n in BLENDSHAPES if n.startswith(OWN_EXPRESSION)]
        index = [SHAPE_INDEX[n] for n in names]
        shown = np.maximum(self._face.blendshapes[index] - 0.06, 0)
        modes = expression_modes()[index]
        brow = np.array([n.startswith("brow") for n in names])[:, None, None]
        gains = self.settings.gains
        skin = 1 - self._regions.brows - self._regions.eyes
        region = np.where(brow, self._regions.brows * min(gains.brows, 1), skin * min(gains.mouth, 1))
        return (-RELAX * (shown[:, None, None] * modes * region).sum(0)).astype(np.float32)

    def _saturation(self, now: Measure, neutral: Measure) -> float:
        """How much of the performer's smile still fits: a portrait that smiles already cannot smile twice."""
        smile = [SHAPE_INDEX["mouthSmileLeft"], SHAPE_INDEX["mouthSmileRight"]]
        added = float((now.blendshapes[smile] - neutral.blendshapes[smile]).mean())
        room = max(0.0, 1.02 - (1 - RELAX) * float(self._face.blendshapes[smile].mean()))
        return 1.0 if added <= room else max(0.35, room / added)

    def _lip_weights(self) -> tuple[F32, F32]:
        shape = self._local.shape
        corner_y = (shape[61, 1] + shape[291, 1]) / 2
        half = self._mouth_width / 2
        middle = (shape[61, 0] + shape[291, 0]) / 2
        across = np.clip(1 - (np.abs(shape[:, 0] - middle) / (half * 1.35)) ** 2, 0, 1)
        nose, chin = float(shape[2, 1]), float(shape[CHIN, 1])
        upper_lip, lower_lip = float(shape[13, 1]), float(shape[14, 1])
        y = shape[:, 1]
        up = np.clip((y - nose) / max(upper_lip - nose, 1e-3), 0, 1)
        down = np.clip(1 - 0.55 * (y - lower_lip) / max(chin - lower_lip, 1e-3), 0.45, 1)
        upper = up * across * (y <= corner_y)
        lower = down * across * (y > corner_y)
        upper[np.concatenate([INNER_UPPER, LIPS_OUTER[1:10]])] = across[np.concatenate([INNER_UPPER, LIPS_OUTER[1:10]])]
        upper[np.concatenate([INNER_LOWER, LIPS_OUTER[11:]])] = 0
        lower[np.concatenate([INNER_UPPER, LIPS_OUTER[1:10]])] = 0
        low = np.concatenate([INNER_LOWER, LIPS_OUTER[11:]])
        lower[low] = np.maximum(across[low], 0)
        return upper.astype(np.float32), lower.astype(np.float32)

    def _lips(self, shape: F32, now: Measure, neutral: Measure) -> F32:
        """Set the aperture of the lips from the performer's own, absolutely: closed lips touch."""
        if self.settings.gains.mouth == 0 and self.settings.gains.jaw == 0:
            return shape
        scale = _ratio(self._mouth_width, distance(neutral.shape, *MOUTH_CORNERS), 0.6, 1.6)
        gap = now.shape[INNER_LOWER] - now.shape[INNER_UPPER]
        opening = float(np.linalg.norm(gap[3:6], axis=1).mean()) / distance(now.shape, *MOUTH_CORNERS)
        contact = float(np.clip((opening - CONTACT / 2) / (CONTACT / 2), 0, 1))
        gains = self.settings.gains
        wanted = gap[:, 1] * scale * contact * min(gains.jaw, 1.5)
        has = shape[INNER_LOWER, 1] - shape[INNER_UPPER, 1]
        change = wanted - has
        order = np.argsort(shape[INNER_UPPER, 0])
        x = shape[INNER_UPPER, 0][order]
        along = np.interp(shape[:, 0], x, change[order])
        middle = float(change[3:6].mean())
        up, low = self._upper, self._lower
        lips_up = np.concatenate([INNER_UPPER, LIPS_OUTER[1:10]])
        lips_low = np.concatenate([INNER_LOWER, LIPS_OUTER[11:]])
        move = low * middle * 0.6 - up * middle * 0.4
        move[lips_up] = -0.4 * along[lips_up]
        move[lips_low] = 0.6 * along[lips_low]
        shape = shape.copy()
        shape[:, 1] += self._yields.ravel() * move
        # What remains between the lips after rounding and depth: closed means one line.
        if contact < 1:
            line = (shape[INNER_UPPER] + shape[INNER_LOWER]) / 2
            shape[INNER_UPPER] += (1 - contact) * (line - shape[INNER_UPPER])
            shape[INNER_LOWER] += (1 - contact) * (line - shape[INNER_LOWER])
        return shape

    def _lids(self, shape: F32, motion: Motion) -> tuple[F32, F32]:
        """Close and open each eye in its own range: the upper lid is placed from the lower."""
        source, delta = self._local.shape, motion.now.shape - motion.neutral.shape
        gain = self.settings.gains.lids
        lids = np.zeros(2, dtype=np.float32)
        openings = together(motion.lids)
        for side, (upper, lower, folds) in enumerate(zip(EYE_UPPER, EYE_LOWER, LID_FOLDS, strict=True)):
            a, b = EYE_CORNERS[side]
            size = _ratio(distance(source, a, b), distance(motion.neutral.shape, a, b), 0.6, 1.6)
            opening = float(openings[side])
            # A gain changes half-closed lids but not the closed end.
            opening = opening if opening <= 0 else 1 + (opening - 1) * (gain if opening > 0.5 or gain > 1 else 1.0)
            opening = min(max(opening, 0.0), 1.35)
            ring = EYE_RINGS[side]
            moved = source[ring] + delta[ring] * size * 0.5
            shape[ring] = moved
            low = source[lower] + delta[lower] * size * 0.6
            shape[lower] = low
            shape[upper] = low + (source[upper] - source[lower]) * opening
            drop = shape[upper].mean(0) - source[upper].mean(0)
            shape[folds] = source[folds] + 0.35 * drop + 0.4 * self._regions.eyes[folds] * delta[folds] * size
            lids[side] = min(opening, 1.35)
        return shape, lids

    def _gaze(self, shape: F32, now: Measure, neutral: Measure) -> None:
        """Place the irises: the portrait's own look plus the performer's, kept inside the eye."""
        source, gain = self._local.shape, self.settings.gains.gaze
        for side, iris in enumerate(IRISES):
            a, b = EYE_CORNERS[side]
            width = distance(source, a, b)
            middle = (source[a] + source[b]) / 2
            own = (source[iris[0]] - middle)[:2] / width
            base = own if self.settings.relative else np.zeros(2, np.float32)
            moved = now.gaze[side] - (neutral.gaze[side] if self.settings.relative else 0)
            wanted = base + gain * moved
            wanted = np.array([soft_limit(float(w), float(m)) for w, m in zip(wanted, GAZE_RANGE, strict=True)])
            answer = np.array([self._response.gaze_x, self._response.gaze_y], dtype=np.float32)
            shift = (wanted - own) * width * answer
            corners = (shape[a] + shape[b] - source[a] - source[b]) / 2
            shape[iris] = source[iris] + corners
            shape[iris, :2] += shift

    def _rotation(self, now: Measure, neutral: Measure) -> F32:
        gains, limits = self.settings.gains, self.settings.limits
        rotation = from_rotvec(now.rotvec)
        if self.settings.relative:
            rotation = rotation @ from_rotvec(neutral.rotvec).T
        else:
            rotation = rotation @ self._local.rotation.T
        pitch, yaw, roll = euler_deg(rotation)
        answer = self._response
        # A portrait that looks to one side has less room that way: what lies behind its cheek nobody saw.
        same_way = max(0.0, math.copysign(self._own_yaw, self._own_yaw * yaw))
        yaw_limit = max(limits.yaw_deg - AWAY * same_way, LEAST * limits.yaw_deg)
        return from_euler_deg(soft_limit(pitch * gains.pitch, limits.pitch_deg) * answer.pitch,
                              soft_limit(yaw * gains.yaw, yaw_limit) * answer.yaw,
                              soft_limit(roll * gains.roll, limits.roll_deg))

    def _facing(self, centre: F32) -> F32:
        """Return the turn that a head needs at this place of the picture to look the same way.

        The tracker's camera model reads a head that moves sideways as turned by RAY of the angle to it.
        """
        x, y = (centre[:2] - self._middle) / self._focal_px
        return from_rotvec(np.array([-y * RAY, x * RAY, 0], dtype=np.float32)).T

    def _place(self, now: Measure, neutral: Measure) -> tuple[F32, float]:
        gains, limits, source = self.settings.gains, self.settings.limits, self._local
        move = (now.centre - neutral.centre) / float(neutral.scale[0]) * gains.translation
        # Limits are in head sizes; the scale is the radius of the rigid points, about a third of a head.
        length = float(np.linalg.norm(move))
        if length > 0:
            move = move * (soft_limit(length / 3, limits.translation) * 3 / length)
        zoom = 1 + soft_limit((float(now.scale[0] / neutral.scale[0]) - 1) * gains.zoom, limits.zoom)
        centre = source.centre + np.array([*(move * source.scale), 0], dtype=np.float32)
        return centre.astype(np.float32), zoom
