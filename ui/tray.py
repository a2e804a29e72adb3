"""The icon in the system's tray: the state as a colour, and a menu for when the window is behind others."""

from __future__ import annotations

from PySide6.QtCore import QObject, QRectF, Qt
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QMainWindow, QMenu, QSystemTrayIcon

from didlive.session import Stats

from .i18n import tr
from .stage import headline, state_color
from .studio import Studio
from .theme import DARK

SIZE_PX = 64


def draw_icon(color: str) -> QIcon:
    """Return didlive's icon: a head in a frame, with a dot in `color` (none when empty)."""
    picture = QPixmap(SIZE_PX, SIZE_PX)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor("#2f6fe4"))
    painter.drawRoundedRect(QRectF(2, 2, 60, 60), 14, 14)
    painter.setBrush(QColor("#ffffff"))
    painter.drawEllipse(QRectF(21, 12, 22, 24))
    painter.drawChord(QRectF(11, 38, 42, 40), 0, 180 * 16)
    if color:
        painter.setPen(QPen(QColor("#17181b"), 3))
        painter.setBrush(QColor(color))
        painter.drawEllipse(QRectF(40, 40, 21, 21))
    painter.end()
    return QIcon(picture)


class Tray(QObject):
    """Lives as long as the window. Does nothing where the desktop has no tray."""

    def __init__(self, studio: Studio, window: QMainWindow, panic: QAction) -> None:
        super().__init__(window)
        self._studio, self._window, self._color = studio, window, ""
        self.icon = QSystemTrayIcon(draw_icon(""), self)
        self.menu = QMenu()
        self._show, self._quit = QAction(self), QAction(self)
        self._show.triggered.connect(self._raise)
        self._quit.triggered.connect(window.close)
        for action in (self._show, panic, self._quit):
            self.menu.addAction(action)
        self.icon.setContextMenu(self.menu)
        self.icon.activated.connect(self._activated)
        studio.stats_changed.connect(self.tell)
        studio.session_changed.connect(lambda session: None if session else self.tell(None))
        self.tell(None)
        if QSystemTrayIcon.isSystemTrayAvailable():
            self.icon.show()

    def tell(self, stats: Stats | None) -> None:
        """Show how the show stands."""
        color = state_color(stats, DARK)
        if color != self._color:
            self._color = color
            self.icon.setIcon(draw_icon(color))
        self.icon.setToolTip(f"didlive: {headline(stats)}")
        self._show.setText(tr("Show the window"))
        self._quit.setText(tr("Quit"))

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason == QSystemTrayIcon.ActivationReason.Trigger:
            self._raise()

    def _raise(self) -> None:
        self._window.showNormal() if self._window.isMinimized() else self._window.show()
        self._window.raise_()
        self._window.activateWindow()
