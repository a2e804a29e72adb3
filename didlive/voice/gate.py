"""Is somebody speaking, and with how much stress: voice activity, loudness and pitch, 100 times a second."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import webrtcvad

from ..types import F32
from .mel import HOP, RATE_HZ

# How sure the detector must be of speech, 0 (lets much pass) to 3.
STRICTNESS = 2
# Speech goes on this long after the last block that sounded like it.
HANGOVER = 12
PITCH_WINDOW = 640
LOWEST_HZ, HIGHEST_HZ = 70.0, 400.0
# Share of the energy that must repeat after one period for a sound to have a pitch.
PERIODIC, SAME = 0.5, 0.9
QUIET_DB = -120.0


class Heard(NamedTuple):
    """One block of 10 ms: whether it belongs to speech, its level in dB of full scale, its pitch in Hz (0: none)."""

    speech: bool
    level_db: float
    pitch_hz: float


def pitch_of(samples: F32) -> float:
    """Return the pitch in Hz of (PITCH_WINDOW,) samples by autocorrelation, 0.0 for a sound without one."""
    centred = samples - samples.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * PITCH_WINDOW)) ** 2
    likeness = np.fft.irfft(spectrum)[:PITCH_WINDOW]
    if likeness[0] <= 1e-9:
        return 0.0
    # The overlap shrinks with the lag.
    likeness = likeness / likeness[0] / (1 - np.arange(PITCH_WINDOW) / PITCH_WINDOW)
    low, high = int(RATE_HZ / HIGHEST_HZ), int(RATE_HZ / LOWEST_HZ)
    # A sound repeats after two periods too: the first of the high peaks counts.
    lag = low + int(np.argmax(likeness[low:high] > SAME * likeness[low:high].max()))
    while lag + 1 < high and likeness[lag + 1] > likeness[lag]:
        lag += 1
    return RATE_HZ / lag if likeness[lag] > PERIODIC else 0.0


class Gate:
    """Hears sound in blocks of any length; `push` returns what is known of each 10 ms."""

    def __init__(self) -> None:
        self._detector = webrtcvad.Vad(STRICTNESS)
        self._rest = np.zeros(0, np.float32)
        self._past = np.zeros(PITCH_WINDOW, np.float32)
        self._since = HANGOVER
        # A single click is no speech: most of the last blocks must agree.
        self._votes: deque[bool] = deque([False] * 3, maxlen=3)

    def push(self, samples: F32) -> list[Heard]:
        """samples: (n,) float32 at RATE_HZ."""
        rest = np.concatenate([self._rest, samples])
        count = len(rest) // HOP
        blocks, self._rest = rest[:count * HOP].reshape(count, HOP), rest[count * HOP:]
        return [self._hear(block) for block in blocks]

    def _hear(self, block: F32) -> Heard:
        self._past = np.concatenate([self._past[HOP:], block])
        level_db = 10 * float(np.log10(np.mean(block ** 2) + 1e-12))
        pcm = (np.clip(block, -1, 1) * 32767).astype(np.int16)
        self._votes.append(self._detector.is_speech(pcm.tobytes(), RATE_HZ))
        self._since = 0 if sum(self._votes) >= 2 else self._since + 1
        speech = self._since < HANGOVER
        return Heard(speech, max(level_db, QUIET_DB), pitch_of(self._past) if speech else 0.0)
