"""Sinks in their own threads: what is dropped is counted, failures are state, closing is limited in time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from didlive.errors import OutputFailed
from didlive.seams import StreamFormat
from didlive.sinks.memory import MemorySink
from didlive.sinks.recorder import PacedSink, QueuedSink
from didlive.sinks.video import Mp4Sink
from didlive.types import Frame, Stamp

SIZE = 64


def frame(number: int) -> Frame:
    image = np.full((SIZE, SIZE, 3), (number * 9) % 256, np.uint8)
    return Frame(image, Stamp(number, number * 40_000_000))


class Gate(MemorySink):
    """A sink that waits before each write until it is let go, and can fail."""

    def __init__(self) -> None:
        super().__init__(keep=1000)
        self.go, self.entered = threading.Event(), threading.Event()
        self.fail, self.closed, self.aborted = False, 0, 0

    def write(self, frame: Frame) -> None:
        self.entered.set()
        self.go.wait(10)
        if self.fail:
            raise OutputFailed("the disk is full")
        super().write(frame)

    def close(self) -> None:
        self.closed += 1
        super().close()

    def abort(self) -> None:
        self.aborted += 1
        super().abort()


FORMAT = StreamFormat(SIZE, SIZE, 25.0)


def test_queue_drops_what_does_not_fit_and_drains_on_close():
    gate = Gate()
    queued = QueuedSink(gate, depth=3)
    queued.open(FORMAT)
    queued.write(frame(0))
    assert gate.entered.wait(5)
    for number in range(1, 6):
        queued.write(frame(number))
    assert queued.dropped == 2
    gate.go.set()
    queued.close()
    queued.close()
    assert [item.stamp.sequence for item in gate.frames] == [0, 1, 2, 3]
    assert (queued.written, queued.dropped, queued.error, gate.closed) == (4, 2, None, 1)
    queued.write(frame(9))
    assert queued.dropped == 3


def test_queue_surfaces_errors_as_state():
    gate = Gate()
    gate.fail = True
    gate.go.set()
    queued = QueuedSink(gate)
    queued.open(FORMAT)
    queued.write(frame(0))
    queued.close()
    assert "disk is full" in str(queued.error) and queued.dropped == 1 and queued.written == 0
    queued.write(frame(1))


def test_queue_close_is_limited_and_abort_drops_all():
    gate = Gate()
    queued = QueuedSink(gate, drain_s=0.1)
    queued.open(FORMAT)
    for number in range(3):
        queued.write(frame(number))
    assert gate.entered.wait(5)
    queued.close()
    assert "did not finish" in str(queued.error)
    gate.go.set()
    queued.close()
    assert gate.closed == 1 and queued.dropped == 2
    gate.go.clear()
    gate.entered.clear()
    queued.open(FORMAT)
    queued.write(frame(0))
    assert gate.entered.wait(5)
    queued.write(frame(1))
    gate.go.set()
    queued.abort()
    assert gate.aborted == 1


def test_queued_recording_of_a_real_file(tmp_path: Path):
    queued = QueuedSink(Mp4Sink(tmp_path / "live.mp4", real_time=True), depth=200)
    queued.open(FORMAT)
    for number in range(100):
        queued.write(frame(number))
    queued.close()
    assert queued.error is None and queued.written == 100
    with av.open(str(tmp_path / "live.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 100


def test_open_error_is_raised_at_once(tmp_path: Path):
    with pytest.raises(OutputFailed):
        QueuedSink(Mp4Sink(tmp_path / "no" / "a.mp4")).open(FORMAT)


def test_paced_sink_repeats_the_last_frame_and_takes_the_newest():
    memory = MemorySink(keep=1000)
    paced = PacedSink(memory, rate_hz=200.0)
    paced.open(FORMAT)
    for number in range(3):
        paced.write(frame(number))
    deadline = time.monotonic() + 10
    while paced.written < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    paced.write(frame(7))
    while memory.frames[-1].stamp.sequence != 7 and time.monotonic() < deadline:
        time.sleep(0.005)
    paced.close()
    paced.close()
    sequences = [item.stamp.sequence for item in memory.frames]
    assert sequences == sorted(sequences) and sequences[-1] == 7 and set(sequences) <= {0, 1, 2, 7}
    assert paced.repeated >= 2 and paced.error is None and paced.written == len(sequences)


def test_paced_sink_keeps_its_failure_as_state():
    gate = Gate()
    gate.fail = True
    gate.go.set()
    paced = PacedSink(gate, rate_hz=100.0)
    paced.open(FORMAT)
    paced.write(frame(0))
    assert gate.entered.wait(5)
    paced.close()
    assert "disk is full" in str(paced.error)
