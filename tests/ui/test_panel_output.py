"""The output panel: the picture that leaves, recordings, snapshots, outputs and their state."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QLabel
from showing import shown

from didlive.session import Session
from didlive.sinks.memory import MemorySink
from ui.panels.glyphs import Mark
from ui.panels.output import OutputPanel
from ui.studio import Studio


@pytest.fixture
def panel(qtbot, studio: Studio) -> OutputPanel:
    return shown(qtbot, OutputPanel(studio), 760)


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """What the desktop was asked to open."""
    seen: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: seen.append(url.toLocalFile()))
    return seen


def choose(panel: OutputPanel, size: str) -> None:
    at = panel.sizes.findData(size)
    panel.sizes.setCurrentIndex(at)
    panel.sizes.activated.emit(at)


def test_framing_rate_and_mirror_go_both_ways(panel: OutputPanel, studio: Studio):
    framing, rate = panel.framing.rows["output.framing"], panel.rest.rows["output.rate_hz"]
    kind = panel.framing.rows["output.kind"]
    kind.combo.setCurrentIndex(kind.combo.findData("drawn"))
    kind.combo.activated.emit(kind.combo.currentIndex())
    assert studio.settings.output.kind == "drawn"
    framing.combo.setCurrentIndex(framing.combo.findData("bust"))
    rate.number.setValue(25)
    panel.rest.rows["output.mirror"].box.click()
    output = studio.settings.output
    assert (output.framing, output.rate_hz, output.mirror) == ("bust", 25.0, True)
    studio.change("output.framing", "full")
    assert framing.value() == "full"


def test_only_what_the_background_needs_is_shown(panel: OutputPanel, studio: Studio):
    rows = panel.backdrop.rows
    color, image = rows["output.background_color"], rows["output.background_image"]
    for background, wants in {"picture": (False, False), "blur": (False, False), "color": (True, False),
                              "green": (False, False), "image": (False, True), "transparent": (True, False)}.items():
        studio.change("output.background", background)
        assert rows["output.background"].value() == background
        assert (color.button.isVisible(), image.line.isVisible()) == wants


def test_sizes_by_name(panel: OutputPanel, studio: Studio):
    assert panel.sizes.currentData() == "512" and not panel.custom.isVisible()
    for size in ("720p", "1080p", "720x1280", "source", "auto"):
        choose(panel, size)
        assert studio.settings.output.size == size and panel.sizes.currentData() == size
    studio.change("output.size", "720p")
    assert panel.sizes.currentData() == "720p"


def test_a_size_of_ones_own(panel: OutputPanel, studio: Studio):
    choose(panel, "")
    assert panel.custom.isVisible() and panel.sizes.currentData() == ""
    for box, value in zip(panel.sides, (801, 600), strict=True):
        box.setValue(value)
    panel.sides[1].editingFinished.emit()
    assert studio.settings.output.size == "800x600", "video needs even sides"
    studio.change("output.size", "640x360")
    assert [box.value() for box in panel.sides] == [640, 360]
    studio.change("output.size", "512")
    assert not panel.custom.isVisible()


def test_a_size_of_ones_own_begins_with_the_one_there_is(panel: OutputPanel, studio: Studio):
    panel.sizes.setCurrentIndex(panel.sizes.findData(""))
    panel.sizes.activated.emit(panel.sizes.currentIndex())
    assert panel.custom.isVisibleTo(panel) and [box.value() for box in panel.sides] == [512, 512]
    assert studio.settings.output.size == "512", "a recording must not end before another size was typed"


def test_without_outputs_it_says_what_there_will_be(panel: OutputPanel):
    assert "virtual camera" in panel.outputs.nowhere.text() and panel.outputs.nowhere.isVisible()
    assert panel.none.isVisible() and not panel.recordings.isVisible() and not panel.told.isVisible()


def test_record_and_snapshot(qtbot, show: Studio, until, opened: list[str]):
    panel = shown(qtbot, OutputPanel(show), 760)
    until(panel.record.isEnabled)
    panel.record.click()
    until(lambda: show.recording)
    assert panel.record.text() == "Stop &recording" and panel.restarts.isVisible()
    until(lambda: panel.outputs.shown and "Recording: runs" in panel.outputs.shown[0].findChild(QLabel).text())
    until(lambda: panel.told.text().startswith("Recording 0:0") and "0.0 MB" not in panel.told.text())
    panel.record.click()
    until(lambda: not show.recording and panel.recordings.isVisible())
    assert panel.record.text() == "&Record" and not panel.told.isVisible() and not panel.restarts.isVisible()
    until(lambda: panel.outputs.nowhere.isVisible())
    panel.recordings.itemActivated.emit(panel.recordings.item(0))
    panel.folder.click()
    file, folder = (Path(name) for name in opened)
    assert file.suffix == ".mp4" and file.parent == folder and file.stat().st_size > 0
    panel.snapshot.click()
    until(lambda: any(show.folders[1].glob("*.png")))


def test_an_output_that_has_trouble_says_so(qtbot, show: Studio, until):
    panel = shown(qtbot, OutputPanel(show), 760)
    session = show.session
    assert isinstance(session, Session)
    session.add_sink("stream", MemorySink())
    show.outputs_changed.emit()
    assert "Stream: runs" in panel.outputs.shown[0].findChild(QLabel).text()
    assert panel.outputs.shown[0].findChild(Mark).mark == "good" and not panel.outputs.nowhere.isVisible()
    session.remove_sink("stream")
    show.outputs_changed.emit()
    assert not panel.outputs.shown and panel.outputs.nowhere.isVisible()


def test_a_folder_that_is_not_there_yet(panel: OutputPanel, opened: list[str], tmp_path: Path):
    panel.folder.click()
    assert opened == [str(tmp_path)]
