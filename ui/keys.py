"""The keys: a cheat sheet, and a dialog that changes them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QKeySequenceEdit,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from .hotkeys import HOTKEYS, PORTRAITS, Hotkey, conflicts, sequences
from .i18n import tr


def shown_key(hotkey: Hotkey, own: dict[str, str]) -> str:
    """Return the key of an action as people write it, or an empty text."""
    return next((s.toString(QKeySequence.SequenceFormat.NativeText) for s in sequences(hotkey, own)), "")


def _lines(own: dict[str, str]) -> list[tuple[str, str]]:
    """Return what the cheat sheet shows: keys and what they do; the portraits in one line while they have their own
    numbers."""
    numbered = not any(name.startswith("portrait") for name in own)
    lines = []
    for hotkey in HOTKEYS:
        if not numbered or hotkey.menu != "portrait":
            lines.append((shown_key(hotkey, own), tr(hotkey.text)))
        elif hotkey.name == "portrait1":
            lines.append((f"1 – {PORTRAITS}", tr("Portraits")))
    return lines


class KeysDialog(QDialog):
    """All keys at a glance, in two columns."""

    def __init__(self, own: dict[str, str], rebind: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Keys"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(8)
        lines = _lines(own)
        rows = (len(lines) + 1) // 2
        for index, (keys, text) in enumerate(lines):
            column, row = divmod(index, rows)
            key = QLabel(keys)
            key.setObjectName("key")
            key.setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(key, row, 3 * column)
            grid.addWidget(QLabel(text), row, 3 * column + 1)
        grid.setColumnMinimumWidth(2, 32)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        change = QPushButton(tr("Change keys…"))
        buttons.addButton(change, QDialogButtonBox.ButtonRole.ActionRole)
        change.clicked.connect(lambda: (self.accept(), rebind()))
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(24)
        layout.addLayout(grid)
        layout.addWidget(buttons)


class BindDialog(QDialog):
    """One field per action. `own` are the user's keys once it was accepted: only those that differ."""

    def __init__(self, own: dict[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Change keys"))
        self.own = dict(own)
        self.fields: dict[str, QKeySequenceEdit] = {}
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setHorizontalSpacing(16)
        for row, hotkey in enumerate(HOTKEYS):
            field = self.fields[hotkey.name] = QKeySequenceEdit()
            field.setMaximumSequenceLength(1)
            field.setClearButtonEnabled(True)
            field.setAccessibleName(tr(hotkey.text))
            field.keySequenceChanged.connect(self._check)
            label = QLabel(tr(hotkey.text))
            label.setBuddy(field)
            grid.addWidget(label, row, 0)
            grid.addWidget(field, row, 1)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(inside)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setObjectName("problem")
        roles = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(roles.Ok | roles.Cancel | roles.RestoreDefaults)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.buttons.button(roles.RestoreDefaults).clicked.connect(lambda: self._fill({}))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        for widget in (scroll, self.problem, self.buttons):
            layout.addWidget(widget)
        self._fill(self.own)

    def sizeHint(self) -> QSize:
        return QSize(480, 600)

    def _fill(self, own: dict[str, str]) -> None:
        for hotkey in HOTKEYS:
            first = next(iter(sequences(hotkey, own)), QKeySequence())
            self.fields[hotkey.name].setKeySequence(first)

    def _check(self) -> None:
        own = {}
        for hotkey in HOTKEYS:
            key = self.fields[hotkey.name].keySequence().toString()
            if key != QKeySequence(hotkey.keys[0]).toString():
                own[hotkey.name] = key
        self.own = own
        pairs = conflicts(own)
        self.problem.setText("\n".join(
            tr("“{one}” and “{other}” have the same key", one=tr(a.text), other=tr(b.text)) for a, b in pairs))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not pairs)
