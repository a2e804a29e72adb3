"""A speaking face as motion: over nobody's face (audio only), or over the mouth of a tracked one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from ..demo import demo_motion
from ..geometry import (
    BLENDSHAPES,
    BROWS,
    EYE_RINGS,
    INNER_LOWER,
    INNER_UPPER,
    LID_FOLDS,
    LIPS_INNER,
    LIPS_OUTER,
    expression_modes,
    from_rotvec,
    spread,
    to_rotvec,
)
from ..motion import add_idle, find_neutral, measure, to_motion
from ..recording import load_recording
from ..types import F32, Face, Measure, Motion, Presence, Stamp
from .mouth import Mouth

# What hides a mouth pulls at cheeks and nose too, as the tracker sees them.
IS_MOUTH = np.array([name.startswith(("mouth", "jaw", "cheek", "nose")) for name in BLENDSHAPES])
IS_BROW = np.array([name.startswith("brow") for name in BLENDSHAPES])


@cache
def relaxed() -> Measure:
    """Return a relaxed face that voices move where no performer was seen: that of the built-in motion."""
    recording = load_recording(demo_motion())
    # Every tenth frame tells as much.
    return find_neutral([measure(Face(recording.landmarks[i], recording.blendshapes[i], recording.transforms[i]))
                         for i in np.flatnonzero(recording.present)[::10]])


@cache
def mouth_region() -> F32:
    """Return (478, 1) weights: 1 on lips, chin, jaw and lower cheeks, falling to 0 towards eyes and brows."""
    near = spread(np.unique(np.concatenate([LIPS_INNER, LIPS_OUTER])), 14)
    eyes = spread(np.concatenate([*EYE_RINGS, *LID_FOLDS, BROWS]), 4)
    return (np.clip(2 * near, 0, 1) * (1 - eyes))[:, None].astype(np.float32)


def nobody(stamp: Stamp, seed: int) -> Motion:
    """Return the motion of a face that breathes and blinks by itself. The same seed and time give the same motion."""
    still = to_motion(relaxed(), relaxed(), Presence.IDLE, stamp)
    return add_idle(still, stamp.captured_ns * 1e-9, seed, 1.0)


def closed_lips(shape: F32, contact: float) -> F32:
    """Return head-local landmarks (478, 3) with the inner lips brought together: 1 = they touch."""
    shape = shape.copy()
    line = (shape[INNER_UPPER] + shape[INNER_LOWER]) / 2
    shape[INNER_UPPER] += contact * (line - shape[INNER_UPPER])
    shape[INNER_LOWER] += contact * (line - shape[INNER_LOWER])
    return shape


def with_mouth_of(motion: Motion, measure: Measure) -> Motion:
    """Return the motion with the mouth of another moment of the same performer."""
    now = motion.now
    shape = now.shape + mouth_region() * (measure.shape - now.shape)
    blendshapes = np.where(IS_MOUTH, measure.blendshapes, now.blendshapes)
    return replace(motion, now=replace(now, shape=shape.astype(np.float32),
                                       blendshapes=blendshapes.astype(np.float32)))


def speaking(motion: Motion, mouth: Mouth, share: float, life: float, strength: float = 1.0) -> Motion:
    """Return the motion with the mouth that speaks.

    share: 0 keeps the motion's own mouth, 1 replaces it. life: 0..1, how far brows, nods and blinks follow the voice.
    strength: how far the mouth moves. Lips that a p, b or m closes are closed with any share.
    """
    now, neutral = motion.now, motion.neutral
    rises = mouth.rises * np.where(IS_MOUTH, strength, np.where(IS_BROW, life, 0.0)).astype(np.float32)
    modes = expression_modes()
    lips = np.tensordot(np.where(IS_MOUTH, rises, 0), modes, 1)
    brows = np.tensordot(np.where(IS_BROW, rises, 0), modes, 1)
    # Visemes open closed lips, also those of a performer whose neutral mouth stands open.
    spoken = closed_lips((closed_lips(neutral.shape, 1.0) + lips).astype(np.float32), mouth.contact)
    weight = share * mouth_region()
    shape = (now.shape + weight * (spoken - now.shape) + brows).astype(np.float32)
    sure = mouth.contact * mouth.speech
    if share < 1 and sure > 0:
        shape = closed_lips(shape, (1 - share) * sure)
    blendshapes = now.blendshapes + np.where(IS_MOUTH, share * (neutral.blendshapes + rises - now.blendshapes),
                                             np.where(IS_BROW, rises, 0))
    nod = np.array([-np.radians(mouth.nod_deg) * life, 0, 0], np.float32)
    now = replace(now, shape=shape, rotvec=to_rotvec(from_rotvec(nod) @ from_rotvec(now.rotvec)),
                  blendshapes=np.clip(blendshapes, 0, 1).astype(np.float32))
    lids = motion.lids * (1 - life * (1 - mouth.lids))
    return replace(motion, now=now, lids=lids.astype(np.float32))
