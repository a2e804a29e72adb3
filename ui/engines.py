"""Builds engines for the graphics card while the window is open; the show runs on the CPU meanwhile."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

import engines

from .i18n import tr
from .studio import Studio

# Told once per quarter: a build takes seconds.
STEP = 0.25

COMMAND = ("-m", "engines.build", "--json")
# The window comes first.
AFTER_MS = 3000


def watch(studio: Studio) -> EngineBuild | None:
    """Build in the background for as long as a Studio lives; None where no library is installed that builds."""
    if not wanted():
        return None
    build = EngineBuild(studio)
    build.message.connect(studio.message)
    studio.closed.connect(build.stop)
    QTimer.singleShot(AFTER_MS, build, build.start)
    return build


def wanted() -> bool:
    """Return whether a library that builds engines is installed."""
    return any(importlib.util.find_spec(name) is not None for name in ("tensorrt", "tensorrt_rtx"))


class EngineBuild(QObject):
    """Runs `build_engines.py` as a process of its own; `message(level, text)` tells how it goes. No card, or all built
    already: it says nothing. It ends with the window."""

    message = Signal(str, str)

    def __init__(self, parent: QObject | None = None, command: Sequence[str] = COMMAND) -> None:
        super().__init__(parent)
        self._command, self._told, self._built, self._stopped = list(command), -1.0, 0, False
        self.process = QProcess(self)
        around = QProcessEnvironment.systemEnvironment()
        home = str(Path(engines.__file__).resolve().parent.parent)
        around.insert("PYTHONPATH", os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH", "")) if p))
        self.process.setProcessEnvironment(around)
        self.process.setStandardErrorFile(QProcess.nullDevice())
        self.process.readyReadStandardOutput.connect(self._read)
        self.process.finished.connect(self._finish)

    def start(self) -> None:
        """Begin, unless it was stopped before."""
        if not self._stopped:
            self.process.start(sys.executable, self._command)

    def stop(self) -> None:
        """End the process for good; a half-built engine is dropped."""
        self._stopped = True
        if self.process.state() != QProcess.ProcessState.NotRunning:
            self.process.kill()
            self.process.waitForFinished()

    def _read(self) -> None:
        while self.process.canReadLine():
            line = bytes(self.process.readLine().data()).decode(errors="replace")
            # Libraries write to the same stream.
            if line.startswith("{"):
                self._tell(json.loads(line))

    def _tell(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "progress" and event["share"] >= self._told + STEP:
            self._told = event["share"]
            self.message.emit("info", tr("Building the engine for the graphics card: {percent} %",
                                         percent=round(100 * event["share"])))
        elif kind == "failed":
            self.message.emit("warning", tr("No engine for the graphics card: {reason}", reason=event["reason"]))
        elif kind == "done":
            self._told = -1.0
            if event["cached"]:
                return
            if event["verdict"] == "good":
                self._built += 1
            else:
                self.message.emit("warning", tr("The engine for the graphics card is not used: {reason}",
                                                reason=event["verdict"]))

    def _finish(self) -> None:
        self._read()
        if self._built:
            self.message.emit("info", tr("The engine for the graphics card is ready: it runs from the next start"))
