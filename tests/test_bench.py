"""The benchmark measures what it says; no speed is asserted."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from didlive import bench, cli
from didlive.composite import Compositor
from didlive.generate.warp import WarpGenerator
from didlive.types import Face, Frame, Portrait


class Pipeline:
    """Stands in for the real one: sleeps a known time in `generate`."""

    def __init__(self, tracker: object, settings: object, actor: Any) -> None:
        self.set_actor(actor)

    def set_actor(self, actor: Any) -> None:
        self.compositor = actor.compositor

    def step(self, frame: Frame) -> Frame:
        stamp = frame.stamp.mark("track").mark("motion").mark("retarget")
        time.sleep(0.004)
        return self.compositor.compose(None, stamp.mark("generate"))


def portrait() -> Portrait:
    landmarks = np.tile(np.array([60, 60, 0], np.float32), (478, 1))
    landmarks[0, :2], landmarks[1, :2] = (40, 40), (80, 80)
    face = Face(landmarks, np.zeros(52, np.float32), np.eye(4, dtype=np.float32))
    return Portrait(np.full((120, 120, 3), 90, np.uint8), None, face, 1, "grey")


def actor() -> Any:
    return SimpleNamespace(portrait=portrait(), compositor=Compositor(portrait(), bench.Settings().output),
                           generator=WarpGenerator())


def test_stages_add_up():
    pipeline = Pipeline(None, None, actor())
    times = bench.measure_stages(pipeline, [np.zeros((8, 8, 3), np.uint8)] * 20)
    assert set(times) == {*bench.STAGES, "step"}
    assert times["generate"]["p50_ms"] >= 4
    assert sum(times[name]["p50_ms"] for name in bench.STAGES) == pytest.approx(times["step"]["p50_ms"], rel=0.5)


def test_live_run_counts_every_frame():
    pipeline = Pipeline(None, None, actor())
    live = bench.measure_live(pipeline, [np.zeros((8, 8, 3), np.uint8)], 0.5, pipeline.compositor.size, rate_hz=100)
    written = round(live["frames_per_s"] * live["seconds"])
    assert written > 0 and abs(live["offered"] - written - live["dropped"]) <= written * 0.15 + 2
    assert live["capture_to_sink"]["p50_ms"] >= 4 and live["memory"]["peak_mb"] > 1


def test_memory_slope():
    memory = bench.Memory(list(np.arange(20.0)), list(100 + np.arange(20.0) / 6))
    assert memory.report() == {"peak_mb": pytest.approx(103.2), "slope_mb_per_min": pytest.approx(10.0)}
    assert bench.Memory([1.0], [5.0]).report()["slope_mb_per_min"] is None


def test_moving_face_moves_within_the_camera_picture():
    pictures = bench.moving_face(np.random.default_rng(0).integers(0, 255, (100, 90, 3), dtype=np.uint8), count=4)
    assert all(picture.shape == (480, 640, 3) for picture in pictures)
    assert not np.array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("as_json", [True, False])
def test_command(as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "didlive.pipeline", SimpleNamespace(Pipeline=Pipeline))
    monkeypatch.setitem(sys.modules, "didlive.portrait", SimpleNamespace(load_portrait=lambda path: portrait()))
    monkeypatch.setattr(bench, "prepare_actor", lambda *_: actor())
    monkeypatch.setattr(bench, "load", lambda table, name: lambda: SimpleNamespace(close=lambda: None))
    arguments = ["bench", "--seconds", "0.2", "--portrait", str(Path("x.png"))]
    assert cli.main([*arguments, "--json"] if as_json else arguments) == 0
    text = capsys.readouterr().out
    if as_json:
        report = json.loads(text)
        assert {"machine", "import_ms", "portrait", "stages", "live", "switch_ms"} <= set(report)
    else:
        assert "frames/s" in text and "generate" in text


def test_bad_seconds(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["bench", "--seconds", "0"]) == 2
    assert "--seconds" in capsys.readouterr().err
