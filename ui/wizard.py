"""The range wizard as the window runs it: a step after the other, fed with what the session measures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from didlive.errors import BadInput

if TYPE_CHECKING:
    from didlive.calibration import Performer
    from didlive.session import Session
    from didlive.types import Measure

FEED_MS = 30


class RangeRun(QObject):
    """One run of the wizard. `step(text, progress)` tells what to do and how far this step is, 0..1; `finished` gives
    the Performer, or None when it was cancelled or the face was not seen; then `failed(text)` says so."""

    step = Signal(str, float)
    failed = Signal(str)
    finished = Signal(object)

    def __init__(self, session: Session, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        from didlive.calibration import STEPS, RangeWizard

        self._session, self._name, self._steps = session, name, STEPS
        self._wizard = RangeWizard()
        self.index, self._begun_s = 0, time.monotonic()
        self._fed: Measure | None = None
        self._timer = QTimer(self, interval=FEED_MS)
        self._timer.timeout.connect(self._feed)
        self._timer.start()

    @property
    def count(self) -> int:
        """How many steps there are."""
        return len(self._steps)

    def skip(self) -> None:
        """Go on with the next step."""
        self._wizard.next()
        self.index, self._begun_s = self.index + 1, time.monotonic()
        if self.index == len(self._steps):
            self._timer.stop()
            self.finished.emit(self._judged())

    def cancel(self) -> None:
        """Forget everything."""
        if self._timer.isActive():
            self._timer.stop()
            self.finished.emit(None)

    def _judged(self) -> Performer | None:
        try:
            return self._wizard.result(self._name)
        except BadInput as error:
            self.failed.emit(str(error))
            return None

    def _feed(self) -> None:
        measure = self._session.measures.peek()
        if measure is not None and measure is not self._fed:
            self._wizard.feed(measure)
            self._fed = measure
        step = self._steps[self.index]
        part = (time.monotonic() - self._begun_s) / step.seconds
        self.step.emit(step.text, min(1.0, part))
        if part >= 1.0:
            self.skip()
