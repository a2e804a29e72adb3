"""Measures didlive on this machine, everything in one run: start, portrait, each stage, the live loop, memory."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from .actor import Actor, prepare_actor
from .capture.synthetic import SyntheticCamera
from .errors import BadInput
from .registry import TRACKERS, load
from .seams import Tracker
from .session import Session
from .settings import Settings
from .sinks.memory import MemorySink
from .status import STAGES
from .types import U8, Frame, Portrait, Stamp

CLIP_FRAMES = 150
WARM_UP = 5
# So long a show may take to its first picture.
PATIENCE_S = 30.0


class Stepper(Protocol):
    """What is measured: `didlive.pipeline.Pipeline`."""

    def set_actor(self, actor: Actor) -> None: ...
    def step(self, frame: Frame) -> Frame: ...


def spread(values_ms: Sequence[float]) -> dict[str, float]:
    """Return p50 and p95 in ms."""
    if not values_ms:
        return {}
    return {"p50_ms": round(float(np.percentile(values_ms, 50)), 3),
            "p95_ms": round(float(np.percentile(values_ms, 95)), 3)}


def elapsed_ms(action: Callable[[], Any]) -> tuple[float, Any]:
    """Run `action` once; return its duration in ms and its result."""
    start = time.perf_counter_ns()
    result = action()
    return (time.perf_counter_ns() - start) / 1e6, result


def import_ms(runs: int = 3) -> float:
    """Median time of `import didlive` in a fresh interpreter, without the interpreter's own start, ms."""
    code = "import time; t = time.perf_counter(); import didlive; print((time.perf_counter() - t) * 1e3)"
    root = str(Path(__file__).resolve().parent.parent)
    times = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                                  cwd=root).stdout) for _ in range(runs)]
    return round(statistics.median(times), 1)


def memory_mb() -> float:
    """Resident memory of this process in MB; 0.0 where it cannot be known."""
    try:
        import psutil
    except ImportError:
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
        except OSError:
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return float(psutil.Process().memory_info().rss) / 1e6


@dataclass
class Memory:
    """Samples of resident memory over time."""

    times_s: list[float] = field(default_factory=list)
    used_mb: list[float] = field(default_factory=list)

    def sample(self) -> None:
        """Take one sample, at most two a second."""
        now = time.perf_counter()
        if not self.times_s or now - self.times_s[-1] >= 0.5:
            self.times_s.append(now)
            self.used_mb.append(memory_mb())

    def report(self) -> dict[str, float | None]:
        """Peak in MB, and the slope in MB per minute over the second half (None below four samples)."""
        half = len(self.times_s) // 2
        slope = None
        if len(self.times_s) - half >= 4:
            slope = round(float(np.polyfit(self.times_s[half:], self.used_mb[half:], 1)[0]) * 60, 2)
        return {"peak_mb": round(max(self.used_mb, default=0.0), 1), "slope_mb_per_min": slope}


def moving_face(picture: U8, count: int = 60, size: tuple[int, int] = (640, 480)) -> list[U8]:
    """Make camera pictures (480, 640, 3) from a portrait that sways, nods and comes nearer, when no clip is given."""
    width, height = size
    zoom = height / picture.shape[0]
    pictures = []
    for number in range(count):
        phase = 2 * np.pi * number / count
        scale = zoom * (1 + 0.05 * np.sin(2 * phase))
        x = width / 2 - scale * picture.shape[1] / 2 + 12 * np.sin(phase)
        y = height / 2 - scale * picture.shape[0] / 2 + 6 * np.cos(phase)
        matrix = np.array([[scale, 0, x], [0, scale, y]], np.float32)
        pictures.append(cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE))
    return pictures


def clip_pictures(path: Path, count: int = CLIP_FRAMES) -> list[U8]:
    """Read the first pictures of a clip. Raises BadInput."""
    from .capture.file import FileCamera

    camera = FileCamera(path)
    try:
        camera.open()
        pictures = [frame.image for frame in islice(iter(camera.read, None), count)]
    finally:
        camera.close()
    if not pictures:
        raise BadInput(f"{path} has no frames")
    return pictures


def measure_stages(pipeline: Stepper, pictures: Sequence[U8], rate_hz: float = 30.0) -> dict[str, dict[str, float]]:
    """Step through all pictures, one after the other; return p50 and p95 of each stage and of the whole step."""
    times: dict[str, list[float]] = {name: [] for name in (*STAGES, "step")}
    # All in the past: for the tracker a live run may follow.
    start_ns = time.perf_counter_ns() - int(len(pictures) * 1e9 / rate_hz)
    for number, picture in enumerate(pictures):
        # Capture times as from a camera: trackers and filters depend on them.
        stamp = Stamp(number, start_ns + int(number * 1e9 / rate_hz))
        begin = time.perf_counter_ns()
        result = pipeline.step(Frame(picture, stamp))
        end = time.perf_counter_ns()
        if number < WARM_UP:
            continue
        times["step"].append((end - begin) / 1e6)
        before = begin
        for name, at in result.stamp.marks:
            times.setdefault(name, []).append((at - before) / 1e6)
            before = at
    return {name: spread(values) for name, values in times.items() if values}


