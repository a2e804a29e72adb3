"""CPU milliseconds per picture of the virtual cameras, 512x512: `python tests/bench/virtual_cameras.py KIND [SECONDS]`.

v4l2 needs a free loopback device, pipewire a running PipeWire; the cost of the paced thread counts, too. Whether
somebody watches is up to you: the line says it.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from didlive.seams import StreamFormat
from didlive.sinks.recorder import PacedSink
from didlive.sinks.virtualcam import choose
from didlive.types import Frame, Stamp

RATE_HZ, SIDE_PX = 30.0, 512


def cpu_s() -> float:
    """Seconds of this process on all cores."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print one line."""
    kind, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8) for _ in range(8)]
    (sink,) = choose(kind).values()
    paced = PacedSink(sink, RATE_HZ)
    paced.open(StreamFormat(SIDE_PX, SIDE_PX, RATE_HZ))
    paced.write(Frame(pictures[0], Stamp(0, 0)))
    time.sleep(2.0)
    begin, before = cpu_s(), paced.written
    end_s = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end_s:
        number += 1
        paced.write(Frame(pictures[number % 8], Stamp(number, 0)))
        time.sleep(1 / RATE_HZ)
    cost_ms = 1000 * (cpu_s() - begin) / (paced.written - before)
    watched = {True: ", watched", False: ", not watched"}.get(getattr(sink, "watched", None), "")
    counts = f"{paced.written} written, {paced.late} late"
    sys.stdout.write(f"{kind}: {cost_ms:.2f} ms of CPU per picture{watched}; {counts}\n")
    paced.close()


if __name__ == "__main__":
    main()
