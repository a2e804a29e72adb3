"""The few calls of the CUDA runtime that engines need; each error becomes an exception."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from .engine import Array, EngineFailed, EngineLost, Shape


class Cuda:
    """One stream on the first card. runtime: the module `cuda.bindings.runtime`. Raises EngineFailed when it is absent;
    its methods raise EngineLost."""

    def __init__(self, runtime: Any = None):
        if runtime is None:
            try:
                runtime = import_module("cuda.bindings.runtime")
            except ImportError as error:
                raise EngineFailed('cuda-bindings is not installed (pip install "didlive[rtx]")') from error
        self._runtime = runtime
        self._free: list[tuple[str, Any]] = []
        # Not the default stream: work there waits for every other stream.
        self.stream = self._call("cudaStreamCreateWithFlags", runtime.cudaStreamNonBlocking)
        self._free.append(("cudaStreamDestroy", self.stream))

    def _call(self, name: str, *arguments: Any) -> Any:
        error, *values = getattr(self._runtime, name)(*arguments)
        if int(error):
            raise EngineLost(f"{name}: {getattr(error, 'name', error)}")
        return values[0] if values else None

    def device(self, size: int) -> int:
        """Return the address of new memory on the card, `size` bytes."""
        address = int(self._call("cudaMalloc", size))
        self._free.append(("cudaFree", address))
        return address

    def host(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Return an array in pinned memory, which the card reads and writes by itself; zeros."""
        size = int(np.prod(shape)) * dtype.itemsize
        address = int(self._call("cudaHostAlloc", size, self._runtime.cudaHostAllocDefault))
        self._free.append(("cudaFreeHost", address))
        array = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address)).view(dtype).reshape(shape)
        array[...] = 0
        return array

    def upload(self, address: int, array: Array) -> None:
        """Queue a copy from pinned memory to the card."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, kind, self.stream)

    def download(self, array: Array, address: int) -> None:
        """Queue a copy from the card to pinned memory."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, kind, self.stream)

    def wait(self) -> None:
        """Wait until all that was queued is done."""
        self._call("cudaStreamSynchronize", self.stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return a function that queues again, as one CUDA graph, what `work` queues."""
        self._call("cudaStreamBeginCapture", self.stream,
                   self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
        try:
            work()
        finally:
            graph = self._call("cudaStreamEndCapture", self.stream)
        ready = self._call("cudaGraphInstantiate", graph, 0)
        self._free.append(("cudaGraphExecDestroy", ready))
        self._call("cudaGraphDestroy", graph)
        return lambda: self._call("cudaGraphLaunch", ready, self.stream)

    def close(self) -> None:
        """Free everything, the newest first; a card that is gone has freed it already."""
        while self._free:
            name, thing = self._free.pop()
            getattr(self._runtime, name)(thing)
