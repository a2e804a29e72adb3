"""Times the whole generator on an NVIDIA card, through PyTorch where no TensorRT runs:
`python tests/gpu/bench_graph.py`.

It reads the very ONNX file that TensorRT gets, checks the picture against ONNX Runtime on the CPU, records one CUDA
graph per frame and prints medians over 500 frames: the network alone, and with the copies of what changes per frame
from and to pinned memory. Needs torch with CUDA, onnx, onnxruntime; no part of the product.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1] / "engines")]

import networks

from engines import weights
from engines.golden import make_frame, psnr_db
from engines.graph import SIZES, generator
from engines.ort import open_ort
from engines.quantise import halve

PER_FRAME = ("grid", "overlay", "matrices", "inverses", "mouth_guide", "eyes_guide", "face_guide", "mouth_feather",
             "eyes_feather", "face_feather")
TYPES = {1: torch.float32, 2: torch.uint8, 7: torch.int64, 10: torch.float16}
MODES = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}
Node = tuple[str, list[str], list[str], dict[str, Any]]


def convolve(x: list[Any], a: dict[str, Any]) -> torch.Tensor:
    pads = a.get("pads", [0, 0, 0, 0])
    return F.conv2d(x[0], x[1], x[2] if len(x) > 2 else None, a.get("strides", 1), tuple(pads[:2]),
                    a.get("dilations", 1), a.get("group", 1))


def cut(x: list[Any], a: dict[str, Any]) -> torch.Tensor:
    out = x[0]
    steps = x[4] if len(x) > 4 else np.ones(len(x[1]), np.int64)
    for start, end, axis, step in zip(x[1], x[2], x[3], steps, strict=True):
        length = out.shape[axis]
        out = out[(slice(None),) * (int(axis) % out.ndim) + (slice(int(start), min(int(end), length), int(step)),)]
    return out


def pad(x: list[Any], a: dict[str, Any]) -> torch.Tensor:
    n = x[0].ndim
    flat = [int(v) for axis in range(n - 1, -1, -1) for v in (x[1][axis], x[1][n + axis])]
    return F.pad(x[0], flat)


def to_depth(x: list[Any], a: dict[str, Any]) -> torch.Tensor:
    b, (n, c, h, w) = a["blocksize"], x[0].shape
    return x[0].reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h // b, w // b)


def to_space(x: list[Any], a: dict[str, Any]) -> torch.Tensor:
    if a.get("mode", b"DCR") == b"CRD":
        return F.pixel_shuffle(x[0], a["blocksize"])
    b, (n, c, h, w) = a["blocksize"], x[0].shape
    return x[0].reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // (b * b), h * b, w * b)


OPS: dict[str, Callable[[list[Any], dict[str, Any]], Any]] = {
    "Conv": convolve, "Slice": cut, "Pad": pad, "SpaceToDepth": to_depth, "DepthToSpace": to_space,
    "Add": lambda x, a: x[0] + x[1], "Sub": lambda x, a: x[0] - x[1], "Mul": lambda x, a: x[0] * x[1],
    "Div": lambda x, a: x[0] / x[1], "Sum": lambda x, a: sum(x[1:], x[0]), "Abs": lambda x, a: x[0].abs(),
    "Max": lambda x, a: torch.stack(x).amax(0) if len(x) > 2 else torch.maximum(x[0], x[1]),
    "Greater": lambda x, a: x[0] > x[1], "Round": lambda x, a: x[0].round(), "Identity": lambda x, a: x[0],
    "Relu": lambda x, a: F.relu(x[0]), "LeakyRelu": lambda x, a: F.leaky_relu(x[0], a.get("alpha", 0.01)),
    "Clip": lambda x, a: x[0].clamp(float(x[1]), float(x[2])), "Cast": lambda x, a: x[0].to(TYPES[a["to"]]),
    "Concat": lambda x, a: torch.cat(x, a["axis"]), "Transpose": lambda x, a: x[0].permute(a["perm"]),
    "Reshape": lambda x, a: x[0].reshape([int(v) for v in x[1]]),
    "Expand": lambda x, a: x[0].expand([int(v) for v in x[1]]),
    "Unsqueeze": lambda x, a: x[0].unsqueeze(int(x[1][0])),
    "ReduceSum": lambda x, a: x[0].sum(tuple(int(v) for v in x[1]), keepdim=bool(a.get("keepdims", 1))),
    "AveragePool": lambda x, a: F.avg_pool2d(x[0], a["kernel_shape"], a["strides"]),
    "Resize": lambda x, a: F.interpolate(x[0], scale_factor=[float(v) for v in x[2][2:]], mode="nearest"),
    "GridSample": lambda x, a: F.grid_sample(
        x[0], x[1], MODES[a["mode"].decode()], a["padding_mode"].decode(), bool(a["align_corners"])),
}  # fmt: skip


class Graph(torch.nn.Module):
    """An ONNX graph, node by node; constants of shapes and limits stay on the CPU."""

    def __init__(self, model: bytes, device: str):
        super().__init__()
        graph = onnx.load_from_string(model).graph
        self.nodes: list[Node] = []
        self.fixed: dict[str, Any] = {"": None}
        tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                tensors[node.output[0]] = numpy_helper.to_array(attributes["value"])
            else:
                self.nodes.append((node.op_type, list(node.input), list(node.output), attributes))
        hosts = {name for kind, names, _, _ in self.nodes for name in names[1:]
                 if kind in ("Slice", "Pad", "Reshape", "Expand", "Unsqueeze", "ReduceSum", "Clip", "Resize")}
        for name, value in tensors.items():
            self.fixed[name] = value if name in hosts else torch.from_numpy(value.copy()).to(device)

    def forward(self, feeds: dict[str, torch.Tensor]) -> torch.Tensor:
        values = {**self.fixed, **feeds}
        for kind, names, outputs, attributes in self.nodes:
            values[outputs[0]] = OPS[kind]([values[n] for n in names], attributes)
        return values["image"].contiguous()


def median_ms(run: Callable[[], None], tries: int) -> tuple[float, float]:
    """Return the median and 99th percentile of the time from the call to the end on the card, in ms."""
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return statistics.median(times), times[int(0.99 * tries)]


def record(work: Callable[[], Any]) -> tuple[torch.cuda.CUDAGraph, Any]:
    """Return a CUDA graph of the work, and the tensors it writes."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = work()
    return graph, out


