"""Sounds that are not speech, and what rooms, microphones and levels do to speech. All arrays: (n,) float32, 16 kHz."""

from __future__ import annotations

import numpy as np

from ..types import F32
from ..voice.mel import RATE_HZ

Rng = np.random.Generator


def coloured_noise(n: int, rng: Rng) -> F32:
    """Return noise with a random slope of 0 to -8 dB per octave and some resonances, RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 20.0)
    gain = (hz / 1000) ** (-rng.uniform(0, 1.35))
    for _ in range(rng.integers(0, 4)):
        centre, width = np.exp(rng.uniform(np.log(80), np.log(6000))), rng.uniform(0.05, 0.5)
        gain = gain * (1 + rng.uniform(0.5, 6) * np.exp(-((np.log(hz / centre) / width) ** 2)))
    return _unit(np.fft.irfft(spectrum * gain, n))


def hum(n: int, rng: Rng) -> F32:
    """Return mains or fan hum with harmonics, RMS 1."""
    base, t = rng.choice([50.0, 60.0, 100.0, rng.uniform(80, 400)]), np.arange(n) / RATE_HZ
    sound = sum(rng.uniform(0, 1) / k * np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6.3)) for k in range(1, 13))
    return _unit(sound + 0.02 * rng.standard_normal(n))


def typing(n: int, rng: Rng) -> F32:
    """Return key strokes: a click, a thump and a release each, 2 to 12 a second."""
    sound, at = np.zeros(n), 0.0
    rate_hz = rng.uniform(2, 12)
    resonances = np.exp(rng.uniform(np.log(150), np.log(6000), 4))
    while (at := at + rng.exponential(1 / rate_hz) + 0.03) < n / RATE_HZ:
        for delay_s, strength in ((0.0, rng.uniform(0.4, 1)), (rng.uniform(0.05, 0.11), rng.uniform(0.1, 0.5))):
            m = int(rng.uniform(0.008, 0.06) * RATE_HZ)
            t = np.arange(m) / RATE_HZ
            stroke = rng.standard_normal(m) * np.exp(-t * rng.uniform(200, 900))
            for hz in resonances:
                stroke += rng.uniform(0, 0.8) * np.sin(2 * np.pi * hz * t) * np.exp(-t * rng.uniform(60, 400))
            begin = int((at + delay_s) * RATE_HZ)
            part = strength * stroke[:max(0, n - begin)]
            sound[begin:begin + len(part)] += part
    return _unit(sound + 1e-4 * rng.standard_normal(n))


def _note(hz: float, seconds: float, rng: Rng) -> np.ndarray:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    vibrato = 1 + rng.uniform(0, 0.006) * np.sin(2 * np.pi * rng.uniform(4, 6.5) * t)
    phase = 2 * np.pi * hz * np.cumsum(vibrato) / RATE_HZ
    tilt, odd = rng.uniform(0.6, 2.5), rng.uniform(0, 1)
    sound = np.zeros_like(t)
    for k in range(1, int(min(24, 7500 / hz)) + 1):
        sound += (odd if k % 2 == 0 else 1.0) * k ** -tilt * np.sin(k * phase + rng.uniform(0, 6.3))
    attack, decay = rng.uniform(0.003, 0.12), rng.choice([rng.uniform(0.1, 0.5), 3.0])
    return sound * np.minimum(t / attack, 1) * np.exp(-t / decay) * np.minimum((seconds - t) / 0.02, 1)


def music(n: int, rng: Rng) -> F32:
    """Return bars of chords, a melody, a bass and drums, each there or not, RMS 1."""
    sound, beat_s = np.zeros(n), 60 / rng.uniform(60, 170)
    root = 110 * 2 ** rng.uniform(0, 1.5)
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.6 else [0, 2, 3, 5, 7, 8, 10])

    def put(at_s: float, part: np.ndarray, gain: float) -> None:
        begin = int(at_s * RATE_HZ)
        part = part[:max(0, n - begin)]
        sound[begin:begin + len(part)] += gain * part

    chords, melody, bass, drums = rng.random(4) < 0.65
    drums = drums or not (chords or melody or bass)
    for beat in range(int(n / RATE_HZ / beat_s) + 1):
        at = beat * beat_s
        if chords and beat % 2 == 0:
            first = rng.integers(0, 7)
            for step in (0, 2, 4):
                put(at, _note(root * 2 ** (scale[(first + step) % 7] / 12), 2 * beat_s, rng), 0.3)
        if melody:
            for half in range(rng.integers(1, 4)):
                tone = 2 * root * 2 ** (rng.choice(scale) / 12)
                put(at + half * beat_s / 3, _note(tone, beat_s * rng.uniform(0.3, 1), rng), 0.5)
        if bass:
            put(at, _note(root / 2 * 2 ** (rng.choice(scale) / 12), beat_s, rng), 0.6)
        if drums:
            put(at, _drum(rng), rng.uniform(0.3, 1.2))
            put(at + beat_s / 2, _drum(rng), rng.uniform(0, 0.6))
    return _unit(sound + 1e-4 * rng.standard_normal(n))


def _drum(rng: Rng) -> np.ndarray:
    t = np.arange(int(0.25 * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * np.cumsum(rng.uniform(40, 220) * (1 + 2 * np.exp(-t * 40))) / RATE_HZ)
    mix = rng.uniform(0, 1)
    return (mix * tone + (1 - mix) * rng.standard_normal(len(t))) * np.exp(-t * rng.uniform(10, 60))


def breath(n: int, rng: Rng) -> F32:
    """Return breathing and gusts into the microphone: noise that swells and fades, RMS 1."""
    t = np.arange(n) / RATE_HZ
    swell = np.clip(np.sin(2 * np.pi * rng.uniform(0.2, 0.7) * t + rng.uniform(0, 6.3)), 0, 1) ** rng.uniform(1, 4)
    return _unit(coloured_noise(n, rng) * (swell + 0.01))


KINDS = {"noise": coloured_noise, "hum": hum, "typing": typing, "music": music, "breath": breath}


# Music is the most like speech, so it is learned from the most.
OFTEN = (0.15, 0.1, 0.2, 0.4, 0.15)


def disturbance(n: int, rng: Rng) -> F32:
    """Return a mix of one or two sounds that are not speech, RMS about 1."""
    names = rng.choice(list(KINDS), rng.integers(1, 3), replace=False, p=OFTEN)
    return _unit(np.sum([KINDS[name](n, rng) * rng.uniform(0.3, 1) for name in names], axis=0))


def room(n_fft: int, rng: Rng) -> np.ndarray:
    """Return the (n_fft / 2 + 1,) complex response of a room and a microphone; direct sound comes without delay."""
    response = np.zeros(n_fft)
    length = int(rng.uniform(0.05, 0.45) * RATE_HZ)
    t = np.arange(1, length + 1) / RATE_HZ
    tail = rng.standard_normal(length) * np.exp(-6.9 * t / (length / RATE_HZ))
    tail *= 10 ** (-rng.uniform(0, 22) / 20) / np.sqrt((tail ** 2).sum())
    response[1:1 + length] = tail
    response[0] = 1
    hz = np.maximum(np.fft.rfftfreq(n_fft, 1 / RATE_HZ), 1.0)
    knots = np.log([20, 80, 200, 500, 1200, 3000, 6000, 8000])
    gain_db = np.interp(np.log(hz), knots, rng.uniform(-9, 6, len(knots)))
    gain_db -= 12 * np.log2(np.maximum(rng.uniform(30, 250) / hz, 1))
    if rng.random() < 0.3:
        gain_db -= 24 * np.log2(np.maximum(hz / rng.uniform(3300, 8000), 1))
    return np.fft.rfft(response) * 10 ** (gain_db / 20)


def _unit(sound: np.ndarray) -> F32:
    return (sound / (np.sqrt(np.mean(sound ** 2)) + 1e-9)).astype(np.float32)
