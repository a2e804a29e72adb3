"""How good the voice network is, on voices and people that it never heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import F32
from ..voice.lips import LipReader
from ..voice.listener import Listener
from ..voice.mel import FRAME_S, RATE_HZ
from ..voice.mouth import JAW, LAG_S, TOUCHING, closed_of
from ..voice.visemes import CLOSED, VISEMES
from .voice_batches import Mixer, RealClip
from .voice_sounds import KINDS
from .voice_speech import Utterance, as_float

# A mouth is open when the jaw is this far down and the lips do not touch.
OPEN_JAW = 0.05
# The voice must be found this far from where it is labelled, in frames.
NEAR = 3
FARTHEST = 30
# Sound and lips must not be farther apart than this, in frames.
IN_STEP = 4


@dataclass(frozen=True, slots=True)
class SpeechScore:
    """On labelled speech: share of frames with the right viseme; of the p, b and m, how many close the lips; of the
    closures, how many belong to one (or to a pause)."""

    voices: str
    accuracy: float
    closed_recall: float
    closed_precision: float


@dataclass(frozen=True, slots=True)
class RealScore:
    """On a recorded clip: correlation of the heard with the tracked jaw where somebody speaks, at the best lag within
    IN_STEP; that lag (positive: the heard jaw comes later); the same over the whole clip, with its silence; and the
    best lag of all, which tells files whose sound and picture are out of step."""

    identity: str
    correlation: float
    lag_ms: float
    whole: float
    any_lag: float
    any_lag_ms: float


def score_speech(utterances: Sequence[Utterance], voices: str, mixer: Mixer | None = None) -> SpeechScore:
    """Score labelled speech; mixer: as its microphones in rooms hear it."""
    reader = LipReader()
    right = total = found = stops = true = claims = 0
    try:
        for utterance in utterances:
            samples = as_float(utterance)
            reader.reset()
            told = reader.push(samples if mixer is None else mixer.heard(samples)) + reader.finish()
            n = min(len(told), len(utterance.visemes))
            shapes = utterance.visemes[:n].astype(int)
            right += int((np.array([np.argmax(lips.visemes) for lips in told[:n]]) == shapes).sum())
            total += n
            shut = np.array([closed_of(lips) >= TOUCHING for lips in told[:n]])
            for begin, end in _runs(shapes == CLOSED):
                stops += 1
                found += bool(shut[max(0, begin - NEAR):end + NEAR].any())
            for begin, end in _runs(shut):
                claims += 1
                near = shapes[max(0, begin - NEAR):end + NEAR]
                true += bool(((near == CLOSED) | (near == 0)).any())
    finally:
        reader.close()
    return SpeechScore(voices, right / max(total, 1), found / max(stops, 1), true / max(claims, 1))


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def score_noise(seconds: float, seed: int) -> dict[str, float]:
    """Return, for each kind of sound that is no speech (and silence), the share of frames with an open mouth."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE_HZ)
    sounds = {"silence": np.zeros(n, np.float32)} | {
        name: (make(n, rng) * 10 ** (rng.uniform(-45, -15) / 20)).astype(np.float32) for name, make in KINDS.items()}
    return {name: open_share(sound) for name, sound in sounds.items()}


def open_share(samples: F32) -> float:
    """Return the share of frames in which (n,) samples at RATE_HZ open the mouth."""
    listener = Listener()
    try:
        faces = listener.push(samples)
    finally:
        listener.close()
    return float(np.mean([face.rises[JAW] > OPEN_JAW and face.contact < 0.5 for face in faces]))


def score_clip(clip: RealClip) -> RealScore:
    """Compare the jaw that is shown for a clip's sound with the tracked one."""
    listener = Listener()
    try:
        faces = listener.push(clip.samples)
    finally:
        listener.close()
    shown = np.array([face.rises[JAW] for face in faces])
    late = round(LAG_S / FRAME_S)
    shown, seen = shown[late:], clip.jaw[:len(shown) - late]
    spoken = clip.spoken[:len(seen)]
    best, score = _best(shown, seen, spoken, IN_STEP)
    anywhere, highest = _best(shown, seen, spoken, FARTHEST)
    whole = _correlation(shown, seen, np.ones_like(spoken), best)
    return RealScore(clip.identity, score, 1000 * FRAME_S * best, whole, highest, 1000 * FRAME_S * anywhere)


def _best(shown: np.ndarray, seen: np.ndarray, among: np.ndarray, farthest: int) -> tuple[int, float]:
    scores = {k: _correlation(shown, seen, among, k) for k in range(-farthest, farthest + 1)}
    best = max(scores, key=lambda k: scores[k])
    return best, scores[best]


def _correlation(shown: np.ndarray, seen: np.ndarray, among: np.ndarray, lag: int) -> float:
    """Return the correlation of `seen` at the frames `among` with what is shown `lag` frames later."""
    at = np.flatnonzero(among)
    at = at[(at + lag >= 0) & (at + lag < len(shown))]
    a, b = shown[at + lag], seen[at]
    return float(np.corrcoef(a, b)[0, 1]) if len(at) > 2 and a.std() > 0 and b.std() > 0 else 0.0


def confusion(utterances: Sequence[Utterance]) -> str:
    """Return, for each viseme, how often it is right and what it is taken for."""
    reader = LipReader()
    counts = np.zeros((len(VISEMES), len(VISEMES)), int)
    for utterance in utterances:
        reader.reset()
        told = reader.push(as_float(utterance))
        guesses = [int(np.argmax(lips.visemes)) for lips in told]
        np.add.at(counts, (utterance.visemes[:len(guesses)].astype(int), np.array(guesses, int)), 1)
    reader.close()
    lines = []
    for name, row in zip(VISEMES, counts, strict=True):
        share = row / max(row.sum(), 1)
        lines.append(f"{name:>3} " + ", ".join(f"{VISEMES[k]} {share[k]:.0%}" for k in np.argsort(-share)[:4]))
    return "\n".join(lines)
