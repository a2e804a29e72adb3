"""What all panels share: a scrolling column, sections that fold, and values that go both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QScrollArea,
    QStylePainter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .controls import Form
from .glyphs import draw_arrow

if TYPE_CHECKING:
    from didlive.settings import Settings
    from ui.studio import Studio

WIDTH_PX, WORDS_PX = 340, 150
MARGIN = 12


def note(text: str = "", *, quiet: bool = True) -> QLabel:
    """Return a label that wraps; a quiet one steps back behind the controls."""
    made = QLabel(text)
    made.setWordWrap(True)
    # A long word, such as a file's name, must not widen the panel.
    made.setMinimumWidth(WORDS_PX)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    if quiet:
        made.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return made


class Fold(QToolButton):
    """A section's title with an arrow; flat, so that it reads as a title."""

    def __init__(self) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 24, self.fontMetrics().height() + 8)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QStylePainter(self)
        color = self.palette().color(QPalette.ColorRole.WindowText)
        middle = self.height() / 2
        draw_arrow(painter, QPointF(6, middle), self.isChecked(), color)
        painter.setPen(color)
        painter.drawText(QRectF(18, 0, self.width() - 18, self.height()), Qt.AlignmentFlag.AlignVCenter, self.text())
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 1.5))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()


class Section(QWidget):
    """A titled part of a panel; one that folds has an arrow before its title. `corner` stands at the title's right."""

    def __init__(self, content: QWidget | QLayout, *, folds: bool = False, opened: bool = True,
                 corner: QLayout | None = None) -> None:
        super().__init__()
        self.title: QLabel | Fold = Fold() if folds else QLabel()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.body = content if isinstance(content, QWidget) else QWidget()
        if isinstance(content, QLayout):
            content.setContentsMargins(0, 0, 0, 0)
            self.body.setLayout(content)
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addStretch(1)
        if corner is not None:
            head.addLayout(corner)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addLayout(head)
        box.addWidget(self.body)
        if isinstance(self.title, Fold):
            self.title.toggled.connect(self.body.setVisible)
            self.title.setChecked(opened)
            self.body.setVisible(opened)

    def set_title(self, text: str) -> None:
        """Show `text` as the title."""
        self.title.setText(text)
        self.title.setAccessibleName(text)
        self.title.updateGeometry()


class _Column(QScrollArea):
    """Scrolls up and down, and is never narrower than what is in it."""

    def minimumSizeHint(self) -> QSize:
        inside, bar = self.widget(), self.verticalScrollBar()
        need_px = inside.minimumSizeHint().width() + bar.sizeHint().width() if inside is not None else 0
        return QSize(max(WIDTH_PX - 40, need_px), super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class Panel(QWidget):
    """A column of sections that scrolls. Subclasses fill `self.column` in `_build` and their texts in `retranslate`."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.studio = studio
        self.forms: list[Form] = []
        inside = QWidget()
        self.column = QVBoxLayout(inside)
        self.column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self.column.setSpacing(16)
        scroll = _Column()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inside)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scroll)
        studio.settings_changed.connect(self.show_settings)

    def sizeHint(self) -> QSize:
        return QSize(WIDTH_PX, 560)

    def form(self, *paths: str) -> Form:
        """Return rows for the settings at `paths` that change them and follow them."""
        made = Form(self.studio.settings, paths)
        made.edited.connect(self._edited)
        made.reset_asked.connect(self.studio.reset)
        self.forms.append(made)
        return made

    def _edited(self, path: str, value: Any) -> None:
        self.studio.change(path, value)
        # A value that was refused must not stay on show.
        for form in self.forms:
            form.show_row(path, self.studio.settings)

    def show_settings(self, settings: Settings) -> None:
        """Show the values that hold now."""
        for form in self.forms:
            form.show_settings(settings)

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        for form in self.forms:
            form.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()
        super().changeEvent(event)
