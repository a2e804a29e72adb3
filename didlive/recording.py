"""A recorded performance: what the tracker saw, as numbers. No picture, no pickle; a NumPy .npz archive on disk."""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .errors import BadInput, OutputFailed
from .types import F32, Face, Tracking

VERSION = 1
MOST_FRAMES = 500_000
MOST_BYTES = 2 << 30
# What reading a zip archive raises when it is none or is damaged: NotImplementedError for an unknown compression,
# RuntimeError for an encrypted one, the last two for the header of a NumPy array.
DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, TokenError, TypeError)
# Name -> (allowed dtypes, shape with -1 for the number of frames).
_LAYOUT: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "version": (("i8", "i4", "i2"), ()),
    "rate_hz": (("f8", "f4"), ()),
    "size": (("i8", "i4"), (2,)),
    "times_ns": (("i8",), (-1,)),
    "present": (("b1",), (-1,)),
    "landmarks": (("f4", "f2"), (-1, 478, 3)),
    "blendshapes": (("f4", "f2", "f8"), (-1, 52)),
    "transforms": (("f4", "f2", "f8"), (-1, 4, 4)),
}


@dataclass(frozen=True)
class Recording:
    """One recorded performance of N frames.

    rate_hz: nominal rate; size: (width, height) px of the tracked pictures; times_ns: (N,) int64 strictly increasing
    from the recording's own start; present: (N,) bool, whether a face was seen; landmarks: (N, 478, 3) float32 px;
    blendshapes: (N, 52) float32; transforms: (N, 4, 4) float32. Rows without a face hold zeros.
    """

    rate_hz: float
    size: tuple[int, int]
    times_ns: npt.NDArray[np.int64]
    present: npt.NDArray[np.bool_]
    landmarks: F32
    blendshapes: F32
    transforms: F32

    def __len__(self) -> int:
        return len(self.times_ns)


def load_recording(path: str | Path) -> Recording:
    """Read a motion file. Raises BadInput, saying why, for anything that `save_recording` cannot have made."""
    path = Path(path)
    if not path.exists():
        raise BadInput(f"motion file {path} does not exist")
    if path.is_dir():
        raise BadInput(f"{path} is a folder; give a motion file (.npz)")
    return read_recording(path, path)


def read_recording(source: Path | IO[bytes], path: Path) -> Recording:
    """Read a motion file from disk or memory; `path` is what errors call it. Raises BadInput as `load_recording`."""
    try:
        with zipfile.ZipFile(source) as archive:
            arrays = _read_arrays(archive)
    except DAMAGED_ARCHIVE as error:
        raise BadInput(f"{path} is not a motion file (.npz made by `didlive record-motion`), or it is "
                       "damaged") from error
    except OSError as error:
        raise BadInput(f"motion file {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError) as error:
        raise BadInput(f"motion file {path} cannot be used: {error}") from error
    return _build(arrays, path)


def _read_arrays(archive: zipfile.ZipFile) -> dict[str, npt.NDArray[Any]]:
    members = {m.filename: m for m in archive.infolist()}
    missing = [name for name in _LAYOUT if f"{name}.npy" not in members]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    return {name: _read_array(archive, members[f"{name}.npy"], name) for name in _LAYOUT}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> npt.NDArray[Any]:
    """Read one array only after its header shows an expected type, shape and a size that fits in memory."""
    kinds, shape = _LAYOUT[name]
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} has an unknown array format")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        found, fortran, dtype = read_header(stream, max_header_size=1000)
        if dtype.hasobject or dtype.newbyteorder("=") not in [np.dtype(k) for k in kinds]:
            raise ValueError(f"{name} has type {dtype}, expected {np.dtype(kinds[0])}")
        frames = found[0] if shape[:1] == (-1,) and found else 0
        if tuple(frames if n == -1 else n for n in shape) != tuple(found):
            raise ValueError(f"{name} has shape {found}, expected {_shape_text(shape)}")
        count = math.prod(found)
        if not 0 <= frames <= MOST_FRAMES or count * dtype.itemsize > MOST_BYTES:
            raise ValueError(f"{name} has {frames} frames; at most {MOST_FRAMES} can be used")
        data = stream.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"{name} is cut off")
    return np.frombuffer(data, dtype).reshape(found, order="F" if fortran else "C")


