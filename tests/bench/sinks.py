"""Measure how evenly live outputs get their pictures: `python -m tests.bench.sinks [SECONDS]`.

All of them run at once for so long (default 60) at 30 pictures a second behind `PacedSink`, as in a show with every
output on, while a picture of 512 x 512 px comes every 33 ms: the picture page with one viewer, an RTMP stream to a
server on this machine, and the virtual cameras that there can be. Printed for each: percentiles of how much the time
between two pictures that it took was off 33.3 ms.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np

from didlive.errors import OutputFailed
from didlive.registry import LIVE_SINKS, load
from didlive.seams import Sink, StreamFormat
from didlive.sinks.memory import MemorySink
from didlive.sinks.mjpeg import MjpegSink
from didlive.sinks.recorder import PacedSink
from didlive.sinks.stream import StreamSink
from didlive.types import Frame, Stamp

RATE_HZ, SIDE_PX = 30.0, 512
SERVER = "import av, sys\nfor _ in av.open(sys.argv[1], options={'listen': '1'}).demux(): pass"


class Timed:
    """Passes everything on to a sink, and notes when each picture was taken."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.times_ns: list[int] = []
        self.open, self.close, self.abort = sink.open, sink.close, sink.abort

    def write(self, frame: Frame) -> None:
        """Note the time, and write."""
        self.times_ns.append(time.perf_counter_ns())
        self.sink.write(frame)


def free_port() -> int:
    """A TCP port that nobody uses just now."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def watch(url: str) -> None:
    """Be a viewer of the picture page, until it closes."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        while answer.read(16384):
            pass


def opened(sinks: dict[str, Sink]) -> dict[str, tuple[Timed, PacedSink]]:
    """Open what can be opened, and tell what cannot."""
    result = {}
    for name, sink in sinks.items():
        timed = Timed(sink)
        paced = PacedSink(timed, RATE_HZ)
        try:
            paced.open(StreamFormat(SIDE_PX, SIDE_PX, RATE_HZ))
        except OutputFailed as error:
            sys.stdout.write(f"{name:13} not measured: {error}\n")
        else:
            result[name] = timed, paced
    return result


def main() -> None:
    """Measure and print a line for each output."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    url, page = f"rtmp://127.0.0.1:{free_port()}/live/bench", MjpegSink(free_port())
    sinks: dict[str, Sink] = {"nothing": MemorySink(keep=1), "picture page": page, "RTMP": StreamSink(url)}
    sinks |= {name: load(LIVE_SINKS, name)() for name in ("v4l2", "pipewire")}
    with subprocess.Popen([sys.executable, "-c", SERVER, url], stderr=subprocess.DEVNULL) as server:
        time.sleep(2.0)
        running = opened(sinks)
        threading.Thread(target=watch, args=(f"{page.place}stream.mjpg",), daemon=True).start()
        noise = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
        begun, number = time.perf_counter(), 0
        while (now := time.perf_counter()) - begun < seconds:
            frame = Frame(np.roll(noise, number, axis=1), Stamp(number, time.perf_counter_ns()))
            for _, paced in running.values():
                paced.write(frame)
            number += 1
            time.sleep(max(0.0, begun + number / RATE_HZ - now))
        load_now = os.getloadavg()[0]
        sys.stdout.write(f"{platform.platform()}, {os.cpu_count()} processors, load {load_now:.1f}, {seconds:g} s"
                         f", all at once; how much the time between two pictures was off {1000 / RATE_HZ:.1f} ms\n")
        for name, (timed, paced) in running.items():
            paced.close()
            off_ms = np.abs(np.diff(timed.times_ns) / 1e6 - 1000 / RATE_HZ)
            p50, p99 = np.percentile(off_ms, (50, 99))
            sys.stdout.write(f"{name:13} {len(timed.times_ns)} pictures, p50 {p50:.2f} ms, p99 {p99:.2f} ms, most "
                             f"{off_ms.max():.1f} ms, {paced.late} beats missed\n")
        server.kill()


if __name__ == "__main__":
    main()
