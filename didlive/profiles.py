"""What the user keeps: settings, profiles of motion, performers, hotkeys. TOML and npz in one folder."""

from __future__ import annotations

import dataclasses
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from .disk import write_whole
from .errors import BadInput
from .settings import Settings, dump, from_dict, load, overlay, read_toml, to_toml

if TYPE_CHECKING:
    from filelock import FileLock

    from .types import Performer

MOST_LETTERS = 60
# What a style sets of the motion.
STYLED = ("gains", "limits", "smoothing", "strength")


def _preset(motion: dict[str, Any]) -> dict[str, Any]:
    """Return an overlay that names everything a style sets, so that no part of the one before is left."""
    whole = dataclasses.asdict(from_dict(Settings, {"motion": motion}).motion)
    return {"motion": {name: whole[name] for name in STYLED}}


PRESETS: dict[str, dict[str, Any]] = {
    "Natural": _preset({}),
    "Lively": _preset({
        "strength": 1.2, "gains": {"brows": 1.15, "gaze": 1.1, "pitch": 1.15, "yaw": 1.15, "roll": 1.15},
        "limits": {"yaw_deg": 38.0, "pitch_deg": 25.0}, "smoothing": {"rest_hz": 2.0, "quick": 1.4}}),
    "Calm": _preset({
        "strength": 0.8, "gains": {"pitch": 0.7, "yaw": 0.7, "roll": 0.7, "translation": 0.6, "zoom": 0.5},
        "limits": {"yaw_deg": 20.0, "pitch_deg": 15.0, "roll_deg": 20.0}, "smoothing": {"rest_hz": 0.9, "quick": 0.8}}),
    "Cartoon": _preset({
        "strength": 1.4, "gains": {"brows": 1.4, "mouth": 1.15, "gaze": 1.2, "roll": 1.3, "translation": 1.2},
        "smoothing": {"rest_hz": 2.5, "quick": 2.0}}),
}


def check_name(name: str) -> str:
    """Return a name for people that can also be a file's name on every system. Raises BadInput."""
    name = name.strip()
    if not name or len(name) > MOST_LETTERS:
        raise BadInput(f"a name needs 1 to {MOST_LETTERS} letters")
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    if reserved or re.search(r'[<>:"/\\|?*\x00-\x1f\x7f]', name) or name.startswith(".") or name.endswith("."):
        raise BadInput(f"the name {name!r} cannot be used; leave out < > : \" / \\ | ? * and dots at its ends")
    return name


def same_name(name: str, names: tuple[str, ...]) -> str:
    """Return the one of `names` that is one file with `name` where systems do not tell small letters from capitals; an
    empty text if there is none."""
    return next((other for other in names if other.casefold() == name.strip().casefold()), "")


def config_folder() -> Path:
    """Return $DIDLIVE_CONFIG, else the user's configuration folder of the operating system."""
    own = os.environ.get("DIDLIVE_CONFIG")
    return Path(own) if own else platformdirs.user_config_path("didlive")


class Store:
    """Everything that is kept between two starts.

    folder: default is `config_folder`. `note` says in one line what could not be read at the last `load`, or is empty.
    Writing raises OutputFailed. After `claim` only one of several stores of a folder, in whatever process, saves
    settings, so that windows do not overwrite each other's.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or config_folder()
        self.note = ""
        self._lock: FileLock | None = None
        self._elsewhere = False

    def claim(self) -> None:
        """Be the one that saves settings, until `release`; if another one is, `note` says so."""
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "window.lock", timeout=0)
            lock.acquire()
        except Timeout:
            self._elsewhere = True
            self.note = self.note or ("another didlive window is open; settings that you change in this one are not "
                                      "kept")
        except OSError:
            return  # Saving will say what is wrong with the folder.
        else:
            self._lock, self._elsewhere = lock, False

    def release(self) -> None:
        """Let another one save; may be called twice."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def load(self) -> Settings:
        """Return the saved settings, or the defaults when there are none or they cannot be used; then the file is set
        aside as `settings.toml.broken`, and `note` says so."""
        path, self.note = self.folder / "settings.toml", ""
        if not path.exists():
            return Settings()
        try:
            return load(path)
        except BadInput as error:
            self.note = self._set_aside(path, error)
            return Settings()

    def save(self, settings: Settings) -> None:
        """Write the settings, whole or not at all; nothing when another window does."""
        if not self._elsewhere:
            write_whole(self.folder / "settings.toml", dump(settings).encode())

    def profiles(self) -> tuple[str, ...]:
        """Return the names of the user's own profiles."""
        return self._names("profiles", ".toml")

    def profile(self, name: str) -> dict[str, Any]:
        """Return a profile as an overlay. Raises BadInput when it is not there or cannot be used."""
        tree = read_toml(self._place("profiles", name, ".toml"), "profile")
        overlay(Settings(), tree)
        return tree

    def save_profile(self, name: str, tree: dict[str, Any]) -> None:
        """Keep an overlay of the settings. Raises BadInput for an unusable name or overlay."""
        overlay(Settings(), tree)
        write_whole(self._place("profiles", name, ".toml"), to_toml(tree).encode())

    def delete_profile(self, name: str) -> None:
        """Forget a profile; one that is not there is fine."""
        self._place("profiles", name, ".toml").unlink(missing_ok=True)

    def performers(self) -> tuple[str, ...]:
        """Return the names of the performers."""
        return self._names("performers", ".npz")

    def performer(self, name: str) -> Performer:
        """Return a performer. Raises BadInput when it is not there or cannot be used."""
        from .calibration import load_performer  # NumPy and more; the settings are read before a window shows.

        return load_performer(self._place("performers", name, ".npz"))

    def save_performer(self, performer: Performer) -> None:
        """Keep a performer: numbers only, no picture. Raises BadInput for an unusable name."""
        from .calibration import dump_performer

        write_whole(self._place("performers", performer.name, ".npz"), dump_performer(performer))

    def delete_performer(self, name: str) -> None:
        """Forget a performer; one that is not there is fine."""
        self._place("performers", name, ".npz").unlink(missing_ok=True)

    def hotkeys(self) -> dict[str, str]:
        """Return the user's own keys, action -> key sequence as text; an unusable file is set aside and noted."""
        path = self.folder / "hotkeys.toml"
        if not path.exists():
            return {}
        try:
            return {action: keys for action, keys in read_toml(path, "hotkeys file").items() if isinstance(keys, str)}
        except BadInput as error:
            self.note = self._set_aside(path, error)
            return {}

    def save_hotkeys(self, keys: dict[str, str]) -> None:
        """Keep the user's own keys."""
        write_whole(self.folder / "hotkeys.toml", to_toml(keys).encode())

    @staticmethod
    def _set_aside(path: Path, error: BadInput) -> str:
        aside = path.with_name(f"{path.name}.broken")
        with suppress(OSError):
            os.replace(path, aside)
            return f"{error}; it was set aside as {aside.name}, and defaults are used"
        return f"{error}; defaults are used"

    def _names(self, kind: str, suffix: str) -> tuple[str, ...]:
        names = (path.stem for path in (self.folder / kind).glob(f"*{suffix}") if not path.name.startswith("."))
        return tuple(sorted(names, key=str.casefold))

    def _place(self, kind: str, name: str, suffix: str) -> Path:
        return self.folder / kind / f"{check_name(name)}{suffix}"