def _shape_text(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join("frames" if n == -1 else str(n) for n in shape) + ")"


def _build(arrays: dict[str, npt.NDArray[Any]], path: Path) -> Recording:
    version = int(arrays["version"])
    if version != VERSION:
        raise BadInput(f"motion file {path} has version {version}; this didlive reads version {VERSION}")
    recording = Recording(
        rate_hz=float(arrays["rate_hz"]),
        size=(int(arrays["size"][0]), int(arrays["size"][1])),
        times_ns=arrays["times_ns"].astype(np.int64),
        present=arrays["present"],
        landmarks=np.ascontiguousarray(arrays["landmarks"], np.float32),
        blendshapes=np.ascontiguousarray(arrays["blendshapes"], np.float32),
        transforms=np.ascontiguousarray(arrays["transforms"], np.float32),
    )
    problem = _problem(recording)
    if problem:
        raise BadInput(f"motion file {path} cannot be used: {problem}")
    return recording


def _problem(r: Recording) -> str:
    """Return why the recording cannot be used, or an empty string."""
    frames = len(r.times_ns)
    if frames == 0:
        return "it has no frames"
    lengths = {len(a) for a in (r.times_ns, r.present, r.landmarks, r.blendshapes, r.transforms)}
    if len(lengths) > 1:
        return f"its arrays have different lengths ({', '.join(map(str, sorted(lengths)))})"
    if not 0.1 <= r.rate_hz <= 1000:
        return f"its rate {r.rate_hz} Hz is impossible"
    if not all(16 <= n <= 16384 for n in r.size):
        return f"its picture size {r.size[0]}x{r.size[1]} is impossible"
    if r.times_ns[0] < 0 or not (np.diff(r.times_ns) > 0).all():
        return "its times do not increase"
    for name in ("landmarks", "blendshapes", "transforms"):
        if not np.isfinite(getattr(r, name)[r.present]).all():
            return f"its {name} are not all numbers"
    return ""


def to_recording(trackings: Sequence[Tracking], rate_hz: float) -> Recording:
    """Return what a tracker saw, in order of time, as a recording. `rate_hz` 0 means unknown: it is measured.

    All trackings must come from pictures of one size. Raises BadInput when there are none, or none shows a face.
    """
    if not any(t.face is not None for t in trackings):
        raise BadInput(f"no face was seen ({len(trackings)} frames); there is no motion to keep")
    times_ns = np.array([t.stamp.captured_ns for t in trackings], np.int64)
    times_ns -= times_ns[0]
    if not 0.1 <= rate_hz <= 1000:
        rate_hz = (len(times_ns) - 1) * 1e9 / max(int(times_ns[-1]), 1) if len(times_ns) > 1 else 30.0
    nobody = Face(np.zeros((478, 3), np.float32), np.zeros(52, np.float32), np.zeros((4, 4), np.float32))
    faces = [t.face or nobody for t in trackings]
    return Recording(rate_hz, trackings[0].size, times_ns, np.array([t.face is not None for t in trackings]),
                     np.stack([f.landmarks for f in faces]), np.stack([f.blendshapes for f in faces]),
                     np.stack([f.transform for f in faces]))


def dump_recording(recording: Recording) -> bytes:
    """Return a motion file's bytes. Raises BadInput for an unusable recording."""
    problem = _problem(recording)
    if problem:
        raise BadInput(f"the recording cannot be stored: {problem}")
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        version=np.int64(VERSION),
        rate_hz=np.float64(recording.rate_hz),
        size=np.asarray(recording.size, np.int64),
        times_ns=np.asarray(recording.times_ns, np.int64),
        present=np.asarray(recording.present, np.bool_),
        landmarks=np.asarray(recording.landmarks, np.float32),
        blendshapes=np.asarray(recording.blendshapes, np.float32),
        transforms=np.asarray(recording.transforms, np.float32),
    )
    return buffer.getvalue()


def save_recording(path: str | Path, recording: Recording) -> None:
    """Write a motion file whole or not at all. Raises BadInput for an unusable recording, OutputFailed when the disk
    is full or the folder cannot be written."""
    path = Path(path)
    data = dump_recording(recording)
    aside: str | None = None
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
        aside = None
    except OSError as error:
        raise OutputFailed(f"motion file {path} cannot be written: {error.strerror or error}") from error
    finally:
        if aside is not None:
            with contextlib.suppress(OSError):
                os.unlink(aside)
