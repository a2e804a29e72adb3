"""Whose the portraits are, as the window asks and knows it: the ledger behind one quick thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from didlive.consent import Ledger
from didlive.errors import BadInput, DidliveError

from .i18n import tr
from .jobs import Jobs

if TYPE_CHECKING:
    from didlive.library import Entry


class Refused(BadInput):
    """The consent to a portrait was revoked or has expired."""


class Consents(QObject):
    """Records, checks and revokes consents. `asked(entry)`: nobody said yet whose this portrait is, and it plays;
    `revoked(key)`; `known`: `states` is new; `message(level, text)`."""

    asked = Signal(object)
    revoked = Signal(str)
    known = Signal()
    message = Signal(str, str)

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.ledger = Ledger(folder)
        # A portrait that is ready must not wait for others that are being prepared.
        self._jobs = Jobs(self)
        self._jobs.failed.connect(lambda text: self.message.emit("error", text))
        self._noted = ""
        # Portrait -> none, valid, expired or revoked.
        self.states: dict[str, str] = {}
        self._keys: tuple[str, ...] = ()
        # Portraits about which somebody will be asked again the next time.
        self.put_off: set[str] = set()

    def look(self, entries: Iterable[Entry] | None = None) -> None:
        """Find out how the consents to these portraits stand, or to those of the last time."""
        before = self._keys
        if entries is not None:
            self._keys = tuple(entry.key for entry in entries if not entry.builtin)
        keys = self._keys
        if entries is not None and keys == before:
            return

        def done(states: dict[str, str]) -> None:
            if states != self.states:
                self.states = states
                self.known.emit()

        if keys or self.states:
            self._jobs.submit(lambda: {key: self.ledger.state(key) for key in keys}, done)

    def export(self, path: Path) -> None:
        """Write all consents with their signatures into a file."""
        self._jobs.submit(lambda: self.ledger.export(path),
                          lambda count: self.message.emit("info", tr("{count} consents are in {path}", count=count,
                                                                     path=str(path))))

    def refuse(self, entry: Entry) -> None:
        """Raise Refused when this portrait may not go live; call it in a job. Built-in ones always may."""
        if entry.builtin:
            return
        try:
            self.ledger.refuse(entry.key)
        except BadInput as error:
            raise Refused(str(error)) from error

    def check(self, entry: Entry, allowed: Callable[[], None], failed: Callable[[DidliveError], None]) -> None:
        """Call `allowed`, or `failed` with what `refuse` raises; at once for a built-in portrait."""
        if entry.builtin:
            allowed()
            return
        self._jobs.submit(lambda: self.refuse(entry), lambda _: allowed(), failed=failed)

    def ask(self, entry: Entry) -> None:
        """Emit `asked` if nobody said yet whose this portrait is, nor put it off since the program began."""

        def needed(needs: bool) -> None:
            if self.ledger.note != self._noted:
                self._noted = self.ledger.note
                self.message.emit("warning", self._noted)
            if needs and entry.key not in self.put_off:
                self.asked.emit(entry)

        if not entry.builtin:
            self._jobs.submit(lambda: self.ledger.needs(entry.key), needed)

    def record(self, entry: Entry, kind: str, fields: dict[str, str], done: Callable[[], None],
               failed: Callable[[DidliveError], None]) -> None:
        """Write down whose a portrait is. fields: who, scope, expires."""
        def recorded(_: Any) -> None:
            self.look()
            done()

        self._jobs.submit(lambda: self.ledger.record(entry.path, kind, name=entry.name, **fields), recorded,
                          failed=failed)

    def revoke(self, entry: Entry) -> None:
        """Take the consent to a portrait back: it does not go live any more."""

        def take_back() -> bool:
            found = self.ledger.find(entry.key)
            if found is not None:
                self.ledger.revoke(entry.key)
            return found is not None

        def done(there: Any) -> None:
            if there:
                self.message.emit("info", tr("{name} does not go live any more", name=entry.name))
                self.look()
                self.revoked.emit(entry.key)
            else:
                self.message.emit("warning", tr("There is no consent for {name} to revoke", name=entry.name))

        self._jobs.submit(take_back, done)

    def close(self) -> None:
        """Take nothing more."""
        self._jobs.close()
