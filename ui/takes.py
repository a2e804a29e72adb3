"""Recordings and snapshots: where they go, and what is told about them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QStandardPaths, Signal

from didlive.errors import DidliveError, OutputFailed
from didlive.settings import Settings

from .i18n import tr
from .jobs import Jobs

if TYPE_CHECKING:
    from didlive.credentials import Seal
    from didlive.session import Session
    from didlive.sinks.files import FileSink
    from didlive.sinks.recorder import QueuedSink
    from didlive.take import TakeWriter

NAME = "record"
MOST_LISTED = 10
KINDS = (".mp4", ".webm", ".gif", ".webp")


class Clock:
    """Seconds since its making, without the pauses."""

    def __init__(self) -> None:
        self._begun_s, self._before_s, self._running = time.monotonic(), 0.0, True

    def pause(self, on: bool) -> None:
        """Stand still, or go on."""
        if on == self._running:
            self._before_s, self._begun_s, self._running = self.seconds, time.monotonic(), not on

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self._before_s + (time.monotonic() - self._begun_s if self._running else 0.0)


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


@dataclass(frozen=True)
class Running:
    """A recording that runs: the file, its thread, the performance beside it, and what is told about it."""

    file: FileSink
    sink: QueuedSink
    take: TakeWriter | None
    told: str
    clock: Clock = field(default_factory=Clock)


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
        self._now: Running | None = None
        # Asked for, but not there yet: a second click is not a second recording.
        self._beginning = False
        # What is not written yet; at the end of the program no job may be left to do it.
        self._files: set[QueuedSink] = set()
        self._takes: set[TakeWriter] = set()
        self._writing = threading.Lock()

    @property
    def recording(self) -> bool:
        """Whether a recording runs."""
        return self._now is not None

    @property
    def path(self) -> Path | None:
        """The file that is being recorded."""
        return self._now.file.path if self._now is not None else None

    @property
    def paused(self) -> bool:
        """Whether the recording stands still."""
        return self._now is not None and self._now.sink.paused

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return self._now.clock.seconds if self._now is not None else 0.0

    def measure(self) -> int:
        """Return the bytes that were recorded so far; call it in a job."""
        now = self._now
        return now.file.size_bytes if now is not None else 0

    def begin(self, session: Session, settings: Settings) -> None:
        """Start a recording of what goes out."""
        if self.recording or self._beginning:
            return
        self._beginning = True

        def started(made: Running) -> None:
            self._beginning, self._now = False, made
            self.message.emit("info", made.told)
            self.changed.emit()

        def not_started(error: DidliveError) -> None:
            self._beginning = False
            self.message.emit("error", str(error))

        self._jobs.submit(lambda: self._start(session, settings), started, failed=not_started, soon=True)

    def _start(self, session: Session, settings: Settings) -> Running:
        from didlive.credentials import KINDS as SIGNED
        from didlive.sinks import encoders, sink_for
        from didlive.sinks.files import FileSink
        from didlive.sinks.recorder import QueuedSink
        from didlive.take import TakeWriter, take_beside

        path = _new_path(lambda: _free(self.videos, f".{settings.output.record_as}"))
        file = sink_for(path, real_time=True, encoder=settings.output.encoder,
                        audio=session.tap() if session.voice is not None else None)
        assert isinstance(file, FileSink)
        file.seal = self._seal(session) if path.suffix in SIGNED else None
        take = TakeWriter(take_beside(path), settings, session.portrait) if settings.output.take else None
        sink = QueuedSink(file)
        if take is not None:
            self._takes.add(take)
        try:
            session.add_sink(NAME, sink)
        except DidliveError:
            if take is not None:
                take.abort()
                self._takes.discard(take)
            raise
        self._files.add(sink)
        session.take = take
        told = tr("Recording to {path}", path=short(path))
        used = getattr(file, "used", "")
        if used in encoders.HARDWARE:
            told = tr("{told}, made by the graphics card ({name})", told=told, name=encoders.HARDWARE[used][0])
        return Running(file, sink, take, told)

    def pause(self, on: bool) -> None:
        """Let the recording stand still, or go on."""
        now = self._now
        if now is not None:
            now.sink.pause(on)
            if now.take is not None:
                now.take.pause(on)
            now.clock.pause(on)
            self.changed.emit()

    def end(self, session: Session) -> None:
        """Finish the recording; the file is complete when `message` says so."""

        def finish() -> None:
            session.take = None
            session.remove_sink(NAME)

        if self.recording:
            self._jobs.submit(finish, lambda _: self.ended(), tr("Finishing the recording"), failed=self._failed,
                              soon=True)

    def ended(self) -> None:
        """The session gave the recording up, or was stopped: tell how it went."""
        now, self._now = self._now, None
        if now is not None:
            self._files.discard(now.sink)
            take = now.take
            if take is not None:
                # Without a face there is nothing to keep, and nothing wrong.
                self._jobs.submit(lambda: self._close(take),
                                  failed=lambda error: self.message.emit("info", str(error)), soon=True)
            if now.sink.error is not None:
                self.message.emit("error", str(now.sink.error))
            else:
                self._saved(tr("Recorded {path}", path=short(now.file.path)), now.file.note)
            self.refresh()
        self.changed.emit()

    def _failed(self, error: DidliveError) -> None:
        if self._now is not None and self._now.sink.error is None:
            self.message.emit("error", str(error))
        self.ended()

    def finish(self) -> None:
        """The show has ended, and so does everything: complete the recording and what is kept beside it, here and
        now."""
        for sink in tuple(self._files):
            sink.close()
        for take in tuple(self._takes):
            with suppress(OutputFailed):
                self._close(take)

    def _close(self, take: TakeWriter) -> None:
        # Who comes second, a job or the end of the program, waits until the file is there.
        with self._writing:
            try:
                take.close()
            finally:
                self._takes.discard(take)

    def look(self, session: Session) -> None:
        """End a recording that broke (the disk is full): the show goes on."""
        if self._now is not None and self._now.sink.error is not None:
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
            files = [path for path in self.videos.glob("*") if path.suffix in KINDS and ".recording" not in path.name]
            return tuple(sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)[:MOST_LISTED])

        def done(found: tuple[Path, ...]) -> None:
            self.recordings = found
            self.changed.emit()

        self._jobs.submit(listed, done)


def _new_path(make: Callable[[], Path]) -> Path:
    try:
        return make()
    except OSError as error:
        raise OutputFailed(f"{error.filename} cannot be written ({error.strerror}); let didlive write there") from error
