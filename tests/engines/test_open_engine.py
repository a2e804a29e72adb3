"""Opening a network: only the known file, with what really runs it in its name."""

from __future__ import annotations

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from engines import Engine, EngineFailed, open_engine, weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return networks.ship(tmp_path, fp32=networks.refiner())


@pytest.fixture
def engine(folder: Path) -> Engine:
    return open_engine("refiner", "ort", threads=1, folder=folder)


def test_it_says_what_it_is(engine: Engine) -> None:
    assert engine.name == "refiner"
    assert engine.provider == "ONNX Runtime CPU, fp32, 1 thread"
    assert dict(engine.inputs) == networks.INPUTS
    assert dict(engine.outputs) == networks.OUTPUTS


def test_its_numbers_are_those_of_the_reference_evaluator(engine: Engine) -> None:
    feeds = networks.feeds()
    expected = ReferenceEvaluator(onnx.load_from_string(networks.refiner())).run(None, feeds)
    for got, want in zip(engine.run(feeds).values(), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=2e-4)
        assert float(np.abs(want).max()) > 0.05


def test_an_input_left_out_keeps_its_value(engine: Engine) -> None:
    feeds = networks.feeds()
    first = engine.run(feeds)
    again = engine.run({"mouth": feeds["mouth"]})
    np.testing.assert_array_equal(first["eyes_out"], again["eyes_out"])
    changed = engine.run({"eyes": 1 - feeds["eyes"]})
    assert np.abs(changed["eyes_out"] - first["eyes_out"]).max() > 0.01
    np.testing.assert_array_equal(first["mouth_out"], changed["mouth_out"])


def test_wrong_inputs_are_named(engine: Engine) -> None:
    feeds = networks.feeds()
    with pytest.raises(ValueError, match="never given: eyes, face"):
        engine.run({"mouth": feeds["mouth"]})
    with pytest.raises(ValueError, match="no input is called 'lips'"):
        engine.run({"lips": feeds["mouth"]})
    with pytest.raises(ValueError, match="mouth must be float32"):
        engine.run({"mouth": feeds["mouth"].astype(np.float64)})
    with pytest.raises(ValueError, match=r"\(1, 12, 96, 128\)"):
        engine.run({"mouth": feeds["mouth"][:, :, :48]})


def test_a_closed_engine_says_so(engine: Engine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(EngineFailed, match="closed"):
        engine.run(networks.feeds())


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d + b"x", lambda d: bytes([d[0] ^ 1]) + d[1:]])
def test_only_the_known_file_is_loaded(folder: Path, damage) -> None:
    path = folder / "refiner-fp32.onnx"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(EngineFailed, match="damaged or not the file that ships"):
        open_engine("refiner", "ort", folder=folder)


def test_unknown_names_are_answered_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(EngineFailed, match="known: refiner"):
        open_engine("voice", "ort", folder=folder)
    with pytest.raises(EngineFailed, match="no engine is called 'magic'"):
        open_engine("refiner", "magic", folder=folder)
    with pytest.raises(EngineFailed, match="has no int8 weights, only fp32"):
        open_engine("refiner", "ort", precision="int8", folder=folder)
    (folder / "refiner-fp32.onnx").unlink()
    with pytest.raises(EngineFailed, match="cannot be read"):
        open_engine("refiner", "ort", folder=folder)


def test_what_is_no_network_fails_with_one_line(tmp_path: Path) -> None:
    folder = networks.ship(tmp_path, fp32=b"this is no ONNX file")
    with pytest.raises(EngineFailed) as caught:
        open_engine("refiner", "ort", folder=folder)
    assert "\n" not in str(caught.value)


def test_the_shipped_manifest_and_the_shipped_files_agree() -> None:
    listed = {entry.path for network in weights.catalogue().values() for entry in network.values()}
    assert listed == set(weights.FOLDER.glob("*.onnx"))
    for network in weights.catalogue().values():
        for entry in network.values():
            assert weights.read(entry)
            assert entry.licence
