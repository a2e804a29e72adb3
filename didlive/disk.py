"""Files on the user's disk: whole or not there at all, and one clear line for every failure."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from .errors import OutputFailed, reason


def explain(error: Exception, path: Path) -> OutputFailed:
    """Turn an error of the operating system or an encoder into one line about `path`."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OutputFailed(f"{path} was not written: the disk is full")
    if code == errno.EFBIG:
        return OutputFailed(f"{path} was not written: the disk takes no file of this size")
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputFailed(f"{path} was not written: no permission to write in {path.parent}")
    return OutputFailed(f"{path} was not written: {reason(error) or type(error).__name__}")


def sync(path: Path) -> None:
    """Force a file's bytes, or a folder's names where the system can do that, to the disk."""
    if path.is_dir():
        if os.name != "posix":
            return
        handle = os.open(path, os.O_RDONLY)
    else:
        handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_bytes(folder: Path) -> int:
    """Return how many bytes the user can still write in a folder. Raises OSError."""
    return shutil.disk_usage(folder).free


def remove(path: Path) -> None:
    """Delete a file or a folder with its content; what is already gone is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def write_whole(path: Path, data: bytes, private: bool = False) -> None:
    """Write a small file whole or not at all, making its folder. private: only the user may read it. Raises
    OutputFailed."""
    aside = path.parent / f".didlive-{secrets.token_hex(6)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "wb", opener=lambda name, flags: os.open(name, flags, 0o600 if private else 0o666)) as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, path)
        sync(path.parent)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        remove(aside)
