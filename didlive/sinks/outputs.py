"""Several outputs as one: a failing one cannot stop the others, and live ones come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import BadInput, OutputFailed
from ..seams import Sink, StreamFormat
from ..types import Frame
from .recorder import PacedSink, ThreadedSink

FIRST_S, LONGEST_S = 0.25, 4.0


@dataclass(frozen=True, slots=True)
class OutputState:
    """How one output stands: its name, its trouble in one line or "", frames that it dropped and that it wrote."""

    name: str
    problem: str
    dropped: int
    written: int


class Output:
    """One sink and how it stands: `lost` is empty while it works."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.name, self.sink = name, sink
        # A file that broke is not begun anew; a camera or stream that was lost is.
        self.comes_back = isinstance(sink, PacedSink)
        self.lost = ""
        self.delay_s, self.next_s = FIRST_S, 0.0
        # Held while it is opened again or taken out.
        self.lock = threading.Lock()
        self.gone = False

    @property
    def problem(self) -> str:
        """Its trouble in one line, or an empty string."""
        error = self.sink.error if isinstance(self.sink, ThreadedSink) else None
        return self.lost or (str(error) if error is not None else "")

    @property
    def dropped(self) -> int:
        """Frames that it did not take."""
        return int(getattr(self.sink, "dropped", 0))

    def reopen(self, stream: StreamFormat, frame: Frame | None) -> None:
        """Open a lost sink again, unless it was closed for good; it starts with `frame`."""
        with self.lock:
            if self.gone:
                return
            self.sink.abort()
            try:
                self.sink.open(stream)
            except OutputFailed as error:
                self.lost = str(error)
                return
            self.lost = ""
            if frame is not None:
                self.sink.write(frame)


    def close(self) -> None:
        """Finish the sink for good; what goes wrong is its `problem`."""
        with self.lock:
            self.gone = True
            try:
                self.sink.close()
            except OutputFailed as error:
                self.lost = str(error)


class Outputs:
    """The sinks of one session, all of the same format. `write` never raises; `problem` says what is lost.

    `write`, `add` and `take_out` must not run at the same time.
    """

    def __init__(self, sinks: Sequence[Sink], stream: StreamFormat) -> None:
        self._outputs = tuple(Output(f"output {i}", sink) for i, sink in enumerate(sinks, 1))
        self._stream = stream

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
        return sum(o.dropped for o in self._outputs)

    def states(self) -> tuple[OutputState, ...]:
        """Return how each output stands."""
        return tuple(OutputState(o.name, o.problem, o.dropped, int(getattr(o.sink, "written", 0)))
                     for o in self._outputs)

    def open(self) -> None:
        """Open all, or none. Raises OutputFailed."""
        opened: list[Output] = []
        try:
            for output in self._outputs:
                output.sink.open(self._stream)
                opened.append(output)
        except OutputFailed:
            for output in opened:
                output.sink.abort()
            raise

    def prepare(self, name: str, sink: Sink, running: bool) -> None:
        """Open a sink that will be added to outputs that are open (`running`). Raises OutputFailed; BadInput when there
        is one of that name."""
        if any(output.name == name for output in self._outputs):
            raise BadInput(f"the output {name} is there already; remove it first")
        if running:
            sink.open(self._stream)

    def add(self, name: str, sink: Sink, frame: Frame | None) -> None:
        """Add a prepared sink; it begins with `frame`."""
        output = Output(name, sink)
        if frame is not None:
            self._give(output, frame)
        self._outputs = (*self._outputs, output)

    def take_out(self, name: str) -> Output | None:
        """Give back an output, which gets no frames any more and must be closed; None if there is none."""
        found = next((o for o in self._outputs if o.name == name), None)
        self._outputs = tuple(o for o in self._outputs if o is not found)
        return found

    def write(self, frame: Frame) -> None:
        """Give `frame` to every output that works."""
        for output in self._outputs:
            self._give(output, frame)

    @staticmethod
    def _give(output: Output, frame: Frame) -> None:
        if output.lost:
            return
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
            output.reopen(self._stream, frame)

    def close(self) -> None:
        """Finish all: files first, live outputs last, so that nobody sees a dead camera while a file is finished."""
        for output in sorted(self._outputs, key=lambda o: o.comes_back):
            output.close()
