"""What people change: settings, presets and profiles, and the portraits of the library."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from didlive.errors import DidliveError
from didlive.settings import Settings, get, nested
from didlive.types import U8

from .desk import Desk
from .i18n import tr

NOT_IN_A_PROFILE = ("mirror", "auto_neutral", "region")
# What people do not expect Ctrl+Z to change.
NOT_UNDONE = ("window.", "camera.", "output.virtual_camera", "stream.", "motion_out.",
              "voice.enabled", "voice.microphone", "voice.muted")


class Workbench(Desk):
    """Changes of settings and portraits. Nothing here blocks the window's thread."""

    # Settings

    def change(self, path: str, value: Any, *, merge: bool = True) -> None:
        """Change one setting; merge: with a change of the same one just before, it is one step of undo."""
        try:
            self._tuning.change({path: value}, merge, undoable=not path.startswith(NOT_UNDONE))
        except DidliveError as error:
            self.message.emit("warning", str(error))

    def reset(self, path: str) -> None:
        """Set one setting, or a whole group, to its default."""
        value = get(Settings(), path)
        tree = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
        self._tuning.apply(nested(path, tree))

    def undo(self) -> None:
        """Take the last change of the settings back."""
        self._tuning.undo()

    def redo(self) -> None:
        """Make the change again that was taken back."""
        self._tuning.redo()

    def apply_overlay(self, tree: dict[str, Any], name: str) -> None:
        """Apply a preset or profile called `name`."""
        try:
            self._tuning.apply(tree)
        except DidliveError as error:
            self.message.emit("error", str(error))
        else:
            self.message.emit("info", tr("{name} is in use", name=name))

    def apply_profile(self, name: str) -> None:
        """Apply one of the user's own profiles."""
        self._jobs.submit(lambda: self.store.profile(name), lambda tree: self.apply_overlay(tree, name), soon=True)

    def save_profile(self, name: str) -> None:
        """Keep the motion settings as a profile: how the portrait moves, not whose motion it is."""
        motion = dataclasses.asdict(self.settings.motion)
        tree = {"motion": {name: value for name, value in motion.items() if name not in NOT_IN_A_PROFILE}}
        self._jobs.submit(lambda: self.store.save_profile(name, tree), lambda _: self._refresh_names(), soon=True)

    def delete_profile(self, name: str) -> None:
        """Forget a profile."""
        self._jobs.submit(lambda: self.store.delete_profile(name), lambda _: self._refresh_names(), soon=True)

    # Portraits

    def choose_portrait(self, key: str) -> None:
        """Show this portrait as soon as it is prepared."""
        self._runner.play(key)

    def choose_index(self, number: int) -> None:
        """Show the portrait with this number, 1 = first."""
        if 1 <= number <= len(self.entries):
            self.choose_portrait(self.entries[number - 1].key)

    def add_portraits(self, paths: list[Path]) -> None:
        """Copy picture files into the library and show the first of them."""
        self._shelf.add(list(paths))

    def add_image(self, image: U8, name: str) -> None:
        """Put a picture (H, W, 3 or 4) into the library and show it."""
        self._shelf.add([(image, name)])

    def remove_portrait(self, key: str) -> None:
        """Delete a portrait from the library."""
        if key == self.portrait and len(self.entries) > 1:
            self.choose_portrait(next(entry.key for entry in self.entries if entry.key != key))
        self._shelf.remove(key)

    def rename_portrait(self, key: str, name: str) -> None:
        """Give a portrait another name."""
        self._shelf.rename(key, name)

    def _refresh_names(self) -> None:
        def done(names: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
            self.profiles, self.performers = names
            self.profiles_changed.emit()
            self.performers_changed.emit()

        self._jobs.submit(lambda: (self.store.profiles(), self.store.performers()), done)
