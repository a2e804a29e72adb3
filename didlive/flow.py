"""Hand-off between threads: one slot, the newest value wins, what was overwritten is counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A one-slot mailbox. `put` never blocks; `take` waits for a value that nobody has taken yet. count: values put so
    far; dropped: those of them that were overwritten."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._value: T | None = None
        self._fresh = False
        self._closed = False
        self.dropped = self.count = 0

    def put(self, value: T) -> None:
        """Store `value`, replacing (and counting as dropped) one that was not taken."""
        with self._condition:
            self.dropped += self._fresh
            self.count += 1
            self._value, self._fresh = value, True
            self._condition.notify()

    def take(self, timeout_s: float) -> T | None:
        """Return the newest value once, or None after `timeout_s` seconds or when closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._fresh or self._closed, timeout_s)
            if not self._fresh:
                return None
            self._fresh = False
            return self._value

    def peek(self) -> T | None:
        """Return the newest value without taking it; None before the first."""
        with self._condition:
            return self._value

    def clear(self) -> None:
        """Forget the value."""
        with self._condition:
            self._value, self._fresh = None, False

    def close(self) -> None:
        """Wake everyone who waits; later `take`s return at once."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed


class Splice:
    """Capture times without pauses: while `paused` nothing counts, and afterwards time goes on one `period_ns` after
    the last time that counted. One thread calls it, another may ask `place`."""

    def __init__(self, period_ns: int) -> None:
        self.period_ns = period_ns
        self.paused = False
        self._lock = threading.Lock()
        self._cut = False
        self._last_ns: int | None = None
        self._skipped_ns = 0
        # (first moment left out, first moment that counts again, how much was left out until then), in order.
        self._cuts: list[tuple[int, int, int]] = []

    def __call__(self, captured_ns: int) -> int | None:
        """Return the time without pauses, or None when this moment is left out."""
        with self._lock:
            if self.paused:
                self._cut = True
                return None
            if self._cut and self._last_ns is not None:
                before_ns = self._skipped_ns
                self._skipped_ns = max(before_ns, captured_ns - self._last_ns - self.period_ns)
                self._cuts.append((self._last_ns + before_ns + self.period_ns, captured_ns, self._skipped_ns))
            self._cut = False
            self._last_ns = captured_ns - self._skipped_ns
            return self._last_ns

    def place(self, at_ns: int) -> int | None:
        """Return the time without pauses of any moment up to now, or None when it was left out."""
        skipped_ns = 0
        with self._lock:
            for begin_ns, end_ns, total_ns in self._cuts:
                if at_ns < end_ns:
                    return None if at_ns >= begin_ns else at_ns - skipped_ns
                skipped_ns = total_ns
            # A pause of which nobody knows yet when it ends: what was recorded before it may still be written now.
            if self._last_ns is not None and (self._cut or self.paused):
                return None if at_ns >= self._last_ns + self._skipped_ns + self.period_ns else at_ns - skipped_ns
        return at_ns - skipped_ns


class Meter:
    """Durations and rate of the last `window` events, for people and for the benchmark."""

    def __init__(self, window: int = 240) -> None:
        self._durations_ms: deque[float] = deque(maxlen=window)
        self._times_ns: deque[int] = deque(maxlen=window)
        self._lock = threading.Lock()
        self.count = 0

    def add(self, duration_ms: float) -> None:
        """Count one event that took `duration_ms` and ended now."""
        with self._lock:
            self._durations_ms.append(duration_ms)
            self._times_ns.append(time.perf_counter_ns())
            self.count += 1

    def percentile_ms(self, percent: float) -> float:
        """Return the `percent`-th percentile of the durations in ms (nearest rank), 0.0 before the first event."""
        with self._lock:
            ordered = sorted(self._durations_ms)
        if not ordered:
            return 0.0
        return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * (len(ordered) - 1))))]

    def rate_hz(self) -> float:
        """Return events per second over the window, 0.0 before the second event."""
        with self._lock:
            if len(self._times_ns) < 2:
                return 0.0
            span = self._times_ns[-1] - self._times_ns[0]
            return (len(self._times_ns) - 1) * 1e9 / span if span else 0.0
