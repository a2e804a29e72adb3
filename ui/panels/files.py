"""The dialogs that ask for files. They begin where the last one of their kind ended, else in the user's own folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QStandardPaths, Qt
from PySide6.QtWidgets import QFileDialog, QWidget

Place = QStandardPaths.StandardLocation
_last: dict[Place, str] = {}


def ask(parent: QWidget, title: str, kinds: str, place: Place, take: Callable[[list[Path]], object],
        many: bool = False) -> None:
    """Ask for a file, or many; `take` gets the paths. kinds: as `Pictures (*.jpg *.png)`."""
    begin = _last.get(place) or QStandardPaths.writableLocation(place)
    dialog = QFileDialog(parent, title, begin if Path(begin).is_dir() else str(Path.home()), kinds)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles if many else QFileDialog.FileMode.ExistingFile)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def taken(names: list[str]) -> None:
        _last[place] = str(Path(names[0]).parent)
        take([Path(name) for name in names])

    dialog.filesSelected.connect(taken)
    dialog.open()


def ask_new(parent: QWidget, title: str, name: str, kinds: str, place: Place, take: Callable[[Path], object]) -> None:
    """Ask for the file to write, `name` at first; `take` gets its path."""
    begin = _last.get(place) or QStandardPaths.writableLocation(place)
    dialog = QFileDialog(parent, title, begin if Path(begin).is_dir() else str(Path.home()), kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(Path(name).suffix[1:])
    dialog.selectFile(name)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(lambda chosen: take(Path(chosen)))
    dialog.open()
