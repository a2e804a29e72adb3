"""The middle of the window: the portrait, how the show stands, and the buttons for it."""

from __future__ import annotations

import textwrap

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QAction, QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from didlive.session import State, Stats

from .breakdown import Breakdown
from .i18n import capital, say, tr
from .inset import HoldButton, Inset
from .messages import MessageBar
from .panels.panel import WORDS_PX
from .picture import Picture, newest
from .studio import Studio
from .theme import DARK, Colors

BUTTONS = ("toggle", "recalibrate", "hold", "panic", "snapshot", "record")
COUNTDOWN_PX, LEAST_PX, GAP_PX = 112, 160, 16
# With numbers as wide as they get the mesh stays or goes for good: they change with every frame.
ROOMY_PX = 430
# A longer line would make the window wider than a small screen.
PROVIDER_CHARS = 32


def headline(stats: Stats | None) -> str:
    """Return the state in a word or two, for people."""
    if stats is None:
        return tr("Stopped")
    words = {State.STARTING: tr("Starting"), State.LIVE: tr("Live"), State.HOLDING: tr("Holding"),
             State.IDLE: tr("Ready"), State.DEGRADED: tr("Degraded"), State.FAILED: tr("Failed"),
             State.STOPPED: tr("Stopped")}
    return words[stats.state]


def state_color(stats: Stats | None, colors: Colors) -> str:
    """Return the colour of the state's dot."""
    if stats is None:
        return colors.dim
    return {State.LIVE: colors.good, State.HOLDING: colors.warn, State.DEGRADED: colors.bad,
            State.FAILED: colors.bad, State.IDLE: colors.link}.get(stats.state, colors.dim)


class Dot(QWidget):
    """A coloured dot."""

    def __init__(self) -> None:
        super().__init__()
        self.color = DARK.dim
        self.setFixedSize(16, 16)

    def show_color(self, color: str) -> None:
        """Take another colour."""
        if color != self.color:
            self.color = color
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.color))
        painter.drawEllipse(2, 2, 12, 12)
        painter.end()


