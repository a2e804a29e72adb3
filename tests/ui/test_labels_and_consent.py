"""What says that a picture is synthetic, and whose it is: label, signature, consent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from listening import running, said
from PySide6.QtWidgets import QAbstractButton, QMessageBox

from didlive import credentials
from didlive.library import Entry
from ui.panels.consent import ConsentDialog
from ui.panels.library import LibraryPanel
from ui.panels.output import OutputPanel
from ui.panels.rows import ChoiceRow, SwitchRow, TextRow
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]


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


def playing(show: Studio, until: Until, tmp_path: Path) -> Entry:
    """Put a portrait of one's own into the library; return it when it plays."""
    copy = tmp_path / "me.png"
    Image.fromarray(skimage.data.astronaut()[:, ::-1]).save(copy)
    show.add_portraits([copy])
    until(lambda: show.portrait and not entry_of(show, show.portrait).builtin)
    return entry_of(show, show.portrait)


def entry_of(studio: Studio, key: str) -> Entry:
    return next(entry for entry in studio.entries if entry.key == key)


@pytest.fixture
def shelf(qtbot, show: Studio) -> LibraryPanel:
    made = LibraryPanel(show)
    qtbot.addWidget(made)
    made.show()
    return made


def question(shelf: LibraryPanel) -> ConsentDialog:
    dialog = shelf.consent.dialog
    assert dialog is not None
    return dialog


def test_a_new_portrait_is_asked_about_once_in_each_run_until_there_is_an_answer(shelf: LibraryPanel, show: Studio,
                                                                                until: Until, tmp_path: Path):
    assert shelf.consent.dialog is None, "the portraits that come with didlive need no consent"
    own, ledger = playing(show, until, tmp_path), show.consents.ledger
    until(lambda: shelf.consent.dialog)
    dialog = question(shelf)
    assert dialog.entry == own and not dialog.isModal() and not dialog.save.isEnabled()
    dialog.later.click()
    until(lambda: shelf.consent.dialog is None)
    show.choose_index(1)
    until(lambda: show.portrait == show.entries[0].key)
    show.choose_portrait(own.key)
    until(lambda: show.portrait == own.key)
    # The window's own question, put off, is over when what was asked for after it is done.
    asked, settled = [], []
    show.consents.asked.connect(asked.append)
    show.consents.check(own, lambda: settled.append("allowed"), settled.append)
    until(lambda: settled)
    assert asked == []
    show.consents.put_off.clear()
    show.consents.ask(own)
    until(lambda: shelf.consent.dialog)
    assert asked == [own], "put off until the next start"
    dialog = question(shelf)
    dialog.kinds.button(1).click()
    dialog.save.click()
    until(dialog.problem.isVisible)
    assert "who agreed" in dialog.problem.text() and ledger.state(own.key) == "none"
    dialog.fields["who"].setText("Ada")
    dialog.save.click()
    until(lambda: shelf.consent.dialog is None)
    assert ledger.state(own.key) == "valid" and ledger.entries()[0].who == "Ada"


def test_a_revoked_portrait_stays_out(shelf: LibraryPanel, show: Studio, until: Until, tmp_path: Path):
    own, messages = playing(show, until, tmp_path), said(show)
    ledger = show.consents.ledger
    show.consents.revoke(own)
    until(lambda: messages)
    assert messages.pop() == ("warning", "There is no consent for me to revoke") and show.portrait == own.key
    ledger.record(own.path, "myself", name=own.name)
    show.consents.revoke(own)
    until(lambda: show.portrait == show.entries[0].key)
    assert ledger.state(own.key) == "revoked"
    # It is prepared, and still does not go out.
    show.choose_portrait(own.key)
    until(lambda: any("does not go live" in text for level, text in messages if level == "warning"))
    assert show.portrait == show.entries[0].key and not show.preparing
    ledger.record(own.path, "myself", name=own.name)
    show.choose_portrait(own.key)
    until(lambda: show.portrait == own.key)


def test_a_show_does_not_begin_with_a_revoked_portrait(show: Studio, until: Until, tmp_path: Path):
    own, ledger = playing(show, until, tmp_path), show.consents.ledger
    ledger.record(own.path, "myself", name=own.name)
    ledger.revoke(own.key)
    show.change("output.background", "image")
    show.stop()
    messages = said(show)
    show.start()
    until(lambda: show.session is not None and show.portrait == show.entries[0].key)
    assert any("does not go live" in text for _, text in messages)
    assert not any("background" in text for _, text in messages)


def test_the_menu_of_a_portrait(qtbot, shelf: LibraryPanel, show: Studio, until: Until, tmp_path: Path):
    own, ledger = playing(show, until, tmp_path), show.consents.ledger
    until(lambda: shelf.consent.dialog)
    question(shelf).close()
    until(lambda: shelf.consent.dialog is None)
    whose, revoke, _ = shelf.consent.menu(own).actions()
    whose.trigger()
    assert question(shelf).entry == own
    ledger.record(own.path, "myself", name=own.name)
    revoke.trigger()
    box = shelf.findChild(QMessageBox)
    assert isinstance(box, QMessageBox)
    next(button for button in box.buttons() if button.text() == "Revoke").click()
    until(lambda: ledger.state(own.key) == "revoked")


@pytest.mark.parametrize("name", ["en", "zh_CN"])
def test_the_question_is_not_clipped(qtbot, library: Studio, language: Callable[[str], None], name: str):
    language(name)
    dialog = ConsentDialog(library, library.entries[0])
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitExposed(dialog)
    for button in dialog.findChildren(QAbstractButton):
        assert button.text() and button.width() >= button.sizeHint().width()


def test_an_answer_that_comes_after_the_question_is_gone(qtbot, library: Studio, until: Until):
    messages, entry = said(library), library.entries[0]
    dialog = ConsentDialog(library, entry)
    dialog.show()
    dialog.kinds.button(1).click()
    dialog.save.click()
    dialog.close()
    until(lambda: messages)
    assert messages == [("error", "say who agreed: the person's name")]
