"""The voice panel: it exists only where there is a voice."""

from __future__ import annotations

from ui.panels import voice
from ui.studio import Studio


def test_without_a_voice_engine_there_is_no_panel(studio: Studio):
    assert not voice.available(studio)


def test_the_level_is_shown(qtbot, studio: Studio, language):
    studio.voice = object()  # type: ignore[attr-defined]
    assert voice.available(studio)
    panel = voice.VoicePanel(studio)
    qtbot.addWidget(panel)
    panel.show()
    quiet = panel.meter.grab().toImage()
    studio.level_changed.emit(0.6, False)
    loud = panel.meter.grab().toImage()
    assert panel.meter.level == 0.6 and loud != quiet and panel.told.text().startswith("Speak")
    studio.level_changed.emit(1.7, True)
    assert panel.meter.level == 1.0 and panel.told.text().startswith("Too loud")
    assert panel.meter.accessibleName() == "Microphone level"
