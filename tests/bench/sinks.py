"""Measure how evenly live outputs get their pictures: `python -m tests.bench.sinks [SECONDS]`.

All of them run at once for so long (default 60) at 30 pictures a second behind `PacedSink`, as in a show with every
output on, while a picture of 512 x 512 px comes every 33 ms, each with one viewer: the picture page, an RTMP stream to
a server on this machine, a camera of a PipeWire of the bench's own that GStreamer watches, and a v4l2loopback device:
a real one where one is free, else one that a preloaded library makes up (tests/shims/fake_v4l2_out.c) and that ends in
a pipe. Printed for each: percentiles of how much the time between two pictures that it took was off 33.3 ms.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from didlive.errors import OutputFailed
from didlive.seams import Sink, StreamFormat
from didlive.sinks import v4l2
from didlive.sinks.memory import MemorySink
from didlive.sinks.mjpeg import MjpegSink
from didlive.sinks.pipewire import PipeWireSink
from didlive.sinks.recorder import PacedSink
from didlive.sinks.stream import StreamSink
from didlive.sinks.v4l2 import V4L2Sink
from didlive.types import Frame, Stamp
from tests.pipewire_session import pipewire, watch

ROOT = Path(__file__).resolve().parents[2]
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


def look_at(url: str) -> None:
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


def feed(running: dict[str, tuple[Timed, PacedSink]], seconds: float) -> None:
    """Offer a new picture every 33 ms to all of them."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    begun, number = time.perf_counter(), 0
    while (now := time.perf_counter()) - begun < seconds:
        frame = Frame(np.roll(noise, number, axis=1), Stamp(number, time.perf_counter_ns()))
        for _, paced in running.values():
            paced.write(frame)
        number += 1
        time.sleep(max(0.0, begun + number / RATE_HZ - now))


def report(running: dict[str, tuple[Timed, PacedSink]], seconds: float) -> None:
    """Close all of them and print a line for each."""
    loads = "/".join(f"{load:.1f}" for load in os.getloadavg()[:2])
    sys.stdout.write(f"{platform.platform()}, {os.cpu_count()} processors, load {loads} (1, 5 min), {seconds:g} s"
                     f", all at once; how much the time between two pictures was off {1000 / RATE_HZ:.1f} ms\n")
    for name, (timed, paced) in running.items():
        paced.close()
        off_ms = np.abs(np.diff(timed.times_ns) / 1e6 - 1000 / RATE_HZ)
        p50, p99 = np.percentile(off_ms, (50, 99))
        sys.stdout.write(f"{name:13} {len(timed.times_ns)} pictures, p50 {p50:.2f} ms, p99 {p99:.2f} ms, most "
                         f"{off_ms.max():.1f} ms, {paced.late} beats missed\n")


def with_made_up_device(arguments: list[str]) -> int:
    """Run this program again, in a process for which a loopback device is made up; return its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        shim, pipe = f"{folder}/shim.so", f"{folder}/pipe"
        source = ROOT / "tests/shims/fake_v4l2_out.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
        os.mkfifo(pipe)
        # Opened for both, so that it does not end whenever a writer closes it.
        viewer = subprocess.Popen(["sh", "-c", f"exec cat <>{pipe} >/dev/null"])
        try:
            return subprocess.run([sys.executable, "-m", "tests.bench.sinks", *arguments], cwd=ROOT, check=False,
                                  env={**os.environ, "LD_PRELOAD": shim, "FAKE_OUT_FILE": pipe}).returncode
        finally:
            viewer.kill()
            viewer.wait()


def main() -> int:
    """Measure and print a line for each output."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    if v4l2.problem()[0] and "FAKE_OUT_FILE" not in os.environ:
        return with_made_up_device(sys.argv[1:])
    url, page = f"rtmp://127.0.0.1:{free_port()}/live/bench", MjpegSink(free_port())
    with ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen([sys.executable, "-c", SERVER, url], stderr=subprocess.DEVNULL))
        stack.callback(server.kill)
        made = stack.enter_context(pipewire())
        made.start()
        made.manage()
        time.sleep(3.0)
        camera = PipeWireSink()
        running = opened({"nothing": MemorySink(keep=1), "picture page": page, "RTMP": StreamSink(url),
                          "PipeWire": camera, "v4l2": V4L2Sink()})
        threading.Thread(target=look_at, args=(f"{page.place}stream.mjpg",), daemon=True).start()
        watcher = watch(camera.node, Path(os.devnull))
        stack.callback(watcher.wait)
        stack.callback(watcher.kill)
        feed(running, seconds)
        sys.stdout.write(f"PipeWire is watched: {camera.watched}\n")
        report(running, seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
