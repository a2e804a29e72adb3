"""The voice panel: the microphone's level and how the voice moves the mouth. It is made only where there is a voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from didlive.settings import walk
from ui.i18n import tr

from .glyphs import BAD, GOOD
from .panel import Panel, Section, note

if TYPE_CHECKING:
    from ui.studio import Studio


def available(studio: Studio) -> bool:
    """Whether there is a voice engine, and so something to show."""
    return getattr(studio, "voice", None) is not None


class LevelMeter(QWidget):
    """A bar for the level 0..1; it turns red while the microphone clips."""

    def __init__(self) -> None:
        super().__init__()
        self.level, self.clipping = 0.0, False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(200, 12)

    def show_level(self, level: float, clipping: bool) -> None:
        """Show a level."""
        self.level, self.clipping = min(1.0, max(0.0, level)), clipping
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(QPalette.ColorRole.AlternateBase))
        painter.drawRoundedRect(self.rect(), 4, 4)
        painter.setBrush(BAD if self.clipping else GOOD)
        painter.drawRoundedRect(QRectF(0, 0, self.width() * self.level, self.height()), 4, 4)
        painter.end()


class VoicePanel(Panel):
    """Level meter and the settings of the voice."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.meter, self.told = LevelMeter(), note()
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addWidget(self.meter)
        box.addWidget(self.told)
        box.addWidget(self.form(*(path for path, _, _ in walk(studio.settings) if path.startswith("voice."))))
        self.microphone = Section(box)
        self.column.addWidget(self.microphone)
        self.column.addStretch(1)
        studio.level_changed.connect(self._show_level)
        self.retranslate()
        self._show_level(0.0, False)

    def _show_level(self, level: float, clipping: bool) -> None:
        self.meter.show_level(level, clipping)
        self.told.setText(tr("Too loud: lower the microphone's level") if clipping
                          else tr("Speak: the bar moves with your voice"))

    def retranslate(self) -> None:
        super().retranslate()
        self.microphone.set_title(tr("Microphone"))
        self.meter.setAccessibleName(tr("Microphone level"))
        self._show_level(self.meter.level, self.meter.clipping)