@torch.inference_mode()
def measure(name: str, refiner: bytes, size: int, tries: int, compiled: bool) -> None:
    model = generator(refiner, size)
    reference = open_ort("generator", "fp32", model)
    frame = make_frame(reference.inputs, reference.dtypes)
    feeds = {key: torch.from_numpy(value).cuda() for key, value in frame.items()}
    net: Any = Graph(model, "cuda")
    if compiled:
        net = torch.compile(net, mode="max-autotune-no-cudagraphs", dynamic=False)
    graph, out = record(lambda: net(feeds))
    graph.replay()
    torch.cuda.synchronize()
    psnr = psnr_db(reference.run(frame), {"image": out.cpu().numpy()})
    pinned = {key: torch.from_numpy(frame[key]).pin_memory() for key in PER_FRAME}
    picture = torch.empty_like(out, device="cpu").pin_memory()

    def with_copies() -> None:
        for key, value in pinned.items():
            feeds[key].copy_(value, non_blocking=True)
        graph.replay()
        picture.copy_(out, non_blocking=True)

    for _ in range(50):
        with_copies()
    alone, whole = median_ms(graph.replay, tries), median_ms(with_copies, tries)
    print(f"{name:26} {size:5}  network {alone[0]:.3f} / {alone[1]:.3f} ms  with copies {whole[0]:.3f} / "
          f"{whole[1]:.3f} ms  {psnr:.0f} dB against the CPU", flush=True)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refiner", type=Path, help="an ONNX refiner; by default the shipped one, else random weights")
    parser.add_argument("--tries", type=int, default=500)
    args = parser.parse_args()
    if args.refiner:
        refiner = args.refiner.read_bytes()
    elif "refiner" in weights.catalogue():
        refiner = weights.read(weights.find("refiner"))
    else:
        refiner = networks.refiner(32)
    torch.backends.cudnn.benchmark = True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}; median / p99")
    for size in SIZES:
        for name, data in (("fp32", refiner), ("fp16", halve(refiner))):
            for compiled in (False, True):
                label = f"torch {name}{', compiled' if compiled else ''}, graph"
                try:
                    measure(label, data, size, args.tries, compiled)
                except Exception as error:  # noqa: BLE001 - one way that fails must not hide the others
                    print(f"{label} {size}: {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
