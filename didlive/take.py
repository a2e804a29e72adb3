"""A take: a whole live performance as numbers, kept beside its recording, to be drawn again later: better, or with
another portrait. A zip archive of TOML and npz; no picture, no pickle."""

from __future__ import annotations

import dataclasses
import io
import os
import queue
import secrets
import shutil
import tempfile
import threading
import tomllib
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from .calibration import dump_performer, read_performer
from .disk import explain, remove, sync
from .errors import BadInput, DidliveError, OutputFailed
from .flow import Splice
from .motion import mirrored
from .recording import DAMAGED_ARCHIVE, Recording, dump_recording, read_recording
from .settings import Settings, from_dict, to_toml
from .sinks import SUFFIXES
from .types import F32, Face, Measure, Motion, Performer, Portrait, Stamp, Tracking
from .voice.said import COLUMNS, Said, pack, unpack

FORMAT = 1
SUFFIX = ".take"
# Frames that are stored together: some seconds of them wait in memory.
CHUNK = 150
MOST_CHUNKS = 10_000
MOST_BYTES = 64 << 20
# Far below the tracker's own noise; rounded numbers take half the room.
STEPS_PER_PX, STEPS_PER_SCORE = 128, 4096
NOBODY = Face(np.zeros((478, 3), np.float32), np.zeros(52, np.float32), np.zeros((4, 4), np.float32))
UNKNOWN_SIZE = (640, 480)
_PARTS = ("motion", "output", "generator")


@dataclass(frozen=True)
class Take:
    """A stored performance.

    recording: what the tracker saw. neutral: the performer's relaxed face, not mirrored; performer: the profile in use,
    or None. settings: motion, output and generator as they were at the start. portrait: name and SHA-256 of the file of
    the portrait that played. said: what the voice did in each frame; empty: there was none.
    """

    path: Path
    recording: Recording
    neutral: Measure
    performer: Performer | None
    settings: Settings
    portrait: str
    portrait_sha256: str
    said: tuple[Said | None, ...] = ()

    def trackings(self) -> tuple[Tracking, ...]:
        """Return the recording as what a tracker gives."""
        r = self.recording
        return tuple(
            Tracking(Face(r.landmarks[i], r.blendshapes[i], r.transforms[i]) if seen else None, r.size, int(seen),
                     Stamp(i, int(r.times_ns[i])))
            for i, seen in enumerate(r.present))


def take_beside(recording: Path) -> Path:
    """Return where the take of a recording goes: NAME.take, or NAME.gif.take where NAME.take is another recording's."""
    plain = recording.with_suffix(SUFFIX)
    others = (recording.with_suffix(suffix) for suffix in SUFFIXES if suffix != recording.suffix)
    if plain.exists() and any(other.exists() for other in others):
        return recording.with_name(recording.name + SUFFIX)
    return plain


