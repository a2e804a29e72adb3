"""int8 files from a float32 network and a set of real inputs: one kind for CPUs, one for TensorRT.

Needs `onnx`; the app itself never quantises.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .engine import Array
from .ort import open_ort

Sample = Mapping[str, Array]


def load_samples(path: Path) -> list[dict[str, Array]]:
    """Return the inputs stored in an npz: per input name one float32 array (N, *shape), N samples."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1:
        raise ValueError(f"{path} holds different numbers of samples per input: {sorted(counts)}")
    return [{name: np.ascontiguousarray(array[i]) for name, array in arrays.items()} for i in range(counts.pop())]


def quantise(model: bytes, samples: Sequence[Sample], symmetric: bool = False, keep: Sequence[str] = (),
             percentile: float | None = None) -> bytes:
    """Return the network with its convolutions in int8, ranges measured on `samples`.

    symmetric: False for CPUs (uint8 activations, int8 weights per channel), True for TensorRT (int8 both, biases left
    in float: its parser refuses quantised ones). keep: nodes that stay in float32. percentile: share of the values that
    must fit into the range, in percent; None takes them all.
    """
    from onnxruntime import quantization as tool

    class Reader(tool.CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[Sample] = iter(samples)

        def get_next(self) -> dict[str, Array]:
            # The base class promises a dict; the caller stops at an empty one.
            return dict(next(self.left, {}))

    options: dict[str, object] = {"WeightSymmetric": True, "ActivationSymmetric": symmetric}
    if percentile is not None:
        options["CalibPercentile"] = percentile
    if symmetric:
        options |= {"AddQDQPairToWeight": True, "QuantizeBias": False}
    with tempfile.TemporaryDirectory(prefix="didlive-int8-") as folder:
        source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        source.write_bytes(_inferred(model))
        # The tool prints its progress.
        with contextlib.redirect_stdout(io.StringIO()):
            tool.quantize_static(
                source, target, Reader(), quant_format=tool.QuantFormat.QDQ, per_channel=True,
                activation_type=tool.QuantType.QInt8 if symmetric else tool.QuantType.QUInt8,
                weight_type=tool.QuantType.QInt8, op_types_to_quantize=["Conv"], nodes_to_exclude=list(keep),
                calibrate_method=getattr(tool.CalibrationMethod, "MinMax" if percentile is None else "Percentile"),
                extra_options=options,
            )  # fmt: skip
        return target.read_bytes()


def _inferred(model: bytes) -> bytes:
    """Return the network with the shapes of everything inside it, marked as the tool's own preparation does."""
    import onnx

    loaded = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
    onnx.helper.set_model_props(loaded, {"onnx.quant.pre_process": "onnxruntime.quant"})
    return loaded.SerializeToString()


def halve(model: bytes) -> bytes:
    """Return the network in float16 with float32 inputs and outputs; GridSample stays float32, since a float16 grid
    resolves only a quarter of a pixel at 1024 px."""
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    loaded = onnx.load_from_string(model)
    blocked = [*DEFAULT_OP_BLOCK_LIST, "GridSample"]
    half = convert_float_to_float16(loaded, keep_io_types=True, op_block_list=blocked)
    _sort(half.graph)
    return half.SerializeToString()


def _sort(graph: Any) -> None:
    """Put nodes after those they read from: the conversion appends its casts at the end."""
    made = {name: node for node in graph.node for name in node.output}
    order: list[Any] = []
    seen: set[str] = set()
    stack = [(node, False) for node in reversed(graph.node)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node.output[0] not in seen:
            seen.add(node.output[0])
            stack.append((node, True))
            stack.extend((made[name], False) for name in node.input if name in made)
    del graph.node[:]
    graph.node.extend(order)


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an output is from the reference: PSNR in dB for a range of 1, and the largest difference."""

    psnr_db: float
    largest: float


def parity(reference: bytes, other: bytes, samples: Sequence[Sample]) -> dict[str, Parity]:
    """Run two networks on the CPU and compare each output over all samples."""
    left, right = open_ort("reference", "fp32", reference), open_ort("other", "fp32", other)
    square = dict.fromkeys(left.outputs, 0.0)
    largest = dict.fromkeys(left.outputs, 0.0)
    for sample in samples:
        expected, got = left.run(sample), right.run(sample)
        for name in left.outputs:
            error = got[name].astype(np.float64) - expected[name]
            square[name] += float((error * error).mean()) / len(samples)
            largest[name] = max(largest[name], float(np.abs(error).max()))
    return {name: Parity(-10 * float(np.log10(max(square[name], 1e-12))), largest[name]) for name in left.outputs}
