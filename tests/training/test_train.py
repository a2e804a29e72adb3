"""Training: losses, checkpoints, and short real runs of every command."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime
import pytest
import torch

from didlive.cli import main
from didlive.errors import BadInput
from didlive.generate.canonical import EYE, FACE, MOUTH
from didlive.training.batches import Loader
from didlive.training.export import SHAPES, export_refiner, load_refiner, read_weights
from didlive.training.loop import Average, Clock, load_state, rate_at, save_state
from didlive.training.losses import contrastive, feature_l1, gradient_l1, weighted_l1
from didlive.training.nets import LIGHT, TINT, IdentityEncoder, PatchDiscriminator, Refiner, RegionNet
from didlive.training.refiner import RefinerConfig, Trainer
from didlive.training.synth import load_samples, synthesise

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def samples(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    synthesise(prepared, folder / "s", 12, True, 4, 1, lambda done, total: None)
    return folder / "s"


@pytest.fixture(scope="module")
def run(prepared: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an identity encoder and a mouth, trained for seconds by the commands."""
    out = tmp_path_factory.mktemp("run")
    common = ["--samples", str(samples), "--out", str(out), "--threads", "1"]
    assert main(["train", "identity", str(prepared), *common, "--steps", "8"]) == 0
    config = out / "config.toml"
    config.write_text("[mouth]\nbatch = 2\nadversarial = 0.2\nadversarial_from = 0.7\nreport_s = 600.0\n",
                      encoding="utf-8")
    assert main(["train", "refiner", *common, "--held-out", str(samples), "--steps", "100",
                 "--config", str(config)]) == 0
    return out


def test_training_begins_at_the_plain_warp():
    net = Refiner()
    out = net(*(torch.rand(shape) * 2 - 1 for shape in SHAPES.values()))
    assert all(float(value.detach().abs().max()) < 1e-5 for value in out)
    assert [tuple(value.shape[1:]) for value in out] == [(3, r.height, r.width) for r in (MOUTH, EYE, FACE)]


def test_every_weight_of_a_region_learns():
    net = RegionNet(MOUTH.channels, 16)
    for step in range(2):  # The last layer starts at zero: what lies before it learns from the second step on.
        net(torch.randn(1, MOUTH.channels, 32, 32)).sub(0.5).square().mean().backward()
        if step == 0:
            with torch.no_grad():
                for value in net.parameters():
                    value += 0.01 * torch.randn_like(value)
            net.zero_grad()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in net.parameters())


def test_losses_are_zero_for_the_truth_and_grow():
    truth, weight = torch.rand(2, 3, 64, 64), torch.ones(2, 1, 64, 64)
    encoder = IdentityEncoder(8)
    for loss in (weighted_l1, gradient_l1):
        assert loss(truth, truth, weight) == 0
        noisy = truth + 0.01 * torch.randn_like(truth)
        assert 0 < loss(noisy, truth, weight) < loss(torch.rand_like(truth), truth, weight)
    assert feature_l1(encoder, truth, truth) == 0 < feature_l1(encoder, truth.flip(0), truth)


def test_weight_moves_the_loss_to_where_it_matters():
    truth = torch.zeros(1, 3, 8, 8)
    drawn, weight = truth.clone(), torch.ones(1, 1, 8, 8)
    drawn[..., :4] = 1
    heavy = weight.clone()
    heavy[..., :4] = 5
    assert weighted_l1(drawn, truth, heavy) == pytest.approx(5 / 6) and weighted_l1(drawn, truth, weight) == 0.5


def test_contrastive_loss_prefers_one_person_together():
    a = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    assert contrastive(a, a) < contrastive(a, a.roll(1, 0))


def test_between_the_lips_only_the_light_changes():
    torch.manual_seed(3)
    net = Refiner().mouth
    torch.nn.init.normal_(net.head.weight, std=0.05)
    x = torch.rand(1, 12, 96, 128) * 2 - 1
    x[:, 6] = -1
    x[:, 6, 30:70, 30:100] = 1
    with torch.no_grad():
        change = net(x)
    light = 1 + change / ((x[:, :3] + 1) / 2)
    inside, outside = light[..., 34:66, 34:96], light[..., :26, :]
    low, high = LIGHT[0] * TINT[0], LIGHT[1] * TINT[1]
    assert low - 0.01 < inside.min() and inside.max() < high + 0.01
    # It is smooth, and not the same everywhere; elsewhere the net is free.
    assert inside.diff(dim=3).abs().max() < 0.1 < (inside.max() - inside.min())
    assert outside.diff(dim=3).abs().max() > 0.5


