"""ONNX Runtime: the CPU always; CUDA and CoreML where the installed package has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .engine import Array, EngineFailed, EngineLost, Feeds, Shape

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
LABELS = {"CPUExecutionProvider": "CPU", "CUDAExecutionProvider": "CUDA", "CoreMLExecutionProvider": "CoreML",
          "OpenVINOExecutionProvider": "OpenVINO"}
# What drivers say when a device is gone, in the messages of the providers (they have no error codes).
LOST = ("device lost", "device removed", "device-side", "cudaError", "CUDA failure", "CUDNN failure", "out of memory")


def default_threads() -> int:
    """Return how many threads a network gets: one core stays free for camera, tracking and window."""
    return max(1, (os.cpu_count() or 2) - 1)


def session_options(threads: int) -> Any:
    """Return options for a network that runs beside other work on `threads` threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Idle threads that spin would take the core of the tracker.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Not session.set_denormal_as_zero: it holds for the calling thread too, where MediaPipe then fails to start.
    return options


class OrtEngine:
    """A network in an ONNX Runtime session."""

    def __init__(self, name: str, session: Any, provider: str):
        self.name, self.provider = name, provider
        self._session = session
        nodes = [*session.get_inputs(), *session.get_outputs()]
        unknown = [node.name for node in nodes if node.type not in DTYPES]
        if unknown:
            raise EngineFailed(f"{name}: {', '.join(unknown)} is neither float nor uint8")
        self.dtypes: dict[str, np.dtype[Any]] = {node.name: np.dtype(DTYPES[node.type]) for node in nodes}
        self.inputs: dict[str, Shape] = {node.name: tuple(node.shape) for node in session.get_inputs()}
        self.outputs: dict[str, Shape] = {node.name: tuple(node.shape) for node in session.get_outputs()}
        self._feeds = Feeds(self.inputs, self.dtypes)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run the network; see `engines.engine.Engine`."""
        if self._session is None:
            raise EngineFailed(f"{self.name} is closed")
        values = self._feeds.update(feeds)
        try:
            results = self._session.run(list(self.outputs), values)
        except Exception as error:
            raise failure(self.name, error) from error
        return dict(zip(self.outputs, results, strict=True))

    def close(self) -> None:
        """Free the session."""
        self._session = None


def failure(name: str, error: Exception) -> EngineFailed:
    """Return one line about an exception of ONNX Runtime."""
    text = " ".join(str(error).split())[:300]
    kind = EngineLost if any(sign.lower() in text.lower() for sign in LOST) else EngineFailed
    return kind(f"{name}: {text or type(error).__name__}")


def open_ort(name: str, precision: str, model: bytes, threads: int | None = None,
             provider: str = "CPUExecutionProvider") -> OrtEngine:
    """Build a session for a checked ONNX model on one provider. Raises EngineFailed when it is not really used."""
    import onnxruntime

    count = threads or default_threads()
    if provider not in onnxruntime.get_available_providers():
        raise EngineFailed(f"the installed onnxruntime has no {LABELS.get(provider, provider)}")
    try:
        session = onnxruntime.InferenceSession(model, session_options(count), providers=[provider])
    except Exception as error:
        raise failure(name, error) from error
    used = session.get_providers()[0]
    if used != provider:
        raise EngineFailed(f"onnxruntime took {LABELS.get(used, used)} in place of {LABELS.get(provider, provider)}")
    label = f"ONNX Runtime {LABELS.get(used, used)}, {precision}"
    if used == "CPUExecutionProvider":
        label += f", {count} thread{'s' if count > 1 else ''}"
    return OrtEngine(name, session, label)


def open_cuda(name: str, precision: str, model: bytes, threads: int | None = None) -> OrtEngine:
    """Build a session on an NVIDIA card through onnxruntime-gpu; see `open_ort`."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # CUDA and cuDNN lie in packages of their own, where the loader does not look.
        onnxruntime.preload_dlls()
    return open_ort(name, precision, model, threads, "CUDAExecutionProvider")


def open_coreml(name: str, precision: str, model: bytes, threads: int | None = None) -> OrtEngine:
    """Build a session on Apple silicon; see `open_ort`."""
    return open_ort(name, precision, model, threads, "CoreMLExecutionProvider")
