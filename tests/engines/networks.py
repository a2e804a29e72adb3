"""Networks of the shipped shapes with random weights, made on the spot."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MOUTH, EYES, FACE = 12, 9, 9
INPUTS = {"mouth": (1, MOUTH, 96, 128), "eyes": (2, EYES, 64, 64), "face": (1, FACE, 64, 64)}
OUTPUTS = {"mouth_out": (1, 3, 96, 128), "eyes_out": (2, 3, 64, 64), "face_out": (1, 3, 64, 64)}


class _Net:
    """Nodes and weights of a graph in the making."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{kind}_{name}", **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def conv(self, x: str, into: int, out: int, gain: float = 1.0) -> str:
        weight = self.rng.normal(0, gain * np.sqrt(2 / (9 * into)), (out, into, 3, 3)).astype(np.float32)
        return self.add("Conv", [x, self.constant(weight), self.constant(np.zeros(out, np.float32))],
                        pads=[1, 1, 1, 1], kernel_shape=[3, 3])

    def unet(self, x: str, into: int, output: str, width: int) -> None:
        """Unshuffle 4, residual blocks, one scale down and up, shuffle 4."""
        stem = self.add("LeakyRelu", [self.conv(self.add("SpaceToDepth", [x], blocksize=4), 16 * into, width)],
                        alpha=0.2)
        low = self.add("SpaceToDepth", [stem], blocksize=2)
        low = self.add("LeakyRelu", [self.conv(low, 4 * width, 2 * width)], alpha=0.2)
        for _ in range(2):
            inner = self.add("LeakyRelu", [self.conv(low, 2 * width, 2 * width)], alpha=0.2)
            low = self.add("Add", [low, self.conv(inner, 2 * width, 2 * width, 0.3)])
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        up = self.add("Resize", [self.conv(low, 2 * width, width), "", scales], mode="nearest",
                      coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        both = self.add("LeakyRelu", [self.add("Add", [up, stem])], alpha=0.2)
        self.add("DepthToSpace", [self.conv(both, width, 48, 0.15)], output, blocksize=4, mode="CRD")


def refiner(width: int = 16, seed: int = 0) -> bytes:
    """Return an ONNX refiner with random weights: inputs and outputs as the shipped one."""
    net = _Net(seed)
    for (name, shape), output in zip(INPUTS.items(), OUTPUTS, strict=True):
        net.unet(name, shape[1], output, width)
    graph = helper.make_graph(net.nodes, "refiner", [_info(n, s) for n, s in INPUTS.items()],
                              [_info(n, s) for n, s in OUTPUTS.items()], net.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _info(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def feeds(seed: int = 1) -> dict[str, np.ndarray]:
    """Return one set of inputs, smooth as pictures are."""
    rng = np.random.default_rng(seed)
    low = {name: rng.random((*shape[:2], shape[2] // 8, shape[3] // 8), dtype=np.float32)
           for name, shape in INPUTS.items()}
    return {name: np.ascontiguousarray(value.repeat(8, 2).repeat(8, 3)) for name, value in low.items()}


def ship(folder: Path, name: str = "refiner", **files: bytes) -> Path:
    """Write networks (precision=bytes) and their manifest as `engines/weights` holds them; return the folder."""
    lines = [f"[{name}]", 'licence = "CC0-1.0"']
    for precision, data in files.items():
        path = folder / f"{name}-{precision}.onnx"
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        lines.append(f'{precision} = {{ file = "{path.name}", bytes = {len(data)}, sha256 = "{digest}" }}')
    (folder / "manifest.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder
