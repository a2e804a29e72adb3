"""One background thread for everything slow. Results come back to the window's thread by a queued signal."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal

from didlive.errors import Cancelled, DidliveError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What to do, who gets the result and who hears of a failure (both in the window's thread), and its name for
    people, empty for what needs no mention."""

    function: Callable[[], Any]
    done: Callable[[Any], None] | None
    failed: Callable[[DidliveError], None] | None
    label: str


class Jobs(QObject):
    """Runs functions one after the other in a thread of its own.

    `busy(label, progress)` tells what runs: progress 0..1, -1 unknown; an empty label: nothing with a name.
    `failed(text)` tells what went wrong, in one line. An unexpected error goes to `sys.excepthook` in the window's
    thread, and the next job runs.
    """

    busy = Signal(str, float)
    failed = Signal(str)
    _ended = Signal(object, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wake = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._label, self._closed, self._progress = "", False, -1.0
        self._ended.connect(self._hand_over, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._run, name="didlive-jobs", daemon=True)
        self._thread.start()

    def submit(self, function: Callable[[], Any], done: Callable[[Any], None] | None = None, label: str = "", *,
               failed: Callable[[DidliveError], None] | None = None, soon: bool = False) -> None:
        """Run `function` in the background, then `done(result)` here. soon: before everything that waits."""
        job = Job(function, done, failed, label)
        with self._wake:
            if self._closed:
                return
            if soon:
                self._waiting.appendleft(job)
            else:
                self._waiting.append(job)
            self._wake.notify()

    def progress(self, done: int, total: int | None) -> None:
        """Report the progress of the running job, from inside it. Raises Cancelled when the window closes."""
        if self._closed:
            raise Cancelled("the window was closed")
        part = round(done / total, 2) if total else -1.0
        if self._label and part != self._progress:
            self._progress = part
            self.busy.emit(self._label, part)

    def close(self) -> None:
        """Forget what waits and take nothing more; the running job ends in its own time."""
        with self._wake:
            self._closed = True
            self._waiting.clear()
            self._wake.notify()

    def wait(self, limit_s: float) -> bool:
        """Wait for the running job after `close`; return whether it ended."""
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                job = self._waiting.popleft()
            self._do(job)

    def _do(self, job: Job) -> None:
        self._label, self._progress = job.label, -1.0
        if job.label:
            self.busy.emit(job.label, -1.0)
        result, error = None, None
        try:
            result = job.function()
        # Whatever a job raises is told to the user in the window's thread; this thread must live.
        except Exception as caught:  # noqa: BLE001
            error = caught
        if job.label:
            self.busy.emit("", 0.0)
        self._label = ""
        self._ended.emit(job, result, error)

    def _hand_over(self, job: Job, result: Any, error: Exception | None) -> None:
        if error is None:
            if job.done is not None:
                job.done(result)
        elif isinstance(error, Cancelled):
            _log.info("stopped: %s", error)
        elif isinstance(error, DidliveError):
            if job.failed is not None:
                job.failed(error)
            else:
                self.failed.emit(str(error))
        else:
            sys.excepthook(type(error), error, error.__traceback__)
            if job.failed is not None:
                job.failed(DidliveError(f"unexpected error: {error}"))
