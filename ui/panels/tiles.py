"""The portraits as tiles: thumbnail, name, key, readiness, and which one plays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPalette, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from ui.i18n import say, tr

from .glyphs import draw_mark

if TYPE_CHECKING:
    from didlive.library import Entry
    from didlive.portrait import Verdict
    from ui.studio import Studio

TILE_PX, PAD_PX, NAME_PX = 148, 6, 22
KEYS = 9
ENTRY = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex


def mark_of(verdict: Verdict | None) -> str:
    """Return the mark of a readiness verdict; None is one that is still being made."""
    if verdict is None:
        return "wait"
    return "bad" if not verdict.usable else "warn" if verdict.notes else "good"


def readiness(verdict: Verdict | None) -> str:
    """Return a readiness verdict in a few words."""
    words = {"wait": tr("Being checked…"), "bad": tr("Cannot be used"), "warn": tr("Works, but could be better"),
             "good": tr("Ready")}
    return words[mark_of(verdict)]


def consent_told(studio: Studio, entry: Entry) -> str:
    """Return how the consent to a portrait stands, in a few words; nothing for a built-in one."""
    if entry.builtin:
        return ""
    words = {"valid": tr("Consent on record"), "none": tr("Nobody said whose portrait this is"),
             "expired": tr("The consent has expired: it does not go live"),
             "revoked": tr("The consent was revoked: it does not go live")}
    return words.get(studio.consents.states.get(entry.key, ""), "")


class PortraitModel(QAbstractListModel):
    """The entries of the library; pictures and verdicts come from Studio's memory, so that reading is cheap."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self._entries: tuple[Entry, ...] = ()
        self._pictures: dict[str, QImage] = {}

    def refresh(self) -> None:
        """Take what Studio knows now."""
        entries = self._studio.entries
        if [entry.key for entry in entries] != [entry.key for entry in self._entries]:
            self.beginResetModel()
            self._entries = entries
            self._pictures = {key: self._pictures[key] for key in {e.key for e in entries} & self._pictures.keys()}
            self.endResetModel()
        else:
            self._entries = entries
        for key in (entry.key for entry in entries):
            pixels = self._studio.thumbnail(key) if key not in self._pictures else None
            if pixels is not None:
                height, width = pixels.shape[:2]
                picture = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
                self._pictures[key] = picture.copy()
        if entries:
            self.dataChanged.emit(self.index(0), self.index(len(entries) - 1))

    def entry(self, row: int) -> Entry | None:
        """Return the entry in `row`, or None."""
        return self._entries[row] if 0 <= row < len(self._entries) else None

    def row_of(self, key: str) -> int:
        """Return the row of the portrait `key`, or -1."""
        return next((row for row, entry in enumerate(self._entries) if entry.key == key), -1)

    def picture(self, key: str) -> QImage | None:
        """Return the thumbnail, or None while it is being made."""
        return self._pictures.get(key)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        entry = self.entry(index.row())
        if entry is None:
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return entry.name
        if role == ENTRY:
            return entry
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._told(index.row(), entry)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{entry.name}, {self._told(index.row(), entry)}".replace("\n", ", ")
        return None

    def _told(self, row: int, entry: Entry) -> str:
        verdict = self._studio.verdict(entry.key)
        lines = [readiness(verdict), *(say(note) for note in (verdict.notes if verdict else ()))]
        lines += filter(None, [consent_told(self._studio, entry)])
        if row < KEYS:
            lines.append(tr("Key {number}", number=row + 1))
        if entry.key == self._studio.portrait:
            lines.append(tr("Plays now"))
        return "\n".join(lines)

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        entry, name = self.entry(index.row()), str(value).strip()
        if entry is None or role != Qt.ItemDataRole.EditRole or not name or name == entry.name:
            return False
        self._studio.rename_portrait(entry.key, name)
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        entry, flags = self.entry(index.row()), super().flags(index)
        return flags if entry is None or entry.builtin else flags | Qt.ItemFlag.ItemIsEditable


