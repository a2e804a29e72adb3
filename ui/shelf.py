"""The portrait library as the window sees it: what is slow is made in the background and kept here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from didlive.errors import BadInput
from didlive.types import U8

from .i18n import say, tr
from .jobs import Jobs

if TYPE_CHECKING:
    from didlive.library import Entry, Library
    from didlive.portrait import Verdict

MOST_TOLD = 4


class Shelf(QObject):
    """Entries, thumbnails, verdicts and own settings of the portraits. `changed` after each of them; `added(keys)` when
    the user put new ones in; `message(level, text)`."""

    changed = Signal()
    added = Signal(object)
    message = Signal(str, str)

    def __init__(self, jobs: Jobs, aside: Jobs, folder: Path | None, parent: QObject | None = None) -> None:
        """aside: makes thumbnails and verdicts, once `fill` was called."""
        super().__init__(parent)
        self._jobs, self._aside, self._folder = jobs, aside, folder
        self._filling = False
        self.library: Library | None = None
        self.entries: tuple[Entry, ...] = ()
        self.thumbnails: dict[str, U8] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.own: dict[str, dict[str, Any]] = {}

    def open(self, done: Callable[[], None]) -> None:
        """Read the library's folder; `done` when the entries are there."""

        def opened(found: Any) -> None:
            self.library = found[0]
            self._take(found[1:])
            done()

        def read() -> Any:
            from didlive.library import Library

            library = Library(self._folder)
            return library, *_listed(library)

        self._jobs.submit(read, opened)

    def entry(self, key: str) -> Entry | None:
        """Return the entry with this key, or None."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def fill(self) -> None:
        """Make the missing thumbnails and verdicts, now and whenever there are new portraits."""
        library, self._filling = self.library, True
        if library is None:
            return
        for entry in self.entries:
            if entry.key not in self.thumbnails:
                self._make(entry.key, library.thumbnail, self.thumbnails)
        for entry in self.entries:
            if entry.key not in self.verdicts:
                self._make(entry.key, library.verdict, self.verdicts)

    def _make(self, key: str, function: Callable[[str], Any], kept: dict[str, Any]) -> None:
        def done(made: Any) -> None:
            kept[key] = made
            self.changed.emit()

        self._aside.submit(lambda: kept[key] if key in kept else function(key), done, failed=lambda _: None)

    def add(self, items: list[Path | tuple[U8, str]]) -> None:
        """Copy picture files, or pictures with a name, into the library."""

        def put(library: Library) -> Any:
            keys, problems = [], []
            for item in items:
                try:
                    entry = library.add_image(*item) if isinstance(item, tuple) else library.add(item)
                    keys.append(entry.key)
                except BadInput as error:
                    problems.append(str(error))
            return keys, problems

        def done(result: tuple[list[str], list[str]]) -> None:
            if result[1]:
                self.message.emit("error", told(result[1]))
            if result[0]:
                self.added.emit(result[0])

        self._with_library(put, done, tr("Adding portraits"))

    def remove(self, key: str) -> None:
        """Delete a portrait."""
        self._with_library(lambda library: library.remove(key))

    def rename(self, key: str, name: str) -> None:
        """Give a portrait another name."""
        self._with_library(lambda library: library.rename(key, name))

    def write_own(self, key: str) -> None:
        """Save the portrait's own settings; call it in a job."""
        if self.library is not None and self.entry(key) is not None:
            self.library.save_settings(key, self.own.get(key, {}))

    def _with_library(self, function: Callable[[Library], Any], done: Callable[[Any], None] = lambda _: None,
                      label: str = "") -> None:
        library = self.library
        if library is None:
            return

        def finished(result: Any) -> None:
            self._take(result[1])
            done(result[0])

        self._jobs.submit(lambda: (function(library), _listed(library)), finished, label, soon=True)

    def _take(self, listed: Any) -> None:
        self.entries, saved = listed
        # What is here may be newer than what was saved.
        self.own = saved | {key: own for key, own in self.own.items() if key in saved}
        self.changed.emit()
        if self._filling:
            self.fill()


def told(problems: list[str]) -> str:
    """Return several problems as one message; not more lines than can be taken in."""
    if len(problems) == 1:
        return problems[0]
    lines = [say(problem) for problem in problems[:MOST_TOLD]]
    more = len(problems) - len(lines)
    return "\n".join([*lines, *([tr("… and {count} more", count=more)] if more else [])])


def _listed(library: Library) -> tuple[tuple[Entry, ...], dict[str, dict[str, Any]]]:
    entries = library.entries()
    return entries, {entry.key: library.settings(entry.key) for entry in entries}
