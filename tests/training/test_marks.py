"""The network that finds the features of drawn faces: what it learns from, and that it learns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from didlive.cli import main
from didlive.marks import CELLS, CHIN, MARKS, MOUTH, SIDE, plausible, read_maps
from didlive.training.drawings import draw_face
from didlive.training.drawn_sample import draw_sample
from didlive.training.marks import Batches, MarkNet, drawings, export_marks, loss_of, miss, train_marks


def test_a_drawing_depends_on_its_seed_alone():
    (a, marks), (b, _), (c, _) = (draw_face(np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert a.shape == (256, 256, 3) and a.dtype == np.uint8 and marks.shape == (MARKS, 2)


def test_marks_lie_as_in_faces():
    there = [plausible(draw_face(np.random.default_rng(seed), 256, True)[1]) for seed in range(60)]
    assert np.mean(there) > 0.9, "all but the most turned and leaning ones"


def test_a_larger_drawing_is_the_same_one():
    small, marks = draw_face(np.random.default_rng(118), 256, True)
    large, there = draw_face(np.random.default_rng(118), 512, True)
    assert np.abs(there / 2 - marks).max() < 1
    reduced = np.asarray(Image.fromarray(large).resize((256, 256)), dtype=float)
    assert np.abs(reduced - small).mean() < 12


def test_heat_maps_are_read_around_their_peaks():
    maps = np.full((MARKS, CELLS, CELLS), 1e-6, np.float32)
    maps[:, 20, 30] = 0.5
    maps[:, 20, 31] = 0.3
    maps[:, 50, 5] = 0.2
    x, y, sure = read_maps(maps)[CHIN]
    assert abs(x * CELLS - (30.5 * 0.5 + 31.5 * 0.3) / 0.8) < 0.01 and abs(y * CELLS - 20.5) < 0.01
    assert abs(sure - 0.8) < 0.01, "the other peak does not count"


def test_the_loss_wants_round_spots_at_the_marks():
    truth = torch.full((1, MARKS, 2), 0.5)
    at = (torch.arange(CELLS) + 0.5) / CELLS

    def spot(x: float, width: float) -> torch.Tensor:
        map_ = torch.exp(-((at[:, None] - 0.5) ** 2 + (at[None] - x) ** 2) * CELLS ** 2 / (2 * width ** 2)).flatten()
        return (map_ / map_.sum()).expand(1, MARKS, -1)

    right, aside, wide = (float(loss_of(m, truth)) for m in (spot(0.5, 1.2), spot(0.6, 1.2), spot(0.5, 8)))
    assert right < 0.01 and aside > 0.09 and wide > 0.01


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@torch.no_grad()
def loss_on(net: MarkNet, pictures: np.ndarray, marks: np.ndarray) -> float:
    light = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return float(loss_of(net.train().maps(light), torch.from_numpy(marks)))


def test_it_learns_and_computes_the_same_as_onnx(tmp_path: Path):
    pictures, marks = drawings(60, 5, 1)
    assert pictures.shape == (60, SIDE, SIDE, 3) and 0.2 < float(marks[:, MOUTH].mean()) < 0.8
    before, net = (train_marks(pictures, marks, minutes=60, steps=steps, size=8, tell=lambda text: None)
                   for steps in (1, 45))
    assert loss_on(net, pictures, marks) < 0.8 * loss_on(before, pictures, marks)
    assert miss(net, pictures, marks) < 0.5
    export_marks(net, tmp_path / "marks.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "marks.onnx", providers=["CPUExecutionProvider"])
    picture = np.ascontiguousarray(pictures[:1].transpose(0, 3, 1, 2), np.float32) / 255
    with torch.no_grad():
        there = net.eval()(torch.from_numpy(picture)).numpy()
    assert np.abs(session.run(None, {"picture": picture})[0] - there).max() < 1e-4


def test_batches_keep_marks_on_their_features():
    """A picture whose only bright spot is one mark stays so however it is turned, mirrored and coloured."""
    picture, marks = np.zeros((SIDE, SIDE, 3), np.uint8), np.full((MARKS, 2), 0.5, np.float32)
    marks[CHIN] = ((70 + 0.5) / SIDE, (90 + 0.5) / SIDE)
    picture[89:92, 69:72] = 255
    batches = iter(Batches(picture[None], marks[None], 16, 3))
    pictures, truth = next(batches)
    for one, at in zip(pictures.numpy(), truth.numpy(), strict=True):
        light = np.abs(one - np.median(one, axis=(1, 2), keepdims=True)).sum(0)
        y, x = (float((light * grid).sum() / light.sum()) for grid in np.mgrid[0:SIDE, 0:SIDE])
        assert abs((x + 0.5) / SIDE - at[CHIN, 0]) < 0.01 and abs((y + 0.5) / SIDE - at[CHIN, 1]) < 0.01


def test_the_command_writes_network_sheet_and_the_manifests_line(tmp_path: Path, capsys):
    out, sheet = tmp_path / "made" / "marks.onnx", tmp_path / "sheet.png"
    assert main(["train", "marks", "--count", "48", "--minutes", "0.02", "--workers", "1", "--out", str(out), "--sheet",
                 str(sheet)]) == 0
    said = capsys.readouterr().out
    assert "held out" in said and 'file = "marks.onnx"' in said
    assert out.stat().st_size < 5_000_000
    with Image.open(sheet) as image:
        assert image.size == (16 * SIDE, 12 * SIDE)
    assert main(["train", "marks", "--count", "5", "--out", str(out)]) == 2
    assert "--count must be 40 or more" in capsys.readouterr().err


def test_the_sample_that_ships_is_what_draws_it():
    from importlib.resources import files

    with Image.open(str(files("didlive") / "data" / "anime.png")) as image:
        shipped = np.asarray(image.convert("RGB"), dtype=float)
    assert np.abs(shipped - draw_sample()).mean() < 1.5, "a palette of 256 colours apart"
