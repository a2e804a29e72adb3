"""Unexpected errors end in a report that can be copied, and the show goes on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PySide6.QtWidgets import QApplication, QWidget

from didlive import __version__
from ui.crash import MOST_SHOWN, CrashCatcher


@pytest.fixture
def catcher(qtbot) -> Iterator[CrashCatcher]:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    made = CrashCatcher(window)
    before = sys.excepthook
    made.install()
    yield made
    made.remove()
    assert sys.excepthook is before


def raise_in_hook(error: Exception) -> None:
    try:
        raise error
    except type(error) as caught:
        sys.excepthook(type(caught), caught, caught.__traceback__)


def test_a_report_can_be_copied(qtbot, catcher: CrashCatcher):
    raise_in_hook(ValueError("the cat is on the keyboard"))
    qtbot.waitUntil(lambda: catcher.dialog is not None and catcher.dialog.isVisible())
    dialog = catcher.dialog
    assert dialog is not None
    dialog.copy_button.click()
    text = QApplication.clipboard().text()
    assert "the cat is on the keyboard" in text and "Traceback" in text and __version__ in text
    dialog.go_button.click()
    assert not dialog.isVisible()


def test_threads_count_too_and_quit_asks_to_quit(qtbot, catcher: CrashCatcher):
    thread = threading.Thread(target=lambda: [][0])
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: catcher.dialog is not None)
    assert catcher.dialog is not None and "IndexError" in catcher.dialog.text.toPlainText()
    with qtbot.waitSignal(catcher.quit_asked):
        catcher.dialog.quit_button.click()


def test_many_errors_open_one_dialog(qtbot, catcher: CrashCatcher):
    for n in range(MOST_SHOWN + 20):
        raise_in_hook(ValueError(f"number {n}"))
    qtbot.waitUntil(lambda: catcher.dialog is not None and f"number {MOST_SHOWN - 1}" in
                    catcher.dialog.text.toPlainText())
    assert catcher.dialog is not None and f"number {MOST_SHOWN}" not in catcher.dialog.text.toPlainText()
    assert len([w for w in QApplication.topLevelWidgets() if type(w) is type(catcher.dialog) and w.isVisible()]) == 1
    catcher.dialog.go_button.click()


def test_ctrl_c_asks_to_quit(qtbot, catcher: CrashCatcher):
    with qtbot.waitSignal(catcher.quit_asked):
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert catcher.dialog is None
