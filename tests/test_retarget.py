"""Retargeting: absolute lids and lips, the eye keeps its iris, soft limits, gains that mean what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from didlive.demo import demo_portrait
from didlive.geometry import (
    BROWS,
    EYE_LOWER,
    EYE_UPPER,
    INNER_LOWER,
    INNER_UPPER,
    LIPS_INNER,
    LIPS_OUTER,
    SHAPE_INDEX,
    aligned,
    angle_deg,
    euler_deg,
    from_euler_deg,
    gaze_offset,
    head_rotation,
    to_rotvec,
)
from didlive.motion import measure, to_motion
from didlive.portrait import load_portrait
from didlive.retarget import Response, Retargeter, soft_limit
from didlive.settings import Gains, MotionSettings
from didlive.types import Face, Measure, Motion, Presence, Stamp


@pytest.fixture(scope="module")
def face() -> Face:
    return load_portrait(demo_portrait()).face


@pytest.fixture(scope="module")
def neutral(face: Face) -> Measure:
    """A performer with the portrait's own face."""
    return measure(face)


def moved(neutral: Measure, **changes: np.ndarray) -> Motion:
    now = replace(neutral, **{k: np.asarray(v, dtype=np.float32) for k, v in changes.items()})
    return to_motion(now, neutral, Presence.TRACK, Stamp(0, 0))


def gap(landmarks: np.ndarray) -> np.ndarray:
    return np.linalg.norm(landmarks[INNER_LOWER, :2] - landmarks[INNER_UPPER, :2], axis=1)


def test_a_still_performer_leaves_the_portrait_still(face: Face, neutral: Measure):
    drive = Retargeter(face, MotionSettings()).retarget(moved(neutral))
    assert angle_deg(drive.rotation, np.eye(3, dtype=np.float32)) < 0.1 and drive.scale == pytest.approx(1)
    far = np.linalg.norm(drive.landmarks[:, :2] - face.landmarks[:, :2], axis=1)
    # Lips meet and a worried brow relaxes; nothing moves far.
    assert np.median(far) < 0.5 and far.max() < 0.05 * np.ptp(face.landmarks[:, 1])


@pytest.mark.parametrize(("pitch", "yaw", "roll"), [(8, 0, 0), (0, 15, 0), (0, 0, -12), (5, -10, 4)])
def test_a_small_turn_is_copied(face: Face, neutral: Measure, pitch: float, yaw: float, roll: float):
    turn = from_euler_deg(pitch, yaw, roll)
    motion = moved(neutral, rotvec=to_rotvec(turn @ head_rotation(face)))
    drive = Retargeter(face, MotionSettings()).retarget(motion)
    assert angle_deg(drive.rotation, turn) < 0.5


def test_a_large_turn_eases_and_holds(face: Face, neutral: Measure):
    settings = MotionSettings()
    turns = []
    for yaw in range(0, 80, 5):
        motion = moved(neutral, rotvec=to_rotvec(from_euler_deg(0, yaw, 0) @ head_rotation(face)))
        turns.append(euler_deg(Retargeter(face, settings).retarget(motion).rotation)[1])
    assert max(turns) <= settings.limits.yaw_deg + 0.5 and np.all(np.diff(turns) > -0.5)


def test_soft_limits_are_smooth():
    x = np.linspace(-60, 60, 481)
    y = np.array([soft_limit(v, 28.0) for v in x])
    slope = np.diff(y) / np.diff(x)
    assert slope[240] == pytest.approx(1) and np.abs(y).max() < 28 and slope.min() >= 0
    assert np.abs(np.diff(slope)).max() < 0.06
    assert [abs(round(soft_limit(v, 0.0), 6)) for v in (-3.0, 0.0, 1e-12, 40.0)] == [0, 0, 0, 0]


@pytest.mark.parametrize("gain", [0.3, 1.0, 1.8])
def test_a_blink_closes_whatever_the_gain(face: Face, neutral: Measure, gain: float):
    settings = MotionSettings(gains=Gains(lids=gain))
    motion = replace(moved(neutral), lids=np.zeros(2, np.float32))
    drive = Retargeter(face, settings).retarget(motion)
    for upper, lower in zip(EYE_UPPER, EYE_LOWER, strict=True):
        assert np.linalg.norm(drive.landmarks[upper] - drive.landmarks[lower], axis=1).max() < 0.5
    assert drive.lids == pytest.approx(0)


