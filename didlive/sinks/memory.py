"""A sink that keeps the last frames in memory, for tests and for the library."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from ..errors import OutputFailed
from ..seams import StreamFormat
from ..types import Frame


class MemorySink:
    """Keeps the newest `keep` frames in `frames`; `written` counts all, `stream` is the opened format."""

    carries_alpha: ClassVar[bool] = True

    def __init__(self, keep: int = 64) -> None:
        self.frames: deque[Frame] = deque(maxlen=keep)
        self.written = 0
        self.stream: StreamFormat | None = None
        self._open = False

    def open(self, stream: StreamFormat) -> None:
        """Start anew, forgetting earlier frames."""
        self.frames.clear()
        self.written, self.stream, self._open = 0, stream, True

    def write(self, frame: Frame) -> None:
        """Keep one frame of the opened size. Raises OutputFailed."""
        if not self._open or self.stream is None:
            raise OutputFailed("the memory output is not open")
        height, width = frame.image.shape[:2]
        if (width, height) != (self.stream.width, self.stream.height):
            self.abort()
            raise OutputFailed(f"a picture of {width}x{height} px came, but the memory output was opened for "
                               f"{self.stream.width}x{self.stream.height}")
        self.frames.append(frame)
        self.written += 1

    def close(self) -> None:
        """Stop; the frames stay readable."""
        self._open = False

    def abort(self) -> None:
        """Stop and forget the frames."""
        self._open = False
        self.frames.clear()