def test_critic_sees_guide_and_picture():
    score, features = PatchDiscriminator(9)(torch.randn(1, 9, 96, 128))
    assert tuple(score.shape[2:]) == (12, 16) and len(features) == 3


def test_checkpoints_come_back_without_pickle(tmp_path: Path):
    net = RegionNet(9, 16)
    save_state(tmp_path / "x.safetensors", {"net": net.state_dict()}, {"step": 3})
    parts, facts = load_state(tmp_path / "x.safetensors")
    assert facts == {"step": 3} and all(torch.equal(parts["net"][n], v) for n, v in net.state_dict().items())
    (tmp_path / "x.safetensors").write_bytes(b"broken")
    with pytest.raises(BadInput, match="no checkpoint"):
        load_state(tmp_path / "x.safetensors")


def test_clock_goes_on_where_it_stopped():
    clock = Clock(1.0, spent_s=30.0)
    assert 0.5 <= clock.share < 0.51 and Clock(1.0, spent_s=90.0).share == 1
    assert Clock(1e6, steps=10, done=5).share == 0.5
    assert rate_at(0.0, 1.0) < rate_at(0.01, 1.0) == 1.0 and rate_at(0.999, 1.0) < 0.03 < 0.4 < rate_at(0.45, 1.0)


def test_average_follows_slowly():
    net = torch.nn.Linear(1, 1, bias=False)
    average = Average(net, decay=0.9)
    before = float(average.weights["weight"])
    with torch.no_grad():
        net.weight += 1
    average.update(net)
    assert before < float(average.weights["weight"]) <= before + 1


def test_batches_hold_what_the_samples_hold(samples: Path):
    loaded = load_samples([samples])
    for region, channels in (("mouth", MOUTH.channels), ("eyes", EYE.channels), ("face", FACE.channels)):
        loader = Loader(loaded, region, CPU, 1)
        batch = loader.plain(np.array([3]))
        crops = loaded[0].crops[region][3]
        assert batch.x.shape[1] == channels
        assert np.array_equal((batch.truth[0] * 255).round().numpy(), crops[0, :, :, -3:].transpose(2, 0, 1))
        assert np.allclose(batch.warped[0].numpy() * 255, crops[0, :, :, :3].transpose(2, 0, 1), atol=0.01)
        drawn = loader.draw(4)
        assert drawn.x.abs().max() <= 1.001 and drawn.truth.min() >= 0 and drawn.truth.max() <= 1


def test_absent_samples_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code = main(["train", "refiner", "--samples", str(tmp_path / "s1"), "--held-out", str(tmp_path), "--out",
                 str(tmp_path / "run"), "--region", "mouth"])
    said = capsys.readouterr().err
    assert code == 2 and said.count("\n") == 1 and "s1 holds no samples" in said and not (tmp_path / "run").exists()


def test_a_run_learns_reports_and_keeps(run: Path):
    rows = list(csv.DictReader((run / "mouth.csv").read_text(encoding="utf-8").splitlines()))
    assert rows and float(rows[-1]["drawn"]) < float(rows[-1]["warp"])
    assert float(rows[-1]["critic"]) > 0, "the critic never spoke"
    assert (run / "mouth.png").stat().st_size > 10_000
    parts, facts = load_state(run / "mouth.safetensors")
    assert set(parts) == {"net", "critic", "ours", "theirs", "average"} and facts["step"] == 100


def test_a_finished_run_does_not_start_again(run: Path, samples: Path):
    loaded = load_samples([samples])
    trainer = Trainer(RefinerConfig(steps=100, threads=1), loaded, loaded, run)
    assert trainer.step == 100 and trainer.clock.share == 1
    trainer.run(lambda text, share: None)
    assert trainer.step == 100


def test_a_longer_run_goes_on_with_its_moments(run: Path, samples: Path):
    loaded = load_samples([samples])
    trainer = Trainer(RefinerConfig(steps=200, threads=1), loaded, loaded, run)
    moments = [state["exp_avg"].abs().sum() for state in trainer.ours.state_dict()["state"].values()]
    assert len(moments) == len(list(trainer.net.parameters())) and sum(moments) > 0


def test_what_is_exported_computes_the_same(run: Path, tmp_path: Path):
    export_refiner(run, tmp_path / "r.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "r.onnx", providers=["CPUExecutionProvider"])
    feeds = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    with torch.no_grad():
        wanted = load_refiner(run)(*feeds.values())
    found = session.run(None, {name: value.numpy() for name, value in feeds.items()})
    assert np.abs(wanted[0].numpy()).max() > 1e-3, "the trained mouth draws nothing"
    for a, b in zip(wanted, found, strict=True):
        assert np.abs(a.numpy() - cast(np.ndarray, b)).max() < 1e-4


def test_training_begins_with_an_exported_network(run: Path, samples: Path, tmp_path: Path):
    export_refiner(run, tmp_path / "r.onnx")
    shutil.copy(run / "identity.safetensors", tmp_path)
    loaded = load_samples([samples])
    trainer = Trainer(RefinerConfig(steps=1, threads=1), loaded, loaded, tmp_path, tmp_path / "r.onnx")
    for name, value in load_refiner(run).mouth.state_dict().items():
        assert torch.equal(trainer.net.state_dict()[name], value) and torch.equal(trainer.average.weights[name], value)
    shipped = Path(__file__).parents[2] / "engines" / "weights"
    assert read_weights(shipped / "refiner.onnx", "eyes").keys() == load_refiner(run).eyes.state_dict().keys()
    for wrong in (shipped / "voice.onnx", shipped / "refiner.int8.onnx"):
        with pytest.raises(BadInput, match="no refiner of this version in float32"):
            read_weights(wrong, "mouth")
    for wrong in (tmp_path / "absent.onnx", tmp_path / "identity.safetensors"):
        with pytest.raises(BadInput, match="is no network"):
            read_weights(wrong, "mouth")


def test_int8_files_are_made_and_compared(run: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "r.onnx"
    assert main(["train", "export", str(run), "--out", str(out), "--samples", str(samples),
                 "--held-out", str(samples)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["fp32", "int8", "s8"]
    assert hashlib.sha256(out.read_bytes()).hexdigest() in lines[0]
    assert (tmp_path / "r.int8.onnx").stat().st_size < out.stat().st_size / 2
    assert float(lines[1].split("# ")[1].split()[0]) > 20, lines[1]


def test_several_processes_share_the_work(run: Path, samples: Path, tmp_path: Path):
    shutil.copy(run / "identity.safetensors", tmp_path)
    (tmp_path / "c.toml").write_text("[face]\nbatch = 2\nadversarial = 0.2\nadversarial_from = 0.7\n", encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    done = subprocess.run([*torchrun, "didlive", "train", "refiner", "--region", "face", "--samples", samples,
                           "--held-out", samples, "--out", tmp_path, "--steps", "5", "--threads", "1", "--config",
                           tmp_path / "c.toml"], capture_output=True, text=True, timeout=280,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_state(tmp_path / "face.safetensors")[1]["step"] == 5
    assert len((tmp_path / "face.csv").read_text(encoding="utf-8").splitlines()) == 2, "both processes wrote the log"


def test_unknown_settings_and_missing_files_are_told(run: Path, samples: Path, tmp_path: Path,
                                                     capsys: pytest.CaptureFixture[str]):
    (tmp_path / "c.toml").write_text("[mouth]\nspeed = 3\n", encoding="utf-8")
    common = ["--samples", str(samples), "--held-out", str(samples), "--out", str(run)]
    assert main(["train", "refiner", *common, "--config", str(tmp_path / "c.toml")]) == 2
    assert "unknown training setting: speed" in capsys.readouterr().err
    assert main(["train", "refiner", *common, "--config", str(tmp_path / "none.toml")]) == 2
    assert main(["train", "export", str(tmp_path)]) == 2
    assert main(["train", "prepare", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
