"""Small line drawings for buttons and marks, in the palette's colours: sharp at any scale, right in any theme."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QStyle, QStyleOptionToolButton, QStylePainter, QToolButton, QWidget

# Marks mean something, so their colours are the same in both themes; each also has its own shape.
GOOD, WARN, BAD = QColor(46, 160, 90), QColor(224, 154, 20), QColor(218, 64, 64)
UNIT = 16.0
BUTTON_PX = 28


def _polyline(path: QPainterPath, *points: tuple[float, float]) -> None:
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)


def _undo() -> QPainterPath:
    path = QPainterPath()
    _polyline(path, (6, 3), (3, 6), (6, 9))
    path.moveTo(3, 6)
    path.lineTo(9, 6)
    path.cubicTo(14.5, 6, 14.5, 13, 9, 13)
    path.lineTo(6, 13)
    return path


def _redo() -> QPainterPath:
    path = QPainterPath()
    _polyline(path, (10, 3), (13, 6), (10, 9))
    path.moveTo(13, 6)
    path.lineTo(7, 6)
    path.cubicTo(1.5, 6, 1.5, 13, 7, 13)
    path.lineTo(10, 13)
    return path


def _reset() -> QPainterPath:
    path = QPainterPath()
    path.arcMoveTo(QRectF(3, 3, 10, 10), 150)
    path.arcTo(QRectF(3, 3, 10, 10), 150, -300)
    _polyline(path, (3.2, 2.2), (3.6, 5.9), (7.2, 5.5))
    return path


def _trash() -> QPainterPath:
    path = QPainterPath()
    _polyline(path, (3, 4.5), (13, 4.5))
    _polyline(path, (6, 4.5), (6.5, 2.5), (9.5, 2.5), (10, 4.5))
    _polyline(path, (4.3, 4.5), (5, 13.5), (11, 13.5), (11.7, 4.5))
    return path


def _pencil() -> QPainterPath:
    path = QPainterPath()
    _polyline(path, (3, 13), (3.6, 10.2), (10.8, 3), (13, 5.2), (5.8, 12.4), (3, 13))
    _polyline(path, (9.3, 4.5), (11.5, 6.7))
    return path


def _folder() -> QPainterPath:
    path = QPainterPath()
    _polyline(path, (2.5, 12.5), (2.5, 3.5), (6.3, 3.5), (7.8, 5.5), (13.5, 5.5), (13.5, 12.5), (2.5, 12.5))
    return path


def _refresh() -> QPainterPath:
    path = QPainterPath()
    path.arcMoveTo(QRectF(3, 3, 10, 10), 60)
    path.arcTo(QRectF(3, 3, 10, 10), 60, 290)
    _polyline(path, (8.8, 1.6), (10.7, 3.8), (8, 5.2))
    return path


def _copy() -> QPainterPath:
    path = QPainterPath()
    path.addRoundedRect(QRectF(5.5, 5.5, 8, 8), 1.5, 1.5)
    _polyline(path, (10.5, 3), (10.5, 2.5), (2.5, 2.5), (2.5, 10.5), (3.5, 10.5))
    return path


GLYPHS: dict[str, Callable[[], QPainterPath]] = {
    "undo": _undo, "redo": _redo, "reset": _reset, "trash": _trash, "pencil": _pencil, "folder": _folder,
    "refresh": _refresh, "copy": _copy,
}


def draw_glyph(painter: QPainter, name: str, box: QRectF, color: QColor) -> None:
    """Draw the glyph `name` into the middle of `box`, 16 x 16 px."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(box.center() - QPointF(UNIT / 2, UNIT / 2))
    painter.setPen(QPen(color, 1.4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(GLYPHS[name]())
    painter.restore()


def draw_arrow(painter: QPainter, centre: QPointF, down: bool, color: QColor) -> None:
    """Draw the arrow of something that unfolds: to the right, or down when it is open."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(centre)
    painter.rotate(90 if down else 0)
    painter.setPen(QPen(color, 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    path = QPainterPath()
    _polyline(path, (-2, -4), (2, 0), (-2, 4))
    painter.drawPath(path)
    painter.restore()


class GlyphButton(QToolButton):
    """A flat button with a drawing instead of text; `name_it` gives it the words that people need."""

    def __init__(self, glyph: str, side_px: int = BUTTON_PX) -> None:
        super().__init__()
        self._glyph, self._side = glyph, side_px
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def name_it(self, text: str) -> None:
        """Set tooltip and accessible name."""
        self.setToolTip(text)
        self.setAccessibleName(text)

    def sizeHint(self) -> QSize:
        return QSize(self._side, self._side)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QStylePainter(self)
        option = QStyleOptionToolButton()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option)
        painter.setOpacity(1.0 if self.isEnabled() else 0.4)
        draw_glyph(painter, self._glyph, QRectF(self.rect()), self.palette().color(QPalette.ColorRole.ButtonText))
        painter.end()


def draw_mark(painter: QPainter, mark: str, centre: QPointF, radius: float = 9.0) -> None:
    """Draw a round mark: `good` (tick), `warn` (!), `bad` (cross) or `wait` (three dots)."""
    colors = {"good": GOOD, "warn": WARN, "bad": BAD, "wait": QColor(120, 120, 128)}
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(centre)
    painter.scale(radius / 9, radius / 9)
    painter.setPen(QPen(QColor(255, 255, 255, 230), 1.5))
    painter.setBrush(colors[mark])
    painter.drawEllipse(QPointF(0, 0), 8.5, 8.5)
    painter.setPen(QPen(QColor(255, 255, 255), 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap,
                        Qt.PenJoinStyle.RoundJoin))
    path = QPainterPath()
    if mark == "good":
        _polyline(path, (-3.6, 0.2), (-1, 2.8), (3.8, -2.6))
    elif mark == "warn":
        _polyline(path, (0, -4), (0, 0.6))
        _polyline(path, (0, 3.8), (0, 3.9))
    elif mark == "bad":
        _polyline(path, (-2.8, -2.8), (2.8, 2.8))
        _polyline(path, (-2.8, 2.8), (2.8, -2.8))
    else:
        for x in (-3.6, 0.0, 3.6):
            _polyline(path, (x, 0), (x, 0.1))
    painter.drawPath(path)
    painter.restore()


class Mark(QWidget):
    """A round mark beside a line of text; the text says the same in words."""

    def __init__(self, mark: str = "wait") -> None:
        super().__init__()
        self._mark = mark
        self.setFixedSize(20, 20)

    @property
    def mark(self) -> str:
        """What is shown now."""
        return self._mark

    def show_mark(self, mark: str) -> None:
        """Show another mark."""
        if mark != self._mark:
            self._mark = mark
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        draw_mark(painter, self._mark, QPointF(self.width() / 2, self.height() / 2), 8.0)
        painter.end()
