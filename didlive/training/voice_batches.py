"""Training batches for the voice network: speech as it would be heard through many microphones, and what is no
speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..types import F32
from ..voice.gate import Gate
from ..voice.listener import BLOCK_OF_FRAME
from ..voice.mel import FRAME_S, HOP, RATE_HZ, WINDOW, log_mel
from ..voice.visemes import CLOSED, JAW
from .voice_sounds import disturbance, room
from .voice_speech import Utterance, as_float

FRAMES = 320
SAMPLES = (FRAMES - 1) * HOP + WINDOW
JAW_SIGMA = 4.0
# Kinds of training items: how often. How much more a jaw that was seen counts than one that phonemes ask for.
NO_SPEECH, REAL, SEEN = 0.18, 0.35, 2.0
# Jaws move so many frames before the first sound and after the last; what is shorter than CLICK frames, or so many dB
# quieter than the loudest, is not spoken, nor is what is FAINT.
AROUND, CLICK = 10, 4
QUIETER_DB, FAINT_DB = 20.0, -50.0
# How often speech comes from close to a good microphone: no room, no other sound.
CLOSE = 0.25
SPEEDS = (0.82, 1.22)
# Sounds that are no speech take long to make: so many are made once, and mixed anew.
POOL = 240


@dataclass(frozen=True, slots=True)
class RealClip:
    """Recorded speech with the tracked jaw: samples (n,) float32, jaw (frames,) float32 scaled so that its 95th
    percentile is 0.4. spoken: (frames,) bool, where somebody speaks: a mouth that is open in silence, to breathe or to
    begin, cannot be heard. identity: who speaks."""

    samples: F32
    jaw: F32
    spoken: np.ndarray
    identity: str


class Batch(NamedTuple):
    """mel (n, FRAMES, BANDS), visemes (n, FRAMES) int64, -1 where unknown, jaw (n, FRAMES) and how much it counts
    there."""

    mel: F32
    visemes: np.ndarray
    jaw: F32
    weight: F32


def real_clip(samples: F32, times_s: F32, jaw: F32, identity: str) -> RealClip:
    """Return a clip's tracked jaw (at times in seconds of its sound) for each log-mel frame."""
    frames = (len(samples) - WINDOW) // HOP + 1
    middle_s = np.arange(frames) * FRAME_S + WINDOW / 2 / RATE_HZ
    level = 0.4 / max(float(np.percentile(jaw, 95) - np.percentile(jaw, 5)), 0.02)
    raised = np.maximum(jaw - np.percentile(jaw, 5), 0) * level
    seen = np.interp(middle_s, times_s, raised).astype(np.float32)
    return RealClip(samples, seen, _spoken(samples, frames), identity)


def _spoken(samples: F32, frames: int) -> np.ndarray:
    """Return (frames,) bool: within AROUND frames of speech that is not much quieter than the clip's loudest; breath
    and rustling are no speech."""
    heard = Gate().push(samples)[BLOCK_OF_FRAME:BLOCK_OF_FRAME + frames]
    level_db = np.array([block.level_db for block in heard])
    least_db = max(float(np.percentile(level_db, 95)) - QUIETER_DB, FAINT_DB)
    loud = np.array([block.speech for block in heard]) & (level_db > least_db)
    alike = np.convolve(np.pad(loud, (0, frames - len(loud))), np.ones(CLICK), "valid") == CLICK
    return np.convolve(alike, np.ones(2 * AROUND + CLICK), "full")[AROUND:AROUND + frames] > 0


def jaw_of(visemes: np.ndarray, loudness: F32) -> F32:
    """Return (frames,) jaw opening that the visemes ask for: what is said louder is opened wider, and neighbours blend
    as a jaw has weight. loudness: (frames,) dB over the utterance's mean."""
    asked = JAW[visemes] * np.clip(1 + loudness / 24, 0.55, 1.3)
    t = np.arange(-12, 13)
    kernel = np.exp(-(t / JAW_SIGMA) ** 2 / 2)
    return np.convolve(np.pad(asked, 12, mode="edge"), kernel / kernel.sum(), "valid").astype(np.float32)


