"""Where the time goes: one bar per stage of the live path."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QWidget

from didlive.session import Stats

from .i18n import tr

ROW_PX, LABEL_PX, VALUE_PX, MARGIN_PX = 26, 104, 64, 16


class Breakdown(QWidget):
    """A bar chart of the median milliseconds per stage."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("breakdown")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.stages: tuple[tuple[str, float], ...] = ()
        self._total_ms = 0.0
        self.retranslate()

    def take(self, stats: Stats) -> None:
        """Show these statistics."""
        self.stages, self._total_ms = stats.stages_ms, stats.p50_ms
        if self.isVisible():
            self._tell()
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(360, 2 * MARGIN_PX + ROW_PX * 6)

    def retranslate(self) -> None:
        self._names = {"track": tr("Find the face"), "motion": tr("Measure"), "retarget": tr("Transfer"),
                       "generate": tr("Draw"), "composite": tr("Compose")}
        self.setAccessibleName(tr("Time per stage"))
        self._tell()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text, bar = self.palette().color(QPalette.ColorRole.WindowText), self.palette().color(QPalette.ColorRole.Link)
        area = QRectF(self.rect()).adjusted(MARGIN_PX, MARGIN_PX, -MARGIN_PX, -MARGIN_PX)
        painter.setPen(text)
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        title = QRectF(area.left(), area.top(), area.width(), ROW_PX)
        painter.drawText(title, left | middle, tr("Time per stage (median)"))
        painter.drawText(title, right | middle, f"{self._total_ms:.1f} ms")
        if not self.stages:
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, tr("Nothing was measured yet"))
        longest = max((ms for _, ms in self.stages), default=0.0) or 1.0
        room = area.width() - LABEL_PX - VALUE_PX
        for row, (name, ms) in enumerate(self.stages, 1):
            top = area.top() + row * ROW_PX
            painter.setPen(text)
            painter.drawText(QRectF(area.left(), top, LABEL_PX, ROW_PX), left | middle, self._names.get(name, name))
            painter.drawText(QRectF(area.right() - VALUE_PX, top, VALUE_PX, ROW_PX), right | middle, f"{ms:.1f} ms")
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(bar)
            length = max(2.0, room * ms / longest)
            painter.drawRoundedRect(QRectF(area.left() + LABEL_PX, top + 8, length, ROW_PX - 16), 3, 3)
        painter.end()

    def _tell(self) -> None:
        parts = (f"{self._names.get(name, name)} {ms:.1f} ms" for name, ms in self.stages)
        self.setAccessibleDescription(", ".join(parts))
