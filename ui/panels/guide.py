"""How to get a virtual camera: the steps for this system, each command with a button that copies it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ui.i18n import say, tr

from .glyphs import GlyphButton
from .panel import note
from .rows import RESET_PX

# (name, works, what was found, what to do), as `didlive.sinks.virtualcam.report` gives it.
Kind = tuple[str, bool, str, str]
USED_BY = {"v4l2loopback": "For Zoom, Teams and everything else", "PipeWire": "For browsers and OBS"}


def steps(platform: str, kinds: Iterable[Kind]) -> Iterator[tuple[str, str]]:
    """Yield what to do on this system, each with the command to copy, or an empty text."""
    if platform not in ("win32", "darwin"):
        for name, works, found, fix in kinds:
            uses = tr(USED_BY.get(name, name))
            if works:
                yield tr("{uses} ({name}): ready", uses=uses, name=name), ""
            else:
                yield tr("{uses} ({name}): {found}. Run:", uses=uses, name=name, found=say(found)), fix
        return
    texts: list[tuple[str, str]] = []
    for _, works, found, fix in kinds:
        if not works:
            texts.append((tr("{found}. Run:", found=say(found)), fix))
    texts.append((tr("Install OBS Studio, which brings a virtual camera (obsproject.com)."), ""))
    if platform == "darwin":
        text = tr("Open OBS, press “Start Virtual Camera” once, allow it in the system settings, and close OBS.")
        texts.append((text, ""))
    texts.append((tr("Switch the virtual camera on here."), ""))
    texts.append((tr("In Zoom, Teams or the browser choose “OBS Virtual Camera”."), ""))
    for number, (text, command) in enumerate(texts, 1):
        yield f"{number}. {text}", command


class Copied(QWidget):
    """A line to copy: a command or an address, with a button for it."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.line, self.copy = QLabel(), GlyphButton("copy", RESET_PX)
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.line.setObjectName("command")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.line.text()))
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(self.line, 1)
        box.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignTop)
        self.show_text(text)

    def show_text(self, text: str) -> None:
        """Show another line."""
        self.line.setText(text)
        self.copy.name_it(tr("Copy"))


class Guide(QWidget):
    """The steps; `show_kinds` fills it."""

    def __init__(self) -> None:
        super().__init__()
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(4)
        self._kinds: tuple[Kind, ...] = ()
        self.platform = sys.platform
        self.shown: list[QWidget] = []

    def show_kinds(self, kinds: Iterable[Kind]) -> None:
        """Show the steps that are left with these kinds of virtual camera."""
        self._kinds = tuple(kinds)
        self.retranslate()

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        for widget in self.shown:
            widget.deleteLater()
        self.shown = []
        for text, command in steps(self.platform, self._kinds):
            self.shown.append(note(text, quiet=False))
            if command:
                self.shown.append(Copied(command))
        for widget in self.shown:
            self._box.addWidget(widget)