def test_closed_lips_touch_and_open_lips_open(face: Face, neutral: Measure):
    def with_gap(size: float) -> Motion:
        shape = neutral.shape.copy()
        middle = (shape[INNER_UPPER] + shape[INNER_LOWER]) / 2
        shape[INNER_UPPER], shape[INNER_LOWER] = middle, middle
        shape[INNER_LOWER, 1] += size
        return moved(neutral, shape=shape)

    retargeter = Retargeter(face, MotionSettings())
    closed, ajar, wide = (gap(retargeter.retarget(with_gap(s)).landmarks) for s in (0.0, 0.1, 0.3))
    assert closed.max() < 0.5 and ajar.min() > 1 and (wide > 2 * ajar).all()


def test_without_mouth_and_jaw_the_lips_stay(face: Face, neutral: Measure):
    shape = neutral.shape.copy()
    shape[INNER_LOWER, 1] += 0.3
    still = Retargeter(face, MotionSettings(gains=Gains(mouth=0, jaw=0))).retarget(moved(neutral, shape=shape))
    assert gap(still.landmarks) == pytest.approx(gap(face.landmarks), abs=0.6)


def test_gaze_moves_the_irises_and_stays_in_the_eye(face: Face, neutral: Measure):
    def look(x: float) -> np.ndarray:
        motion = moved(neutral, gaze=neutral.gaze + np.array([x, 0], np.float32))
        drive = Retargeter(face, MotionSettings()).retarget(motion)
        return gaze_offset(drive.landmarks)[:, 0] - gaze_offset(face.landmarks)[:, 0]

    assert (look(0.08) > 0.05).all() and (look(-0.08) < -0.05).all()
    assert (np.abs(look(2.0)) < 0.5).all()


def test_the_response_corrects_turns(face: Face, neutral: Measure):
    motion = moved(neutral, rotvec=to_rotvec(from_euler_deg(0, 10, 0) @ head_rotation(face)))
    drive = Retargeter(face, MotionSettings(), Response(yaw=1.2)).retarget(motion)
    assert euler_deg(drive.rotation)[1] == pytest.approx(12, abs=0.4)


def test_alignment_takes_out_what_is_left_of_a_turn(neutral: Measure):
    twisted = (neutral.shape * 1.04) @ from_euler_deg(2, 5, -3).T + np.array([0.1, 0, 0], np.float32)
    assert aligned(twisted.astype(np.float32), neutral.shape) == pytest.approx(neutral.shape, abs=1e-4)


def test_brows_that_go_up_leave_the_mouth_alone(face: Face, neutral: Measure):
    """People who raise their brows often open their mouths, too."""
    scores = neutral.blendshapes.copy()
    scores[[SHAPE_INDEX[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]] = 0.8
    shape = neutral.shape.copy()
    shape[BROWS, 1] -= 0.08
    brows, rest = (Retargeter(face, MotionSettings()).retarget(motion).landmarks
                   for motion in (moved(neutral, shape=shape, blendshapes=scores), moved(neutral)))
    height = np.ptp(face.landmarks[:, 1])
    assert (rest - brows)[BROWS, 1].mean() > 0.02 * height
    assert np.abs(brows - rest)[[*LIPS_OUTER, *LIPS_INNER, 152]].max() < 0.003 * height


def test_lids_blink_together_and_a_wink_stays_a_wink(face: Face, neutral: Measure):
    def drawn(left: float, right: float) -> np.ndarray:
        motion = replace(moved(neutral), lids=np.array([left, right], np.float32))
        return Retargeter(face, MotionSettings()).retarget(motion).lids

    np.testing.assert_allclose(drawn(0.1, 0.3), 0.2, atol=1e-3)
    np.testing.assert_allclose(drawn(0.0, 1.0), [0, 1], atol=1e-3)
    half = drawn(0.2, 0.6)
    assert half.mean() == pytest.approx(0.4, abs=1e-3) and 0.1 < half[1] - half[0] < 0.35


def test_cheeks_relax_with_the_portraits_smile(face: Face, neutral: Measure):
    """Photographed smiles and straight faces of a hundred people: cheeks and nostrils go down with the corners."""
    shapes = face.blendshapes.copy()
    shapes[[SHAPE_INDEX["mouthSmileLeft"], SHAPE_INDEX["mouthSmileRight"]]] = 0.9
    smiling, straight = (Retargeter(replace(face, blendshapes=b), MotionSettings()).retarget(moved(neutral))
                         for b in (shapes, face.blendshapes))
    lower = (smiling.landmarks - straight.landmarks)[:, 1]
    corners, cheeks = lower[[61, 291]].mean(), lower[[50, 280, 205, 425]].mean()
    assert corners > 0 and 0.22 * corners < cheeks < corners
    assert np.abs(lower[BROWS]).max() < 0.05 * corners
