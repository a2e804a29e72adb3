"""Engines kept on disk. An engine is native code: it is loaded only if its SHA-256 is the one written down when this
machine built it, and used only once a golden frame has shown that it computes the right numbers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from .engine import EngineFailed

# Part of every key: raise it when what is built from the same file changes.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known about one engine: its key, SHA-256 in hex, size in bytes, what it was built from and for, and what
    became of it: "untried" until a golden frame decides, then "good", else the reason it is not used."""

    key: str
    sha256: str
    size: int
    facts: dict[str, Any]
    verdict: str = "untried"


def default_folder() -> Path:
    """Return DIDLIVE_CACHE/engines, or the user's cache folder of the operating system."""
    override = os.environ.get("DIDLIVE_CACHE")
    base = Path(override).expanduser() if override else platformdirs.user_cache_path("didlive")
    return base / "engines"


def engine_key(model: bytes, facts: Mapping[str, Any]) -> str:
    """Return the name of an engine: 32 hex digits of the ONNX file and everything that the build depends on."""
    digest = hashlib.sha256(hashlib.sha256(model).digest())
    digest.update(json.dumps({**facts, "schema": SCHEMA}, sort_keys=True).encode())
    return digest.hexdigest()[:32]


class Store:
    """A folder that only its user may read. Files are whole or not there; one build at a time."""

    def __init__(self, folder: Path | None = None):
        self.folder = folder or default_folder()

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.engine", self.folder / f"{key}.json"

    @contextlib.contextmanager
    def building(self, timeout_s: float = 600.0) -> Iterator[None]:
        """Hold the folder for one build. Raises EngineFailed when another process holds it for too long."""
        self._make()
        try:
            with filelock.FileLock(self.folder / "build.lock", timeout=timeout_s):
                yield
        except filelock.Timeout as error:
            raise EngineFailed("another process is building engines; try again when it is done") from error

    def find(self, key: str) -> Entry | None:
        """Return what is known about an engine, or None."""
        try:
            found = Entry(**json.loads(self._paths(key)[1].read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        sound = found.key == key and isinstance(found.size, int) and isinstance(found.facts, dict)
        return found if sound else None

    def entries(self) -> list[Entry]:
        """Return all that is known, by key."""
        found = (self.find(path.stem) for path in sorted(self.folder.glob("*.json")))
        return [entry for entry in found if entry is not None]

    def load(self, key: str) -> bytes | None:
        """Return a checked engine, or None when there is none. One that is damaged is deleted."""
        entry = self.find(key)
        if entry is None:
            return None
        try:
            with self._paths(key)[0].open("rb") as stream:
                data = stream.read(entry.size + 1)
        except OSError:
            data = b""
        if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
            self.delete(key)
            return None
        return data

    def save(self, key: str, data: bytes, facts: Mapping[str, Any]) -> Entry:
        """Keep an engine; its description is written last, so a half-written engine is none. Raises EngineFailed."""
        self._make()
        entry = Entry(key, hashlib.sha256(data).hexdigest(), len(data), dict(facts))
        engine, description = self._paths(key)
        try:
            description.unlink(missing_ok=True)
            self._write(engine, data)
            self._describe(entry)
        except OSError as error:
            raise EngineFailed(f"{engine} was not written: {error.strerror}") from error
        return entry

    def judge(self, key: str, verdict: str) -> None:
        """Write down what became of an engine: "good", or why not. Raises EngineFailed."""
        entry = self.find(key)
        if entry is not None:
            try:
                self._describe(Entry(**{**asdict(entry), "verdict": verdict}))
            except OSError as error:
                raise EngineFailed(f"what became of {key} was not written: {error.strerror}") from error

    def delete(self, key: str) -> None:
        """Forget an engine, as far as the disk lets us."""
        for path in self._paths(key)[::-1]:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def note(self, name: str, text: str) -> None:
        """Keep a small text beside the engines; it is a convenience, so a full disk is no error."""
        with contextlib.suppress(EngineFailed, OSError):
            self._make()
            self._write(self.folder / name, text.encode())

    def _make(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise EngineFailed(f"{self.folder} cannot be used for engines: {error.strerror}") from error

    def _describe(self, entry: Entry) -> None:
        self._write(self._paths(entry.key)[1], json.dumps(asdict(entry), indent=1, sort_keys=True).encode())

    def _write(self, path: Path, data: bytes) -> None:
        aside = self.folder / f".{secrets.token_hex(6)}.part"
        try:
            with open(aside, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
