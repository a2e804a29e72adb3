"""The voice in a show, with real parts: a sound is played into a microphone, and the tracker looks at the portrait."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sound_server import NAME, SoundServer, sound_server
from stage import Follower, Nuisance, bare, wait_until

from didlive.cli import live
from didlive.cli.options import read_settings
from didlive.geometry import LIPS_OUTER
from didlive.models import ensure_model
from didlive.seams import SOUND_HZ, StreamFormat
from didlive.session import Session, State
from didlive.settings import Settings, VoiceSettings
from didlive.track.mediapipe import make_landmarker, to_image, unpack
from didlive.types import Frame
from didlive.voice.live import open_voice
from didlive.voice.perform import write_wav
from didlive.voice.sound import resampled
from didlive.voice.speech import Speech
from didlive.voice.visemes import CLOSED, INDEX, track

SETTINGS = Settings(output=bare(size="256x256"), voice=VoiceSettings(enabled=True, microphone=NAME))


class Keeper:
    """A sink that keeps every picture."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def open(self, stream: StreamFormat) -> None:
        self.stream = stream

    def write(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        """Nothing to finish."""

    def abort(self) -> None:
        """Nothing to drop."""


@pytest.fixture
def server() -> Iterator[SoundServer]:
    with sound_server() as made:
        yield made


@pytest.fixture
def show(server: SoundServer, actor) -> Iterator[tuple[Session, Keeper]]:
    """A show with a microphone; its camera is off."""
    keeper = Keeper()
    session = Session(SETTINGS, Nuisance(30.0), Follower(), actor, [keeper])
    session.follow(False)
    session.set_voice(open_voice(SETTINGS.voice))
    with session:
        voice = session.voice
        assert voice is not None
        wait_until(lambda: voice.newest_ns is not None, "the voice")
        yield session, keeper


def apertures(frames: list[Frame]) -> np.ndarray:
    """Return how far the tracker sees the lips apart, in mouth widths."""
    landmarker = make_landmarker(ensure_model("face_landmarker"), video=False, faces=1)
    gaps = []
    for frame in frames:
        points = unpack(landmarker.detect(to_image(frame.image)), 256, 256)[0].landmarks
        gaps.append(np.linalg.norm(points[13] - points[14]) / np.ptp(points[LIPS_OUTER, 0]))
    landmarker.close()
    return np.array(gaps)


def test_what_the_microphone_hears_is_seen_on_the_portrait(show, server: SoundServer, speech: Speech, tmp_path: Path):
    session, keeper = show
    said = resampled(speech.samples, speech.rate_hz, SOUND_HZ)
    tap, blocks = session.tap(), []
    player = server.play(write_wav(tmp_path / "speech.wav", Speech(said, SOUND_HZ)))

    def over() -> bool:
        while (block := tap()) is not None:
            blocks.append(block)
        return player.poll() is not None

    wait_until(over, "the end of the speech")
    begin_ns = next(at_ns + int(np.argmax(np.abs(samples) > 0.002)) * 1e9 / SOUND_HZ for samples, at_ns in blocks
                    if (np.abs(samples) > 0.002).any())
    begin_ns -= int(np.argmax(np.abs(said) > 0.002)) * 1e9 / SOUND_HZ
    wait_until(lambda: keeper.frames[-1].stamp.captured_ns > begin_ns + 1e9 * len(said) / SOUND_HZ, "the last picture")
    session.stop()
    # Pictures are dated by the sound that they show.
    frames = [f for f in keeper.frames if f.stamp.captured_ns > begin_ns]
    times_s = np.array([(f.stamp.captured_ns - begin_ns) * 1e-9 for f in frames], np.float32)
    gaps, shapes = apertures(frames), track(speech.phonemes or (), times_s)
    wide = gaps[(shapes == INDEX["aa"]) | (shapes == INDEX["E"])]
    # A busy machine draws few pictures: enough of both kinds for a median.
    assert (shapes == CLOSED).sum() > 2 and len(wide) > 2
    assert np.median(gaps[shapes == CLOSED]) < 0.05 < 2 * np.median(gaps[shapes == CLOSED]) + 0.05 < np.median(wide)


def test_the_state_tells_that_the_voice_drives(show):
    session, _ = show
    assert session.stats().state is State.LIVE
    session.set_voice(None)
    assert session.stats().state is State.IDLE and session.voice is None
    assert session.tap()() is None


def test_nothing_is_heard_in_a_panic(show, server: SoundServer, tmp_path: Path):
    session, _ = show
    tap = session.tap()
    tone = np.sin(np.arange(4 * SOUND_HZ) * 0.1).astype(np.float32) * np.float32(0.3)
    player = server.play(write_wav(tmp_path / "tone.wav", Speech(tone, SOUND_HZ)))

    def loud() -> bool:
        block = tap()
        return block is not None and float(np.abs(block[0]).max()) > 0.05

    wait_until(loud, "the tone")
    session.panic()
    while tap() is not None:
        pass
    heard = []

    def later() -> bool:
        block = tap()
        heard.extend([] if block is None else [block[0]])
        return len(heard) > 30

    wait_until(later, "what follows")
    assert not np.concatenate(heard).any()
    session.panic(False)
    wait_until(loud, "the tone again")
    player.terminate()
    player.wait()


def test_settings_reach_the_microphone(show):
    session, _ = show
    voice = session.voice
    voice.configure(replace(SETTINGS.voice, muted=True, push_to_talk=True, offset_ms=40.0))
    assert voice.microphone.muted and voice.microphone.push_to_talk and voice.delay_ms == 40.0
    assert not voice.delay_known and "CPU" in voice.provider


def test_an_unplugged_microphone_is_told_and_the_portrait_goes_on(show, server: SoundServer):
    session, keeper = show
    server.unplug()
    wait_until(lambda: session.stats().state is State.DEGRADED, "the loss")
    assert NAME in session.stats().reason
    before = len(keeper.frames)
    wait_until(lambda: len(keeper.frames) > before + 10, "more pictures")
    times = [frame.stamp.captured_ns for frame in keeper.frames[1:]]
    assert times == sorted(times)


def test_a_camera_and_a_voice_share_a_show(show):
    session, keeper = show
    session.follow(True)
    wait_until(lambda: session.tracking.peek() is not None, "the camera")
    before = len(keeper.frames)
    wait_until(lambda: len(keeper.frames) > before + 20, "pictures")
    assert session.stats().faults == 0 and session.voice.share < 1


@pytest.mark.parametrize(("words", "follows"), [([], True), (["--set", "voice.alone=true"], False),
                                                (["--set", "voice.alone=true", "--demo"], True),
                                                (["--camera", "off"], False)])
def test_the_camera_stays_off_where_the_settings_say_so(words: list[str], follows: bool):
    parser = argparse.ArgumentParser()
    live.configure(parser)
    args = parser.parse_args([*(words or ["--demo"]), "--size", "128"])
    session, _, _ = live._prepare(args, read_settings(args))
    assert session.following is follows
    session.stop()
