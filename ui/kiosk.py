"""For a stand: one portrait after the other fills the screen, without a mouse pointer and without controls."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent, QColor, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from didlive.profiles import Store

from . import theme
from .app import Options
from .i18n import say, set_language, tr
from .picture import Picture, newest
from .studio import Studio

ESCAPE_S, SAY_MS = 2.0, 4000


class Kiosk(QWidget):
    """Full screen; the next portrait every `seconds` or by Right and Space, the one before by Left. Esc twice, or
    Ctrl+Q, ends it."""

    def __init__(self, studio: Studio, seconds: float, folder: TemporaryDirectory[str] | None = None) -> None:
        """folder: lives as long as the window."""
        super().__init__()
        self._studio, self._folder = studio, folder
        self._escaped_s, self._ended = -ESCAPE_S, False
        self._keys: list[str] = []
        # Those that cannot be used are passed over from then on, in the direction that was asked for.
        self._unusable: set[str] = set()
        self._asked, self._way = "", 1
        self.setWindowTitle("didlive")
        self.setCursor(Qt.CursorShape.BlankCursor)
        self.picture = Picture(newest(lambda: studio.session.preview if studio.session else None))
        self.picture.background = QColor(0, 0, 0)
        self.picture.setAccessibleName(tr("The portrait as it goes out"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.picture)
        self.label = QLabel(self.picture, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.label.setObjectName("word")
        self._show("")
        self._next, self._silence = QTimer(self, interval=round(seconds * 1000)), QTimer(self, singleShot=True)
        self._next.timeout.connect(lambda: self.step(1))
        self._silence.timeout.connect(lambda: self._show(""))
        self._next.start()
        studio.portraits_added.connect(self._take)
        studio.busy_changed.connect(self._busy)
        studio.preparing_changed.connect(self._look)
        studio.session_changed.connect(lambda session: self._busy("", 0.0))
        studio.message.connect(lambda level, text: self._say(text) if level == "error" else None)
        studio.closed.connect(self._finish)

    def step(self, by: int) -> None:
        """Show the next portrait, or the one before."""
        keys = self._keys or [entry.key for entry in self._studio.entries]
        if keys:
            # From the one that was asked for last: a picture that cannot be used never plays, and the next one shall.
            now = self._asked or self._studio.preparing or self._studio.portrait
            at = keys.index(now) + by if now in keys else 0
            turn = (keys[(at + n * by) % len(keys)] for n in range(len(keys)))
            self._asked, self._way = next((key for key in turn if key not in self._unusable), keys[at % len(keys)]), by
            self._studio.choose_portrait(self._asked)
            self._next.start()

    def _look(self) -> None:
        """Pass over a picture that was asked for and cannot be used."""
        if self._asked and not self._studio.preparing and self._asked not in {self._studio.portrait, *self._unusable}:
            self._unusable.add(self._asked)
            self.step(self._way)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if event.isAutoRepeat():
            return
        if key in (Qt.Key.Key_Right, Qt.Key.Key_Space):
            self.step(1)
        elif key == Qt.Key.Key_Left:
            self.step(-1)
        elif key == Qt.Key.Key_Escape:
            now_s = time.monotonic()
            if now_s - self._escaped_s < ESCAPE_S:
                self.close()
            else:
                self._escaped_s = now_s
                self._say(tr("Press Esc again to quit"))
        elif key == Qt.Key.Key_Q and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.close()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.label.setGeometry(0, self.height() - 120, self.width(), 96)

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the show in the background first."""
        if self._ended:
            event.accept()
            return
        event.ignore()
        self._next.stop()
        self._studio.shutdown()

    def _take(self, keys: list[str]) -> None:
        # The same picture twice is one portrait.
        self._keys = list(dict.fromkeys(keys))

    def _show(self, text: str) -> None:
        self.label.setText(text)
        # Its plate would lie over the picture.
        self.label.setVisible(bool(text))

    def _say(self, text: str) -> None:
        self._show(say(text))
        self._silence.start(SAY_MS)

    def _busy(self, what: str, part: float) -> None:
        if self._studio.session is None:
            self._show(f"{what} …" if what else "")
        elif not self._silence.isActive():
            self._show("")

    def _finish(self) -> None:
        self._ended = True
        self.picture.stop()
        self.close()
        if self._folder is not None:
            self._folder.cleanup()


def open_kiosk(app: QApplication, options: Options) -> tuple[Studio, Kiosk]:
    """Fill the screen with the portraits of `options`, with the user's settings; nothing of it is kept."""
    folder = TemporaryDirectory(prefix="didlive-")
    place = Path(folder.name)
    settings = Store().load()
    store = Store(place)
    store.save(settings)
    studio = Studio(store, place / "portraits", options.camera)
    set_language(options.language or settings.window.language)
    theme.apply(app, "dark")
    kiosk = Kiosk(studio, options.seconds or settings.window.kiosk_seconds, folder)
    kiosk.showFullScreen()
    QTimer.singleShot(0, lambda: studio.open(options.portraits))
    return studio, kiosk
