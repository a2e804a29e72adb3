"""From checkpoints to the ONNX file that ships, with its line of the manifest."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch

from engines.quantise import parity, quantise

from ..errors import BadInput, reason
from ..generate.canonical import EYE, FACE, MOUTH
from ..types import F32
from .loop import load_state
from .nets import Refiner
from .synth import Samples

OPSET = 18
# So many samples measure the ranges of int8, and how far it is from float32.
CALIBRATION, TRIAL = 64, 24
SHAPES = {"mouth": (1, MOUTH.channels, MOUTH.height, MOUTH.width), "eyes": (2, EYE.channels, EYE.height, EYE.width),
          "face": (1, FACE.channels, FACE.height, FACE.width)}


def load_refiner(folder: Path, average: bool = True) -> Refiner:
    """Return the refiner of the checkpoints in `folder`; a region without one draws nothing. Raises BadInput."""
    net = Refiner()
    found = [region for region in SHAPES if (folder / f"{region}.safetensors").exists()]
    if not found:
        raise BadInput(f"{folder} holds no trained region; run `didlive train refiner --out {folder}`")
    for region in found:
        parts, _ = load_state(folder / f"{region}.safetensors")
        getattr(net, region).load_state_dict(parts["average" if average else "net"])
    return net.eval()


def read_weights(path: Path, region: str) -> dict[str, torch.Tensor]:
    """Return one region's weights of a float32 network that `export_refiner` wrote, by name. Raises BadInput."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        tensors = onnx.load(path).graph.initializer
    except (OSError, DecodeError) as error:
        raise BadInput(f"{path} is no network: {reason(error)}") from error
    found = {tensor.name.removeprefix(f"{region}."): torch.from_numpy(numpy_helper.to_array(tensor).copy())
             for tensor in tensors if tensor.name.startswith(f"{region}.")}
    wanted = getattr(Refiner(), region).state_dict()
    if {name: value.shape for name, value in found.items()} != {name: value.shape for name, value in wanted.items()}:
        raise BadInput(f"{path} is no refiner of this version in float32")
    return found


def export_refiner(folder: Path, out: Path) -> None:
    """Write the refiner as ONNX (float32, fixed shapes). Raises BadInput."""
    net = load_refiner(folder)
    inputs = tuple(torch.zeros(shape) for shape in SHAPES.values())
    out.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The exporter that torch recommends instead stumbles over warnings of its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(net, inputs, str(out), input_names=list(SHAPES), opset_version=OPSET, dynamo=False,
                          output_names=[f"{name}_out" for name in SHAPES])


def calibration(samples: Samples, count: int) -> list[dict[str, F32]]:
    """Return `count` inputs of the refiner, spread over the samples, for measuring ranges and parity."""
    out = []
    for row in np.linspace(0, len(samples) - 1, count).astype(int):
        crops = {name: samples.crops[name][row][..., :-3].transpose(0, 3, 1, 2) for name in SHAPES}
        out.append({name: np.ascontiguousarray(crop.astype(np.float32) / 127.5 - 1) for name, crop in crops.items()})
    return out


def export_quantised(model: Path, samples: Samples, held_out: Samples) -> dict[str, float]:
    """Write NAME.int8.onnx (for CPUs) and NAME.s8.onnx (for TensorRT) beside an ONNX file, ranges measured on samples;
    return by precision the PSNR in dB of their outputs against float32 on people held out."""
    data, ranges, trial = model.read_bytes(), calibration(samples, CALIBRATION), calibration(held_out, TRIAL)
    found = {}
    for precision, symmetric in (("int8", False), ("s8", True)):
        small = quantise(data, ranges, symmetric=symmetric)
        model.with_suffix(f".{precision}.onnx").write_bytes(small)
        found[precision] = min(one.psnr_db for one in parity(data, small, trial).values())
    return found


def manifest_line(precision: str, path: Path) -> str:
    """Return the line of engines/weights/manifest.toml for a file."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f'{precision} = {{ file = "{path.name}", bytes = {len(data)}, sha256 = "{digest}" }}'
