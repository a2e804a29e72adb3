"""Recordings and snapshots: where they go, and what is told about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QStandardPaths, Signal

from didlive.errors import DidliveError, OutputFailed

from .i18n import tr
from .jobs import Jobs

if TYPE_CHECKING:
    from didlive.credentials import Seal
    from didlive.session import Session
    from didlive.sinks.recorder import QueuedSink

NAME = "record"
MOST_LISTED = 10


def folder_of(kind: QStandardPaths.StandardLocation) -> Path:
    """Return didlive's folder among the user's videos or pictures; it may not exist yet."""
    return Path(QStandardPaths.writableLocation(kind) or Path.home()) / "didlive"


def short(path: Path) -> str:
    """Return a path for people: `~` is their home."""
    home = Path.home()
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)


def _free(folder: Path, suffix: str) -> Path:
    """Return a new file name in `folder`, made now: the time, and a number when that is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"didlive {datetime.now():%Y-%m-%d %H.%M.%S}"
    names = [stem, *(f"{stem} ({n})" for n in range(2, 100))]
    return next(folder / f"{name}{suffix}" for name in names if not (folder / f"{name}{suffix}").exists())


class Takes(QObject):
    """Records into the videos folder and takes snapshots into the pictures folder. `changed` when a recording began,
    ended, or the list of recordings is another; `message(level, text)`."""

    changed = Signal()
    message = Signal(str, str)

    def __init__(self, jobs: Jobs, seal: Callable[[Session], Seal | None], parent: QObject | None = None) -> None:
        """seal: called in a job, returns what signs the files of a session, if they shall be signed."""
        super().__init__(parent)
        self._jobs, self._seal = jobs, seal
        self.videos = folder_of(QStandardPaths.StandardLocation.MoviesLocation)
        self.pictures = folder_of(QStandardPaths.StandardLocation.PicturesLocation)
        self.recordings: tuple[Path, ...] = ()
        self.path: Path | None = None
        self._sink: QueuedSink | None = None

    @property
    def recording(self) -> bool:
        """Whether a recording runs."""
        return self.path is not None

    def begin(self, session: Session) -> None:
        """Start a recording of what goes out."""
        if self.recording:
            return

        def start() -> tuple[Path, QueuedSink]:
            from didlive.sinks import sink_for
            from didlive.sinks.files import FileSink
            from didlive.sinks.recorder import QueuedSink

            path = _new_path(lambda: _free(self.videos, ".mp4"))
            file = sink_for(path, real_time=True)
            if isinstance(file, FileSink):
                file.seal = self._seal(session)
            sink = QueuedSink(file)
            session.add_sink(NAME, sink)
            return path, sink

        def started(made: tuple[Path, QueuedSink]) -> None:
            self.path, self._sink = made
            self.message.emit("info", tr("Recording to {path}", path=short(made[0])))
            self.changed.emit()

        self._jobs.submit(start, started, soon=True)

    def end(self, session: Session) -> None:
        """Finish the recording; the file is complete when `message` says so."""
        if self.recording:
            self._jobs.submit(lambda: session.remove_sink(NAME), lambda _: self.ended(), tr("Finishing the recording"),
                              failed=self._failed, soon=True)

    def ended(self) -> None:
        """The session gave the recording up, or was stopped: tell how it went."""
        path, sink = self.path, self._sink
        self.path = self._sink = None
        if path is not None and sink is not None:
            if sink.error is not None:
                self.message.emit("error", str(sink.error))
            else:
                self._saved(tr("Recorded {path}", path=short(path)), getattr(sink.sink, "note", ""))
            self.refresh()
        self.changed.emit()

    def _failed(self, error: DidliveError) -> None:
        if self._sink is not None and self._sink.error is None:
            self.message.emit("error", str(error))
        self.ended()

    def look(self, session: Session) -> None:
        """End a recording that broke (the disk is full): the show goes on."""
        if self._sink is not None and self._sink.error is not None:
            self.end(session)

    def snapshot(self, session: Session) -> None:
        """Save what goes out now as a PNG file."""

        def take() -> tuple[Path, str]:
            path = _new_path(lambda: _free(self.pictures, ".png"))
            session.snapshot(path)
            seal = self._seal(session)
            try:
                if seal is not None:
                    seal(path)
            except OutputFailed as error:
                return path, str(error)
            return path, ""

        self._jobs.submit(take, lambda made: self._saved(tr("Saved {path}", path=short(made[0])), made[1]), soon=True)

    def _saved(self, text: str, problem: str) -> None:
        """Tell that a file is there; problem: why it is not signed, or an empty text."""
        self.message.emit("info", text)
        if problem:
            self.message.emit("warning", problem)

    def refresh(self) -> None:
        """List the recordings again, newest first."""

        def listed() -> tuple[Path, ...]:
            files = [path for path in self.videos.glob("*.mp4") if ".recording" not in path.name]
            return tuple(sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)[:MOST_LISTED])

        def done(found: tuple[Path, ...]) -> None:
            self.recordings = found
            self.changed.emit()

        self._jobs.submit(listed, done)


def _new_path(make: Callable[[], Path]) -> Path:
    try:
        return make()
    except OSError as error:
        raise OutputFailed(f"{error.filename} cannot be written ({error.strerror})") from error
