"""The fifteen mouth shapes of speech, and which of them a speech sound (IPA, or a CMU phone) is seen as."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from ..types import F32
from .speech import Phoneme

VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
INDEX = {name: i for i, name in enumerate(VISEMES)}
CLOSED = INDEX["PP"]
# How far the jaw is down in each, in MediaPipe's jawOpen; close to the means of tracked speech.
JAW = np.array([0.0, 0.0, 0.04, 0.12, 0.10, 0.15, 0.10, 0.05, 0.12, 0.12, 0.42, 0.24, 0.12, 0.30, 0.13], np.float32)

_IPA = {
    "PP": "p b m ɓ ʙ",
    "FF": "f v ɱ ʋ ɸ β pf",
    "TH": "θ ð",
    "DD": "t d ʈ ɖ ɾ ɗ c ɟ",
    "kk": "k ɡ g x ɣ q χ ɢ ç ʝ",
    "CH": "tʃ dʒ ʃ ʒ ɕ ʑ tɕ dʑ ʂ ʐ s. z. ts. tʂ dʐ",
    "SS": "s z ts dz ɬ",
    "nn": "n l ŋ ɲ ɳ ɴ ʎ ɫ ɭ nɡ",
    "RR": "ɹ r ʁ ʀ ɻ ɽ ɚ ɝ",
    "aa": "a ɑ ʌ ɐ æ ɶ",
    "E": "e ɛ ə ɘ ɜ ɞ",
    "ih": "i ɪ ɨ j ᵻ",
    "oh": "o ɔ ɒ ɤ",
    "ou": "u ʊ w y ʏ ø œ ɯ ɥ ʉ ɵ ʍ",
}
_TABLE = {symbol: INDEX[name] for name, symbols in _IPA.items() for symbol in symbols.split()}
_LONGEST = sorted(_TABLE, key=len, reverse=True)
_PARTS = re.compile("|".join(re.escape(symbol) for symbol in _LONGEST))
BREATH = ("h", "ɦ")
# A gap this short inside speech is no pause: before a consonant it is its closure, else a glide of the vowel before.
SHORT_GAP_S = 0.065
VOWELS = {INDEX[name] for name in ("aa", "E", "ih", "oh", "ou")}


def shapes_of(ipa: str) -> list[int]:
    """Return the visemes of one phoneme in order: one, or more for diphthongs and affricates; none for a pause."""
    return [_TABLE[part] for part in _PARTS.findall(ipa)]


def segments(phonemes: Iterable[Phoneme]) -> list[tuple[float, float, int]]:
    """Return (start s, end s, viseme) without overlaps, in order of time; pauses are `sil`."""
    known: list[tuple[float, float, list[int]]] = []
    breath_s: float | None = None
    for start, end, ipa in phonemes:
        shapes = shapes_of(ipa)
        begin = start if breath_s is None else breath_s
        # Breath has no shape of its own: it is seen as what follows.
        breath_s = begin if ipa in BREATH else None
        if breath_s is not None:
            continue
        # Names of languages, in brackets, and glottal stops lengthen what is before them.
        if known and not shapes and (ipa.startswith("(") or "ʔ" in ipa):
            known[-1] = (known[-1][0], end, known[-1][2])
        else:
            known.append((begin, end, shapes or [0]))
    out: list[tuple[float, float, int]] = []
    for i, (start, end, shapes) in enumerate(known):
        following = known[i + 1][2][0] if i + 1 < len(known) else 0
        if shapes == [0] and out and following and end - start < SHORT_GAP_S:
            shapes = [out[-1][2] if following in VOWELS else following]
        step = (end - start) / len(shapes)
        out += [(start + k * step, start + (k + 1) * step, shape) for k, shape in enumerate(shapes)]
    return out


def track(phonemes: Iterable[Phoneme], times_s: F32) -> np.ndarray:
    """Return (n,) int64 visemes at times in seconds; `sil` outside of the speech."""
    parts = segments(phonemes)
    if not parts:
        return np.zeros(len(times_s), np.int64)
    starts = np.array([start for start, _, _ in parts])
    shapes = np.array([shape for _, _, shape in parts], np.int64)
    at = np.searchsorted(starts, times_s, side="right") - 1
    inside = (at >= 0) & (times_s < parts[-1][1])
    return np.where(inside, shapes[np.maximum(at, 0)], 0)
