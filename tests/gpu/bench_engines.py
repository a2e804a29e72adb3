"""Times every engine that `build_engines.py` built and approved on this machine: `python tests/gpu/bench_engines.py`.

Medians over 500 golden frames, copies included; for a whole generator what is constant is sent once.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.backends import BUILT, open_candidate
from engines.card import find_card
from engines.engine import EngineFailed
from engines.golden import make_frame
from engines.plans import NETWORKS, PRECISIONS

CONSTANT = {"person", "background", "mouth_own", "eyes_own", "face_own"}


def main() -> int:
    """Print one line per engine, and why the others are none."""
    print(find_card())
    for network in NETWORKS:
        for backend in BUILT:
            for precision in PRECISIONS:
                try:
                    engine = open_candidate(network, backend, precision, None)
                except EngineFailed as reason:
                    print(f"{network} {backend} {precision}: {reason}")
                    continue
                frame = make_frame(engine.inputs, engine.dtypes)
                engine.run(frame)
                moving = {name: value for name, value in frame.items() if name not in CONSTANT}
                times = []
                for _ in range(550):
                    start = time.perf_counter()
                    engine.run(moving)
                    times.append((time.perf_counter() - start) * 1e3)
                times = sorted(times[50:])
                print(f"{network}: {engine.provider}: p50 {statistics.median(times):.3f} ms, p99 {times[495]:.3f} ms")
                engine.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
