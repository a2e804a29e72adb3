"""int8 and float16 files made from a float32 network: small, close to it, and run by ONNX Runtime and OpenVINO."""

from __future__ import annotations

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest

from engines import EngineFailed
from engines.openvino import devices, open_openvino
from engines.ort import open_ort
from engines.quantise import halve, load_samples, parity, quantise

SAMPLES = [networks.feeds(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def model() -> bytes:
    return networks.refiner()


def test_int8_for_cpus_is_small_and_close(model: bytes) -> None:
    small = quantise(model, SAMPLES)
    assert len(small) < 0.35 * len(model)
    for found in parity(model, small, [networks.feeds(99)]).values():
        assert found.psnr_db > 40


@pytest.mark.parametrize("percentile", [None, 99.99])
def test_symmetric_int8_has_only_signed_zero_points_of_zero(model: bytes, percentile: float | None) -> None:
    signed = quantise(model, SAMPLES, symmetric=True, percentile=percentile)
    graph = onnx.load_from_string(signed).graph
    zeros = {node.input[2] for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")}
    points = [onnx.numpy_helper.to_array(t) for t in graph.initializer if t.name in zeros]
    assert points
    assert all(p.dtype == np.int8 and not p.any() for p in points)
    assert min(found.psnr_db for found in parity(model, signed, SAMPLES[:1]).values()) > 38


def test_layers_can_stay_in_float(model: bytes) -> None:
    convs = [node.name for node in onnx.load_from_string(model).graph.node if node.op_type == "Conv"]
    rest = quantise(model, SAMPLES, keep=convs)
    assert not [n for n in onnx.load_from_string(rest).graph.node if n.op_type == "QuantizeLinear"]


def test_float16_is_half_the_size_and_closer(model: bytes) -> None:
    half = halve(model)
    assert len(half) < 0.55 * len(model)
    for found in parity(model, half, SAMPLES[:1]).values():
        assert found.psnr_db > 70
    engine = open_ort("refiner", "fp16", half)
    assert set(engine.dtypes.values()) == {np.dtype(np.float32)}


def test_parity_sees_a_difference(model: bytes) -> None:
    assert min(found.psnr_db for found in parity(model, networks.refiner(seed=5), SAMPLES[:1]).values()) < 25
    same = parity(model, model, SAMPLES[:1])
    assert all(found.largest == 0 for found in same.values())


def test_samples_are_read_from_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "calibration.npz"
    np.savez(path, **{name: np.stack([s[name] for s in SAMPLES]) for name in networks.INPUTS})
    read = load_samples(path)
    assert len(read) == len(SAMPLES)
    np.testing.assert_array_equal(read[2]["eyes"], SAMPLES[2]["eyes"])
    np.savez(path, mouth=np.zeros((2, 1)), eyes=np.zeros((3, 1)))
    with pytest.raises(ValueError, match="different numbers of samples"):
        load_samples(path)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_gives_the_same_numbers(model: bytes, precision: str) -> None:
    try:
        devices()
    except EngineFailed as reason:
        pytest.skip(str(reason))
    data = model if precision == "fp32" else quantise(model, SAMPLES)
    engine = open_openvino("refiner", precision, data, 1)
    assert engine.provider == f"OpenVINO CPU, {precision}, 1 thread"
    expected = open_ort("refiner", precision, data, 1).run(SAMPLES[0])
    for name, got in engine.run(SAMPLES[0]).items():
        # The two round int8 at different places; float32 differs in the order of sums only.
        np.testing.assert_allclose(got, expected[name], atol=1e-4 if precision == "fp32" else 0.03)


def test_openvino_names_the_reason_where_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_ep_devices", list)
    with pytest.raises(EngineFailed, match="offers nothing on this processor"):
        devices()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EngineFailed, match="not installed"):
        devices()
