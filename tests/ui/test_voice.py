"""The microphone of the window: it follows the settings, tells its level, and says when it cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ui.panels.voice import VoicePanel
from ui.studio import Studio

sys.path.insert(0, str(Path(__file__).parents[1] / "voice"))

from sound_server import NAME, SoundServer, sound_server

from didlive.profiles import Store
from didlive.seams import SOUND_HZ
from didlive.voice.perform import write_wav
from didlive.voice.speech import Speech


@pytest.fixture
def server() -> Iterator[SoundServer]:
    with sound_server() as made:
        yield made


def test_the_microphone_follows_the_settings(server: SoundServer, show: Studio, until, tmp_path: Path, qtbot):
    levels: list[float] = []
    show.level_changed.connect(lambda level, clipping: levels.append(level))
    show.voice.look()
    until(lambda: NAME in show.voice.microphones)
    show.change("voice.microphone", NAME)
    show.change("voice.enabled", True)
    until(lambda: show.voice.voice is not None and show.voice.voice.microphone.open)
    noise = 0.5 * np.random.default_rng(1).uniform(-1, 1, SOUND_HZ).astype(np.float32)
    player = server.play(write_wav(tmp_path / "noise.wav", Speech(noise, SOUND_HZ)))
    until(lambda: max(levels, default=0) > 0.5)
    player.wait()
    show.change("voice.push_to_talk", True)
    assert show.voice.voice.microphone.silenced
    show.voice.talk(True)
    assert not show.voice.voice.microphone.silenced
    show.change("voice.offset_ms", 30.0)
    assert show.voice.delay_ms() == (30.0, False)
    show.change("voice.enabled", False)
    until(lambda: show.voice.voice is None)


def test_a_microphone_that_is_not_there_is_told_and_switched_off(server: SoundServer, show: Studio, until):
    told: list[tuple[str, str]] = []
    show.message.connect(lambda level, text: told.append((level, text)))
    show.change("voice.microphone", "Nobody's")
    show.change("voice.enabled", True)
    until(lambda: any(level == "error" and "Nobody's" in text for level, text in told))
    until(lambda: not show.settings.voice.enabled)
    assert show.voice.voice is None and show.session is not None


def test_camera_off_is_remembered_until_the_portrait_shall_follow_again(show: Studio, until, tmp_path: Path):
    show.change("voice.microphone", "Headset")
    show.change("voice.alone", True)
    assert not show.following
    show._tuning.flush()
    until(lambda: Store(tmp_path / "config").load().voice.alone)
    assert Store(tmp_path / "config").load().voice.microphone == "Headset"
    # Another show begins without opening the camera.
    show.stop()
    show.start()
    until(lambda: show.session is not None)
    assert not show.following and show.settings.voice.alone
    show.toggle()
    assert show.following and not show.settings.voice.alone


def test_microphones_that_come_and_go_are_listed(server: SoundServer, studio: Studio, until, qtbot,
                                                 monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ui.panels.voice.LOOK_MS", 100)
    panel = VoicePanel(studio)
    qtbot.addWidget(panel)
    panel.show()
    until(lambda: panel.microphones.findText(NAME) >= 0)
    server.unplug()
    until(lambda: panel.microphones.findText(NAME) < 0)
    server.plug()
    until(lambda: panel.microphones.findText(NAME) >= 0)
    panel.hide()
    assert not panel._looks.isActive()
