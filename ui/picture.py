"""Moving pictures on a plain widget: a thread makes them ready for the screen, the widget only copies pixels.

Frames never travel in signals: `Picture` looks at a timer whether its thread has made a newer one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PySide6.QtCore import QRect, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from didlive.flow import Latest
from didlive.types import U8, Frame

REFRESH_MS = 15
BACKGROUND = QColor(24, 24, 26)
# The chessboard that stands for transparency, px and grey levels.
TILE_PX, TILE_LEVELS = 8, (150, 190)

Make = Callable[[int, int], U8 | None]


def fitted(image: U8, width: int, height: int) -> U8:
    """Return `image` (H, W, 3 or 4) scaled to fit into width x height px; 1:1 costs nothing."""
    zoom = min(width / image.shape[1], height / image.shape[0])
    if zoom <= 0 or abs(zoom - 1) < 1e-3:
        return image
    size = max(1, round(image.shape[1] * zoom)), max(1, round(image.shape[0] * zoom))
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=how), np.uint8)


def on_chessboard(image: U8) -> U8:
    """Return a picture (H, W, 4) with straight alpha as (H, W, 3) on a chessboard; (H, W, 3) stays as it is."""
    if image.shape[2] == 3:
        return image
    rows, columns = (np.arange(side) // TILE_PX for side in image.shape[:2])
    odd = (rows[:, None] + columns[None]) % 2
    board = np.where(odd, *TILE_LEVELS).astype(np.float32)[:, :, None]
    cover = image[:, :, 3:] / np.float32(255)
    return np.ascontiguousarray(image[:, :, :3] * cover + board * (1 - cover) + 0.5, np.uint8)


def newest(frames: Callable[[], Latest[Frame] | None], mirrored: Callable[[], bool] = lambda: False) -> Make:
    """Return what makes the newest of `frames` ready to be painted."""
    last: tuple[Frame | None, tuple[int, int, bool]] = None, (0, 0, False)

    def make(width: int, height: int) -> U8 | None:
        nonlocal last
        slot = frames()
        frame = slot.peek() if slot is not None else None
        asked = width, height, mirrored()
        if frame is None or (last[0] is frame and last[1] == asked):
            return None
        last = frame, asked
        image = on_chessboard(fitted(frame.image, width, height))
        return np.ascontiguousarray(image[:, ::-1]) if asked[2] else image

    return make


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture ready to paint. Qt does not copy the pixels: `image` lives as long as `picture`."""

    picture: QImage
    image: U8


class Maker(threading.Thread):
    """Calls `make(width, height)`, which returns the next (H, W, 3) RGB picture or None, every `period_s` seconds."""

    def __init__(self, make: Make, period_s: float) -> None:
        super().__init__(name="didlive-preview", daemon=True)
        self._make, self._period_s = make, period_s
        self._stop_asked = threading.Event()
        self.size: tuple[int, int] = (512, 512)
        self.ready: Latest[Shown] = Latest()

    def run(self) -> None:
        while not self._stop_asked.wait(self._period_s):
            # What was begun before `forget` must not come after it.
            ready = self.ready
            image = self._make(*self.size)
            if image is not None:
                height, width = image.shape[:2]
                picture = QImage(image.data, width, height, 3 * width, QImage.Format.Format_RGB888)
                ready.put(Shown(picture, image))

    def stop(self) -> None:
        """End the thread."""
        self._stop_asked.set()
        self.join(1.0)


class Picture(QWidget):
    """Paints the newest picture of its own `Maker` in the middle. `painted` counts."""

    def __init__(self, make: Make, period_s: float = 0.008, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(64, 48)
        self.background = BACKGROUND
        self.shown: Shown | None = None
        self.painted = 0
        self._maker = Maker(make, period_s)
        self._maker.start()
        self._refresh = QTimer(self, interval=REFRESH_MS)
        self._refresh.timeout.connect(self._show_newest)
        self._refresh.start()

    def stop(self) -> None:
        """End the thread and the timer; the last picture stays."""
        self._refresh.stop()
        self._maker.stop()

    def forget(self) -> None:
        """Show nothing until the next picture."""
        self.shown = None
        self._maker.ready = Latest()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(512, 512)

    def resizeEvent(self, event: QResizeEvent) -> None:
        ratio = self.devicePixelRatio()
        self._maker.size = round(self.width() * ratio), round(self.height() * ratio)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.background)
        if self.shown is not None:
            picture, ratio = self.shown.picture, self.devicePixelRatio()
            width, height = round(picture.width() / ratio), round(picture.height() / ratio)
            place = QRect((self.width() - width) // 2, (self.height() - height) // 2, width, height)
            painter.drawImage(place, picture)
            self.painted += 1
        painter.end()

    def _show_newest(self) -> None:
        shown = self._maker.ready.peek()
        if shown is not None and shown is not self.shown:
            self.shown = shown
            self.update()