class Mixer:
    """Makes batches from utterances and real clips. Deterministic by seed."""

    def __init__(self, utterances: Sequence[Utterance], clips: Sequence[RealClip], seed: int) -> None:
        self._utterances, self._clips = utterances, clips
        self._rng = np.random.default_rng(seed)
        self._pool = [disturbance(SAMPLES, self._rng) for _ in range(POOL)]

    def batch(self, size: int) -> Batch:
        """Return one batch."""
        sounds = np.zeros((size, SAMPLES), np.float32)
        visemes, jaw = np.zeros((size, FRAMES), np.int64), np.zeros((size, FRAMES), np.float32)
        weight = np.ones((size, FRAMES), np.float32)
        for i in range(size):
            kind = self._rng.random()
            if kind < NO_SPEECH:
                sounds[i] = self._noise()
            elif kind < NO_SPEECH + REAL and self._clips:
                sounds[i], jaw[i], weight[i] = self._real()
                visemes[i] = -1
            else:
                sounds[i], visemes[i], jaw[i] = self._speech()
        return Batch(log_mel(sounds), visemes, jaw, weight)

    def _noise(self) -> F32:
        rng = self._rng
        level = 10 ** (rng.uniform(-85, -8) / 20)
        return (self._disturbed() * level).astype(np.float32)

    def _disturbed(self) -> F32:
        """Return a sound of the pool, or two, beginning anywhere."""
        rng = self._rng
        first, second = (np.roll(self._pool[i], rng.integers(SAMPLES)) for i in rng.integers(0, POOL, 2))
        return first + second * (rng.uniform(0, 1) if rng.random() < 0.4 else 0)

    def _real(self) -> tuple[F32, F32, F32]:
        rng = self._rng
        clip = self._clips[int(rng.integers(len(self._clips)))]
        samples, at = _sped(clip.samples, len(clip.jaw), rng.uniform(*SPEEDS))
        begin = int(rng.integers(0, max(1, len(at) - FRAMES + 1)))
        samples, at = samples[begin * HOP:begin * HOP + SAMPLES], at[begin:begin + FRAMES]
        weight = SEEN * clip.spoken[at].astype(np.float32)
        return self._heard(_padded(samples, SAMPLES)), _padded(clip.jaw[at], FRAMES), _padded(weight, FRAMES)

    def _speech(self) -> tuple[F32, np.ndarray, F32]:
        rng = self._rng
        speed, clean, visemes = rng.uniform(*SPEEDS), np.zeros(SAMPLES, np.float32), np.zeros(FRAMES, np.int64)
        loudness, at = np.zeros(FRAMES, np.float32), int(rng.integers(0, 80))
        while at < FRAMES:
            one = self._utterances[int(rng.integers(len(self._utterances)))]
            samples, frames = _sped(as_float(one), len(one.visemes), speed)
            shapes = one.visemes[frames]
            skip = int(rng.integers(0, max(1, len(shapes) - 100))) if at == 0 else 0
            samples, shapes = samples[skip * HOP:], shapes[skip:skip + FRAMES - at]
            part = samples[:SAMPLES - at * HOP]
            level = 1 / (np.sqrt(np.mean(part ** 2)) + 1e-6)
            clean[at * HOP:at * HOP + len(part)] += part * level
            visemes[at:at + len(shapes)] = shapes
            at += len(shapes) + int(rng.integers(5, 120))
        power = np.lib.stride_tricks.sliding_window_view(clean, WINDOW)[::HOP]
        loudness = 10 * np.log10((power ** 2).mean(axis=1) + 1e-4).astype(np.float32)
        return self._heard(clean), visemes, jaw_of(visemes, loudness)

    def heard(self, clean: F32) -> F32:
        """Return (n,) speech as a microphone in a room hears it, with other sounds, at some level."""
        parts = [self._heard(_padded(clean[i:i + SAMPLES], SAMPLES)) for i in range(0, len(clean), SAMPLES)]
        return np.concatenate(parts)[:len(clean)]

    def _heard(self, said: F32) -> F32:
        rng = self._rng
        sound = said / (np.sqrt(np.mean(said ** 2)) + 1e-6)
        clean = rng.random() < CLOSE
        if not clean and rng.random() < 0.75:
            n = 1 << (SAMPLES + RATE_HZ // 2).bit_length()
            sound = np.fft.irfft(np.fft.rfft(sound, n) * room(n, rng), n)[:SAMPLES]
            sound /= np.sqrt(np.mean(sound ** 2)) + 1e-6
        if not clean and rng.random() < 0.7:
            sound = sound + self._disturbed() * 10 ** (-rng.uniform(3, 40) / 20)
        sound = sound * 10 ** (rng.uniform(-48, -10) / 20)
        if rng.random() < 0.08:
            sound = np.clip(sound * 4, -0.5, 0.5)
        return (np.clip(sound, -1, 1) + 1e-5 * rng.standard_normal(SAMPLES)).astype(np.float32)


def _sped(samples: F32, frames: int, speed: float) -> tuple[F32, np.ndarray]:
    """Return speech played at another speed (other tempo, pitch and size of the head), and which of its frames comes
    when."""
    n = int(len(samples) / speed)
    faster = np.interp(np.arange(n) * speed, np.arange(len(samples)), samples).astype(np.float32)
    return faster, np.minimum((np.arange(int(frames / speed)) * speed).astype(int), frames - 1)


def _padded(values: F32, n: int) -> F32:
    return np.pad(values[:n], (0, max(0, n - len(values)))).astype(np.float32)


def targets(visemes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (closed, voiced) 0 or 1 of visemes."""
    return (visemes == CLOSED).astype(np.float32), (visemes > 0).astype(np.float32)
