"""A plain window that shows what goes out, with keys for the show. The only file of the command line that needs Qt."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PySide6.QtCore import QRect, QSize, Qt, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QCloseEvent, QColor, QImage, QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from didlive.flow import Latest
from didlive.session import Session, Stats
from didlive.types import U8, Frame

_log = logging.getLogger(__name__)
REFRESH_MS, STATE_MS = 15, 250
BACKGROUND = QColor(24, 24, 26)
KEYS = "Space camera on/off   C recalibrate   H hold   Esc panic   Q quit"


def fitted(image: U8, width: int, height: int) -> U8:
    """Return `image` (H, W, 3 or 4) scaled to fit into width x height px; 1:1 costs nothing."""
    zoom = min(width / image.shape[1], height / image.shape[0])
    if zoom <= 0 or abs(zoom - 1) < 1e-3:
        return image
    size = max(1, round(image.shape[1] * zoom)), max(1, round(image.shape[0] * zoom))
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=how), np.uint8)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture ready to paint. Qt does not copy the pixels: `image` lives as long as `picture`."""

    picture: QImage
    image: U8


class _Scaler(threading.Thread):
    """Scales the newest frame for the window, so that the window's thread only copies pixels."""

    def __init__(self, frames: Latest[Frame]) -> None:
        super().__init__(name="didlive-preview", daemon=True)
        self._frames = frames
        self._stop_asked = threading.Event()
        self.size: tuple[int, int] = (512, 512)
        self.ready: Latest[_Shown] = Latest()

    def run(self) -> None:
        last: tuple[Frame, tuple[int, int]] | None = None
        while not self._stop_asked.is_set():
            frame = self._frames.take(0.05) or self._frames.peek()
            size = self.size
            if frame is None or (last is not None and last[0] is frame and last[1] == size):
                continue
            image = fitted(frame.image, *size)
            height, width, channels = image.shape
            pixels = QImage.Format.Format_RGBA8888 if channels == 4 else QImage.Format.Format_RGB888
            self.ready.put(_Shown(QImage(image.data, width, height, channels * width, pixels), image))
            last = frame, size

    def stop(self) -> None:
        """End the thread."""
        self._stop_asked.set()
        self.join(1.0)


class _Picture(QWidget):
    """Paints the newest scaled frame in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 120)
        self.shown: _Shown | None = None
        self.resized: Callable[[int, int], None] = lambda width, height: None
        self.painted = 0

    def sizeHint(self) -> QSize:
        return QSize(512, 512)

    def resizeEvent(self, event: QResizeEvent) -> None:
        ratio = self.devicePixelRatio()
        self.resized(round(self.width() * ratio), round(self.height() * ratio))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), BACKGROUND)
        if self.shown is not None:
            picture, ratio = self.shown.picture, self.devicePixelRatio()
            width, height = round(picture.width() / ratio), round(picture.height() / ratio)
            place = QRect((self.width() - width) // 2, (self.height() - height) // 2, width, height)
            painter.drawImage(place, picture)
            self.painted += 1
        painter.end()


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
        self.picture, self.status = _Picture(), QLabel()
        self.status.setMargin(6)
        self.status.setToolTip(KEYS)
        self.status.setAccessibleName("state")
        self.picture.setAccessibleName("portrait")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.picture, 1)
        layout.addWidget(self.status)
        self._scaler = _Scaler(session.preview)
        self.picture.resized = self._fit
        self._scaler.start()
        self._refresh, self._tell = QTimer(self), QTimer(self)
        self._refresh.timeout.connect(self._show_newest)
        self._tell.timeout.connect(self._show_state)
        self._refresh.start(REFRESH_MS)
        self._tell.start(STATE_MS)
        self._show_state()

    def _fit(self, width: int, height: int) -> None:
        self._scaler.size = (width, height)

    def _show_newest(self) -> None:
        shown = self._scaler.ready.peek()
        if shown is not None and shown is not self.picture.shown:
            self.picture.shown = shown
            self.picture.update()

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
        self._refresh.stop()
        self._tell.stop()
        self._scaler.stop()
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
    # Python handles signals only between its own instructions; the refresh timer gives it the chance.
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
