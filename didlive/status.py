"""How a show stands, in words and numbers."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass

from .flow import Meter
from .types import Frame

STAGES = ("track", "motion", "retarget", "generate", "composite")
STILL_RUNNING_NS = 2_000_000_000


class State(enum.Enum):
    """How the show stands: what a person wants to know at a glance."""

    STARTING = "starting"
    LIVE = "live"
    HOLDING = "holding"
    IDLE = "idle"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot. fps: frames sent out per second. p50_ms, p95_ms: from capture to sink. dropped: camera frames and
    motions that a newer one replaced, and frames that outputs dropped. stages_ms: median per stage, each counted from
    the end of the one before, so waiting for a thread counts for the stage that waits."""

    state: State
    reason: str
    fps: float
    p50_ms: float
    p95_ms: float
    dropped: int
    frames: int
    faults: int
    stages_ms: tuple[tuple[str, float], ...]


class Meters:
    """Rate and delays of the frames that go out."""

    def __init__(self) -> None:
        self._pace, self._delays = Meter(), Meter()
        self._stages = {name: Meter() for name in STAGES}
        self._sent_ns = 0

    def measure(self, frame: Frame, live: bool) -> None:
        """Count a frame that goes out now; `live`: it shows a camera frame, so its delay means something."""
        now_ns = time.perf_counter_ns()
        self._sent_ns = now_ns
        before = frame.stamp.captured_ns
        self._pace.add((now_ns - before) / 1e6)
        if not live:
            return
        self._delays.add((now_ns - before) / 1e6)
        for name, at in frame.stamp.marks:
            if name in self._stages:
                self._stages[name].add((at - before) / 1e6)
                before = at

    def stats(self, state: State, reason: str, dropped: int, faults: int) -> Stats:
        """Return everything as one snapshot."""
        running = time.perf_counter_ns() - self._sent_ns < STILL_RUNNING_NS
        stages = tuple((name, meter.percentile_ms(50)) for name, meter in self._stages.items() if meter.count)
        return Stats(state, reason, self._pace.rate_hz() if running else 0.0, self._delays.percentile_ms(50),
                     self._delays.percentile_ms(95), dropped, self._pace.count, faults, stages)
