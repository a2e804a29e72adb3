"""The voice panel: the microphone and its level, how the voice moves the face, and how far the sound is delayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, QTimer
from PySide6.QtGui import QHideEvent, QPainter, QPaintEvent, QPalette, QShowEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from didlive.settings import Settings
from ui.i18n import say, tr

from .controls import line
from .glyphs import BAD, GOOD, GlyphButton
from .panel import Panel, Section, note
from .rows import RESET_PX, wide_combo

if TYPE_CHECKING:
    from ui.studio import Studio


LOOK_MS = 4000


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
    """The microphone with its level, how the voice moves the face, and how sound and lips stay together."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        # Microphones come and go.
        self._looks = QTimer(self)
        self._looks.timeout.connect(studio.voice.look)
        self._build_microphone()
        self._build_mouth()
        self._build_sound()
        self.column.addStretch(1)
        studio.level_changed.connect(self._show_level)
        studio.stats_changed.connect(lambda _: self._show_state())
        studio.voice.changed.connect(self._show_microphones)
        self.retranslate()

    def _build_microphone(self) -> None:
        self.microphones, self.refresh = wide_combo(), GlyphButton("refresh", RESET_PX)
        self.microphones.activated.connect(self._choose)
        self.refresh.clicked.connect(self.studio.voice.look)
        self.meter, self.told, self.talk = LevelMeter(), note(), QPushButton()
        self.talk.pressed.connect(lambda: self.studio.voice.talk(True))
        self.talk.released.connect(lambda: self.studio.voice.talk(False))
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addWidget(self.form("voice.enabled"))
        box.addLayout(line(self.microphones, self.refresh))
        box.addWidget(self.meter)
        box.addWidget(self.told)
        box.addWidget(self.form("voice.muted", "voice.push_to_talk"))
        box.addWidget(self.talk)
        self.microphone = Section(box)
        self.column.addWidget(self.microphone)

    def _build_mouth(self) -> None:
        self.moved = note()
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addWidget(self.form("voice.alone", "voice.mouth", "voice.strength", "voice.liveliness"))
        box.addWidget(self.moved)
        self.mouth = Section(box)
        self.column.addWidget(self.mouth)

    def _build_sound(self) -> None:
        self.delay = note()
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addWidget(self.form("voice.align", "voice.offset_ms"))
        box.addWidget(self.delay)
        self.sound = Section(box, folds=True)
        self.column.addWidget(self.sound)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.studio.voice.look()
        self._looks.start(LOOK_MS)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._looks.stop()

    def _show_level(self, level: float, clipping: bool) -> None:
        self.meter.show_level(level, clipping)
        voice, settings = self.studio.voice.voice, self.studio.settings.voice
        problem = voice.problem if voice is not None else ""
        if problem:
            self.told.setText(say(problem))
        elif clipping:
            self.told.setText(tr("Too loud: lower the microphone's level"))
        elif not settings.enabled:
            self.told.setText(tr("The microphone is off"))
        elif settings.muted:
            self.told.setText(tr("Muted: nothing is heard"))
        elif settings.push_to_talk and not self.talk.isDown():
            self.told.setText(tr("Hold the button below while you speak"))
        else:
            self.told.setText(tr("Speak: the bar moves with your voice"))

    def _show_state(self) -> None:
        """Show who moves the mouth, and how much the sound is delayed."""
        voice = self.studio.voice.voice
        if voice is None:
            self.moved.setText("")
        else:
            self.moved.setText(tr("The voice moves the mouth now") if voice.share > 0.5
                               else tr("The camera moves the mouth now"))
        delay_ms, known = self.studio.voice.delay_ms()
        told = tr("The sound of recordings and streams is delayed by {delay} ms", delay=f"{delay_ms:.0f}")
        waits = tr("The camera's delay is measured while you speak before it")
        settings = self.studio.settings.voice
        self.delay.setText(told if known or settings.alone or not settings.align else f"{told}\n{waits}")

    def _show_microphones(self) -> None:
        wanted, combo = self.studio.settings.voice.microphone, self.microphones
        with QSignalBlocker(combo):
            combo.clear()
            combo.addItem(tr("The system's own choice"), "")
            for name in self.studio.voice.microphones:
                combo.addItem(name, name)
            if wanted and combo.findData(wanted) < 0:
                combo.addItem(wanted, wanted)
            combo.setCurrentIndex(combo.findData(wanted))
        self._show_level(self.meter.level, self.meter.clipping)
        self._show_state()

    def _choose(self, at: int) -> None:
        self.studio.change("voice.microphone", self.microphones.itemData(at), merge=False)

    def show_settings(self, settings: Settings) -> None:
        """Show the values that hold now."""
        super().show_settings(settings)
        self.talk.setVisible(settings.voice.push_to_talk)
        self._show_microphones()

    def retranslate(self) -> None:
        super().retranslate()
        self.microphone.set_title(tr("Microphone"))
        self.microphones.setAccessibleName(tr("Microphone"))
        self.refresh.name_it(tr("Look for microphones again"))
        self.meter.setAccessibleName(tr("Microphone level"))
        self.talk.setText(tr("Hold to &talk"))
        self.mouth.set_title(tr("How the voice moves the face"))
        self.sound.set_title(tr("Sound and lips"))
        self.show_settings(self.studio.settings)
