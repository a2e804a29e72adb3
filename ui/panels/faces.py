"""A friendly drawn face that shows what the performer is asked to do."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

POSES = ("neutral", "close eyes", "open mouth", "raise brows", "turn")
SKIN, HAIR, LINE, LIPS = QColor(243, 209, 180), QColor(88, 66, 56), QColor(62, 48, 44), QColor(196, 100, 96)


class FaceHint(QWidget):
    """Draws one of POSES; a number over it counts down, a ring around it shows how far a step is."""

    def __init__(self, side_px: int = 104) -> None:
        super().__init__()
        self._side = side_px
        self.pose, self.count, self.progress = POSES[0], 0, 0.0
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(self._side, self._side)

    def show_pose(self, pose: str, count: int = 0, progress: float = 0.0) -> None:
        """Show a pose, a number to count down (0: none), and the ring's part 0..1."""
        self.pose, self.count, self.progress = pose if pose in POSES else POSES[0], count, progress
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(self.width() / 2, self.height() / 2)
        painter.scale(self._side / 120, self._side / 120)
        self._paint_ring(painter)
        painter.save()
        _paint_face(painter, self.pose)
        painter.restore()
        if self.count:
            self._paint_count(painter)
        painter.end()

    def _paint_ring(self, painter: QPainter) -> None:
        ring = QRectF(-56, -56, 112, 112)
        painter.setBrush(self.palette().color(QPalette.ColorRole.AlternateBase))
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 3))
        painter.drawEllipse(ring)
        if self.progress > 0:
            accent = self.palette().color(QPalette.ColorRole.Highlight)
            painter.setPen(QPen(accent, 5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawArc(ring, 90 * 16, -round(360 * 16 * self.progress))

    def _paint_count(self, painter: QPainter) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawEllipse(QPointF(0, 0), 30, 30)
        font = QFont(painter.font())
        font.setPixelSize(40)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(QRectF(-30, -30, 60, 60), Qt.AlignmentFlag.AlignCenter, str(self.count))


def _paint_face(painter: QPainter, pose: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(HAIR)
    painter.drawEllipse(QPointF(0, -12), 32, 32)
    painter.setBrush(SKIN)
    for x in (-30, 30):
        painter.drawEllipse(QPointF(x, 2), 5, 8)
    painter.drawEllipse(QPointF(0, 2), 29, 36)
    fringe = QPainterPath()
    fringe.moveTo(-29, -6)
    fringe.cubicTo(-30, -48, 30, -48, 29, -6)
    fringe.cubicTo(22, -24, 4, -26, -6, -25)
    fringe.cubicTo(-18, -24, -25, -18, -29, -6)
    painter.setBrush(HAIR)
    painter.drawPath(fringe)
    if pose == "turn":
        _paint_arrows(painter)
        painter.translate(7, 0)
    _paint_eyes(painter, pose)
    painter.setPen(QPen(LINE.lighter(170), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawPolyline([QPointF(0, 2), QPointF(3.5 if pose == "turn" else -2.5, 11), QPointF(1.5, 12)])
    _paint_mouth(painter, pose)


def _paint_eyes(painter: QPainter, pose: str) -> None:
    lift = -7 if pose == "raise brows" else 0
    for side in (-1, 1):
        x = 12 * side
        pen = QPen(LINE, 2.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        brow = QPainterPath(QPointF(x - 7, -9 + lift))
        brow.quadTo(x, -13 + lift * 1.4, x + 7, -9 + lift)
        painter.drawPath(brow)
        if pose == "close eyes":
            lid = QPainterPath(QPointF(x - 6, -1))
            lid.quadTo(x, 4, x + 6, -1)
            painter.drawPath(lid)
            continue
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(QPointF(x, -1), 6.5, 4.6)
        painter.setBrush(LINE)
        painter.drawEllipse(QPointF(x + (1.5 if pose == "turn" else 0), -1), 3.4, 3.4)


def _paint_mouth(painter: QPainter, pose: str) -> None:
    if pose == "open mouth":
        painter.setPen(QPen(LIPS, 3))
        painter.setBrush(QColor(110, 44, 46))
        painter.drawEllipse(QPointF(0, 24), 8, 9)
        return
    painter.setPen(QPen(LIPS, 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    mouth = QPainterPath(QPointF(-9, 21))
    mouth.quadTo(0, 23.5, 9, 21)
    painter.drawPath(mouth)


def _paint_arrows(painter: QPainter) -> None:
    painter.setPen(QPen(LINE, 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    painter.save()
    painter.setPen(QPen(painter.pen().color().lighter(200), 3.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap,
                        Qt.PenJoinStyle.RoundJoin))
    for side in (-1, 1):
        painter.drawLine(QPointF(39 * side, 2), QPointF(48 * side, 2))
        painter.drawPolyline([QPointF(44 * side, -3), QPointF(49 * side, 2), QPointF(44 * side, 7)])
    painter.restore()
