"""From checkpoints to the ONNX file that ships, with its line of the manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import BadInput
from ..generate.canonical import EYE, FACE, MOUTH
from .loop import load_state
from .nets import Refiner

OPSET = 18
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


def export_refiner(folder: Path, out: Path) -> str:
    """Write the refiner as ONNX (float32, fixed shapes) and return its SHA-256. Raises BadInput."""
    net = load_refiner(folder)
    inputs = tuple(torch.zeros(shape) for shape in SHAPES.values())
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(net, inputs, str(out), input_names=list(SHAPES), opset_version=OPSET, dynamo=False,
                      output_names=[f"{name}_out" for name in SHAPES])
    return hashlib.sha256(out.read_bytes()).hexdigest()


@torch.no_grad()
def run(net: Refiner, region: str, x: Tensor) -> Tensor:
    """Return a region's residual for a batch (N, C, H, W), in float32 units of 0..1."""
    return getattr(net, region)(x).float()


def calibration(folders_of_crops: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Return inputs for quantisation: name -> (count, *shape) float32, from sample crops (N, n, H, W, C + 3)."""
    out = {}
    for name, shape in SHAPES.items():
        rows = np.linspace(0, len(folders_of_crops[name]) - 1, count).astype(int)
        crops = np.stack([folders_of_crops[name][row] for row in rows])[..., :-3]
        out[name] = (crops.transpose(0, 1, 4, 2, 3).astype(np.float32) / 127.5 - 1).reshape(count, *shape)
    return out
