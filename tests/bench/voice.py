"""From the microphone to the lips on this machine: `PYTHONPATH=tests:tests/voice python tests/bench/voice.py [IMG]`
(Linux, with the tests' sound server and espeak-ng).

A minute of sentences is played into a microphone; a show whose camera is off listens and draws; every picture is dated
when it reaches an output, and afterwards the tracker measures the lips of some. Three delays come out: from a sound to
the picture that shows it as the program dates them; from the sound to the lips as the tracker sees them; and the CPU
that hearing takes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sound_server import NAME, sound_server
from stage import Follower, Nuisance, bare, wait_until

from didlive.actor import prepare_actor
from didlive.demo import demo_portrait
from didlive.models import ensure_model
from didlive.seams import SOUND_HZ, StreamFormat
from didlive.session import Session
from didlive.settings import Settings, VoiceSettings
from didlive.track.mediapipe import make_landmarker, to_image, unpack
from didlive.types import Frame
from didlive.voice.espeak import speak
from didlive.voice.listener import Listener
from didlive.voice.live import open_voice
from didlive.voice.mel import HOP, RATE_HZ
from didlive.voice.perform import write_wav
from didlive.voice.sound import resampled
from didlive.voice.speech import Speech
from didlive.voice.visemes import CLOSED, JAW, segments, track

TEXT = ("Bob may buy five pots of blue moon soup. Please open my big map, papa. Many people bake apple pies at home. "
        "The quick brown fox jumps over the lazy dog. ")
TIMES = 6
# Of so many pictures the lips are measured; of all of them the delay.
SEEN = 450


class Clocked:
    """A sink that keeps the time of every picture's arrival, and of the sound that it shows, ns; and pictures from
    `begin_ns` on, SEEN at most."""

    def __init__(self) -> None:
        self.delays: list[tuple[int, int]] = []
        self.got: list[tuple[int, Frame]] = []
        self.begin_ns = 0

    def open(self, stream: StreamFormat) -> None:
        """Nothing to open."""

    def write(self, frame: Frame) -> None:
        now_ns = time.perf_counter_ns()
        self.delays.append((now_ns, frame.stamp.captured_ns))
        if self.begin_ns and now_ns > self.begin_ns and len(self.got) < SEEN:
            self.got.append((now_ns, frame))

    def close(self) -> None:
        """Nothing to finish."""

    def abort(self) -> None:
        """Nothing to drop."""


def play(portrait: Path, said: np.ndarray) -> tuple[Clocked, float]:
    """Return what came of the sentences, and when their first sample was heard, ns."""
    settings = Settings(output=bare(size="512"), voice=VoiceSettings(enabled=True, microphone=NAME))
    actor, sink, blocks = prepare_actor(portrait, settings), Clocked(), []
    with sound_server() as server, tempfile.TemporaryDirectory() as folder:
        session = Session(settings, Nuisance(30.0), Follower(), actor, [sink])
        session.follow(False)
        voice = open_voice(settings.voice)
        session.set_voice(voice)
        with session:
            wait_until(lambda: voice.newest_ns is not None, "the voice")
            tap, sink.begin_ns = session.tap(), time.perf_counter_ns()
            player = server.play(write_wav(Path(folder) / "speech.wav", Speech(said, SOUND_HZ)))
            while player.poll() is None:
                time.sleep(0.01)
                while (block := tap()) is not None:
                    blocks.append(block)
            time.sleep(0.5)
    heard = np.concatenate([samples for samples, _ in blocks])
    n = 1 << (len(heard) + len(said)).bit_length()
    at = int(np.argmax(np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(said, n)), n)))
    if np.abs(heard).max() < 0.01 or at > len(heard):
        raise SystemExit("the sentence did not arrive at the microphone; the machine is too busy, try again")
    return sink, blocks[0][1] + at * 1e9 / SOUND_HZ


def lip_gaps(frames: list[Frame]) -> np.ndarray:
    """Return how far the tracker sees the lips apart, in mouth widths."""
    landmarker = make_landmarker(ensure_model("face_landmarker"), video=False, faces=1)
    gaps = []
    for frame in frames:
        points = unpack(landmarker.detect(to_image(frame.image)), *frame.image.shape[1::-1])[0].landmarks
        gaps.append(np.linalg.norm(points[13] - points[14]) / np.linalg.norm(points[61] - points[291]))
    landmarker.close()
    return np.array(gaps)


def lag_of(times_s: np.ndarray, gaps: np.ndarray, asked_s: np.ndarray, asked: np.ndarray) -> tuple[float, float]:
    """Return the delay in s at which the seen gaps are most like the asked jaw, and that correlation."""
    lags = np.arange(-0.1, 0.3, 0.005)
    scores = [float(np.corrcoef(np.interp(asked_s + lag, times_s, gaps), asked)[0, 1]) for lag in lags]
    return float(lags[int(np.argmax(scores))]), max(scores)


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def main() -> None:
    """Measure and print."""
    portrait = Path(sys.argv[1]) if len(sys.argv) > 1 else demo_portrait()
    speech = speak(TEXT * TIMES, "en-us+m5")
    said = resampled(speech.samples, speech.rate_hz, SOUND_HZ)
    sink, begin_ns = play(portrait, said)
    lasts_ns = len(said) * 1e9 / SOUND_HZ
    delays_ms = np.array([(at - heard) / 1e6 for at, heard in sink.delays if 0 < heard - begin_ns < lasts_ns])
    say(f"load {os.getloadavg()[0]:.1f}; sound to picture, by its date: p50 {np.percentile(delays_ms, 50):.0f} ms, "
        f"p95 {np.percentile(delays_ms, 95):.0f} ms ({len(delays_ms)} pictures, {lasts_ns * 1e-9:.0f} s)")
    got = [(at, frame) for at, frame in sink.got if frame.stamp.captured_ns > begin_ns]
    seen_s = (got[-1][1].stamp.captured_ns - begin_ns) * 1e-9 - 0.3
    gaps, asked_s = lip_gaps([frame for _, frame in got]), np.arange(0, seen_s, 0.01).astype(np.float32)
    asked = np.convolve(JAW[track(speech.phonemes or (), asked_s)], np.hanning(11) / np.hanning(11).sum(), "same")
    for name, times_ns in (("arrival", [at for at, _ in got]), ("date", [f.stamp.captured_ns for _, f in got])):
        lag_s, likeness = lag_of((np.array(times_ns) - begin_ns) * 1e-9, gaps, asked_s, asked)
        say(f"sound to seen lips, by their {name}: {1000 * lag_s:.0f} ms (correlation {likeness:.2f})")
    shown_s = np.array([(frame.stamp.captured_ns - begin_ns) * 1e-9 for _, frame in got])
    closed = [gaps[(shown_s > a - 0.04) & (shown_s < b + 0.04)] for a, b, shape in segments(speech.phonemes or ())
              if shape == CLOSED and b < seen_s]
    say(f"closed for p, b, m: {sum(bool(len(g)) and g.min() < 0.04 for g in closed)} of {len(closed)}")
    listener, samples = Listener(), resampled(speech.samples, speech.rate_hz, RATE_HZ)
    blocks = [samples[i:i + HOP] for i in range(0, len(samples), HOP)]
    cpu_s = time.thread_time()
    for block in blocks:
        listener.push(block)
    say(f"hearing: {1000 * (time.thread_time() - cpu_s) / len(blocks):.2f} ms of CPU for 10 ms of sound "
          f"({listener.provider})")


if __name__ == "__main__":
    main()
