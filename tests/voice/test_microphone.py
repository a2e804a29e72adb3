"""Microphones: a real sound server, what is played is what is heard; lost and found again; mute, level, clipping."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sound_server import NAME, SoundServer, sound_server
from stage import wait_until

from didlive.capture.microphone import Microphone, MicrophoneLost, choose_microphone, list_microphones
from didlive.capture.ring import LENGTH, SoundRing
from didlive.seams import SOUND_HZ, AudioTap
from didlive.voice.perform import write_wav
from didlive.voice.speech import Speech

MS_NS = 1_000_000


@pytest.fixture
def server() -> Iterator[SoundServer]:
    with sound_server() as made:
        yield made


@pytest.fixture
def microphone(server: SoundServer) -> Iterator[Microphone]:
    made = Microphone(NAME)
    made.start()
    wait_until(lambda: made.open, "the microphone")
    yield made
    made.close()


def noise(folder: Path, gain: float = 0.3) -> tuple[Path, np.ndarray]:
    """A second of noise, as file and as samples."""
    samples = (gain * np.random.default_rng(1).uniform(-1, 1, SOUND_HZ)).astype(np.float32)
    file = write_wav(folder / "noise.wav", Speech(samples, SOUND_HZ))
    return file, (samples * 32767).astype(np.int16) / np.float32(32768)


def heard(tap: AudioTap, server: SoundServer, file: Path, seconds: float = 1.0) -> np.ndarray:
    """Play a file, and return all that is heard until it is over and `seconds` of sound came after its begin."""
    player, blocks = server.play(file), []

    def listen() -> bool:
        while (block := tap()) is not None:
            blocks.append(block[0])
        loud = np.flatnonzero(np.abs(np.concatenate(blocks)) > 0.01) if blocks else []
        return player.poll() is not None and (len(loud) == 0 or sum(map(len, blocks)) - loud[0] > seconds * SOUND_HZ)

    wait_until(listen, "the sound")
    return np.concatenate(blocks)


def test_what_is_played_is_heard_bit_by_bit(server: SoundServer, microphone: Microphone, tmp_path: Path):
    file, samples = noise(tmp_path)
    got = heard(microphone.tap(), server, file, 1.2)
    # A busy machine may drop a block on the way: a quarter of a second without a gap is enough.
    parts = [samples[at:at + SOUND_HZ // 4] for at in range(0, SOUND_HZ, SOUND_HZ // 4)]
    places = [int(np.argmax(np.correlate(got, part[:4800], "valid"))) for part in parts]
    assert any(len(got) >= at + len(part) and np.allclose(got[at:at + len(part)], part, atol=2e-4)
               for at, part in zip(places, parts, strict=True))
    assert microphone.device == NAME and microphone.reason == ""


def test_level_and_clipping_are_shown_and_mute_hears_nothing(server: SoundServer, microphone: Microphone,
                                                             tmp_path: Path):
    assert microphone.level == 0 and not microphone.clipping
    player = server.play(noise(tmp_path, 1.0)[0])
    wait_until(lambda: microphone.level > 0.95 and microphone.clipping, "a full level")
    player.wait()
    wait_until(lambda: microphone.level < 0.5 and not microphone.clipping, "silence")
    microphone.push_to_talk = True
    assert not heard(microphone.tap(), server, noise(tmp_path)[0]).any()
    microphone.talking = True
    assert heard(microphone.tap(), server, noise(tmp_path)[0]).any()
    microphone.muted = True
    assert not heard(microphone.tap(), server, noise(tmp_path)[0]).any()


def test_a_lost_microphone_comes_back(server: SoundServer, microphone: Microphone, tmp_path: Path):
    tap = microphone.tap()
    server.unplug()
    wait_until(lambda: microphone.reason, "the loss")
    assert not microphone.open
    server.plug()
    wait_until(lambda: microphone.open, "the microphone again", 60)
    assert heard(tap, server, noise(tmp_path)[0]).any()


def test_microphones_are_found_by_part_of_their_name(server: SoundServer):
    names = [microphone.name for microphone in list_microphones()]
    assert NAME in names
    assert choose_microphone("testmic").name == NAME and choose_microphone("").name in names
    with pytest.raises(MicrophoneLost, match="there is no microphone 'Nobody'; there are: TestMicrophone"):
        choose_microphone("Nobody")


def test_each_reader_of_a_ring_has_its_own_place():
    ring = SoundRing()
    early = ring.tap()
    ring.write(np.full(480, 0.1, np.float32), 0)
    late = ring.tap()
    ring.write(np.full(480, 0.2, np.float32), 10 * MS_NS)
    first, second = early(), early()
    assert first is not None and second is not None and early() is None
    assert (first[0][0], first[1]) == (np.float32(0.1), 0) and second[1] == 10 * MS_NS
    only = late()
    assert only is not None and only[0][0] == np.float32(0.2) and late() is None


def test_times_follow_the_samples_but_not_over_a_hole():
    ring = SoundRing()
    tap = ring.tap()
    for k in range(20):
        ring.write(np.zeros(480, np.float32), k * 10 * MS_NS + (k % 2) * 3 * MS_NS)
    ring.write(np.zeros(480, np.float32), 900 * MS_NS)
    times = []
    while (block := tap()) is not None:
        times.append(block[1] / MS_NS)
    assert np.diff(times[:20]) == pytest.approx([10.0] * 19, abs=0.1) and times[20] == 900


def test_who_is_too_late_goes_on_with_what_is_left():
    ring = SoundRing()
    tap = ring.tap()
    for k in range(LENGTH // 480 + 50):
        ring.write(np.full(480, k % 7, np.float32), k * 10 * MS_NS)
    block = tap()
    assert block is not None and block[1] >= 50 * 10 * MS_NS and (block[0] == block[0][0]).all()
    assert ring.wait(0, 0.0) and not ring.wait(ring.written, 0.0)


LISTING = """
import os
import time
# As if another thread had just put standard error back.
os.dup2 = lambda *_: 2
from didlive.capture.microphone import Microphone, list_microphones
names = [microphone.name for microphone in list_microphones()]
microphone = Microphone()
microphone.start()
while not (microphone.reason or microphone.open):
    time.sleep(0.01)
microphone.close()
print(list_microphones() is not None)
"""


def test_without_a_sound_card_nothing_is_printed(tmp_path: Path):
    """ALSA complains in many lines about every card that is not there: none of them may reach the terminal."""
    (tmp_path / ".asoundrc").write_text("pcm.!default { type hw card 9 }\nctl.!default { type hw card 9 }\n")
    environment = {**os.environ, "HOME": str(tmp_path), "PULSE_SERVER": f"unix:{tmp_path}/none",
                   "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", LISTING], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_sound_system_that_fails_is_said_and_waited_for(monkeypatch: pytest.MonkeyPatch):
    """It is not there for a moment (a sound server that begins anew): no traceback, and the next try may work."""
    import sounddevice

    broken, begin = threading.Event(), sounddevice._initialize  # pyright: ignore[reportPrivateUsage]

    def initialise() -> None:
        if broken.is_set():
            raise sounddevice.PortAudioError("Error initializing PortAudio: Unanticipated host error", -9999)
        begin()

    monkeypatch.setattr(sounddevice, "_initialize", initialise)
    broken.set()
    with pytest.raises(MicrophoneLost, match="Unanticipated host error"):
        list_microphones()
    made = Microphone("nobody has this one")
    made.start()
    wait_until(lambda: "Unanticipated" in made.reason, "the reason")
    broken.clear()
    wait_until(lambda: "there is no microphone" in made.reason, "another try")
    made.close()
    assert isinstance(list_microphones(), list)