class TileDelegate(QStyledItemDelegate):
    """Paints one tile."""

    def __init__(self, studio: Studio, model: PortraitModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        self._side = TILE_PX

    def fit(self, width_px: int) -> bool:
        """Choose the tiles' size so that they fill a row of `width_px`, two or more; return whether it changed."""
        before, self._side = self._side, width_px // max(2, round(width_px / TILE_PX))
        return self._side != before

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(self._side, self._side + NAME_PX)

    def updateEditorGeometry(self, editor: Any, option: QStyleOptionViewItem, index: Index) -> None:
        rect = option.rect  # type: ignore[attr-defined]
        editor.setGeometry(QRect(rect.left() + 2, rect.bottom() - NAME_PX - 4, rect.width() - 4, NAME_PX + 4))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        entry = index.data(ENTRY)
        rect: QRect = option.rect  # type: ignore[attr-defined]
        state: QStyle.StateFlag = option.state  # type: ignore[attr-defined]
        palette: QPalette = option.palette  # type: ignore[attr-defined]
        side = self._side - 2 * PAD_PX
        box = QRectF(rect.left() + PAD_PX, rect.top() + PAD_PX, side, side)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        self._paint_picture(painter, box, entry.key, palette)
        accent = palette.color(QPalette.ColorRole.Highlight)
        plays = entry.key == self._studio.portrait
        if plays or state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            strong = plays or state & QStyle.StateFlag.State_HasFocus
            painter.setPen(QPen(accent if plays or state & QStyle.StateFlag.State_Selected
                                else palette.color(QPalette.ColorRole.Mid), 3 if strong else 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, 8, 8)
        if index.row() < KEYS:
            self._paint_key(painter, box, str(index.row() + 1))
        draw_mark(painter, mark_of(self._studio.verdict(entry.key)), box.topRight() + QPointF(-14, 14))
        self._paint_consent(painter, box, self._studio.consents.states.get(entry.key, ""))
        if entry.key == self._studio.preparing:
            self._paint_banner(painter, box, tr("Preparing…"), QColor(0, 0, 0, 190))
        elif plays:
            self._paint_banner(painter, box, tr("Plays now"), accent)
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        place = QRectF(rect.left() + 2, box.bottom() + 4, rect.width() - 4, NAME_PX - 2)
        name = painter.fontMetrics().elidedText(entry.name, Qt.TextElideMode.ElideRight, int(place.width()))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, name)
        painter.restore()

    def _paint_picture(self, painter: QPainter, box: QRectF, key: str, palette: QPalette) -> None:
        path = QPainterPath()
        path.addRoundedRect(box, 8, 8)
        picture = self._model.picture(key)
        painter.save()
        painter.setClipPath(path)
        painter.fillRect(box, palette.color(QPalette.ColorRole.AlternateBase))
        if picture is not None:
            painter.drawImage(box, picture)
        painter.restore()

    @staticmethod
    def _paint_key(painter: QPainter, box: QRectF, text: str) -> None:
        badge = QRectF(box.left() + 6, box.top() + 6, 18, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(badge, 4, 4)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)

    @staticmethod
    def _paint_consent(painter: QPainter, box: QRectF, state: str) -> None:
        """Darken a portrait that may not go live; a question mark is on one that nobody spoke for."""
        if state in ("expired", "revoked"):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(0, 0, 0, 120))
            painter.drawRoundedRect(box, 8, 8)
            side = min(box.width(), box.height()) * 0.34
            sign = QRectF(0, 0, side, side)
            sign.moveCenter(box.center())
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(255, 255, 255), side / 9))
            painter.drawEllipse(sign)
            # A ring with a bar, as on a road.
            reach = side / 2 * 0.7
            painter.drawLine(box.center() - QPointF(reach, reach), box.center() + QPointF(reach, reach))
        elif state == "none":
            TileDelegate._paint_key(painter, QRectF(box.left(), box.top() + 22, box.width(), box.height()), "?")

    @staticmethod
    def _paint_banner(painter: QPainter, box: QRectF, text: str, color: QColor) -> None:
        width = painter.fontMetrics().horizontalAdvance(text) + 16
        pill = QRectF(box.center().x() - width / 2, box.bottom() - 26, width, 20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawRoundedRect(pill, 10, 10)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, text)
