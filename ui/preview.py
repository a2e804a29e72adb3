"""A plain window that shows what goes out, with keys for the show. The only file of the command line that needs Qt."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from didlive.session import Session, Stats

from .picture import Picture, newest

_log = logging.getLogger(__name__)
STATE_MS = 250
KEYS = "Space camera on/off   C recalibrate   H hold   Esc panic   Q quit"


def state_line(stats: Stats) -> str:
    """Say in one line how it stands."""
    reason = f" ({stats.reason})" if stats.reason else ""
    return f"{stats.state.value}{reason}   {stats.fps:.0f} frames/s   delay {stats.p50_ms:.0f} ms"


class PreviewWindow(QWidget):
    """Shows `session.preview` and turns keys into calls of the session."""

    def __init__(self, session: Session, title: str) -> None:
        super().__init__()
        self._session = session
        self.setWindowTitle(f"didlive - {title}")
        self.picture, self.status = Picture(newest(lambda: session.preview)), QLabel()
        self.status.setMargin(6)
        self.status.setToolTip(KEYS)
        self.status.setAccessibleName("state")
        self.picture.setAccessibleName("portrait")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.picture, 1)
        layout.addWidget(self.status)
        self._tell = QTimer(self)
        self._tell.timeout.connect(self._show_state)
        self._tell.start(STATE_MS)
        self._show_state()

    def _show_state(self) -> None:
        self.status.setText(f"{state_line(self._session.stats())}\n{KEYS}")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space, C, H, Esc and Q; everything else goes on to Qt."""
        session = self._session
        actions: dict[int, Callable[[], object]] = {
            Qt.Key.Key_Space: lambda: session.follow(not session.following),
            Qt.Key.Key_C: session.recalibrate,
            Qt.Key.Key_H: lambda: session.hold(not session.held),
            Qt.Key.Key_Escape: lambda: session.panic(not session.panicking),
            Qt.Key.Key_Q: self.close,
        }
        action = actions.get(event.key())
        if action is None:
            super().keyPressEvent(event)
        elif not event.isAutoRepeat():
            action()
            self._show_state()

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the window's own thread; the session is ended by whoever started it."""
        self._tell.stop()
        self.picture.stop()
        super().closeEvent(event)


def _log_message(kind: QtMsgType, _context: object, text: str) -> None:
    """Let Qt's messages go through `logging`: the last one before Qt gives up says why."""
    level = logging.DEBUG if kind in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg) else logging.WARNING
    _log.log(level, "%s", text)


def show(session: Session, title: str, seconds: float | None = None) -> None:
    """Show the window of a running session until it is closed, or for `seconds`."""
    qInstallMessageHandler(_log_message)
    found = QApplication.instance()
    app = found if isinstance(found, QApplication) else QApplication(sys.argv[:1])
    window = PreviewWindow(session, title)
    # Python handles signals only between its own instructions; the picture's timer gives it the chance.
    endings = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: window.close()) for number in endings]
    if seconds is not None:
        QTimer.singleShot(round(seconds * 1000), window.close)
    window.show()
    try:
        app.exec()
    finally:
        for number, handler in zip(endings, before, strict=True):
            signal.signal(number, handler)
        window.close()
