"""The last seconds of a sound that is being heard, for any number of readers, each at its own place."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from ..seams import SOUND_HZ, AudioTap
from ..types import F32

LENGTH = 4 * SOUND_HZ
# Blocks are dated by the device with a jitter of some ms: their times follow the count of samples, slowly corrected,
# unless they are so far off that sound is missing.
FOLLOW = 0.01
JUMP_NS = 50_000_000


class SoundRing:
    """`write` blocks in, in one thread; `tap` gives functions that read them out, in any thread."""

    def __init__(self) -> None:
        self._samples = np.zeros(LENGTH, np.float32)
        self._written = 0
        # (number of its first sample, its time) for every block that is still there.
        self._blocks: deque[tuple[int, int]] = deque()
        self._next_ns: float | None = None
        self._changed = threading.Condition()

    @property
    def written(self) -> int:
        """How many samples were ever written."""
        return self._written

    def write(self, samples: F32, time_ns: int) -> None:
        """Add (n,) float32 at SOUND_HZ, whose first sample was heard at `time_ns` of `perf_counter_ns`."""
        count = len(samples)
        if self._next_ns is not None and abs(time_ns - self._next_ns) < JUMP_NS:
            time_ns = round(self._next_ns + FOLLOW * (time_ns - self._next_ns))
        with self._changed:
            at = self._written % LENGTH
            head = min(count, LENGTH - at)
            self._samples[at:at + head] = samples[:head]
            self._samples[:count - head] = samples[head:]
            self._blocks.append((self._written, time_ns))
            self._written += count
            while self._blocks[0][0] < self._written - LENGTH + count:
                self._blocks.popleft()
            self._next_ns = time_ns + count * 1e9 / SOUND_HZ
            self._changed.notify_all()

    def wait(self, beyond: int, timeout_s: float) -> bool:
        """Wait until more than `beyond` samples were written; return whether they were."""
        with self._changed:
            return self._changed.wait_for(lambda: self._written > beyond, timeout_s)

    def tap(self) -> AudioTap:
        """Return a function that gives what comes from now on, block by block: samples and the time of the first."""
        place = self._written

        def read() -> tuple[F32, int] | None:
            nonlocal place
            with self._changed:
                if place == self._written:
                    return None
                # Who comes too late goes on with the oldest block that is left.
                block, time_ns = next((b for b in reversed(self._blocks) if b[0] <= place), self._blocks[0])
                place = max(place, block)
                following = next((b[0] for b in self._blocks if b[0] > place), self._written)
                index = np.arange(place, following) % LENGTH
                at_ns = time_ns + round((place - block) * 1e9 / SOUND_HZ)
                place = following
                return self._samples[index], at_ns

        return read
