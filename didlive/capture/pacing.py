"""Play something recorded at its own speed: wait until a moment is due, say how late one is, wake when closed."""

from __future__ import annotations

import threading
import time

LONGEST_GAP_NS = 1_000_000_000


class Pacer:
    """The clock of a paced clip. Offsets are ns since the first frame; a gap of more than one second is shortened to
    one, since nobody wants to wait for a hole in a recording."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._origin_ns: int | None = None
        self._last_ns = 0

    def late_ns(self, offset_ns: int) -> int:
        """Return how many ns ago `offset_ns` was due, negative when it is still to come. The first call starts the
        clock: that offset is due now."""
        now_ns = time.perf_counter_ns()
        if self._origin_ns is None:
            self._origin_ns = now_ns - offset_ns
        # Shortening a gap moves the origin, so that everything after the gap moves with it.
        elif offset_ns - self._last_ns > LONGEST_GAP_NS:
            self._origin_ns -= offset_ns - self._last_ns - LONGEST_GAP_NS
        self._last_ns = offset_ns
        return now_ns - self._origin_ns - offset_ns

    def restart(self, offset_ns: int) -> None:
        """Let `offset_ns` be due now, for a machine that cannot keep up with the clip."""
        self._origin_ns, self._last_ns = time.perf_counter_ns() - offset_ns, offset_ns

    def wait(self, offset_ns: int, timeout_s: float) -> bool:
        """Sleep until the moment is due, at most `timeout_s`. Return False if it is not due by then or on `stop`."""
        left_s = -self.late_ns(offset_ns) / 1e9
        if self._stop.wait(max(0.0, min(left_s, timeout_s))):
            return False
        return left_s <= timeout_s

    def stop(self) -> None:
        """Wake whoever waits; every later wait returns False."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()
