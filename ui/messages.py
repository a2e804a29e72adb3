"""One line over the stage: what happened, what to do, and a button where there is something to do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from .i18n import capital, say, tr
from .theme import Colors

STAY_MS = {"info": 5000, "warning": 10_000}
READ_MS = 80


class MessageBar(QFrame):
    """Shows the newest message; information goes away by itself, errors stay until they are closed or another error
    comes. What is told meanwhile stands below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messages")
        self.setAutoFillBackground(True)
        self.level, self.text, self._below = "", "", ""
        self._mark, self._label = QLabel("●"), QLabel()
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.action, self.close_button = QPushButton(), QToolButton()
        self.close_button.setText("✕")
        self.close_button.setAutoRaise(True)
        self.close_button.clicked.connect(self.hide)
        self.action.clicked.connect(self._act)
        self._run: Callable[[], object] | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 8, 8, 8)
        layout.setSpacing(8)
        for widget in (self._mark, self._label, self.action, self.close_button):
            layout.addWidget(widget)
        self._away = QTimer(self, singleShot=True)
        self._away.timeout.connect(self._expire)
        self._colors: Colors | None = None
        self.retranslate()
        self.hide()

    def tell(self, level: str, text: str, run: Callable[[], object] | None = None) -> None:
        """Show a message; with `run`, a button tries again."""
        if self.level == "error" and level in STAY_MS and not self.isHidden():
            self._below = text
        else:
            self.level, self.text, self._below, self._run = level, text, "", run
            self.action.setVisible(run is not None)
        self._away.stop()
        if level in STAY_MS:
            self._stay(level, text)
        self._show()
        self.show()
        self.raise_()
        self.place()

    def solved(self, text: str = "") -> None:
        """There is nothing to try again any more, or what `text` told is mended: the message goes when it was read."""
        if self._run is not None or (text and text == self.text):
            self._run, self.level = None, "warning"
            self.action.hide()
            self._stay("warning", self.text + self._below)

    def paint(self, colors: Colors) -> None:
        """Take the colours of the theme."""
        self._colors = colors
        self._show()

    def _stay(self, level: str, text: str) -> None:
        self._away.start(max(STAY_MS[level], READ_MS * len(text)))

    def _expire(self) -> None:
        if self.level == "error":
            self._below = ""
            self._show()
            self.place()
        else:
            self.hide()

    def place(self) -> None:
        """Lie at the top of the parent, as wide as it."""
        parent = self.parentWidget()
        if parent is not None:
            width = max(200, parent.width() - 32)
            self.setGeometry(16, 16, width, max(44, self.heightForWidth(width)))

    def retranslate(self) -> None:
        self.setAccessibleName(tr("Message"))
        self.action.setText(tr("Try again"))
        self.close_button.setAccessibleName(tr("Close the message"))
        self.close_button.setToolTip(tr("Close the message"))
        self._show()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()
        super().changeEvent(event)

    def _act(self) -> None:
        self.hide()
        if self._run is not None:
            self._run()

    def _show(self) -> None:
        text = "\n".join(capital(say(each)) for each in (self.text, self._below) if each)
        self._label.setText(text)
        self._label.setAccessibleName(text)
        if self._colors is not None:
            color = {"info": self._colors.link, "warning": self._colors.warn}.get(self.level, self._colors.bad)
            self._mark.setStyleSheet(f"color: {color};")
