"""Unexpected errors: a report that can be copied, and the show goes on."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QApplication, QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from .about import system_line
from .i18n import tr

MOST_SHOWN = 5
_log = logging.getLogger(__name__)


def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> str:
    """Return the report: versions and the traceback."""
    return f"{system_line()}\n\n{''.join(traceback.format_exception(kind, error, trace))}"


class CrashDialog(QDialog):
    """Shows a report; `quit_button` ends didlive, everything else goes on."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Unexpected error"))
        head = QLabel(tr("Something went wrong that should not have. The show goes on if it can; please send this "
                         "report to the makers of didlive."))
        head.setWordWrap(True)
        self.text = QPlainTextEdit(text, readOnly=True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setAccessibleName(tr("Report"))
        buttons = QDialogButtonBox()
        self.copy_button = buttons.addButton(tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        self.go_button = buttons.addButton(tr("Go on"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.quit_button = buttons.addButton(tr("Quit"), QDialogButtonBox.ButtonRole.DestructiveRole)
        self.copy_button.clicked.connect(lambda: QApplication.clipboard().setText(self.text.toPlainText()))
        buttons.accepted.connect(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(16)
        for widget in (head, self.text, buttons):
            layout.addWidget(widget)

    def sizeHint(self) -> QSize:
        return QSize(720, 440)


class CrashCatcher(QObject):
    """Takes over `sys.excepthook` and `threading.excepthook` while installed. The same error is shown once."""

    quit_asked = Signal()
    _caught = Signal(str)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._seen: set[str] = set()
        self.dialog: CrashDialog | None = None
        self._caught.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def install(self) -> None:
        """Begin to catch."""
        self._before = sys.excepthook, threading.excepthook
        sys.excepthook, threading.excepthook = self._take, self._take_from_thread

    def remove(self) -> None:
        """Give both hooks back."""
        sys.excepthook, threading.excepthook = self._before

    def _take(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self.quit_asked.emit()
            return
        _log.error("unexpected error", exc_info=(kind, error, trace))
        self._caught.emit(report(kind, error, trace))

    def _take_from_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._take(args.exc_type, args.exc_value, args.exc_traceback)

    def _show(self, text: str) -> None:
        if text in self._seen or len(self._seen) >= MOST_SHOWN:
            return
        self._seen.add(text)
        if self.dialog is not None and self.dialog.isVisible():
            self.dialog.text.appendPlainText(text)
            return
        self.dialog = CrashDialog(text, self._window)
        self.dialog.quit_button.clicked.connect(lambda: (self.dialog and self.dialog.close(), self.quit_asked.emit()))
        self.dialog.open()
