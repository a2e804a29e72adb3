"""How a mouth moves while it speaks."""

from __future__ import annotations

import numpy as np
import pytest

from didlive.geometry import SHAPE_INDEX
from didlive.voice.gate import Heard
from didlive.voice.lips import Lips
from didlive.voice.mel import FRAME_S
from didlive.voice.mouth import BLINK_S, JAW, PAUSE_S, Mouth, MouthShaper, lip_shape, viseme_shapes
from didlive.voice.visemes import INDEX, VISEMES

SPEECH, SILENCE = Heard(True, -20.0, 120.0), Heard(False, -80.0, 0.0)


def lips(name: str, closed: float = 0.0, jaw: float = 0.3, voiced: float = 1.0) -> Lips:
    return Lips(0.0, np.eye(len(VISEMES), dtype=np.float32)[INDEX[name]], closed, jaw, voiced)


def spoken(shaper: MouthShaper, told: Lips, heard: Heard, frames: int) -> list[Mouth]:
    return [shaper.push(told, heard) for _ in range(frames)]


def test_a_vowel_opens_and_silence_closes():
    shaper = MouthShaper()
    said = spoken(shaper, lips("aa"), SPEECH, 30)[-1]
    assert said.rises[JAW] > 0.15 and said.contact == 0 and said.speech > 0.9
    quiet = spoken(shaper, lips("sil", jaw=0.0, voiced=0.0), SILENCE, 60)[-1]
    assert quiet.rises[JAW] < 0.01 and quiet.contact > 0.99 and quiet.speech < 0.01


def test_a_closure_is_not_smoothed_away():
    shaper = MouthShaper()
    spoken(shaper, lips("aa"), SPEECH, 30)
    assert spoken(shaper, lips("PP", closed=0.9, jaw=0.05), SPEECH, 1)[0].contact == 1
    assert spoken(shaper, lips("aa"), SPEECH, 1)[0].contact == 0


def test_doubtful_guesses_do_not_make_it_chew():
    """The best guess changes every frame: the mouth stays about in the middle."""
    shaper = MouthShaper()
    spoken(shaper, lips("aa"), SPEECH, 30)
    jaws = [shaper.push(lips("aa" if k % 2 else "SS", jaw=0.45 if k % 2 else 0.05), SPEECH).rises[JAW]
            for k in range(60)]
    assert np.ptp(jaws[20:]) < 0.35 * 0.4


def test_sound_without_voice_moves_nothing():
    said = spoken(MouthShaper(), lips("aa", voiced=0.1), SPEECH, 50)[-1]
    assert said.rises[JAW] < 0.01 and said.contact > 0.99


def test_stress_lifts_the_brows_and_nods():
    shaper = MouthShaper()
    calm = spoken(shaper, lips("aa"), Heard(True, -30.0, 110.0), 300)[-1]
    loud = spoken(shaper, lips("aa"), Heard(True, -12.0, 190.0), 25)[-1]
    assert calm.accent < 0.1 and loud.accent > 0.5 and loud.nod_deg > 1 and loud.rises.max() <= 1


def test_it_blinks_once_when_a_phrase_ends():
    shaper = MouthShaper()
    assert all(face.lids == 1 for face in spoken(shaper, lips("aa"), SPEECH, 150))
    after = [face.lids for face in spoken(shaper, lips("sil", voiced=0.0), SILENCE, 200)]
    closed = np.flatnonzero(np.array(after) < 0.5) * FRAME_S
    assert closed[0] > PAUSE_S and closed[-1] < PAUSE_S + BLINK_S and min(after) < 0.1


@pytest.mark.parametrize(("viseme", "part", "least"), [("ou", "mouthPucker", 0.5), ("ih", "mouthStretchLeft", 0.1),
                                                       ("FF", "mouthRollLower", 0.3), ("sil", "jawOpen", 0.0)])
def test_the_shapes(viseme: str, part: str, least: float):
    assert viseme_shapes()[INDEX[viseme], SHAPE_INDEX[part]] >= least
    assert viseme_shapes().max() <= 1 and viseme_shapes()[INDEX["sil"]].sum() == 0


def test_half_believed_rounding_is_shown():
    heard = np.zeros(15, np.float32)
    heard[[INDEX["ou"], INDEX["nn"], INDEX["aa"]]] = 0.45, 0.35, 0.2
    pucker = SHAPE_INDEX["mouthPucker"]
    assert lip_shape(heard)[pucker] > 1.4 * (heard @ viseme_shapes())[pucker]


@pytest.mark.parametrize("viseme", ["ou", "aa", "SS", "sil"])
def test_a_sure_viseme_has_its_own_shape(viseme):
    assert np.allclose(lip_shape(np.eye(15, dtype=np.float32)[INDEX[viseme]]), viseme_shapes()[INDEX[viseme]])


def test_nothing_heard_moves_no_lips():
    assert not lip_shape(np.zeros(15, np.float32)).any()
