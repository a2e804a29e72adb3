"""The benchmark measures what it says; no speed is asserted."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stage import SETTINGS, Follower, Painter, make_actor

from didlive import bench, cli
from didlive.cli import bench as cli_bench
from didlive.errors import BadInput
from didlive.types import U8, Drive, Frame, Patch, Tracking

PICTURES: list[U8] = [np.zeros((64, 64, 3), np.uint8)] * 8


class Pipeline:
    """Stands in for the real one: sleeps a known time in `generate`."""

    def set_actor(self, actor: object) -> None:
        pass

    def step(self, frame: Frame) -> Frame:
        stamp = frame.stamp.mark("track").mark("motion").mark("retarget")
        time.sleep(0.004)
        return Frame(frame.image, stamp.mark("generate").mark("composite"))


class SlowPainter(Painter):
    """Takes 80 ms for a picture, and notes who asks."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()

    def generate(self, source: Any, drive: Drive) -> Patch:
        self.threads.add(threading.current_thread().name)
        time.sleep(0.08)
        return super().generate(source, drive)


class NotingFollower(Follower):
    """Notes who asks, and whether the capture times went on."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()
        self.captured_ns: list[int] = []

    def track(self, frame: Frame) -> Tracking:
        self.threads.add(threading.current_thread().name)
        self.captured_ns.append(frame.stamp.captured_ns)
        return super().track(frame)


def test_stages_add_up():
    times = bench.measure_stages(Pipeline(), PICTURES * 3)
    assert set(times) == {*bench.STAGES, "step"}
    assert times["generate"]["p50_ms"] >= 4
    assert sum(times[name]["p50_ms"] for name in bench.STAGES) == pytest.approx(times["step"]["p50_ms"], rel=0.5)


def test_stages_come_before_a_live_run():
    seen: list[int] = []

    class Noting(Pipeline):
        def step(self, frame: Frame) -> Frame:
            seen.append(frame.stamp.captured_ns)
            return super().step(frame)

    bench.measure_stages(Noting(), PICTURES, rate_hz=2.0)
    assert np.all(np.diff(seen) > 0) and seen[-1] <= time.perf_counter_ns()


def test_live_run_is_a_show_with_its_threads():
    painter, follower = SlowPainter(), NotingFollower()
    live = bench.measure_live(SETTINGS, make_actor(generator=painter), follower, PICTURES, 1.5)
    assert painter.threads >= {"didlive-render"} and follower.threads == {"didlive-track"}
    assert live["capture_to_sink"]["p50_ms"] >= 80 and live["frames_per_s"] < 13
    assert live["dropped"] > 0 and live["offered"] > live["dropped"]
    assert live["provider"] == "painter on CPU" and live["memory"]["peak_mb"] > 1
    assert np.all(np.diff(follower.captured_ns) > 0)


def test_a_show_that_fails_is_not_measured():
    follower = Follower()
    follower.faults = 10_000
    with pytest.raises(BadInput, match="could not be measured: stopped after 3 unexpected errors"):
        bench.measure_live(SETTINGS, make_actor(), follower, PICTURES, 5.0)


def test_memory_slope():
    memory = bench.Memory(list(np.arange(20.0)), list(100 + np.arange(20.0) / 6))
    assert memory.report() == {"peak_mb": pytest.approx(103.2), "slope_mb_per_min": pytest.approx(10.0)}
    assert bench.Memory([1.0], [5.0]).report()["slope_mb_per_min"] is None


def test_moving_face_moves_within_the_camera_picture():
    pictures = bench.moving_face(np.random.default_rng(0).integers(0, 255, (100, 90, 3), dtype=np.uint8), count=4)
    assert all(picture.shape == (480, 640, 3) for picture in pictures)
    assert not np.array_equal(pictures[0], pictures[1])


def test_command(models: Path, astronaut: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["bench", "--seconds", "0.5", "--portrait", str(astronaut), "--generator", "warp"]
    assert cli.main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {"machine", "import_ms", "portrait", "stages", "live", "switch_ms"} <= set(report)
    assert report["provider"] == report["live"]["provider"] == "warp on CPU"
    assert set(report["stages"]) == {*bench.STAGES, "step"}
    cli_bench.show(report)
    text = capsys.readouterr().out
    assert "frames/s" in text and "generate" in text and "at the end by" not in text
    report["live"]["provider"] = "still portrait"
    cli_bench.show(report)
    assert "at the end by still portrait" in capsys.readouterr().out


def test_bad_seconds(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["bench", "--seconds", "0"]) == 2
    assert "--seconds" in capsys.readouterr().err
