"""What says that a picture is synthetic, and whose it is: label, signature, consent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from didlive import credentials
from didlive.session import Session
from ui.panels.output import OutputPanel
from ui.panels.rows import ChoiceRow, SwitchRow, TextRow
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]


def said(studio: Studio) -> list[tuple[str, str]]:
    messages: list[tuple[str, str]] = []
    studio.message.connect(lambda level, text: messages.append((level, text)))
    return messages


def running(studio: Studio) -> Session:
    assert studio.session is not None
    return studio.session


def record(show: Studio, until: Until) -> None:
    show.record(True)
    until(lambda: show.recording and running(show).output_states()[0].written > 10)
    show.record(False)
    until(lambda: not show.recording)


def test_recordings_and_snapshots_are_signed(show: Studio, until: Until):
    messages = said(show)
    record(show, until)
    show.snapshot()
    until(lambda: any(text.startswith("Saved ") for _, text in messages))
    for path in (*show.folders[0].glob("*.mp4"), *show.folders[1].glob("*.png")):
        signed = credentials.read(path)
        assert signed is not None and signed.intact and signed.own and signed.synthetic
        assert [used.consent for used in signed.portraits] == ["built-in, public domain"]
    assert "warning" not in [level for level, _ in messages]


def test_signing_can_be_off(show: Studio, until: Until):
    messages = said(show)
    show.change("output.credentials", False)
    show.snapshot()
    until(lambda: any(text.startswith("Saved ") for _, text in messages))
    assert credentials.read(next(show.folders[1].glob("*.png"))) is None


def test_what_could_not_be_signed_is_told_and_kept(show: Studio, until: Until, monkeypatch: pytest.MonkeyPatch):
    messages = said(show)
    monkeypatch.setattr(credentials, "missing", lambda: "the package is gone")
    record(show, until)
    show.snapshot()
    until(lambda: len([text for level, text in messages if level == "warning"]) == 2)
    assert all(text.endswith("is not signed: the package is gone") for level, text in messages if level == "warning")
    assert list(show.folders[0].glob("*.mp4")) and list(show.folders[1].glob("*.png"))


@pytest.fixture
def panel(qtbot, studio: Studio) -> OutputPanel:
    made = OutputPanel(studio)
    qtbot.addWidget(made)
    made.show()
    return made


def test_the_label_can_be_worded_and_moved(panel: OutputPanel, studio: Studio):
    words = panel.label.words.rows
    text, corner = words["output.badge_text"], words["output.badge_corner"]
    assert isinstance(text, TextRow) and isinstance(corner, ChoiceRow)
    text.line.setText("Synthetic")
    text.line.editingFinished.emit()
    corner.combo.setCurrentIndex(corner.combo.findData("top-left"))
    assert (studio.settings.output.badge_text, studio.settings.output.badge_corner) == ("Synthetic", "top-left")
    assert corner.combo.currentText() == "Top left"


def test_without_a_label_the_law_is_told(panel: OutputPanel, studio: Studio):
    section = panel.label
    switch, text = section.badge.rows["output.badge"], section.words.rows["output.badge_text"]
    assert isinstance(switch, SwitchRow) and isinstance(text, TextRow)
    assert not section.law.isVisible() and text.line.isVisible()
    switch.box.click()
    assert not studio.settings.output.badge and not text.line.isVisible()
    assert section.law.isVisible() and "must be labelled" in section.law.text()
    studio.change("output.badge", True)
    assert not section.law.isVisible() and text.line.isVisible()


def test_another_text_is_in_the_picture(show: Studio, until: Until):
    def corner():
        frame = running(show).preview.peek()
        assert frame is not None
        return frame.image[-60:, -200:].astype(int)

    show.panic(True)
    until(lambda: running(show).panicking)
    before = corner()
    show.change("output.badge", False)
    until(lambda: abs(corner() - before).max() > 60)
