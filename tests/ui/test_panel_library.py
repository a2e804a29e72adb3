"""The portrait library: pictures come in by every way, readiness is told, a click plays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QBuffer, QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragLeaveEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QLineEdit, QMessageBox, QPushButton

from ui.panels import drops
from ui.panels.library import LibraryPanel
from ui.panels.tiles import PortraitModel
from ui.studio import Studio


@pytest.fixture
def panel(qtbot, library: Studio) -> LibraryPanel:
    made = LibraryPanel(library)
    qtbot.addWidget(made)
    made.resize(340, 720)
    made.show()
    qtbot.waitExposed(made)
    return made


def picture(astronaut: Path) -> QImage:
    """The astronaut cut to another picture, so that the library does not know it yet."""
    return QImage(str(astronaut)).copy(40, 0, 420, 420)


def drag(mime: QMimeData, kind: QEvent.Type) -> QDropEvent:
    """One event of a drag and drop, not accepted yet."""
    event = QDropEvent(QPointF(20, 20), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
                       Qt.KeyboardModifier.NoModifier, kind)
    event.ignore()
    return event


def drop(panel: LibraryPanel, mime: QMimeData) -> None:
    enter = drag(mime, QEvent.Type.DragEnter)
    panel.dragEnterEvent(enter)
    assert enter.isAccepted() and panel.hint.text() == "Let go to add it"
    panel.dropEvent(drag(mime, QEvent.Type.Drop))
    assert panel.hint.text().startswith("Drop or paste")


def with_urls(*urls: QUrl) -> QMimeData:
    mime = QMimeData()
    mime.setUrls(list(urls))
    return mime


def row_count(panel: LibraryPanel) -> int:
    return panel.model.rowCount()


def add(panel: LibraryPanel, astronaut: Path, until) -> str:
    """Drop a file of our own; return its key once it was judged."""
    before = {entry.key for entry in panel.studio.entries}
    path = astronaut.with_name("friend.png")
    picture(astronaut).save(str(path))
    drop(panel, with_urls(QUrl.fromLocalFile(str(path))))
    until(lambda: len(panel.studio.entries) > len(before))
    key = next(entry.key for entry in panel.studio.entries if entry.key not in before)
    until(lambda: panel.studio.verdict(key) is not None and panel.model.picture(key) is not None)
    return key


def select(panel: LibraryPanel, key: str) -> None:
    panel.view.setCurrentIndex(panel.model.index(panel.model.row_of(key)))


def test_the_built_in_portraits_are_there(panel: LibraryPanel, library: Studio):
    assert row_count(panel) == len(library.entries) >= 2
    assert panel.view.isVisible() and not panel.empty.isVisible()
    first = library.entries[0]
    assert panel.model.picture(first.key) is not None
    told = panel.model.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert first.name in told and "Key 1" in told
    select(panel, first.key)
    assert panel.name.text() == first.name and panel.details.isVisible()
    assert panel.rename.isHidden() and panel.remove.isHidden()
    assert not panel.model.flags(panel.model.index(0)) & Qt.ItemFlag.ItemIsEditable
    panel._ask_remove()
    assert panel.findChild(QMessageBox) is None, "what comes with didlive stays"


def test_notes_say_how_to_fix(panel: LibraryPanel, library: Studio):
    doubtful = next(entry for entry in library.entries if library.verdict(entry.key).notes)
    select(panel, doubtful.key)
    assert panel.headline.text() == "Works, but could be better" and panel.mark.mark == "warn"
    assert panel.notes.isVisible() and panel.notes.text().startswith("• ")


def test_tiles_paint_in_every_state(panel: LibraryPanel, library: Studio):
    plain = panel.view.grab().toImage()
    select(panel, library.entries[0].key)
    assert panel.view.grab().toImage() != plain


@pytest.mark.parametrize("width_px", [250, 264, 340, 700])
def test_tiles_fill_the_width_in_two_columns_or_more(panel: LibraryPanel, qtbot, width_px: int):
    panel.resize(width_px, 600)
    qtbot.waitUntil(lambda: panel.width() == width_px)
    panel.view.doItemsLayout()
    first, second = (panel.view.visualRect(panel.model.index(row)) for row in range(2))
    assert first.top() == second.top() and first.right() < second.left() + 1
    assert second.right() <= panel.view.viewport().width() and first.width() >= 90


def test_a_file_is_dropped(panel: LibraryPanel, astronaut: Path, until):
    key = add(panel, astronaut, until)
    select(panel, key)
    assert panel.name.text() == "friend" and not panel.rename.isHidden() and not panel.remove.isHidden()


def test_a_picture_is_dropped_from_a_browser(panel: LibraryPanel, astronaut: Path, until):
    before = row_count(panel)
    mime = with_urls(QUrl("https://example.org/a.png"))
    mime.setImageData(picture(astronaut))
    drop(panel, mime)
    until(lambda: row_count(panel) == before + 1)
    assert panel.studio.entries[-1].name == "Dropped picture"


def test_only_an_address_is_dropped(panel: LibraryPanel, qtbot):
    with qtbot.waitSignal(panel.studio.message, check_params_cb=lambda level, text: "save the picture" in text):
        drop(panel, with_urls(QUrl("https://example.org/a.png")))


def test_text_is_not_taken(panel: LibraryPanel):
    mime = QMimeData()
    mime.setText("hello")
    event = drag(mime, QEvent.Type.DragEnter)
    panel.dragEnterEvent(event)
    assert not event.isAccepted()
    panel.hint.setText("Let go to add it")
    panel.dragLeaveEvent(QDragLeaveEvent())
    assert panel.hint.text().startswith("Drop or paste")


def test_paste(panel: LibraryPanel, astronaut: Path, until, qtbot):
    clipboard, before = QGuiApplication.clipboard(), row_count(panel)
    clipboard.setText("no picture")
    with qtbot.waitSignal(panel.studio.message, check_params_cb=lambda level, text: "clipboard" in text):
        panel.paste.click()
    clipboard.setImage(picture(astronaut))
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    until(lambda: row_count(panel) == before + 1)


def test_a_bad_file_is_told_and_nothing_is_added(panel: LibraryPanel, tmp_path: Path, qtbot):
    broken, before = tmp_path / "broken.jpg", row_count(panel)
    broken.write_bytes(b"no picture at all")
    panel.open.click()
    dialog = panel.findChild(QFileDialog)
    with qtbot.waitSignal(panel.studio.message, check_params_cb=lambda level, text: "broken.jpg" in text):
        dialog.filesSelected.emit([str(broken)])
    dialog.close()
    assert row_count(panel) == before


def test_rename_and_remove(panel: LibraryPanel, astronaut: Path, until, qtbot):
    key, before = add(panel, astronaut, until), row_count(panel)
    select(panel, key)
    panel.rename.click()
    editor = panel.view.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "Mae")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    until(lambda: panel.name.text() == "Mae")
    assert panel.studio.library.entry(key).name == "Mae"
    panel.remove.click()
    asking = panel.findChild(QMessageBox)
    assert "Mae" in asking.text() and row_count(panel) == before
    next(button for button in asking.findChildren(QPushButton) if button.text() == "Remove").click()
    until(lambda: row_count(panel) == before - 1)
    assert panel.model.row_of(key) == -1


def test_progress_is_shown_while_something_is_prepared(panel: LibraryPanel):
    panel.studio.busy_changed.emit("Preparing Mae", 0.4)
    assert panel.progress.isVisible() and panel.busy.text() == "Preparing Mae" and panel.bar.value() == 40
    panel.studio.busy_changed.emit("Preparing Mae", -1.0)
    assert panel.bar.maximum() == 0
    panel.studio.busy_changed.emit("", 0.0)
    assert not panel.progress.isVisible()


def test_without_portraits_it_says_what_to_do(qtbot, studio: Studio):
    panel = LibraryPanel(studio)
    qtbot.addWidget(panel)
    panel.show()
    assert panel.empty.isVisible() and "Drop a picture" in panel.empty.text()
    assert not panel.view.isVisible() and not panel.details.isVisible()


def test_a_click_plays(qtbot, show: Studio, until):
    panel = LibraryPanel(show)
    qtbot.addWidget(panel)
    panel.resize(340, 600)
    panel.show()
    qtbot.waitExposed(panel)
    second = show.entries[1].key
    at = panel.view.visualRect(panel.model.index(1)).center()
    qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    until(lambda: show.portrait == second)
    assert "Plays now" in panel.model.index(1).data(Qt.ItemDataRole.ToolTipRole)
    until(lambda: panel.grab().toImage().isNull() is False)


def test_pixels_of_any_picture():
    plain = QImage(7, 5, QImage.Format.Format_RGB32)
    plain.fill(Qt.GlobalColor.red)
    assert drops.pixels(plain).shape == (5, 7, 3) and tuple(drops.pixels(plain)[4, 6]) == (255, 0, 0)
    clear = QImage(3, 2, QImage.Format.Format_ARGB32_Premultiplied)
    clear.fill(Qt.GlobalColor.transparent)
    assert drops.pixels(clear).shape == (2, 3, 4) and not drops.pixels(clear).any()
    assert drops.pixels(clear).flags.c_contiguous


def test_a_picture_written_out_in_its_address():
    image, buffer = QImage(4, 4, QImage.Format.Format_RGB32), QBuffer()
    image.fill(Qt.GlobalColor.blue)
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    address = QUrl("data:image/png;base64," + bytes(buffer.data().toBase64().data()).decode())
    found = drops.picture(with_urls(address))
    assert found is not None and np.array_equal(drops.pixels(found), drops.pixels(image))
    assert drops.picture(with_urls(QUrl("data:image/png;base64,AAAA"))) is None


def test_an_empty_model(studio: Studio):
    model = PortraitModel(studio)
    model.refresh()
    assert model.rowCount() == 0 and model.entry(0) is None and model.index(0).data() is None
