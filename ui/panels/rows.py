"""One row for one setting: a label, the control that fits its type and range, and a button that sets it back."""

from __future__ import annotations

import dataclasses
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QColorDialog,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QWidget,
)

from ui.i18n import capital, say, tr

from . import files, labels
from .glyphs import GlyphButton

SLIDER_STEPS = 100
NUMBER_PX, RESET_PX = 80, 22


class _WheelGuard(QObject):
    """Lets the wheel change a control only when it has the focus, so that scrolling a panel changes nothing."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def guard_wheel(*widgets: QWidget) -> None:
    """Keep the wheel from changing `widgets` unless they have the focus."""
    for widget in widgets:
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(_WheelGuard(widget))


def wide_combo() -> QComboBox:
    """Return a combo box that takes the room there is, and no more."""
    combo = QComboBox()
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(6)
    guard_wheel(combo)
    return combo


def sentence(text: str) -> str:
    """Return a help text as a sentence: translated, with a capital letter."""
    return capital(say(text))


class Row(QObject):
    """One setting as widgets. `edited(path, value)` tells what the user chose; `show_value` shows what holds, without
    telling."""

    edited = Signal(str, object)
    reset_asked = Signal(str)

    def __init__(self, path: str, field: dataclasses.Field[Any], parent: QWidget) -> None:
        super().__init__(parent)
        self.path, self.field, self.default = path, field, field.default
        self.label = QLabel()
        self.reset = GlyphButton("reset", RESET_PX)
        self._keep_room(True)
        self.reset.clicked.connect(lambda: self.reset_asked.emit(path))
        self.widgets: tuple[QWidget, ...] = ()

    def place(self, grid: QGridLayout, line: int) -> None:
        """Put label, control and reset button into one line of `grid` (4 columns)."""
        grid.addWidget(self.label, line, 0)
        grid.addWidget(self.widgets[0], line, 1, 1, 3 - len(self.widgets))
        for column, widget in enumerate(self.widgets[1:], 2):
            grid.addWidget(widget, line, column)
        grid.addWidget(self.reset, line, 3)
        self.label.setBuddy(self.widgets[0])

    def _keep_room(self, on: bool) -> None:
        """Let the reset button take its room also while it is hidden, so that nothing moves when it appears."""
        policy = self.reset.sizePolicy()
        policy.setRetainSizeWhenHidden(on)
        self.reset.setSizePolicy(policy)

    def set_visible(self, on: bool) -> None:
        """Show or hide the whole line."""
        self._keep_room(on)
        for widget in self._parts():
            widget.setVisible(on)
        self.reset.setVisible(on and self.value() != self.default)

    def _parts(self) -> tuple[QWidget, ...]:
        return (self.label, *self.widgets)

    def show_value(self, value: Any) -> None:
        """Show `value` without emitting `edited`."""
        with QSignalBlocker(self):
            self._show(value)
        self.reset.setVisible(not self.widgets[0].isHidden() and value != self.default)

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        text, tip = labels.label(self.path), sentence(self.field.metadata.get("help", ""))
        self.label.setText(text)
        self.label.setToolTip(tip)
        for widget in self.widgets:
            widget.setToolTip(tip)
            widget.setAccessibleName(text)
            widget.setAccessibleDescription(tip)
        self.reset.name_it(tr("Reset: {name}", name=text))

    def value(self) -> Any:
        """Return what the control shows."""
        raise NotImplementedError

    def _show(self, value: Any) -> None:
        raise NotImplementedError


class NumberRow(Row):
    """A slider for the hand and a number for the keyboard."""

    def __init__(self, path: str, field: dataclasses.Field[Any], parent: QWidget) -> None:
        super().__init__(path, field, parent)
        low, high = float(field.metadata["low"]), float(field.metadata["high"])
        self._low, span = low, high - low
        decimals = 2 if span <= 10 else 1 if span <= 60 else 0
        self._step = max(10.0 ** -decimals, span / SLIDER_STEPS)
        self.number: QDoubleSpinBox = QDoubleSpinBox()
        self.number.setDecimals(decimals)
        self.number.setRange(low, high)
        self.number.setSingleStep(self._step * 5)
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(NUMBER_PX)
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.number.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, round(span / self._step))
        self.slider.setPageStep(10)
        self.slider.setMinimumWidth(64)
        guard_wheel(self.slider, self.number)
        self.slider.valueChanged.connect(lambda at: self.number.setValue(self._low + at * self._step))
        self.number.valueChanged.connect(self._typed)
        self.widgets = (self.slider, self.number)

    def _typed(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._at(value))
        self.edited.emit(self.path, round(value, 6))

    def _at(self, value: float) -> int:
        return round((value - self._low) / self._step)

    def retranslate(self) -> None:
        super().retranslate()
        self.number.setSuffix(labels.unit(self.path, self.field.metadata["unit"]))

    def value(self) -> float:
        return round(self.number.value(), 6)

    def _show(self, value: float) -> None:
        with QSignalBlocker(self.number), QSignalBlocker(self.slider):
            self.number.setValue(value)
            self.slider.setValue(self._at(value))


class WholeRow(Row):
    """A whole number, typed."""

    def __init__(self, path: str, field: dataclasses.Field[Any], parent: QWidget) -> None:
        super().__init__(path, field, parent)
        low, high = field.metadata["low"], field.metadata["high"]
        self.number = QSpinBox()
        self.number.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.number.setRange(0 if low is None else int(low), 9999 if high is None else int(high))
        self.number.setKeyboardTracking(False)
        self.number.valueChanged.connect(lambda value: self.edited.emit(path, value))
        guard_wheel(self.number)
        self.widgets = (self.number,)

    def retranslate(self) -> None:
        super().retranslate()
        self.number.setSuffix(labels.unit(self.path, self.field.metadata["unit"]))

    def value(self) -> int:
        return self.number.value()

    def _show(self, value: int) -> None:
        with QSignalBlocker(self.number):
            self.number.setValue(value)


class SwitchRow(Row):
    """Yes or no; the words stand beside the box."""

    def __init__(self, path: str, field: dataclasses.Field[Any], parent: QWidget) -> None:
        super().__init__(path, field, parent)
        self.box = QCheckBox()
        self.box.toggled.connect(lambda on: self.edited.emit(path, on))
        self.widgets = (self.box,)

    def place(self, grid: QGridLayout, line: int) -> None:
        grid.addWidget(self.box, line, 0, 1, 3)
        grid.addWidget(self.reset, line, 3)

    def retranslate(self) -> None:
        super().retranslate()
        self.box.setText(labels.label(self.path))

    def _parts(self) -> tuple[QWidget, ...]:
        return self.widgets

    def value(self) -> bool:
        return self.box.isChecked()

    def _show(self, value: bool) -> None:
        with QSignalBlocker(self.box):
            self.box.setChecked(value)


class ChoiceRow(Row):
    """One of a few words."""

    def __init__(self, path: str, field: dataclasses.Field[Any], parent: QWidget) -> None:
        super().__init__(path, field, parent)
        self.combo = wide_combo()
        for value in labels.choices(path, field.metadata["choices"]):
            self.combo.addItem(value, value)
        self.combo.currentIndexChanged.connect(lambda at: self.edited.emit(path, self.combo.itemData(at)))
        self.widgets = (self.combo,)

    def retranslate(self) -> None:
        super().retranslate()
        for at in range(self.combo.count()):
            self.combo.setItemText(at, labels.choice(self.path, self.combo.itemData(at)))

    def value(self) -> str:
        return self.combo.currentData()

    def _show(self, value: str) -> None:
        with QSignalBlocker(self.combo):
            if self.combo.findData(value) < 0:
                self.combo.addItem(labels.choice(self.path, value), value)
            self.combo.setCurrentIndex(self.combo.findData(value))


class TextRow(Row):
    """A text; it holds when Enter is pressed or the field is left."""

    def __init__(self, path: str, field: dataclasses.Field[Any], parent: QWidget) -> None:
        super().__init__(path, field, parent)
        self.line = QLineEdit()
        self.line.editingFinished.connect(self._typed)
        self._shown = ""
        self.widgets: tuple[QWidget, ...] = (self.line,)

    def _typed(self) -> None:
        if self.line.text() != self._shown:
            self._shown = self.line.text()
            self.edited.emit(self.path, self._shown)

    def value(self) -> str:
        return self._shown

    def _show(self, value: str) -> None:
        self._shown = value
        self.line.setText(value)


class FileRow(TextRow):
    """A picture file: typed or picked."""

    def __init__(self, path: str, field: dataclasses.Field[Any], parent: QWidget) -> None:
        super().__init__(path, field, parent)
        self.browse = GlyphButton("folder")
        self.browse.clicked.connect(self._ask)
        self.widgets = (self.line, self.browse)

    def _ask(self) -> None:
        files.ask(self.line, tr("Choose a picture"), tr("Pictures") + " (*.jpg *.jpeg *.png *.webp *.bmp)",
                  files.Place.PicturesLocation, lambda paths: self.edited.emit(self.path, str(paths[0])))

    def retranslate(self) -> None:
        super().retranslate()
        self.line.setPlaceholderText(tr("No file chosen"))
        self.browse.name_it(tr("Choose a picture"))


class _Swatch(QPushButton):
    """A button that shows a colour."""

    def __init__(self) -> None:
        super().__init__()
        self.color = QColor("black")

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(self.color)
        painter.setPen(self.palette().mid().color())
        side = self.height() - 14
        painter.drawRoundedRect(8, 7, side, side, 3, 3)
        painter.end()


class ColorRow(Row):
    """A colour: the button shows it and opens the chooser."""

    def __init__(self, path: str, field: dataclasses.Field[Any], parent: QWidget) -> None:
        super().__init__(path, field, parent)
        self.button = _Swatch()
        self.button.clicked.connect(self._ask)
        self.widgets = (self.button,)

    def _ask(self) -> None:
        dialog = QColorDialog(self.button.color, self.button)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(lambda color: self.edited.emit(self.path, color.name()))
        dialog.open()

    def value(self) -> str:
        return self.button.color.name()

    def _show(self, value: str) -> None:
        self.button.color = QColor(value)
        self.button.setText(value)
        self.button.update()


def make_row(path: str, field: dataclasses.Field[Any], parent: QWidget) -> Row:
    """Return the row that fits the setting's type, range and name."""
    default, about = field.default, field.metadata
    if isinstance(default, bool):
        return SwitchRow(path, field, parent)
    if isinstance(default, float):
        return NumberRow(path, field, parent)
    if isinstance(default, int):
        return WholeRow(path, field, parent)
    if about["choices"]:
        return ChoiceRow(path, field, parent)
    return {"color": ColorRow, "picture": FileRow}.get(about["kind"], TextRow)(path, field, parent)
