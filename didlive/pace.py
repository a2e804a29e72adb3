"""Whether the pictures keep up with the camera, and for how long drawing must be cheaper where they do not."""

from __future__ import annotations

import time
from collections.abc import Callable

# Counted over so many seconds; fewer pictures than this share of the camera's, this often in a row, are too few.
WINDOW_S, ENOUGH, OFTEN = 3.0, 0.85, 2
# A camera this slow is nobody's fault.
LEAST_HZ = 5.0
# After so many seconds the full picture is tried again; each time it is too slow anew, after twice as many.
FIRST_LEAN_S, LONGEST_LEAN_S = 60.0, 960.0


class Pace:
    """Asked again and again with running counts, it answers whether drawing has to be lean.

    rate_hz: more pictures than that nobody wants. clock: seconds, for tests."""

    def __init__(self, rate_hz: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_hz, self._clock = rate_hz, clock
        self._begin_s, self._seen, self._shown = clock(), 0, 0
        self._late, self._lean = 0, False
        self._lean_s, self._until_s = FIRST_LEAN_S, 0.0

    def lean(self, seen: int, shown: int) -> bool:
        """Return whether to draw lean. seen: camera frames so far; shown: pictures drawn so far."""
        now_s = self._clock()
        past_s = now_s - self._begin_s
        if past_s < WINDOW_S:
            return self._lean
        wanted_hz = min((seen - self._seen) / past_s, self._rate_hz)
        late = wanted_hz >= LEAST_HZ and (shown - self._shown) / past_s < ENOUGH * wanted_hz
        self._begin_s, self._seen, self._shown = now_s, seen, shown
        self._late = self._late + 1 if late and not self._lean else 0
        if self._late >= OFTEN:
            self._lean, self._late, self._until_s = True, 0, now_s + self._lean_s
            self._lean_s = min(2 * self._lean_s, LONGEST_LEAN_S)
        elif self._lean and now_s >= self._until_s:
            self._lean = False
        return self._lean
