"""What every output on disk shares: written aside, complete or absent, and one clear line for every failure."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from ..disk import explain, remove, sync
from ..errors import OutputFailed
from ..flow import Splice
from ..seams import StreamFormat
from ..types import Frame


def as_url(path: Path) -> str:
    """Return `path` for FFmpeg, which would take `a:b.mp4` for a protocol called `a`."""
    return f"file:{path.absolute()}"


def refuse_sources(out: Path, sources: Iterable[Path | str]) -> None:
    """Raise OutputFailed when writing `out` would replace one of `sources` or a folder around it."""
    for source in map(Path, sources):
        if not out.exists() or not source.exists():
            continue
        real = source.resolve()
        if any(out.samefile(folder) for folder in real.parents):
            raise OutputFailed(f"{out} is a folder that holds the input {source}; give a name for the output")
        if out.samefile(source):
            raise OutputFailed(f"{out} was not written: it would replace the input {source}; give another name")


class FileSink:
    """Base of the sinks that end as a file. A subclass gives `_begin`, `_add`, `_finish` and `_release`.

    Pictures go into hidden neighbours of `path`; only a successful `close` renames the result into place (an older
    file of that name stays untouched until then). Every failure, and `abort`, removes them. Raises OutputFailed.

    seal: signs the finished file in place, which is kept as it is when that raises OutputFailed; `note` then says why.
    sealing: it is at it. splice: the pauses that its pictures' times leave out.
    """

    faults: ClassVar[tuple[type[Exception], ...]] = (OSError,)
    # How long `close` may take.
    finish_s: ClassVar[float] = 10.0

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.written = 0
        self.seal: Callable[[Path], None] | None = None
        self.note, self.sealing = "", False
        self.splice = Splice(0)
        self._asides: list[Path] = []
        self._stream: StreamFormat | None = None
        self._failure = ""

    def open(self, stream: StreamFormat) -> None:
        """Check the place and start; see `didlive.seams.Sink`."""
        if self._stream is not None:
            raise OutputFailed(f"{self.path} is being written already")
        self.written, self._failure, self.note = 0, "", ""
        with self._guarded():
            self._check_place()
            self._begin(stream)
        self._stream = stream

    def write(self, frame: Frame) -> None:
        """Add one picture of the opened size."""
        stream = self._stream
        if stream is None:
            raise OutputFailed(self._failure or f"{self.path} is not open")
        height, width = frame.image.shape[:2]
        with self._guarded():
            if (width, height) != (stream.width, stream.height):
                raise OutputFailed(f"{self.path}: a picture of {width}x{height} px came, but the output was opened "
                                   f"for {stream.width}x{stream.height}")
            self._add(frame)
        self.written += 1

    def close(self) -> None:
        """Finish the output and give it its name."""
        if self._stream is None:
            return
        with self._guarded():
            if not self.written:
                raise OutputFailed(f"{self.path} was not written: not one picture came")
            self._publish(self._finish())
        self._stream = None
        self._remove_asides()
        if self.seal is not None:
            self.sealing = True
            try:
                self.seal(self.path)
            except OutputFailed as error:
                self.note = str(error)
            finally:
                self.sealing = False

    @property
    def size_bytes(self) -> int:
        """How much is on the disk so far."""
        sizes = 0
        for path in (*self._asides, self.path) if self._stream is None else tuple(self._asides):
            with suppress(OSError):
                sizes += path.stat().st_size
        return sizes

    def abort(self) -> None:
        """Drop the output; nothing is left behind."""
        self._release()
        self._stream = None
        self._remove_asides()

    def _begin(self, stream: StreamFormat) -> None:
        raise NotImplementedError

    def _add(self, frame: Frame) -> None:
        raise NotImplementedError

    def _finish(self) -> Path:
        """Complete the output and return where it lies (one of the asides)."""
        raise NotImplementedError

    def _release(self) -> None:
        """Close every handle; must not raise and may be called twice."""

    def _check_place(self) -> None:
        if not self.path.parent.is_dir():
            raise OutputFailed(f"{self.path} was not written: there is no folder {self.path.parent}")
        if self.path.is_dir():
            raise OutputFailed(f"{self.path} was not written: it is a folder; give a file name")

    def _publish(self, result: Path) -> None:
        sync(result)
        os.replace(result, self.path)
        sync(self.path.parent)

    def _aside(self, kind: str = "part") -> Path:
        """Create a hidden empty neighbour; creating it is the real test of permission."""
        path = self.path.parent / f".didlive-{secrets.token_hex(6)}.{kind}"
        # Noted before it is there and forgotten after it is gone: an interruption in between leaves nothing behind.
        self._asides.append(path)
        path.touch(exist_ok=False)
        return path

    def _remove_asides(self) -> None:
        while self._asides:
            remove(self._asides[-1])
            self._asides.pop()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Clean up after any exception, and turn those of the disk and the encoder into OutputFailed."""
        try:
            yield
        except self.faults as error:
            self._fail(explain(error, self.path))
            raise OutputFailed(self._failure) from error
        except OutputFailed as error:
            self._fail(error)
            raise
        except BaseException:
            self.abort()
            raise

    def _fail(self, error: OutputFailed) -> None:
        self._failure = str(error)
        self.abort()
