"""A stand-in for a card: the CUDA runtime and TensorRT's runtime classes, as far as engines use them.

Nothing here runs on a GPU. Memory is host memory; work is queued on a stream and done when the stream is waited for, so
a result that is read too early is the old one. `tests/engines/test_tensorrt.py` checks every name against the real
modules.
"""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from engines.engine import Engine


class CudaError(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorIllegalAddress = 700


class Runtime:
    """`cuda.bindings.runtime`. lost: every call fails from now on. calls: names in order."""

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self) -> None:
        self._memory: dict[int, Any] = {}
        self._queue: list[Callable[[], None]] = []
        self._graph: list[Callable[[], None]] | None = None
        self._calls: list[str] = []
        self._lost = False

    def _answer(self, name: str, value: Any = None) -> tuple[Any, ...]:
        self._calls.append(name)
        if self._lost:
            return (CudaError.cudaErrorIllegalAddress, value) if value is not None else (
                CudaError.cudaErrorIllegalAddress,)
        return (CudaError.cudaSuccess, value) if value is not None else (CudaError.cudaSuccess,)

    def _queue_work(self, work: Callable[[], None]) -> None:
        (self._queue if self._graph is None else self._graph).append(work)

    def _allocate(self, size: int) -> int:
        block = (ctypes.c_uint8 * size)(*([0xAB] * min(size, 64)))
        self._memory[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        return self._answer("cudaStreamCreateWithFlags", 7)

    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:
        return self._answer("cudaStreamDestroy")

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        return self._answer("cudaMalloc", self._allocate(size))

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Any, ...]:
        return self._answer("cudaHostAlloc", self._allocate(size))

    def cudaFree(self, devPtr: int) -> tuple[Any, ...]:
        del self._memory[devPtr]
        return self._answer("cudaFree")

    def cudaFreeHost(self, ptr: int) -> tuple[Any, ...]:
        del self._memory[ptr]
        return self._answer("cudaFreeHost")

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: int, stream: int) -> tuple[Any, ...]:
        assert {dst, src} <= set(self._memory) and stream == 7
        self._queue_work(lambda: ctypes.memmove(dst, src, count) and None)
        return self._answer("cudaMemcpyAsync")

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        if not self._lost:
            for work in self._queue:
                work()
        self._queue.clear()
        return self._answer("cudaStreamSynchronize")

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[Any, ...]:
        self._graph = []
        return self._answer("cudaStreamBeginCapture")

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, ...]:
        graph, self._graph = self._graph, None
        return self._answer("cudaStreamEndCapture", graph)

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[Any, ...]:
        return self._answer("cudaGraphInstantiate", list(graph))

    def cudaGraphDestroy(self, graph: Any) -> tuple[Any, ...]:
        graph.clear()
        return self._answer("cudaGraphDestroy")

    def cudaGraphLaunch(self, graphExec: Any, stream: int) -> tuple[Any, ...]:
        self._queue.extend(graphExec)
        return self._answer("cudaGraphLaunch")

    def cudaGraphExecDestroy(self, graphExec: Any) -> tuple[Any, ...]:
        return self._answer("cudaGraphExecDestroy")


class IRuntimeCache:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self._blob = b""

    def deserialize(self, blob: bytes) -> bool:
        self._blob = blob
        return True

    def serialize(self) -> bytes:
        return self._blob or b"compiled kernels"


class IRuntimeConfig:
    cuda_graph_strategy = None

    def create_runtime_cache(self) -> IRuntimeCache:
        return IRuntimeCache()

    def set_runtime_cache(self, cache: IRuntimeCache) -> bool:
        return True


class IExecutionContext:
    """Runs a real engine on the CPU, on the memory it was bound to, when its turn on the stream comes."""

    def __init__(self, cuda: Runtime, engine: Engine):
        self._cuda, self._engine = cuda, engine
        self._addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        self._cuda._calls.append("execute_async_v3")
        self._cuda._queue_work(self._work)
        return not self._cuda._lost

    def _at(self, name: str) -> np.ndarray:
        shape = {**self._engine.inputs, **self._engine.outputs}[name]
        dtype = self._engine.dtypes[name]
        block = (ctypes.c_uint8 * (int(np.prod(shape)) * dtype.itemsize)).from_address(self._addresses[name])
        return np.ctypeslib.as_array(block).view(dtype).reshape(shape)

    def _work(self) -> None:
        for name, value in self._engine.run({name: self._at(name).copy() for name in self._engine.inputs}).items():
            self._at(name)[...] = value


class ICudaEngine:
    def __init__(self, cuda: Runtime, engine: Engine):
        self._cuda, self._engine = cuda, engine
        self._names = [*engine.inputs, *engine.outputs]
        self.num_io_tensors = len(self._names)

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return {**self._engine.inputs, **self._engine.outputs}[name]

    def get_tensor_dtype(self, name: str) -> Any:
        return self._engine.dtypes[name]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name in self._engine.inputs else "out"

    def create_runtime_config(self) -> IRuntimeConfig:
        return IRuntimeConfig()

    def create_execution_context(self, config: IRuntimeConfig | None = None) -> IExecutionContext:
        return IExecutionContext(self._cuda, self._engine)


def module(cuda: Runtime, engine: Engine, rtx: bool) -> Any:
    """Return a stand-in for `tensorrt_rtx` (rtx) or `tensorrt`, whose every engine is `engine`."""

    class TrtRuntime:
        engine_host_code_allowed = True

        def __init__(self, logger: Any): ...

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            return ICudaEngine(cuda, engine) if serialized_engine == b"engine" else None

    class Plain:
        Severity = SimpleNamespace(WARNING=2)

    names = {"__name__": f"standin_{rtx}", "Runtime": TrtRuntime, "ILogger": Plain, "IErrorRecorder": Plain,
             "TensorIOMode": SimpleNamespace(INPUT="in", OUTPUT="out"), "nptype": lambda dtype: dtype}
    if rtx:
        names["CudaGraphStrategy"] = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")
    return SimpleNamespace(**names)
