"""Speech sounds to mouth shapes."""

from __future__ import annotations

import numpy as np
import pytest

from didlive.voice.speech import Phoneme
from didlive.voice.visemes import CLOSED, INDEX, VISEMES, segments, shapes_of, track


@pytest.mark.parametrize(("ipa", "names"), [
    ("p", "PP"), ("m", "PP"), ("v", "FF"), ("ð", "TH"), ("tʃ", "CH"), ("ts.", "CH"), ("ts", "SS"), ("ŋ", "nn"),
    ("uː", "ou"), ("aɪ", "aa ih"), ("oʊ", "oh ou"), ("uei", "ou E ih"), ("", ""), ("ˈ", ""),
])
def test_each_sound_has_its_shapes(ipa: str, names: str):
    assert [VISEMES[i] for i in shapes_of(ipa)] == names.split()


def test_time_is_shared_out_without_holes():
    said = [Phoneme(0.0, 0.1, "h"), Phoneme(0.1, 0.3, "aɪ"), Phoneme(0.3, 0.34, ""), Phoneme(0.34, 0.4, "p"),
            Phoneme(0.4, 0.6, "")]
    parts = segments(said)
    # Breath belongs to the vowel, a short gap to the stop after it, a long one is a pause.
    assert [(VISEMES[shape], round(begin, 3), round(end, 3)) for begin, end, shape in parts] == [
        ("aa", 0.0, 0.15), ("ih", 0.15, 0.3), ("PP", 0.3, 0.34), ("PP", 0.34, 0.4), ("sil", 0.4, 0.6)]


def test_outside_of_speech_is_silence():
    shapes = track([Phoneme(0.1, 0.2, "m")], np.array([0.05, 0.15, 0.25], np.float32))
    assert shapes.tolist() == [INDEX["sil"], CLOSED, INDEX["sil"]]
    assert track([], np.zeros(3, np.float32)).tolist() == [0, 0, 0]
