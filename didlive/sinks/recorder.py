"""Sinks in threads of their own: recording behind a short queue, and outputs that need a steady rate."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

from ..errors import OutputFailed
from ..flow import Latest, Splice
from ..seams import Sink, StreamFormat
from ..types import Frame
from .files import FileSink


class ThreadedSink:
    """Base of both: opens and closes `sink`, runs `_loop` in a thread, and keeps a failure in `error` instead of
    raising it into the thread that renders. `written` counts what reached the sink, `dropped` what did not.

    `open` raises OutputFailed at once when the sink cannot start; nothing else raises.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.error: OutputFailed | None = None
        self.written = 0
        self._thread: threading.Thread | None = None

    def open(self, stream: StreamFormat) -> None:
        """Open the sink here and start the thread."""
        if self._thread is not None:
            raise OutputFailed("this output runs already")
        self.sink.open(stream)
        self.error, self.written = None, 0
        self._start()
        self._thread = threading.Thread(target=self._run, name=f"didlive-{type(self.sink).__name__}", daemon=True)
        self._thread.start()

    def _start(self) -> None:
        raise NotImplementedError

    def _loop(self) -> bool:
        """Write until told to stop; return whether the output shall be kept (closed) or dropped (aborted)."""
        raise NotImplementedError

    def _run(self) -> None:
        # The thread that wrote also finishes: encoders are not meant to change threads midway.
        finished = False
        try:
            if self._loop():
                self.sink.close()
            else:
                self.sink.abort()
            finished = True
        except OutputFailed as error:
            self.error = error
        finally:
            if not finished and self.error is None:
                # A bug in the sink: its traceback goes on to `threading.excepthook`, the state must not lie.
                self.error = OutputFailed("the output stopped because of an unexpected error; see the log")

    def _write(self, frame: Frame) -> None:
        self.sink.write(frame)
        self.written += 1

    def _join(self, limit_s: float) -> None:
        thread = self._thread
        if thread is None:
            return
        thread.join(limit_s)
        # The file is complete and has its name; signing takes as long as it is large (about 4 s per hour of 512 px).
        while thread.is_alive() and getattr(self.sink, "sealing", False):
            thread.join(0.1)
        if thread.is_alive():
            self.error = OutputFailed(f"the output did not finish within {limit_s:g} s")
            return
        self._thread = None


class QueuedSink(ThreadedSink):
    """Runs `sink` behind a queue of `depth` frames; a frame that finds it full is dropped and counted.

    `close` lets the queue drain and the sink finish for at most `drain_s` seconds; frames that are still waiting then
    are dropped, and the sink gets the time it needs to finish. Look at `error` afterwards.
    """

    def __init__(self, sink: Sink, depth: int = 32, drain_s: float = 10.0) -> None:
        super().__init__(sink)
        self.depth, self.drain_s = depth, drain_s
        self.dropped = 0
        self._queue: deque[Frame] = deque()
        self._wake = threading.Condition()
        self._splice = Splice(0)

    def open(self, stream: StreamFormat) -> None:
        """Open the sink here and start the thread."""
        self._splice = Splice(round(1e9 / stream.rate_hz))
        if isinstance(self.sink, FileSink):
            self.sink.splice = self._splice
        super().open(stream)

    @property
    def paused(self) -> bool:
        """Whether frames are left out just now."""
        return self._splice.paused

    def pause(self, on: bool = True) -> None:
        """Leave out what comes from now on, or go on: the pause takes no time in the recording."""
        self._splice.paused = on

    def _start(self) -> None:
        self._queue.clear()
        self.dropped, self._keep, self._deadline = 0, True, float("inf")

    def write(self, frame: Frame) -> None:
        """Hand one frame over; never waits, never raises."""
        with self._wake:
            at_ns = self._splice(frame.stamp.captured_ns)
            if at_ns is None:
                return
            frame = Frame(frame.image, replace(frame.stamp, captured_ns=at_ns))
            running = self._thread is not None and self._deadline == float("inf") and self.error is None
            if not running or len(self._queue) >= self.depth:
                self.dropped += 1
                return
            self._queue.append(frame)
            self._wake.notify()

    def close(self) -> None:
        """Drain, finish the output, end the thread."""
        self._stop(keep=True)

    def abort(self) -> None:
        """Drop what waits and the output itself, end the thread."""
        self._stop(keep=False)

    def _stop(self, keep: bool) -> None:
        if self._thread is None:
            return
        with self._wake:
            self._keep = keep
            self._deadline = min(self._deadline, time.monotonic() + (self.drain_s if keep else 0.0))
            self._wake.notify()
        self._join(self.drain_s + (self.sink.finish_s if isinstance(self.sink, FileSink) else self.drain_s))

    def _next(self) -> Frame | None:
        """Return the next frame, or None when it is time to finish."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._deadline < float("inf"))
            if time.monotonic() >= self._deadline:
                self.dropped += len(self._queue)
                self._queue.clear()
            return self._queue.popleft() if self._queue else None

    def _loop(self) -> bool:
        while (frame := self._next()) is not None:
            try:
                self._write(frame)
            except OutputFailed:
                with self._wake:
                    self.dropped += 1 + len(self._queue)
                    self._queue.clear()
                raise
        return self._keep


class PacedSink(ThreadedSink):
    """Feeds `sink` at its own steady `rate_hz` with the newest frame, repeating the last one when none is new.

    For live outputs (a virtual camera, a stream); what came last is shown also when it is closed before its beat.
    `repeated` counts the repetitions, `late` the beats that were missed because the sink was slow, `dropped` the frames
    that a newer one replaced.
    """

    def __init__(self, sink: Sink, rate_hz: float) -> None:
        super().__init__(sink)
        self.rate_hz = rate_hz
        self.repeated = self.late = 0
        self._latest: Latest[Frame] = Latest()
        self._stopping = threading.Event()

    @property
    def dropped(self) -> int:
        """Frames that were replaced by a newer one before their beat."""
        return self._latest.dropped

    def _start(self) -> None:
        self._latest, self._keep = Latest(), True
        self._stopping.clear()
        self.repeated = self.late = 0

    def write(self, frame: Frame) -> None:
        """Offer the newest frame; never waits, never raises."""
        self._latest.put(frame)

    def close(self) -> None:
        """Stop at once and close the sink."""
        self._stop(keep=True)

    def abort(self) -> None:
        """Stop at once and abort the sink."""
        self._stop(keep=False)

    def _stop(self, keep: bool) -> None:
        self._keep = keep
        self._stopping.set()
        self._join(5.0)

    def _loop(self) -> bool:
        period = 1.0 / self.rate_hz
        beat = time.perf_counter()
        frame: Frame | None = None
        while not self._stopping.wait(max(0.0, beat - time.perf_counter())):
            fresh = self._latest.take(0.0)
            if fresh is not None:
                frame = fresh
            if frame is not None:
                self.repeated += fresh is None
                self._write(frame)
            beat += period
            missed = int((time.perf_counter() - beat) / period)
            if missed > 0:
                self.late += missed
                beat += missed * period
        if self._keep and (last := self._latest.take(0.0)) is not None:
            # Whoever still looks at a closed camera sees what it was given last.
            self._write(last)
        return self._keep
