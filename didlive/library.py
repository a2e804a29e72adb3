"""The user's portraits: copies of their files, thumbnails, verdicts and settings of each, and the built-in samples."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import platformdirs
from PIL import Image

from .demo import sample_portraits
from .disk import remove, write_whole
from .errors import BadInput
from .portrait import Verdict, examine, load_image
from .settings import Settings, overlay, read_toml, to_toml
from .types import U8, Portrait

KEY_LETTERS = 16
MOST_LETTERS = 80
# The thumbnail's square around the face, in units of the landmark box's larger side.
THUMBNAIL_SIDE, THUMBNAIL_SHIFT = 2.0, 0.06
THUMBNAIL_PX = 320


@dataclass(frozen=True, slots=True)
class Entry:
    """One portrait. key: the first 16 hex digits of the SHA-256 of its file; path: the file; name: for people; builtin:
    comes with didlive and cannot be removed."""

    key: str
    path: Path
    name: str
    builtin: bool


def key_of(data: bytes) -> str:
    """Return the key of a file's content."""
    return hashlib.sha256(data).hexdigest()[:KEY_LETTERS]


class Library:
    """All portraits: built-in samples first, then the user's in the order in which they came.

    folder: default is $DIDLIVE_DATA/portraits, else the user's data folder of the operating system. May be used from
    several threads. Writing raises OutputFailed; an unknown key raises BadInput.
    """

    def __init__(self, folder: Path | None = None) -> None:
        own = os.environ.get("DIDLIVE_DATA")
        self.folder = folder or (Path(own) if own else platformdirs.user_data_path("didlive")) / "portraits"
        self._lock = threading.RLock()
        self._samples = tuple(Entry(key_of(path.read_bytes()), path, name, True) for name, path in sample_portraits())
        self._own = self._read_index()

    def entries(self) -> tuple[Entry, ...]:
        """Return all portraits."""
        return (*self._samples, *self._own)

    def entry(self, key: str) -> Entry:
        """Return one portrait."""
        for entry in self.entries():
            if entry.key == key:
                return entry
        raise BadInput("this portrait is not in the library any more; add it again")

    def add(self, path: Path) -> Entry:
        """Copy a picture file into the library; one that is there already is returned as it is. Raises BadInput when
        it is no picture."""
        load_image(path)
        return self._keep(path.read_bytes(), path.suffix.lower() or ".img", path.stem)

    def add_image(self, image: U8, name: str) -> Entry:
        """Put a picture (H, W, 3) RGB or (H, W, 4) RGBA (straight alpha), for example from the clipboard, into the
        library as PNG. Raises BadInput when it is none."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
            raise BadInput("this is not a picture that can be used; save it as JPEG or PNG and add the file")
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        return self._keep(buffer.getvalue(), ".png", name)

    def remove(self, key: str) -> None:
        """Delete the library's copy and everything kept with it. Raises BadInput for a built-in one."""
        with self._lock:
            entry = self._changeable(key)
            self._write_index(tuple(e for e in self._own if e.key != key))
            for path in (entry.path, self._file(key, "toml"), self._file(key, "json"), self._file(key, "png")):
                remove(path)

    def rename(self, key: str, name: str) -> Entry:
        """Give a portrait another name. Raises BadInput for an empty name or a built-in one."""
        with self._lock:
            renamed = dataclasses.replace(self._changeable(key), name=_checked(name))
            self._write_index(tuple(renamed if e.key == key else e for e in self._own))
            return renamed

    def thumbnail(self, key: str, size_px: int = 160) -> U8:
        """Return (size, size, 3) RGB, cropped around the face if there is one; slow the first time. Raises BadInput
        when the file has gone."""
        path = self._file(key, "png")
        if not path.exists():
            self._study(key)
        picture = load_image(path)[0]
        how = cv2.INTER_AREA if size_px < THUMBNAIL_PX else cv2.INTER_CUBIC
        return np.ascontiguousarray(cv2.resize(picture, (size_px, size_px), interpolation=how), np.uint8)

    def verdict(self, key: str) -> Verdict:
        """Return how good the picture is as a portrait; slow the first time."""
        with suppress(OSError, ValueError, TypeError):
            kept = json.loads(self._file(key, "json").read_text(encoding="utf-8"))
            return Verdict(**{**kept, "notes": tuple(kept["notes"])})
        return self._study(key)

    def settings(self, key: str) -> dict[str, Any]:
        """Return this portrait's own settings as an overlay; empty when there are none that can be used."""
        path = self._file(key, "toml")
        if not path.exists():
            return {}
        with suppress(BadInput):
            tree = read_toml(path, "portrait settings")
            overlay(Settings(), tree)
            return tree
        return {}

    def save_settings(self, key: str, tree: dict[str, Any]) -> None:
        """Keep an overlay for this portrait. Raises BadInput when it cannot be used."""
        overlay(Settings(), tree)
        write_whole(self._file(key, "toml"), to_toml(tree).encode())

    def _study(self, key: str) -> Verdict:
        """Look at a portrait once, and keep verdict and thumbnail."""
        entry = self.entry(key)
        verdict, portrait = examine(entry.path)
        # The copy's path says nothing to anybody.
        notes = tuple(note.replace(str(entry.path), entry.name) for note in verdict.notes)
        verdict = dataclasses.replace(verdict, notes=notes)
        picture = portrait.image if portrait is not None else load_image(entry.path)[0]
        buffer = io.BytesIO()
        Image.fromarray(_cropped(picture, portrait)).save(buffer, "PNG")
        write_whole(self._file(key, "png"), buffer.getvalue())
        write_whole(self._file(key, "json"), json.dumps(dataclasses.asdict(verdict)).encode())
        return verdict

    def _keep(self, data: bytes, suffix: str, name: str) -> Entry:
        key = key_of(data)
        with self._lock:
            found = next((e for e in self.entries() if e.key == key), None)
            if found is not None:
                return found
            entry = Entry(key, self.folder / f"{key}{suffix}", _checked(name or "portrait"), False)
            write_whole(entry.path, data)
            self._write_index((*self._own, entry))
            return entry

    def _changeable(self, key: str) -> Entry:
        entry = self.entry(key)
        if entry.builtin:
            raise BadInput(f"{entry.name} comes with didlive and cannot be changed")
        return entry

    def _file(self, key: str, kind: str) -> Path:
        """What is kept with a portrait: `toml` its settings, `json` its verdict, `png` its thumbnail."""
        return self.folder / "kept" / f"{key}.{kind}"

    def _read_index(self) -> tuple[Entry, ...]:
        """Return the user's portraits. A lost or broken index loses the names, not the pictures."""
        index: dict[str, Any] = {}
        with suppress(BadInput):
            index = read_toml(self.folder / "index.toml", "index")
        files = {p.stem: p for p in self.folder.glob("*") if len(p.stem) == KEY_LETTERS and p.suffix != ".part"}
        listed = [key for key in index if key in files]
        unlisted = sorted(set(files) - set(listed))
        return tuple(Entry(key, files[key], str(index.get(key, key)), False) for key in (*listed, *unlisted))

    def _write_index(self, own: tuple[Entry, ...]) -> None:
        write_whole(self.folder / "index.toml", to_toml({entry.key: entry.name for entry in own}).encode())
        self._own = own


def _checked(name: str) -> str:
    name = " ".join(name.split())[:MOST_LETTERS]
    if not name:
        raise BadInput("a portrait needs a name")
    return name


def _cropped(picture: U8, portrait: Portrait | None) -> U8:
    """Return the square around the face, or the picture's middle, as the thumbnail that is kept."""
    height, width = picture.shape[:2]
    side, x, y = float(min(width, height)), width / 2, height / 2
    if portrait is not None:
        low, high = portrait.face.landmarks[:, :2].min(axis=0), portrait.face.landmarks[:, :2].max(axis=0)
        box = float((high - low).max())
        side = min(side, THUMBNAIL_SIDE * box)
        x, y = (float(v) for v in (low + high) / 2 - np.array([0, THUMBNAIL_SHIFT * box]))
    left = round(min(max(0.0, x - side / 2), width - side))
    top = round(min(max(0.0, y - side / 2), height - side))
    part = picture[top:top + max(1, int(side)), left:left + max(1, int(side))]
    how = cv2.INTER_AREA if side > THUMBNAIL_PX else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(part, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=how), np.uint8)
