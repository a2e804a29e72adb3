"""The small picture of what is tracked: the face mesh on neutral grey, or the camera while its button is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QPushButton

from didlive.flow import Latest
from didlive.types import U8, Tracking

from .i18n import tr
from .picture import Make, Picture, newest

if TYPE_CHECKING:
    from didlive.session import Session

GREY, LINE, STRONG = 112, (146, 150, 156), (240, 244, 248)
# The face fills so much of the inset's height at least.
LEAST = 0.62
PERIOD_S = 0.05
SHIFT = 3


def draw_mesh(tracking: Tracking, width: int, height: int) -> U8:
    """Return (height, width, 3): the tracked face as lines on grey, as in a mirror. The frame follows the face when it
    is small in the tracked picture."""
    from didlive.geometry import EYE_RINGS, LIPS_INNER, LIPS_OUTER, OVAL, tessellation

    card = np.full((height, width, 3), GREY, np.uint8)
    face, (wide, high) = tracking.face, tracking.size
    if face is None or not wide or not high:
        return card
    low, top = face.landmarks[:, :2].min(axis=0), face.landmarks[:, :2].max(axis=0)
    zoom = max(min(width / wide, height / high), LEAST * height / max(float((top - low).max()), 1.0))
    room = np.array([width, height]) / zoom
    size = np.array([wide, high])
    # A frame of `room` px around the face that does not leave the picture, or the middle of a narrower picture.
    corner = np.where(size > room, np.clip((low + top - room) / 2, 0, np.maximum(size - room, 0)), (size - room) / 2)
    points = (face.landmarks[:, :2] - corner) * zoom
    points[:, 0] = width - points[:, 0]
    fixed = np.round(points * (1 << SHIFT)).astype(np.int32)
    cv2.polylines(card, list(fixed[tessellation()]), True, LINE, 1, cv2.LINE_AA, SHIFT)
    for ring in (OVAL, LIPS_OUTER, LIPS_INNER, *EYE_RINGS):
        cv2.polylines(card, [fixed[ring]], True, STRONG, 1, cv2.LINE_AA, SHIFT)
    return card


def _mesh(tracking: Callable[[], Latest[Tracking] | None]) -> Make:
    last: tuple[Tracking | None, tuple[int, int]] = None, (0, 0)

    def make(width: int, height: int) -> U8 | None:
        nonlocal last
        slot = tracking()
        seen = slot.peek() if slot is not None else None
        if seen is None or (last[0] is seen and last[1] == (width, height)):
            return None
        last = seen, (width, height)
        return draw_mesh(seen, width, height)

    return make


class Inset(Picture):
    """Shows the mesh of the session's newest tracking; the camera's picture only while `showing_camera`."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.showing_camera = False
        mesh = _mesh(lambda: self.session.tracking if self.session else None)
        camera = newest(lambda: self.session.camera_view if self.session else None, lambda: True)

        def make(width: int, height: int) -> U8 | None:
            return (camera if self.showing_camera else mesh)(width, height)

        super().__init__(make, PERIOD_S)
        self.background = QColor(GREY, GREY, GREY)
        self.setFixedSize(160, 120)
        self.retranslate()

    def sizeHint(self) -> QSize:
        return QSize(160, 120)

    def show_camera(self, on: bool) -> None:
        """Show the camera instead of the mesh; nothing of it stays afterwards."""
        self.showing_camera = on
        self.forget()

    def retranslate(self) -> None:
        self.setAccessibleName(tr("What is tracked"))
        self.setToolTip(tr("What is tracked of your face. The camera's picture never leaves this computer."))

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        slot = self.session.tracking if self.session is not None else None
        seen = slot.peek() if slot is not None else None
        if not self.showing_camera and (seen is None or seen.face is None):
            painter = QPainter(self)
            painter.setPen(QColor(250, 250, 250))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, tr("No face"))
            painter.end()


class HoldButton(QPushButton):
    """A button that acts while it is held down, with the mouse, Space or Enter. `held(on)`."""

    held = Signal(bool)
    _KEYS = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)

    def __init__(self) -> None:
        super().__init__()
        self.setAutoDefault(False)
        self.pressed.connect(lambda: self.held.emit(True))
        self.released.connect(lambda: self.held.emit(False))

    def event(self, event: QEvent) -> bool:
        # Or Space would start and stop the show.
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and event.key() in self._KEYS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in self._KEYS:
            if not event.isAutoRepeat():
                self.setDown(True)
                self.held.emit(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in self._KEYS:
            if not event.isAutoRepeat():
                self.setDown(False)
                self.held.emit(False)
        else:
            super().keyReleaseEvent(event)
