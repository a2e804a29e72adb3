"""The voice panel: level, microphone, talk button, and what it says."""

from __future__ import annotations

import pytest

from ui.panels.voice import VoicePanel
from ui.studio import Studio


@pytest.fixture
def panel(qtbot, studio: Studio) -> VoicePanel:
    made = VoicePanel(studio)
    qtbot.addWidget(made)
    made.show()
    return made


def test_the_level_is_shown(panel: VoicePanel, studio: Studio, language):
    studio.change("voice.enabled", True)
    quiet = panel.meter.grab().toImage()
    studio.level_changed.emit(0.6, False)
    loud = panel.meter.grab().toImage()
    assert panel.meter.level == 0.6 and loud != quiet and panel.told.text().startswith("Speak")
    studio.level_changed.emit(1.7, True)
    assert panel.meter.level == 1.0 and panel.told.text().startswith("Too loud")
    assert panel.meter.accessibleName() == "Microphone level"
    studio.change("voice.muted", True)
    studio.level_changed.emit(0.0, False)
    assert panel.told.text().startswith("Muted")


def test_push_to_talk_shows_its_button(panel: VoicePanel, studio: Studio):
    assert not panel.talk.isVisibleTo(panel)
    studio.change("voice.push_to_talk", True)
    assert panel.talk.isVisibleTo(panel)
    studio.change("voice.enabled", True)
    studio.level_changed.emit(0.0, False)
    assert panel.told.text().startswith("Hold the button")
    panel.talk.setDown(True)
    studio.level_changed.emit(0.0, False)
    assert panel.told.text().startswith("Speak")


def test_microphones_are_listed_and_chosen(panel: VoicePanel, studio: Studio):
    studio.voice.microphones = ("Headset", "Webcam")
    studio.voice.changed.emit()
    names = [panel.microphones.itemText(i) for i in range(panel.microphones.count())]
    assert names == ["The system's own choice", "Headset", "Webcam"]
    panel.microphones.activated.emit(2)
    assert studio.settings.voice.microphone == "Webcam"
    # One that is away stays on show.
    studio.voice.microphones = ("Headset",)
    studio.voice.changed.emit()
    assert panel.microphones.currentText() == "Webcam"


def test_without_a_show_nothing_listens(panel: VoicePanel, studio: Studio):
    studio.change("voice.enabled", True)
    assert studio.voice.voice is None
    assert studio.voice.delay_ms() == (0.0, False)


def test_it_speaks_chinese(panel: VoicePanel, language):
    language("zh_CN")
    assert panel.microphone.title.text() == "麦克风"
