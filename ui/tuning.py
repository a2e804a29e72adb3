"""The settings of the running window: what is common, what one portrait has for itself, undo, and saving."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from didlive.profiles import STYLED, Store
from didlive.settings import Settings, changed, difference, get, overlay, walk

# A portrait keeps these for itself, a whole style among them; everything else is the same for all.
OWN = ("output.kind", "output.framing", "output.background", *(f"motion.{part}" for part in STYLED))
SAVE_MS, MERGE_S, MOST_STEPS = 500, 1.0, 200


@dataclass(slots=True)
class _Step:
    """One step of undo: the values before and after, by path."""

    before: dict[str, Any]
    after: dict[str, Any]
    at_s: float


class Tuning(QObject):
    """Holds `settings`; `changed(new, old)` after every change. `save(common, key, own)` is called some 500 ms after
    the last change with what shall be kept: the common settings and the overlay of the portrait `key`."""

    changed = Signal(object, object)

    def __init__(self, store: Store, save: Callable[[Settings, str, dict[str, Any]], None],
                 parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._common = self.settings = store.load()
        self._save, self._key = save, ""
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self._timer = QTimer(self, singleShot=True, interval=SAVE_MS)
        self._timer.timeout.connect(self._save_now)

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return bool(self._undone)

    def change(self, values: dict[str, Any], merge: bool = False, undoable: bool = True) -> None:
        """Set paths to values as one step; merge: quick successive changes of one path are one step. Raises BadInput
        and changes nothing when a value is out of range."""
        new = self.settings
        for path, value in values.items():
            new = changed(new, path, value)
        before = {path: get(self.settings, path) for path in values}
        after = {path: get(new, path) for path in values}
        if before == after:
            return
        if undoable:
            self._note(before, after, merge)
        self._adopt(new)

    def _note(self, before: dict[str, Any], after: dict[str, Any], merge: bool) -> None:
        now_s, last = time.monotonic(), self._done[-1] if self._done else None
        if merge and last and list(last.after) == list(after) and now_s - last.at_s < MERGE_S:
            last.after, last.at_s = after, now_s
        else:
            self._done = [*self._done[-MOST_STEPS:], _Step(before, after, now_s)]
        self._undone.clear()

    def apply(self, tree: dict[str, Any]) -> None:
        """Lay a preset or profile over the settings, as one step. Raises BadInput."""
        new = overlay(self.settings, tree)
        self.change({path: value for path, _, value in walk(new) if value != get(self.settings, path)})

    def undo(self) -> None:
        """Take the last step back."""
        if self._done:
            step = self._done.pop()
            self._undone.append(step)
            self._put(step.before)

    def redo(self) -> None:
        """Do again what was taken back."""
        if self._undone:
            step = self._undone.pop()
            self._done.append(step)
            self._put(step.after)

    def dressed(self, own: dict[str, Any]) -> Settings:
        """Return the settings as they would be with a portrait that has `own` for itself."""
        return overlay(self._common, own)

    def wear(self, key: str, own: dict[str, Any]) -> None:
        """Another portrait plays, and is remembered: its own settings replace those of the one before."""
        self.flush()
        if key != self._key:
            # Undo would change the portrait that plays now, not the one it was done to.
            self._done, self._undone = _common_steps(self._done), _common_steps(self._undone)
        old, self._key = self.settings, key
        self._common = changed(self._common, "window.portrait", key)
        self.settings = self.dressed(own)
        if self.settings != old:
            self._timer.start()
            self.changed.emit(self.settings, old)

    def flush(self) -> None:
        """Save now what waits to be saved."""
        if self._timer.isActive():
            self._timer.stop()
            self._save_now()

    def _save_now(self) -> None:
        self._save(self._common, self._key, difference(self.settings, self._common))

    def _put(self, values: dict[str, Any]) -> None:
        new = self.settings
        for path, value in values.items():
            new = changed(new, path, value)
        if self._done:
            self._done[-1].at_s = 0.0
        self._adopt(new)

    def _adopt(self, new: Settings) -> None:
        old = self.settings
        for path, _, value in walk(new):
            if value != get(old, path) and not (self._key and path.startswith(OWN)):
                self._common = changed(self._common, path, value)
        self.settings = new
        self._timer.start()
        self.changed.emit(new, old)


def _common_steps(steps: list[_Step]) -> list[_Step]:
    """Return the steps without what a portrait has for itself."""
    def common(values: dict[str, Any]) -> dict[str, Any]:
        return {path: value for path, value in values.items() if not path.startswith(OWN)}

    left = [_Step(common(step.before), common(step.after), step.at_s) for step in steps]
    return [step for step in left if step.after]
