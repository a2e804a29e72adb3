"""The whole generator as one network gives the picture that OpenCV gives step by step."""

from __future__ import annotations

import cv2
import networks
import numpy as np
import onnx
import pytest

from didlive.generate.raster import everywhere, over, shade, soften_folds
from engines.engine import Array
from engines.golden import make_frame
from engines.graph import CROPS, LIGHT, SIZES, generator, inputs
from engines.ort import open_ort
from engines.quantise import halve


@pytest.fixture(scope="module")
def refiner() -> bytes:
    return networks.refiner()


def by_hand(refiner: bytes, feeds: dict[str, Array], size: int) -> np.ndarray:
    """Return (H, W, 4) uint8: the same with OpenCV, the warp's own loops and the refiner alone."""
    maps = (feeds["grid"][0] + 1) / 2 * (size - 1)
    map_x, map_y = (np.ascontiguousarray(maps[..., i]) for i in (0, 1))
    person = np.round(feeds["person"][0].transpose(1, 2, 0) * 255).astype(np.uint8)
    method = cv2.INTER_CUBIC if size <= 720 else cv2.INTER_LINEAR
    person = cv2.remap(person, map_x, map_y, method, borderMode=cv2.BORDER_REPLICATE)
    soften_folds(person, map_x, map_y, everywhere(size, size))
    scale, shift = feeds["light_place"]
    y, x = np.mgrid[0:size, 0:size] * np.float32(2 / (size - 1)) - np.float32(1)
    x, y = (((scale[i] * at + shift[i] + 1) * (LIGHT - 1) / 2).astype(np.float32) for i, at in ((0, x), (1, y)))
    shade(person, cv2.remap(feeds["light"][0, 0], x, y, cv2.INTER_LINEAR), map_x, map_y, (0.0, 0.0), (0, size, 0, size))
    image, alpha = np.round(feeds["background"][0].transpose(1, 2, 0) * 255).astype(np.uint8), person[:, :, 3:]
    over(person, image, (0, 0), everywhere(size, size))
    share = feeds["overlay"][0, ..., 3:] / 255
    image = image * (1 - share) + feeds["overlay"][0, ..., :3] * share
    image = (image / 255).astype(np.float32)
    rows = {"mouth": [0], "eyes": [1, 2], "face": [3]}
    crops = {}
    for name, (height, width, _) in CROPS.items():
        k = round(float(np.linalg.norm(feeds["matrices"][rows[name][0]][:, 0])))
        source = cv2.blur(image, (k, k)) if k > 1 else image
        cut = [cv2.warpAffine(source, feeds["matrices"][row], (width, height), borderMode=cv2.BORDER_REPLICATE,
                              flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) for row in rows[name]]
        both = np.concatenate([np.stack(cut).transpose(0, 3, 1, 2), feeds[f"{name}_own"]], 1) * 2 - 1
        crops[name] = np.concatenate([both, feeds[f"{name}_guide"]], 1).astype(np.float32)
    residuals = open_ort("refiner", "fp32", refiner).run(crops)
    total = np.zeros_like(image)
    for name in ("face", "mouth", "eyes"):
        weight = feeds[f"{name}_feather"]
        layers = np.concatenate([residuals[f"{name}_out"] * weight, weight], 1).transpose(0, 2, 3, 1)
        for layer, row in zip(layers, rows[name], strict=True):
            placed = cv2.warpAffine(np.ascontiguousarray(layer), feeds["inverses"][row], (size, size),
                                    flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            total = total * (1 - placed[:, :, 3:]) + placed[:, :, :3]
    return np.dstack([np.round(np.clip(image + total, 0, 1) * 255).astype(np.uint8), alpha])


@pytest.mark.parametrize("size", SIZES)
def test_it_draws_what_the_cpu_draws(refiner: bytes, size: int) -> None:
    engine = open_ort("generator", "fp32", generator(refiner, size))
    feeds = make_frame(engine.inputs, engine.dtypes)
    assert engine.inputs == inputs(networks.INPUTS, size)
    assert engine.dtypes["overlay"] == engine.dtypes["image"] == np.dtype(np.uint8)
    got = engine.run(feeds)["image"][0].astype(int)
    expected = by_hand(refiner, feeds, size).astype(int)
    error = np.abs(got - expected)
    # OpenCV resamples at 1/32 px and rounds the layers to 8 bit; folds are softened in another order.
    assert error.mean() < 0.5
    assert np.percentile(error, 99.9) <= 4
    without = by_hand(refiner, {**feeds, **{f"{n}_feather": np.zeros_like(feeds[f"{n}_feather"]) for n in CROPS}}, size)
    assert np.percentile(np.abs(expected - without), 99) > 10, "the refiner has no say in this test"


def test_float16_inside_changes_no_level_that_one_sees(refiner: bytes) -> None:
    engine = open_ort("generator", "fp32", generator(refiner, 512))
    feeds = make_frame(engine.inputs, engine.dtypes)
    exact = engine.run(feeds)["image"].astype(int)
    half = open_ort("generator", "fp16", generator(halve(refiner), 512)).run(feeds)["image"].astype(int)
    assert np.abs(exact - half).max() <= 1


def test_every_gridsample_is_float32(refiner: bytes) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(generator(halve(refiner), 512)))
    kinds = {v.name: v.type.tensor_type.elem_type for v in [*model.graph.value_info, *model.graph.input]}
    samplers = [node for node in model.graph.node if node.op_type == "GridSample"]
    assert len(samplers) == 2 + 3 + 4
    for node in samplers:
        assert {kinds[name] for name in (*node.input, *node.output)} == {onnx.TensorProto.FLOAT}


def test_the_same_refiner_gives_the_same_bytes(refiner: bytes) -> None:
    assert generator(refiner, 512) == generator(refiner, 512)
