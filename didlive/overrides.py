"""What the user decides over the performer: strength, regions, own ranges, blinks and the look into the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .calibration import adapted
from .geometry import euler_deg, from_euler_deg, from_rotvec, gaze_offset, head_local, head_rotation, portrait_landmarks
from .motion import blink_curve
from .retarget import soft_limit
from .settings import REGIONS, MotionSettings, restrict
from .types import F32, Face, Motion, Performer

# A look straight into the camera, as the tracker sees it (mean of people who do): iris from the eye's centre in eye
# widths. An eyeball's radius is this part of the width of the eye.
STRAIGHT = np.array([0.0, -0.09], np.float32)
EYEBALL = 0.4
# The retargeter multiplies the look by its gain, so that a gain of 0 would leave nothing to look with.
LEAST_GAZE = 0.05


def effective(motion: MotionSettings, performer: Performer | None = None) -> MotionSettings:
    """Return the settings with region, strength and the performer's ranges worked into gains and limits.

    Strength weakens half-closed lids only by half as much: a calm face still blinks and squints.
    """
    if performer is not None:
        motion = adapted(motion, performer.ranges)
    gains, strength = motion.gains, motion.strength
    gains = replace(gains, brows=gains.brows * strength, mouth=gains.mouth * strength, jaw=gains.jaw * strength,
                    lids=gains.lids * (1 + strength) / 2)
    if motion.look_at_camera > 0:
        gains = replace(gains, gaze=max(gains.gaze, LEAST_GAZE))
    if motion.blink == "automatic":
        gains = replace(gains, lids=1.0)
    return replace(motion, gains=restrict(gains, motion.region))


def blinking(motion: Motion, settings: MotionSettings) -> Motion:
    """Return the motion with the lids that the (effective) settings ask for.

    Lids that shall not follow stay open: their gain weakens half-closed ones, but keeps blinks.
    """
    if settings.gains.lids == 0 or settings.blink == "open":
        return replace(motion, lids=np.ones(2, np.float32))
    if settings.blink == "automatic":
        opening = blink_curve(motion.stamp.captured_ns * 1e-9, settings.idle.seed)
        return replace(motion, lids=np.full(2, opening, np.float32))
    return motion


class CameraLook:
    """Turns the eyes of one portrait to the viewer, however the head is turned."""

    def __init__(self, face: Face) -> None:
        self._pose = head_rotation(face)
        self._own = gaze_offset(head_local(portrait_landmarks(face), self._pose).shape)

    def looking(self, motion: Motion, settings: MotionSettings) -> Motion:
        """Return the motion with its look mixed with the look at the viewer, as the (effective) settings ask."""
        share, gain = settings.look_at_camera, settings.gains.gaze
        if share == 0 or "gaze" not in (REGIONS[settings.region] or ("gaze",)):
            return motion
        now = motion.now
        toward = self._toward(motion, settings)
        # The retargeter adds relative looks to the portrait's own.
        asked = motion.neutral.gaze + (toward - self._own) / gain if settings.relative else toward / gain
        gaze = now.gaze + share * (asked - now.gaze)
        return replace(motion, now=replace(now, gaze=gaze.astype(np.float32)))

    def _toward(self, motion: Motion, settings: MotionSettings) -> F32:
        """Where the irises look at the viewer, (2,) eye widths: against the turn of the head."""
        gains, limits = settings.gains, settings.limits
        base = from_rotvec(motion.neutral.rotvec) if settings.relative else self._pose
        pitch, yaw, roll = euler_deg(from_rotvec(motion.now.rotvec) @ base.T)
        turn = from_euler_deg(soft_limit(pitch * gains.pitch, limits.pitch_deg),
                              soft_limit(yaw * gains.yaw, limits.yaw_deg),
                              soft_limit(roll * gains.roll, limits.roll_deg))
        drawn = turn @ self._pose
        # The viewer's direction in the head's own axes is -rotation[2]; people nod differently at rest, so that
        # up and down only the change counts.
        across, down = -drawn[2, 0], self._pose[2, 1] - drawn[2, 1]
        return (STRAIGHT + EYEBALL * np.array([across, down])).astype(np.float32)
