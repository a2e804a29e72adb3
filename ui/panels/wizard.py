"""The range wizard's dialog: a name, then one drawn instruction after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
)

from didlive.calibration import STEPS
from didlive.errors import BadInput
from didlive.profiles import check_name, same_name
from ui.i18n import say, tr

from .faces import FaceHint
from .panel import note

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent

    from didlive.calibration import Performer
    from ui.studio import Studio
    from ui.wizard import RangeRun

FACE_PX = 200


class RangeDialog(QDialog):
    """Asks for a name, leads through the steps and hands the performer to Studio, which keeps it."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.studio = studio
        self.run: RangeRun | None = None
        self._step, self._problem = 0, ""
        self.face, self.text, self.count = FaceHint(FACE_PX), note(quiet=False), note()
        font = self.text.font()
        font.setPointSizeF(font.pointSizeF() * 1.3)
        self.text.setFont(font)
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.count.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.label, self.name = QLabel(), QLineEdit()
        self.label.setBuddy(self.name)
        self.name.setMaxLength(60)
        self.name.textChanged.connect(self._allow)
        self.bar = QProgressBar()
        self.bar.setRange(0, 100 * len(STEPS))
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.begin, self.skip = QPushButton(), QPushButton()
        # Return in the name begins, once: the button that takes its place must not hear it, too.
        self.begin.setDefault(True)
        self.skip.setAutoDefault(False)
        self.begin.clicked.connect(self._begin)
        self.skip.clicked.connect(self._skip)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.addButton(self.begin, QDialogButtonBox.ButtonRole.ActionRole)
        self.buttons.addButton(self.skip, QDialogButtonBox.ButtonRole.ActionRole)
        self.buttons.rejected.connect(self.reject)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(16)
        box.addWidget(self.face, 0, Qt.AlignmentFlag.AlignHCenter)
        asked = QVBoxLayout()
        asked.setSpacing(4)
        asked.addWidget(self.label)
        asked.addWidget(self.name)
        box.addWidget(self.text)
        box.addWidget(self.count)
        box.addLayout(asked)
        box.addWidget(self.bar)
        box.addWidget(self.buttons)
        self.setMinimumWidth(440)
        self.retranslate()
        self._show_start()

    def _show_start(self) -> None:
        for widget in (self.label, self.name, self.begin):
            widget.show()
        for widget in (self.bar, self.skip):
            widget.hide()
        self.face.show_pose("neutral")
        self._allow()

    def _allow(self) -> None:
        name, problem = self.name.text().strip(), ""
        try:
            check_name(name or "-")
        except BadInput as error:
            # Said now: after the measuring all of it would be lost.
            problem = say(str(error))
        self.begin.setEnabled(bool(name) and not problem)
        known = same_name(name, self.studio.performers)
        self.count.setText(problem or (tr("This replaces what was measured of {name}.", name=known) if known else
                                       tr("Only numbers are kept, never a picture of you.")))

    def _begin(self) -> None:
        if self.run is not None:
            return
        name = self.name.text().strip()
        run = self.studio.start_wizard(same_name(name, self.studio.performers) or name)
        if run is None:
            self.count.setText(tr("Start the show first: without a picture of you there is nothing to measure."))
            return
        self.run = run
        for widget in (self.label, self.name, self.begin):
            widget.hide()
        self.bar.show()
        self.skip.show()
        self._show_step(0, 0.0)
        run.step.connect(self._follow)
        run.failed.connect(self._tell)
        run.finished.connect(self._finish)

    def _tell(self, problem: str) -> None:
        self._problem = problem

    def _skip(self) -> None:
        if self.run is not None:
            self.run.skip()

    def _follow(self, text: str, progress: float) -> None:
        names = [step.text for step in STEPS]
        at = names.index(text) if text in names else self._step
        if at != self._step:
            # Who has closed the eyes must hear that they may open again.
            QApplication.beep()
        self._show_step(at, progress)

    def _show_step(self, at: int, progress: float) -> None:
        self._step = at
        self.face.show_pose(STEPS[at].name, 0, progress)
        self.text.setText(say(STEPS[at].text))
        self.count.setText(tr("Step {number} of {total}; a sound says when it is over", number=at + 1,
                              total=len(STEPS)))
        self.bar.setValue(round(100 * (at + progress)))

    def _finish(self, performer: Performer | None) -> None:
        self.run = None
        if performer is not None:
            self.studio.save_performer(performer)
            self.accept()
        elif self.isVisible():
            self._show_start()
            self.retranslate()
            self.count.setText(say(self._problem))

    def reject(self) -> None:
        """Cancel: nothing is kept."""
        super().reject()
        if self.run is not None:
            self.run.cancel()

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self.setWindowTitle(tr("Measure how far your face goes"))
        self.label.setText(tr("&Who are you?"))
        self.name.setPlaceholderText(tr("Your name, as you will find it in the list"))
        self.name.setAccessibleName(tr("Name"))
        self.begin.setText(tr("&Begin"))
        self.skip.setText(tr("S&kip this step"))
        self.bar.setAccessibleName(tr("Progress"))
        if self.run is not None:
            self._show_step(self._step, 0.0)
        else:
            seconds = round(sum(step.seconds for step in STEPS))
            self.text.setText(tr("{count} short steps, {seconds} seconds in all", count=len(STEPS), seconds=seconds))
            self._allow()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == event.Type.LanguageChange:
            self.retranslate()
        super().changeEvent(event)