class Stopwatch(MemorySink):
    """Notes for each picture that shows a camera frame which one it was, when it arrived (s) and how old it was (ms).
    The first few are left out."""

    def __init__(self) -> None:
        super().__init__(keep=2)
        self.shown: list[int] = []
        self.times_s: list[float] = []
        self.delays_ms: list[float] = []

    def write(self, frame: Frame) -> None:
        """Keep one frame, and its times."""
        super().write(frame)
        now_ns = time.perf_counter_ns()
        if frame.stamp.sequence >= WARM_UP:
            self.shown.append(frame.stamp.sequence)
            self.times_s.append(now_ns / 1e9)
            self.delays_ms.append((now_ns - frame.stamp.captured_ns) / 1e6)


def measure_live(settings: Settings, actor: Actor, tracker: Tracker, pictures: Sequence[U8], seconds: float
                 ) -> dict[str, Any]:
    """Run a show with all its threads on a camera that gives `pictures` in turn, for `seconds`; closes the tracker.

    Returns frames per second, p50/p95 of capture to sink, what the camera offered, drops, what drew at the end, threads
    and memory. Raises BadInput when the show fails, or shows nothing.
    """
    sink, memory = Stopwatch(), Memory()
    camera = SyntheticCamera(settings.camera, paced=True, pictures=pictures)
    with Session(settings, camera, tracker, actor, [sink]) as session:
        begin = time.perf_counter()
        while not session.failure and time.perf_counter() - begin < PATIENCE_S and not sink.shown:
            time.sleep(0.05)
        begin = time.perf_counter()
        while not session.failure and time.perf_counter() - begin < seconds:
            memory.sample()
            time.sleep(min(0.1, seconds))
        provider, threads, failure = session.provider, threading.active_count(), session.failure
    if failure or len(sink.shown) < 2:
        raise BadInput(f"the show could not be measured: {failure or 'it gave no pictures'}")
    spent_s, offered = sink.times_s[-1] - sink.times_s[0], sink.shown[-1] - sink.shown[0] + 1
    return {"frames_per_s": round((len(sink.shown) - 1) / spent_s, 2), "camera_hz": camera.rate_hz,
            "capture_to_sink": spread(sink.delays_ms), "offered": offered, "dropped": offered - len(sink.shown),
            "seconds": round(spent_s, 1), "provider": provider, "python_threads": threads, "memory": memory.report()}


def machine() -> dict[str, Any]:
    """Say what this was measured on."""
    return {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(),
            "opencv_threads": cv2.getNumThreads()}


def measure(portrait: Path | None, camera: Path | None, size: str, seconds: float,
            settings: Settings) -> dict[str, Any]:
    """Measure everything once; see the keys of the result. Raises BadInput."""
    from .pipeline import Pipeline
    from .portrait import load_portrait

    settings = replace(settings, output=replace(settings.output, size=size))
    report: dict[str, Any] = {"machine": machine(), "size": size, "generator": settings.generator,
                              "import_ms": import_ms()}
    if portrait is None:
        load_ms, loaded = elapsed_ms(built_in_portrait)
    else:
        load_ms, loaded = elapsed_ms(lambda: load_portrait(portrait))
    prepare_ms, actor = elapsed_ms(lambda: prepare_actor(loaded, settings))
    report["provider"] = actor.generator.provider
    report["portrait"] = {"load_ms": round(load_ms, 1), "prepare_ms": round(prepare_ms, 1)}
    pictures = clip_pictures(camera) if camera is not None else moving_face(loaded.image)
    tracker = load(TRACKERS, "mediapipe")()
    try:
        pipeline = Pipeline(tracker, settings, actor)
        report["stages"] = measure_stages(pipeline, pictures)
        report["switch_ms"] = round(statistics.median(
            elapsed_ms(lambda: pipeline.set_actor(actor))[0] for _ in range(5)), 3)
        report["live"] = measure_live(settings, actor, tracker, pictures, seconds)
    finally:
        tracker.close()
    return report


def built_in_portrait() -> Portrait:
    """Return scikit-image's public-domain astronaut, found by the tracker like any portrait."""
    import tempfile

    import skimage.data

    from .portrait import load_portrait

    with tempfile.TemporaryDirectory(prefix="didlive-") as folder:
        path = Path(folder) / "astronaut.png"
        cv2.imwrite(str(path), cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR))
        return load_portrait(path)
