"""Camera and voice together: who moves the mouth, how quickly it changes, and closed lips in any case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from didlive.geometry import BLENDSHAPES, INNER_LOWER, INNER_UPPER
from didlive.motion import to_motion
from didlive.settings import VoiceSettings
from didlive.types import Measure, Motion, Presence, Stamp
from didlive.voice.align import Aligner, delay_of
from didlive.voice.fusion import Fusion
from didlive.voice.motion import relaxed, speaking
from didlive.voice.mouth import JAW, Mouth

PERIOD_NS = 33_000_000


def mouth(jaw: float = 0.3, contact: float = 0.0, speech: float = 1.0) -> Mouth:
    rises = np.zeros(len(BLENDSHAPES), np.float32)
    rises[JAW] = jaw
    return Mouth(0.0, rises, contact, speech, 0.0, 0.0, 1.0)


def seen(k: int, presence: Presence = Presence.TRACK, jaw: float = 0.05) -> Motion:
    """A performer who hardly opens the mouth."""
    blendshapes = relaxed().blendshapes.copy()
    blendshapes[JAW] += jaw
    now: Measure = replace(relaxed(), blendshapes=blendshapes)
    return to_motion(now, relaxed(), presence, Stamp(k, k * PERIOD_NS))


def gap(motion: Motion) -> float:
    return float((motion.now.shape[INNER_LOWER, 1] - motion.now.shape[INNER_UPPER, 1])[3:6].mean())


class Show:
    """Feeds a fusion frame by frame."""

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self.fusion, self.settings, self.k = Fusion(), settings or VoiceSettings(), 0

    def frame(self, confidence: float, said: Mouth | None, presence: Presence = Presence.TRACK,
              jaw: float = 0.05) -> Motion:
        self.k += 1
        motion = seen(self.k, presence, jaw)
        fused = self.fusion.fuse(motion, confidence, said, motion.stamp, self.settings, 7)
        assert fused is not None
        return fused


def test_a_mouth_that_is_seen_is_not_touched():
    show = Show()
    for _ in range(30):
        fused = show.frame(1.0, mouth())
    assert show.fusion.share == 0
    np.testing.assert_allclose(fused.now.blendshapes, seen(show.k).now.blendshapes, atol=1e-6)


def test_the_voice_takes_over_within_100_ms_and_hands_back_without_a_jump():
    show = Show()
    before = [gap(show.frame(1.0, mouth())) for _ in range(10)]
    hidden = [gap(show.frame(0.0, mouth())) for _ in range(10)]
    assert show.fusion.share == 1
    # Three frames are 99 ms.
    assert hidden[2] == pytest.approx(hidden[-1], rel=1e-3) and hidden[-1] > before[-1] + 0.03
    back = [gap(show.frame(1.0, mouth())) for _ in range(12)]
    assert back[-1] == pytest.approx(before[-1], abs=1e-4)
    steps = np.abs(np.diff([hidden[-1], *back]))
    assert steps.max() < 0.3 * (hidden[-1] - before[-1])


def test_what_the_tracker_sees_of_a_mug_is_not_shown():
    show = Show()
    for _ in range(10):
        before = show.frame(1.0, mouth(0.0))
    half = show.frame(0.0, mouth(0.0), jaw=0.9)
    assert 0 < show.fusion.share < 1
    assert half.now.blendshapes[JAW] <= before.now.blendshapes[JAW] + 1e-6


def test_a_mouth_that_is_not_believed_stays_while_nobody_speaks():
    show = Show()
    for _ in range(30):
        show.frame(0.0, mouth(0.0, contact=1.0, speech=0.0))
    assert show.fusion.share == 0


def test_where_no_face_is_the_voice_moves_everything():
    show = Show()
    for _ in range(30):
        fused = show.frame(0.0, replace(mouth(), nod_deg=3.0), Presence.IDLE)
    assert show.fusion.share == 1 and fused.now.rotvec[0] < relaxed().rotvec[0] - 0.03


def test_without_camera_a_face_is_made_up():
    fused = Fusion().fuse(None, 0.0, mouth(), Stamp(0, 0), VoiceSettings(), 7)
    assert fused is not None and gap(fused) > 0.03
    assert Fusion().fuse(None, 0.0, None, Stamp(0, 0), VoiceSettings(), 7) is None


def test_always_means_whenever_somebody_speaks():
    show = Show(VoiceSettings(mouth="always"))
    for _ in range(10):
        show.frame(1.0, mouth())
    assert show.fusion.share == 1


def test_lips_that_a_p_closes_are_closed_whoever_moves_them():
    for confidence in (0.0, 1.0):
        show = Show()
        for _ in range(10):
            show.frame(confidence, mouth(), jaw=0.4)
        assert gap(show.frame(confidence, mouth(contact=1.0), jaw=0.4)) == pytest.approx(0, abs=1e-3)
    # Silence closes the voice's mouth, but no smile that is seen.
    motion = seen(1)
    open_shape = motion.now.shape.copy()
    open_shape[INNER_LOWER, 1] += 0.1
    smiling = replace(motion, now=replace(motion.now, shape=open_shape))
    assert gap(speaking(smiling, mouth(0.0, 1.0, 0.0), 0.0, 0.0)) == pytest.approx(gap(smiling), abs=1e-6)


def test_a_shut_mouth_that_speaks_wide_open_is_not_believed():
    show = Show()
    for _ in range(20):
        show.frame(1.0, mouth(0.3), jaw=0.0)
    assert show.fusion.share == 1


def test_the_delay_of_the_picture_is_found():
    rng = np.random.default_rng(5)
    times_s = np.arange(0, 10, 0.01)
    jaw = np.convolve(rng.random(len(times_s)), np.hanning(25), "same") / 12
    heard = np.stack([times_s, jaw], axis=1)
    frames_s = np.arange(0.5, 9.5, 1 / 30)
    late = np.stack([frames_s, np.interp(frames_s - 0.085, times_s, jaw) + 0.01 * rng.random(len(frames_s))], axis=1)
    assert delay_of(late, heard) == pytest.approx(0.085, abs=0.01)
    assert delay_of(np.stack([frames_s, np.zeros_like(frames_s)], axis=1), heard) is None
    aligner = Aligner()
    for time_s, value in heard:
        aligner.hear(time_s, value)
    for time_s, value in late:
        aligner.see(time_s, value)
    assert aligner.update(10.0) == pytest.approx(0.085, abs=0.01)
