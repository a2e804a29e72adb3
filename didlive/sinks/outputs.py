"""Several outputs as one: a failing one cannot stop the others, and live ones come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from ..errors import OutputFailed
from ..seams import Sink, StreamFormat
from ..types import Frame
from .recorder import PacedSink, ThreadedSink

FIRST_S, LONGEST_S = 0.25, 4.0


class _Output:
    """One sink and how it stands: `problem` is empty while it works."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        # A file that broke is not begun anew; a camera or stream that was lost is.
        self.comes_back = isinstance(sink, PacedSink)
        self.lost = ""
        self.delay_s, self.next_s = FIRST_S, 0.0

    @property
    def problem(self) -> str:
        error = self.sink.error if isinstance(self.sink, ThreadedSink) else None
        return self.lost or (str(error) if error is not None else "")


class Outputs:
    """The sinks of one session, all of the same format. `write` never raises; `problem` says what is lost."""

    def __init__(self, sinks: Sequence[Sink], stream: StreamFormat) -> None:
        self._outputs = [_Output(sink) for sink in sinks]
        self._stream = stream
        self._lock = threading.Lock()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) px that every frame must have."""
        return self._stream.width, self._stream.height

    @property
    def problem(self) -> str:
        """The first output's trouble in one line, or an empty string."""
        return next((o.problem for o in self._outputs if o.problem), "")

    @property
    def dropped(self) -> int:
        """Frames that outputs did not take."""
        return sum(int(getattr(o.sink, "dropped", 0)) for o in self._outputs)

    def open(self) -> None:
        """Open all, or none. Raises OutputFailed."""
        opened: list[_Output] = []
        try:
            for output in self._outputs:
                output.sink.open(self._stream)
                opened.append(output)
        except OutputFailed:
            for output in opened:
                output.sink.abort()
            raise

    def write(self, frame: Frame) -> None:
        """Give `frame` to every output that works."""
        for output in self._outputs:
            if output.lost:
                continue
            try:
                output.sink.write(frame)
            except OutputFailed as error:
                output.lost = str(error)

    def reopen_lost(self, frame: Frame | None) -> None:
        """Try to open lost live outputs again, after 0.25 s, then twice as long each time up to 4 s, for ever; they
        start with `frame`."""
        for output in self._outputs:
            if not output.problem:
                output.delay_s = FIRST_S
                continue
            now_s = time.monotonic()
            if not output.comes_back or now_s < output.next_s:
                continue
            output.next_s, output.delay_s = now_s + output.delay_s, min(2 * output.delay_s, LONGEST_S)
            output.lost = output.problem
            with self._lock:
                self._reopen(output, frame)

    def _reopen(self, output: _Output, frame: Frame | None) -> None:
        output.sink.abort()
        try:
            output.sink.open(self._stream)
        except OutputFailed as error:
            output.lost = str(error)
            return
        output.lost = ""
        if frame is not None:
            output.sink.write(frame)

    def close(self) -> None:
        """Finish all: files first, live outputs last, so that nobody sees a dead camera while a file is finished."""
        with self._lock:
            for output in sorted(self._outputs, key=lambda o: o.comes_back):
                try:
                    output.sink.close()
                except OutputFailed as error:
                    output.lost = str(error)
