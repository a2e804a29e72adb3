"""Forms generated from the settings tree: every setting becomes a row with the control that fits it."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QWidget

from didlive.settings import Settings, get, walk

from .rows import RESET_PX, Row, SwitchRow, make_row


class Form(QWidget):
    """Rows for the settings at `paths`, in that order, with aligned columns."""

    edited = Signal(str, object)
    reset_asked = Signal(str)

    def __init__(self, settings: Settings, paths: Iterable[str]) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        fields = {path: field for path, field, _ in walk(settings)}
        self.rows: dict[str, Row] = {}
        for line, path in enumerate(paths):
            row = make_row(path, fields[path], self)
            row.place(grid, line)
            row.edited.connect(self.edited)
            row.reset_asked.connect(self.reset_asked)
            self.rows[path] = row
        self._groups: dict[str, list[str]] = {}
        for path in self.rows:
            self._groups.setdefault(path.rpartition(".")[0], []).append(path)
        self._shown: dict[str, object] = {}
        self._grid = grid
        self.others: list[QLabel] = []
        self.retranslate()
        self.show_settings(settings)

    def add_line(self, label: QLabel, widget: QWidget) -> None:
        """Add a line that is no single setting."""
        at = self._grid.rowCount()
        self._grid.addWidget(label, at, 0)
        self._grid.addWidget(widget, at, 1, 1, 2)
        room = QWidget()
        room.setFixedWidth(RESET_PX)
        self._grid.addWidget(room, at, 3)
        label.setBuddy(widget)
        self.others.append(label)

    def align(self, width_px: int) -> None:
        """Give the column of labels a width."""
        self._grid.setColumnMinimumWidth(0, width_px)

    def widest(self) -> int:
        """Return the width in px of the widest label."""
        labels = [row.label for row in self.rows.values() if not isinstance(row, SwitchRow)] + self.others
        return max((label.sizeHint().width() for label in labels), default=0)

    def show_settings(self, settings: Settings) -> None:
        """Show the values that hold now."""
        for name, paths in self._groups.items():
            group = get(settings, name)
            # Most changes touch one group of the tree; the other rows show the right thing already.
            if self._shown.get(name) is not group:
                self._shown[name] = group
                for path in paths:
                    self.show_row(path, settings)

    def show_row(self, path: str, settings: Settings) -> None:
        """Show the value of one setting, if it is here."""
        if path in self.rows:
            self.rows[path].show_value(get(settings, path))

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        for row in self.rows.values():
            row.retranslate()


def aligned(*forms: Form) -> None:
    """Give the label columns of several forms one width."""
    width_px = max(form.widest() for form in forms)
    for form in forms:
        form.align(width_px)


def line(*widgets: QWidget, spacing: int = 8) -> QHBoxLayout:
    """Return a horizontal line of widgets."""
    box = QHBoxLayout()
    box.setSpacing(spacing)
    for widget in widgets:
        box.addWidget(widget)
    return box