class Strip(QFrame):
    """Under the picture: what is tracked, the state, the numbers."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("strip")
        self._studio = studio
        self.inset, self.look = Inset(), HoldButton()
        self.dot, self.state, self.reason, self.driving = Dot(), QLabel(), QLabel(), QLabel()
        self.metrics = QPushButton()
        self.metrics.setCheckable(True)
        for label, name in ((self.state, "state"), (self.reason, "reason"), (self.driving, "dim"),
                            (self.metrics, "metrics")):
            label.setObjectName(name)
        for label in (self.state, self.reason, self.driving):
            label.setTextFormat(Qt.TextFormat.PlainText)
        # Chinese breaks anywhere: the narrowest column would be one sign wide.
        for label in (self.reason, self.driving):
            label.setWordWrap(True)
            label.setMinimumWidth(WORDS_PX)
        self.look.held.connect(self._show_camera)
        first = QHBoxLayout()
        first.setSpacing(8)
        first.addWidget(self.dot)
        first.addWidget(self.state, 1)
        middle = QVBoxLayout()
        middle.setSpacing(4)
        middle.addLayout(first)
        middle.addWidget(self.reason)
        middle.addWidget(self.driving)
        middle.addStretch(1)
        middle.addWidget(self.look, 0, Qt.AlignmentFlag.AlignLeft)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(GAP_PX, GAP_PX, GAP_PX, GAP_PX)
        layout.setSpacing(GAP_PX)
        layout.addWidget(self.inset, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(middle, 1)
        layout.addWidget(self.metrics, 0, Qt.AlignmentFlag.AlignTop)

    def minimumSizeHint(self) -> QSize:
        """The mesh goes where there is no room for it."""
        beside = self.metrics.sizeHint().width() + WORDS_PX + 3 * GAP_PX
        return QSize(beside, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        roomy = self.width() >= self.inset.width() + GAP_PX + max(self.minimumSizeHint().width(), ROOMY_PX)
        self.inset.setVisible(roomy)
        self.look.setVisible(roomy and self._studio.has_camera)

    def tell(self, stats: Stats | None, colors: Colors) -> None:
        """Show how the show stands."""
        self.dot.show_color(state_color(stats, colors))
        self.state.setText(headline(stats))
        reason = say(stats.reason) if stats is not None else ""
        self.reason.setText(capital(reason))
        self.reason.setVisible(bool(reason))
        session = self._studio.session
        self.state.setAccessibleDescription(reason)
        self.driving.setText(tr("Driven by {name}", name=self._studio.driving))
        self._make_room()
        if stats is None or session is None:
            self.metrics.setText(tr("No show runs"))
            return
        delay = tr("Delay {p50} ms (95 %: {p95} ms)", p50=f"{stats.p50_ms:.0f}", p95=f"{stats.p95_ms:.0f}")
        # What was measured before says nothing while nobody is followed.
        followed = stats.p95_ms and stats.state in (State.LIVE, State.HOLDING)
        lines = (tr("{fps} frames/s", fps=f"{stats.fps:.0f}"),
                 delay if followed else tr("Delay not measured yet") if self._studio.following else tr("Delay –"),
                 tr("{count} dropped", count=stats.dropped), *textwrap.wrap(say(session.provider), PROVIDER_CHARS))
        self.metrics.setText("\n".join(lines))

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self.look.setText(tr("Hold to see camera"))
        self.look.setToolTip(tr("Shows the camera here, and only here, while the button is held down"))
        self.look.setAccessibleName(tr("Hold to see camera"))
        self.dot.setAccessibleName(tr("State"))
        self.state.setAccessibleName(tr("State"))
        self.metrics.setAccessibleName(tr("Speed"))
        self.metrics.setToolTip(tr("Show where the time goes"))

    def _show_camera(self, on: bool) -> None:
        self._studio.show_camera(on)
        self.inset.show_camera(on)


class Stage(QWidget):
    """Picture, messages, controls and strip. `actions` are the window's actions by name; `colors` its theme."""

    def __init__(self, studio: Studio, actions: dict[str, QAction]) -> None:
        super().__init__()
        self._studio, self._actions = studio, actions
        self.colors = DARK
        self.stats: Stats | None = None
        self.picture = Picture(newest(lambda: studio.session.preview if studio.session else None,
                                      lambda: studio.settings.window.mirror_preview))
        self.picture.setMinimumHeight(LEAST_PX)
        self.strip = Strip(studio)
        self.messages, self.breakdown = MessageBar(self.picture), Breakdown(self.picture)
        self.welcome, self.count = QLabel(self.picture), QLabel(self.picture)
        self.progress = QProgressBar(self.picture, textVisible=False, minimum=0, maximum=100)
        for label, name in ((self.welcome, "welcome"), (self.count, "countdown")):
            label.setObjectName(name)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.welcome.setWordWrap(True)
        for widget in (self.breakdown, self.count, self.progress):
            widget.hide()
        self.buttons = {name: self._button(name) for name in BUTTONS}
        self.controls = QWidget()
        row = QHBoxLayout(self.controls)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for button in self.buttons.values():
            row.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 8)
        layout.setSpacing(8)
        layout.addWidget(self.picture, 1)
        # Without panels at the sides they would touch the edge of the window.
        below = QVBoxLayout()
        below.setContentsMargins(8, 0, 8, 0)
        below.setSpacing(8)
        below.addWidget(self.controls)
        below.addWidget(self.strip)
        layout.addLayout(below)
        self.strip.metrics.toggled.connect(self._show_breakdown)
        studio.stats_changed.connect(self._tell)
        studio.session_changed.connect(self._use)
        studio.driver_changed.connect(self._refresh)
        studio.busy_changed.connect(self._busy)
        studio.countdown.connect(self._count)
        self.retranslate()

    def _button(self, name: str) -> QPushButton:
        action, button = self._actions[name], QPushButton()
        button.setCheckable(action.isCheckable())
        button.clicked.connect(action.trigger)
        button.setObjectName(name)
        return button

    def sync(self) -> None:
        """Take checks and texts of the actions."""
        for name, button in self.buttons.items():
            action = self._actions[name]
            button.setChecked(action.isChecked())
            button.setText(action.iconText())
            button.setAccessibleName(action.text())
            key = action.shortcut().toString()
            button.setToolTip(f"{action.text()} ({key})" if key else action.text())

    def paint_with(self, colors: Colors) -> None:
        """Take the colours of the theme."""
        self.colors = colors
        self.messages.paint(colors)
        self.picture.background = QColor(colors.base if colors is DARK else "#2b2d33")
        self._refresh()

    def only_picture(self, on: bool) -> None:
        """Show nothing but the portrait, for the full screen."""
        self.controls.setHidden(on)
        self.strip.setHidden(on)
        self.strip.metrics.setChecked(False)
        self.messages.hide()
        margin = 0 if on else 8
        layout = self.layout()
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, margin)

    def stop(self) -> None:
        """End the painting threads."""
        self.picture.stop()
        self.strip.inset.stop()

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self.picture.setAccessibleName(tr("The portrait as it goes out"))
        self.strip.retranslate()
        self._refresh()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        width, height = self.picture.width(), self.picture.height()
        self.messages.place()
        size = self.breakdown.sizeHint()
        self.breakdown.setGeometry(max(0, width - size.width() - 16), max(0, height - size.height() - 16),
                                   min(width, size.width()), min(height, size.height()))
        self.welcome.setGeometry(32, height // 2 - 72, max(0, width - 64), 96)
        self.progress.setGeometry(width // 2 - 120, height // 2 + 32, 240, 6)
        self.count.setGeometry((width - COUNTDOWN_PX) // 2, 48, COUNTDOWN_PX, COUNTDOWN_PX)

    def _use(self, session: object) -> None:
        self.strip.inset.session = self._studio.session
        self.strip.inset.forget()
        if session is None:
            self._tell(None)
            self.picture.forget()

    def _tell(self, stats: Stats | None) -> None:
        self.stats = stats
        if stats is not None:
            self.breakdown.take(stats)
        self._refresh()

    def _refresh(self) -> None:
        self.strip.tell(self.stats, self.colors)
        empty = self._studio.session is None and not self.progress.isVisibleTo(self.picture)
        if empty:
            self.welcome.setText(tr("Press Space to start") if self._studio.entries else tr("Welcome to didlive"))
        self.welcome.setVisible(self._studio.session is None)

    def _busy(self, what: str, part: float) -> None:
        waiting = bool(what) and self._studio.session is None
        self.progress.setVisible(waiting)
        if waiting:
            self.welcome.setText(f"{what} …")
            self.progress.setRange(0, 0 if part < 0 else 100)
            self.progress.setValue(round(100 * max(part, 0.0)))
        self._refresh()

    def _show_breakdown(self, on: bool) -> None:
        self.breakdown.setVisible(on)
        if self.stats is not None:
            self.breakdown.take(self.stats)

    def _count(self, left: int) -> None:
        self.count.setText(str(left))
        self.count.setVisible(left > 0)
        self.count.raise_()
