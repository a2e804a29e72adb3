"""What the user decides over the performer: strength, blinks, and eyes that stay on the viewer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stage import portrait

from didlive.animate import clip_motions, track_clip
from didlive.calibration import adapted
from didlive.demo import demo_motion
from didlive.geometry import gaze_offset, head_local, head_rotation
from didlive.motion import blink_curve
from didlive.overrides import EYEBALL, STRAIGHT, CameraLook, blinking, effective
from didlive.retarget import Retargeter
from didlive.settings import Gains, Limits, MotionSettings
from didlive.types import F32, Measure, Motion, Performer, Ranges, Stamp


@pytest.fixture(scope="module")
def motions() -> list[Motion]:
    found = clip_motions(track_clip(demo_motion()), MotionSettings(), None)
    return [m for m in found if m is not None][::5]


def test_strength_scales_the_expression_and_half_of_it_the_lids():
    gains = effective(MotionSettings(strength=1.5, gains=Gains(brows=2.0, gaze=1.3))).gains
    assert gains == Gains(brows=3.0, mouth=1.5, jaw=1.5, lids=1.25, gaze=1.3)
    still = effective(MotionSettings(strength=0.0)).gains
    assert (still.brows, still.mouth, still.jaw, still.lids, still.yaw) == (0, 0, 0, 0.5, 1)
    assert effective(MotionSettings()) == MotionSettings()


def test_regions_go_over_everything_else():
    settings = MotionSettings(region="mouth", blink="automatic", look_at_camera=1.0, gains=Gains(gaze=0.0))
    gains = effective(settings).gains
    assert (gains.lids, gains.gaze, gains.brows, gains.mouth) == (0, 0, 0, 1)


def test_a_performer_changes_gains_and_limits_within_bounds():
    motion = MotionSettings(limits=Limits(yaw_deg=20.0))
    assert adapted(motion, Ranges(turn_deg=20.0)) == motion
    small = effective(motion, Performer("me", None, Ranges(jaw=0.5, brows=0.01, turn_deg=50.0)))  # pyright: ignore[reportArgumentType]
    assert small.gains.jaw == pytest.approx(1.3) and small.gains.brows == pytest.approx(1.6)
    assert small.limits.yaw_deg == 25.0
    large = adapted(motion, Ranges(jaw=5.0, turn_deg=1.0))
    assert large.gains.jaw == pytest.approx(0.7) and large.limits.yaw_deg == 15.0


def test_blinks(motions: list[Motion]):
    closed = replace(motions[0], lids=np.zeros(2, np.float32))
    assert blinking(closed, effective(MotionSettings())) is closed
    assert (blinking(closed, effective(MotionSettings(blink="open"))).lids == 1).all()
    assert (blinking(closed, effective(MotionSettings(gains=Gains(lids=0.0)))).lids == 1).all()
    settings = effective(MotionSettings(blink="automatic", gains=Gains(lids=0.0)))
    seen = [blinking(replace(closed, stamp=Stamp(i, i * 16_666_667)), settings).lids for i in range(600)]
    assert np.min(seen) < 0.15 and np.median(seen) == 1
    assert seen[100] == pytest.approx(blink_curve(100 * 16_666_667e-9, settings.idle.seed))


def irises(motion: Motion, settings: MotionSettings) -> tuple[F32, F32]:
    """Where the portrait's irises are drawn, (2,) mean offset, and the head's rotation."""
    face = portrait().face
    settings = effective(settings)
    drive = Retargeter(face, settings).retarget(CameraLook(face).looking(motion, settings))
    rotation = drive.rotation @ head_rotation(face)
    return gaze_offset(head_local(drive.landmarks, rotation).shape).mean(0), rotation


def looking_aside(motion: Motion, x: float) -> Motion:
    now: Measure = replace(motion.now, gaze=motion.now.gaze + np.array([x, 0], np.float32))
    return replace(motion, now=now)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("gain", [1.0, 0.6, 0.0])
def test_eyes_stay_on_the_viewer_however_performer_and_head_turn(motions: list[Motion], relative: bool, gain: float):
    settings = MotionSettings(look_at_camera=1.0, relative=relative, gains=Gains(gaze=gain))
    for motion in motions:
        here, there = (irises(looking_aside(motion, x), settings) for x in (-0.15, 0.15))
        assert here[0] == pytest.approx(there[0], abs=1e-3), "the performer's own look counts no more"
        # Seen from the head, the viewer is where the third row of the rotation points away from.
        assert here[0][0] == pytest.approx(-EYEBALL * here[1][2, 0] + STRAIGHT[0], abs=0.035)


def test_a_share_of_the_look_and_none(motions: list[Motion]):
    motion = looking_aside(motions[0], 0.12)
    x = [irises(motion, MotionSettings(look_at_camera=share))[0][0] for share in (0.0, 0.5, 1.0)]
    assert x[0] > x[1] > x[2]
    face = portrait().face
    assert CameraLook(face).looking(motion, effective(MotionSettings())) is motion
    without = effective(MotionSettings(look_at_camera=1.0, region="mouth"))
    assert CameraLook(face).looking(motion, without) is motion
