"""Motion: calm at rest, quick in motion, closed is closed, and no jump when a face comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from didlive.demo import demo_motion
from didlive.filters import OneEuro
from didlive.geometry import BLENDSHAPES, SHAPE_INDEX, euler_deg, from_rotvec, mirror_index
from didlive.motion import (
    MotionEstimator,
    average,
    blink_curve,
    find_neutral,
    hasten,
    measure,
    mirrored,
    own_range_lids,
    smooth_clip,
    to_motion,
)
from didlive.recording import Recording, load_recording
from didlive.settings import Idle, MotionSettings, Smoothing
from didlive.types import Face, Measure, Performer, Presence, Ranges, Stamp, Tracking

RATE_HZ = 30.0


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load_recording(demo_motion())


@pytest.fixture(scope="module")
def faces(recording: Recording) -> list[Face]:
    rows = zip(recording.landmarks, recording.blendshapes, recording.transforms, strict=True)
    return [Face(*(a.astype(np.float32) for a in row)) for row in rows]


@pytest.fixture(scope="module")
def measures(faces: list[Face]) -> list[Measure]:
    return [measure(f) for f in faces]


def stamp(i: int) -> Stamp:
    return Stamp(i, round(i * 1e9 / RATE_HZ))


def test_the_filter_calms_noise_at_rest_and_follows_a_jump():
    rng = np.random.default_rng(0)
    smooth, noise = OneEuro(1.5, 14.0), rng.normal(0, 0.003, (90, 4, 3)).astype(np.float32)
    calm = [smooth(x, 1 / RATE_HZ) for x in noise]
    assert np.abs(np.diff(calm[30:], 2, axis=0)).mean() < 0.35 * np.abs(np.diff(noise[30:], 2, axis=0)).mean()
    for _ in range(4):
        value = smooth(np.ones((4, 3), np.float32), 1 / RATE_HZ)
    assert value.min() > 0.9


def test_a_whole_clip_is_smoothed_without_delay(measures: list[Measure]):
    times = [i / RATE_HZ for i in range(len(measures))]
    smooth = smooth_clip(measures, times, Smoothing())
    raw = np.array([m.rotvec[1] for m in measures])
    out = np.array([m.rotvec[1] for m in smooth])
    lags = [np.corrcoef(raw[10:-10], np.roll(out, -k)[10:-10])[0, 1] for k in range(-4, 5)]
    assert int(np.argmax(lags)) - 4 == 0


def test_closed_lids_are_closed_half_closed_ones_half_and_neutral_ones_open():
    neutral, score = np.array([0.3, 0.25], np.float32), np.array([0.1, 0.1], np.float32)
    assert own_range_lids(neutral, neutral, score, score) == pytest.approx(1)
    assert own_range_lids(0.35 * neutral, neutral, score + 0.5, score) == pytest.approx(0)
    assert own_range_lids(0.6 * neutral, neutral, score, score) == pytest.approx(0.5, abs=0.02), "half-closed"
    # The tracker's points lag, its blink score knows: closed all the same.
    assert own_range_lids(0.6 * neutral, neutral, score + 0.6, score) == pytest.approx(0)


def test_a_blink_closes_though_the_tracker_is_late(measures: list[Measure]):
    """In a blink of 120 ms the tracker shows half of the way down, one frame late."""
    calm, dt_s = find_neutral(measures), 0.04
    way = [1.0, 1.0, 0.75, 0.5, 0.48, 0.75, 0.95, 1.0]
    seen = [replace(calm, lids=(calm.lids * share).astype(np.float32)) for share in way]
    for smooth in (smooth_clip(seen, [i * dt_s for i in range(len(way))], Smoothing()), seen):
        opening = [to_motion(m, calm, Presence.TRACK, Stamp(0, 0)).lids.max() for m in smooth]
        assert (min(opening) < 0.12) == (smooth is not seen)
    estimator = MotionEstimator(MotionSettings(auto_neutral=False), calm)
    live = [motion.lids.max() for i, m in enumerate(seen)
            if (motion := estimator.follow(m, Stamp(i, round(i * dt_s * 1e9)))) is not None]
    assert len(live) == len(way) and min(live) < 0.12 and live[-1] > 0.9


def test_lids_at_rest_are_left_alone(measures: list[Measure]):
    calm = find_neutral(measures)
    trembling = replace(calm, lids=(calm.lids + 0.003).astype(np.float32))
    np.testing.assert_array_equal(hasten(trembling, calm, 0.033).lids, trembling.lids)
    far = replace(calm, lids=calm.lids * 0)
    assert hasten(far, calm, 0.0) is far and hasten(far, calm, 1.0) is far, "no time passed, or somebody else came"


def test_a_performer_whose_closed_lids_read_otherwise_closes_all_the_same():
    neutral, score = np.array([0.3, 0.25], np.float32), np.array([0.1, 0.1], np.float32)
    tired = Ranges(lids=np.full(2, 0.55, np.float32), blink=np.full(2, 0.4, np.float32))
    assert own_range_lids(0.55 * neutral, neutral, score, score).min() > 0.15
    assert own_range_lids(0.55 * neutral, neutral, score, score, tired) == pytest.approx(0, abs=0.02)
    assert own_range_lids(neutral, neutral, score, score, tired) == pytest.approx(1)
    assert own_range_lids(0.8 * neutral, neutral, score + 0.3, score, tired) == pytest.approx(0, abs=0.02)


def test_the_calmest_frames_are_the_neutral(measures: list[Measure]):
    neutral = find_neutral(measures)
    blinks = [SHAPE_INDEX["eyeBlinkLeft"], SHAPE_INDEX["jawOpen"]]
    assert (neutral.blendshapes[blinks] < 0.25).all()


def test_a_mirrored_face_turns_the_other_way(faces: list[Face]):
    for face in faces[::40]:
        plain, mirrored = measure(face), measure(face, mirror=True)
        a, b = euler_deg(from_rotvec(plain.rotvec)), euler_deg(from_rotvec(mirrored.rotvec))
        assert b == pytest.approx((a[0], -a[1], -a[2]), abs=1e-2)
        assert mirrored.lids == pytest.approx(plain.lids[::-1], abs=1e-5)
        swapped = mirrored.blendshapes[SHAPE_INDEX["eyeBlinkLeft"]]
        assert swapped == plain.blendshapes[SHAPE_INDEX["eyeBlinkRight"]]
    assert (mirror_index()[mirror_index()] == np.arange(478)).all() and len(BLENDSHAPES) == 52


@pytest.mark.parametrize("away", [5, 20, 45, 120])
def test_a_face_that_comes_back_does_not_jump(faces: list[Face], measures: list[Measure], away: int):
    settings = MotionSettings(auto_neutral=False, idle=Idle(enabled=False))
    estimator = MotionEstimator(settings, average(measures[:5]))
    gone, steps, previous, seen = 60, [], None, []
    for i in range(len(faces)):
        face = None if gone <= i < gone + away else faces[i]
        motion = estimator.estimate(Tracking(face, (640, 480), int(face is not None), stamp(i)))
        assert motion is not None
        seen.append(motion.presence)
        if previous is not None:
            steps.append(float(np.abs(motion.now.rotvec - previous.rotvec).max()))
        previous = motion.now
    usual = float(np.percentile(steps[:gone - 1], 98))
    assert max(steps[gone - 1:gone + away + 12]) < 4 * usual + 0.01
    assert seen[gone] is Presence.HOLD and seen[gone + away] is Presence.TRACK
    assert away < 20 or Presence.EASE in seen
    assert away < 45 or Presence.IDLE in seen


def test_before_the_first_face_there_is_no_motion():
    assert MotionEstimator(MotionSettings()).estimate(Tracking(None, (640, 480), 0, stamp(0))) is None


def test_recalibration_takes_the_present_face(faces: list[Face]):
    estimator = MotionEstimator(MotionSettings(auto_neutral=False))
    for i in range(30):
        estimator.estimate(Tracking(faces[0], (640, 480), 1, stamp(i)))
    before = estimator.neutral
    estimator.recalibrate()
    for i in range(30, 60):
        estimator.estimate(Tracking(faces[150], (640, 480), 1, stamp(i)))
    assert before is not None and estimator.neutral is not None
    assert estimator.neutral.shape == pytest.approx(measure(faces[150]).shape, abs=1e-4)
    assert np.abs(before.shape - estimator.neutral.shape).max() > 0.01


def test_a_calmer_face_becomes_the_neutral_by_itself(measures: list[Measure]):
    calm = find_neutral(measures)
    scores = calm.blendshapes.copy()
    scores[[SHAPE_INDEX["mouthSmileLeft"], SHAPE_INDEX["mouthSmileRight"]]] = 0.9
    estimator = MotionEstimator(MotionSettings(), replace(calm, blendshapes=scores))
    for i in range(150):
        estimator.follow(calm, stamp(i))
    assert estimator.neutral is not None
    assert estimator.neutral.blendshapes[SHAPE_INDEX["mouthSmileLeft"]] < 0.4


def test_idle_blinks_by_seed():
    curve = [blink_curve(i / 60, 7) for i in range(60 * 40)]
    assert min(curve) < 0.1 and np.mean(np.array(curve) == 1) > 0.85
    assert curve == [blink_curve(i / 60, 7) for i in range(60 * 40)] != [blink_curve(i / 60, 8) for i in range(60 * 40)]


def test_settings_change_without_a_new_neutral(faces: list[Face]):
    estimator = MotionEstimator(MotionSettings(auto_neutral=False))
    for i in range(30):
        estimator.estimate(Tracking(faces[i], (640, 480), 1, stamp(i)))
    neutral = estimator.neutral
    assert neutral is not None and not estimator.calibrating
    estimator.configure(MotionSettings(auto_neutral=False, smoothing=Smoothing(rest_hz=8.0)))
    motion = estimator.estimate(Tracking(faces[30], (640, 480), 1, stamp(30)))
    assert motion is not None and motion.neutral is neutral
    # Freshly set filters begin with what is seen.
    assert np.array_equal(motion.now.shape, measure(faces[30]).shape)


def test_mirroring_while_running_mirrors_the_neutral_too(faces: list[Face]):
    plain, flipped = (MotionEstimator(MotionSettings(auto_neutral=False, mirror=m)) for m in (False, True))
    for i in range(40):
        for estimator in (plain, flipped):
            motion = estimator.estimate(Tracking(faces[i], (640, 480), 1, stamp(i)))
    plain.configure(flipped.settings)
    seen = Tracking(faces[40], (640, 480), 1, stamp(40))
    motion, expected = plain.estimate(seen), flipped.estimate(seen)
    assert motion is not None and expected is not None
    assert motion.neutral.shape == pytest.approx(expected.neutral.shape, abs=1e-4)
    assert motion.neutral.centre == pytest.approx(expected.neutral.centre, abs=1e-2)
    assert mirrored(mirrored(measure(faces[0]))).shape == pytest.approx(measure(faces[0]).shape)


def test_a_known_performer_brings_the_face_and_the_day_brings_the_place(faces: list[Face], measures: list[Measure]):
    known = Performer("me", measures[100], Ranges(lids=np.array([0.3, 0.5], np.float32)))
    for mirror in (False, True):
        estimator = MotionEstimator(MotionSettings(mirror=mirror))
        estimator.use(known)
        for i in range(40):
            motion = estimator.estimate(Tracking(faces[i], (640, 480), 1, stamp(i)))
        own = mirrored(known.neutral) if mirror else known.neutral
        assert motion is not None and np.array_equal(motion.neutral.shape, own.shape)
        day = average([measure(f, mirror) for f in faces[:16]])
        assert motion.neutral.rotvec == pytest.approx(day.rotvec, abs=1e-4)
        estimator.use(None)
        assert estimator.calibrating
        for i in range(40, 80):
            motion = estimator.estimate(Tracking(faces[i], (640, 480), 1, stamp(i)))
        assert motion is not None and not np.array_equal(motion.neutral.shape, own.shape)