class TakeWriter:
    """Keeps a performance while it happens: `add` for every frame, then `close` (or `abort`). Packing and writing run
    in a thread; what goes wrong there is raised by `close`.

    path: the `.take` file, which appears on `close`; until then nothing is seen of it, and a crash leaves nothing.
    Raises OutputFailed when the folder cannot be written.
    """

    def __init__(self, path: Path | str, settings: Settings, portrait: Portrait) -> None:
        self.path = Path(path)
        self._settings, self._portrait = settings, portrait
        self._splice = Splice(round(1e9 / settings.output.rate_hz))
        self._rows: list[tuple[int, Face | None, Said | None]] = []
        self._size, self._start_ns, self._last_ns = UNKNOWN_SIZE, -1, -1
        self._shown: Face | None = None
        self._said: Said | None = None
        self._neutral: Measure | None = None
        self._performer: Performer | None = None
        self._error: OutputFailed | None = None
        try:
            self._spool: IO[bytes] = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115
        except OSError as error:
            raise explain(error, self.path) from error
        self._archive = zipfile.ZipFile(self._spool, "w")
        self._jobs: queue.SimpleQueue[tuple[Recording, F32] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = threading.Thread(target=self._pack, name="didlive-take", daemon=True)
        self._lock = threading.Lock()
        self._thread.start()

    def pause(self, on: bool = True) -> None:
        """Leave out what comes from now on, or go on; the pause takes no time."""
        self._splice.paused = on

    def add(self, tracking: Tracking | None, stamp: Stamp, motion: Motion | None = None,
            performer: Performer | None = None, said: Said | None = None, *, held: bool = False,
            hidden: bool = False) -> None:
        """Keep one frame. tracking: what was seen. motion: what was made of it, for the neutral face (mirrored as the
        settings say). said: what the voice did. held: the portrait does not move. hidden: nobody must show."""
        with self._lock:
            at_ns = self._splice(stamp.captured_ns)
            if at_ns is None or self._thread is None:
                return
            if motion is not None:
                self._neutral, self._performer = motion.neutral, performer
            if not held and not hidden:
                self._shown, self._said = None if tracking is None else tracking.face, said
                if tracking is not None and tracking.face is not None and tracking.size != self._size:
                    self._hand_over()
                    self._size = tracking.size
            self._start_ns = at_ns if self._start_ns < 0 else self._start_ns
            self._last_ns = max(at_ns - self._start_ns, self._last_ns + 1)
            self._rows.append((self._last_ns, None, None) if hidden else (self._last_ns, self._shown, self._said))
            if len(self._rows) >= CHUNK:
                self._hand_over()

    def close(self) -> None:
        """Write the file. Raises OutputFailed: when it could not be written, or no face was ever seen."""
        if self._end():
            try:
                if self._error is not None:
                    raise self._error
                if self._neutral is None:
                    raise OutputFailed(f"{self.path} was not written: no face was seen")
                self._finish(self._neutral)
            except OSError as error:
                raise explain(error, self.path) from error
            finally:
                self._drop()

    def abort(self) -> None:
        """Forget it all."""
        if self._end():
            self._drop()

    def _drop(self) -> None:
        with suppress(OSError):  # The disk may be full for the end of the archive.
            self._archive.close()
        with suppress(OSError):
            self._spool.close()

    def _end(self) -> bool:
        """Stop the thread; whether this was the first call."""
        with self._lock:
            self._hand_over()
            thread, self._thread = self._thread, None
        if thread is None:
            return False
        self._jobs.put(None)
        thread.join()
        return True

    def _hand_over(self) -> None:
        """Give the rows so far to the thread."""
        if self._rows:
            faces = [face or NOBODY for _, face, _ in self._rows]
            self._jobs.put((Recording(
                self._settings.output.rate_hz, self._size, np.array([at for at, _, _ in self._rows], np.int64),
                np.array([face is not None for _, face, _ in self._rows]), np.stack([f.landmarks for f in faces]),
                np.stack([f.blendshapes for f in faces]), np.stack([f.transform for f in faces])),
                np.stack([pack(said) for _, _, said in self._rows])))
            self._rows = []

    def _pack(self) -> None:
        number = 0
        while (job := self._jobs.get()) is not None:
            part, said = job
            if self._error is None:
                try:
                    self._archive.writestr(_member(number), dump_recording(_rounded(part)))
                    if said.any():
                        self._archive.writestr(_voice(number), said.astype("<f4").tobytes(), zipfile.ZIP_DEFLATED)
                except (OSError, BadInput) as error:
                    self._error = explain(error, self.path)
            number += 1

    def _finish(self, neutral: Measure) -> None:
        mirror, performer = self._settings.motion.mirror, self._performer
        neutral = mirrored(neutral) if mirror else neutral
        person = Performer("", neutral) if performer is None else dataclasses.replace(performer, neutral=neutral)
        about = {"format": FORMAT, "performer": performer.name if performer else "", "known": performer is not None,
                 "portrait": {"name": self._portrait.name, "sha256": self._portrait.sha256}}
        kept = {name: part for name, part in dataclasses.asdict(self._settings).items() if name in _PARTS}
        self._archive.writestr("take.toml", to_toml(about))
        self._archive.writestr("settings.toml", to_toml(kept))
        self._archive.writestr("performer.npz", dump_performer(person))
        self._archive.close()
        self._spool.seek(0)
        aside = self.path.parent / f".didlive-{secrets.token_hex(6)}.part"
        try:
            with open(aside, "wb") as target:
                shutil.copyfileobj(self._spool, target, 1 << 20)
            sync(aside)
            os.replace(aside, self.path)
            sync(self.path.parent)
        finally:
            remove(aside)


def _member(number: int) -> str:
    return f"motion/{number:06d}.npz"


def _voice(number: int) -> str:
    return f"voice/{number:06d}.f32"


def _rounded(part: Recording) -> Recording:
    return dataclasses.replace(part, landmarks=np.round(part.landmarks * STEPS_PER_PX) / np.float32(STEPS_PER_PX),
                               blendshapes=np.round(part.blendshapes * STEPS_PER_SCORE) / np.float32(STEPS_PER_SCORE))


def load_take(path: Path | str) -> Take:
    """Read a take. Raises BadInput, saying why, when it cannot be read or used."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path)
    except (*DAMAGED_ARCHIVE, KeyError, ValueError) as error:
        # A KeyError's own text has quotation marks around it.
        reason = " ".join(str(part) for part in error.args)
        raise BadInput(f"{path} is no take (made beside a recording), or it is damaged: {reason}") from error
    except OSError as error:
        raise BadInput(f"take {path} cannot be read: {error.strerror or error}") from error
    except DidliveError as error:
        raise BadInput(f"take {path} cannot be used: {error}") from error


def _read(archive: zipfile.ZipFile, path: Path) -> Take:
    about = tomllib.loads(_bytes(archive, "take.toml").decode())
    if about["format"] != FORMAT:
        raise BadInput(f"it has format {about['format']}; this didlive reads format {FORMAT}")
    settings = from_dict(Settings, tomllib.loads(_bytes(archive, "settings.toml").decode()))
    person = read_performer(_bytes(archive, "performer.npz"), str(about["performer"]))
    names = sorted(name for name in archive.namelist() if name.startswith("motion/"))
    if not names or len(names) > MOST_CHUNKS or names != [_member(i) for i in range(len(names))]:
        raise ValueError("its motion is not complete")
    parts = [read_recording(io.BytesIO(_bytes(archive, name)), path) for name in names]
    said = [one for i, part in enumerate(parts) for one in _said(archive, i, len(part))]
    return Take(path, _joined(parts), person.neutral, person if about["known"] else None, settings,
                str(about["portrait"]["name"]), str(about["portrait"]["sha256"]),
                tuple(said) if any(one is not None for one in said) else ())


def _said(archive: zipfile.ZipFile, number: int, count: int) -> list[Said | None]:
    """Return what the voice did in the `count` frames of a part. Raises ValueError when it does not fit."""
    if _voice(number) not in archive.namelist():
        return [None] * count
    return [unpack(row) for row in np.frombuffer(_bytes(archive, _voice(number)), "<f4").reshape(count, COLUMNS)]


def _bytes(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MOST_BYTES:
        raise ValueError(f"{name} is too large")
    return archive.read(name)


def _joined(parts: list[Recording]) -> Recording:
    """Put the parts together, all as if seen by the camera that first saw a face."""
    first = next((part for part in parts if part.present.any()), parts[0])
    times = np.concatenate([part.times_ns for part in parts])
    if not (np.diff(times) > 0).all():
        raise ValueError("its times do not increase")
    zooms = [np.float32(first.size[0] / part.size[0]) for part in parts]
    return Recording(
        first.rate_hz, first.size, times, np.concatenate([part.present for part in parts]),
        np.concatenate([part.landmarks * zoom for part, zoom in zip(parts, zooms, strict=True)]),
        np.concatenate([part.blendshapes for part in parts]), np.concatenate([part.transforms for part in parts]))
