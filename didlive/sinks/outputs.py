"""Several outputs as one: a failing one cannot stop the others, and live ones come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import BadInput, OutputFailed
from ..seams import Sink, StreamFormat
from ..types import Frame
from .recorder import PacedSink, ThreadedSink

FIRST_S, LONGEST_S = 0.25, 4.0
# A show that ends waits so long for an output that is just being opened again.
PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True)
class OutputState:
    """How one output stands: its name, its trouble in one line or "", frames that it dropped and that it wrote."""

    name: str
    problem: str
    dropped: int
    written: int


def carries_alpha(sink: Sink) -> bool:
    """Whether a sink, or the one in a thread behind it, shows transparency: its class says `carries_alpha = True`."""
    inner = sink.sink if isinstance(sink, ThreadedSink) else sink
    return bool(getattr(inner, "carries_alpha", False))


def laid_over(frame: Frame, color: str) -> Frame:
    """Return a transparent frame laid over a colour (#rrggbb)."""
    cover = frame.image[:, :, 3:].astype(np.uint16)
    below = np.array([int(color[i:i + 2], 16) for i in (1, 3, 5)], np.uint16)
    image = (frame.image[:, :, :3] * cover + below * (255 - cover) + 127) // 255
    return Frame(image.astype(np.uint8), frame.stamp)


class Output:
    """One sink and how it stands: `lost` is empty while it works."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.name, self.sink = name, sink
        # A file that broke is not begun anew; a camera or stream that was lost is.
        self.comes_back = isinstance(sink, PacedSink)
        self.carries_alpha = carries_alpha(sink)
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
            if self.gone:
                # Whoever closed it meanwhile did not wait.
                self.sink.abort()

    def close(self) -> None:
        """Finish the sink for good; what goes wrong is its `problem`."""
        self.gone = True
        # A lost server can take seconds to open; whoever opens it gives it up then.
        if not self.lock.acquire(timeout=PATIENCE_S):
            return
        try:
            self.sink.close()
        except OutputFailed as error:
            self.lost = str(error)
        finally:
            self.lock.release()


class Outputs:
    """The sinks of one session, all of the same size. `write` never raises; `problem` says what is lost.

    color: what transparent frames are laid over for sinks that cannot show transparency. `write`, `add` and `take_out`
    must not run at the same time.
    """

    def __init__(self, sinks: Sequence[Sink], stream: StreamFormat) -> None:
        self._outputs = tuple(Output(f"output {i}", sink) for i, sink in enumerate(sinks, 1))
        self._stream = stream
        self.color = "#000000"

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) px that every frame must have."""
        return self._stream.width, self._stream.height

    @property
    def alpha(self) -> bool:
        """Whether every frame must have alpha."""
        return self._stream.alpha

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
                output.sink.open(self._format(output.carries_alpha))
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
            sink.open(self._format(carries_alpha(sink)))

    def add(self, name: str, sink: Sink, frame: Frame | None) -> None:
        """Add a prepared sink; it begins with `frame`."""
        output = Output(name, sink)
        if frame is not None:
            self._give(output, self._fitting(output, frame))
        self._outputs = (*self._outputs, output)

    def take_out(self, name: str) -> Output | None:
        """Give back an output, which gets no frames any more and must be closed; None if there is none."""
        found = next((o for o in self._outputs if o.name == name), None)
        self._outputs = tuple(o for o in self._outputs if o is not found)
        return found

    def write(self, frame: Frame) -> None:
        """Give `frame` to every output that works."""
        opaque: Frame | None = None
        for output in self._outputs:
            if output.carries_alpha or not self._stream.alpha:
                self._give(output, frame)
            else:
                opaque = opaque or self._fitting(output, frame)
                self._give(output, opaque)

    def _format(self, alpha: bool) -> StreamFormat:
        return self._stream if alpha else replace(self._stream, alpha=False)

    def _fitting(self, output: Output, frame: Frame) -> Frame:
        return frame if output.carries_alpha or not self._stream.alpha else laid_over(frame, self.color)

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
            output.reopen(self._format(output.carries_alpha), None if frame is None else self._fitting(output, frame))

    def close(self, last: Frame | None = None) -> None:
        """Finish all: files first, live outputs last, so that nobody sees a dead camera while a file is finished; until
        then live outputs show `last`."""
        for output in self._outputs:
            if output.comes_back and last is not None:
                self._give(output, self._fitting(output, last))
        for output in sorted(self._outputs, key=lambda o: o.comes_back):
            output.close()
