"""Runs an engine of TensorRT-RTX or TensorRT: buffers bound once, pinned copies, one CUDA graph per frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .builder import logger
from .cuda import Cuda
from .engine import Array, EngineFailed, EngineLost, Feeds, Shape


class TrtEngine:
    """A serialised engine on the card. trt: the module `tensorrt_rtx` or `tensorrt`; see `engines.engine.Engine`.

    cache: what TensorRT-RTX compiled for this very card in an earlier run; keep: takes what it compiled in this one.
    """

    def __init__(self, name: str, provider: str, trt: Any, cuda: Cuda, data: bytes, cache: bytes = b"",
                 keep: Callable[[bytes], None] | None = None):
        self.name, self.provider = name, provider
        self._cuda: Cuda | None = cuda
        self._runtime: Any = None
        self._engine: Any = None
        self._context: Any = None
        self._cache: Any = None
        try:
            self._runtime, self._engine = deserialise(trt, data)
            self._context = self._make_context(trt, cache)
            self._bind(trt, cuda)
            self._enqueue = self._first_run(trt, cuda)
        except EngineFailed:
            self.close()
            raise
        if self._cache is not None and keep is not None:
            keep(bytes(self._cache.serialize()))

    def _make_context(self, trt: Any, cache: bytes) -> Any:
        if hasattr(trt, "CudaGraphStrategy"):
            config = self._engine.create_runtime_config()
            # TensorRT-RTX compiles kernels while it runs, so it records its own graph when it is done with that.
            config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            self._cache = config.create_runtime_cache()
            if cache:
                # A cache of another card or version is refused by itself, and written anew.
                self._cache.deserialize(cache)
            config.set_runtime_cache(self._cache)
            context = self._engine.create_execution_context(config)
        else:
            context = self._engine.create_execution_context()
        if context is None:
            raise EngineFailed(f"{self.name}: no execution context (is the card's memory full?)")
        return context

    def _bind(self, trt: Any, cuda: Cuda) -> None:
        engine = self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        shapes: dict[str, Shape] = {n: tuple(int(d) for d in engine.get_tensor_shape(n)) for n in names}
        self.dtypes: dict[str, np.dtype[Any]] = {n: np.dtype(trt.nptype(engine.get_tensor_dtype(n))) for n in names}
        inside = {n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT}
        self.inputs = {n: shapes[n] for n in names if n in inside}
        self.outputs = {n: shapes[n] for n in names if n not in inside}
        self._pinned = {n: cuda.host(shapes[n], self.dtypes[n]) for n in names}
        self._addresses = {n: cuda.device(self._pinned[n].nbytes) for n in names}
        for n in names:
            if not self._context.set_tensor_address(n, self._addresses[n]):
                raise EngineFailed(f"{self.name}: {n} cannot be bound")
        self._feeds = Feeds(self.inputs, self.dtypes)

    def _first_run(self, trt: Any, cuda: Cuda) -> Callable[[], None]:
        """Run once, since kernels are loaded (RTX: compiled) at the first run, and return what runs a frame."""
        for n in self.inputs:
            cuda.upload(self._addresses[n], self._pinned[n])
        self._execute()
        cuda.wait()
        return self._execute if hasattr(trt, "CudaGraphStrategy") else cuda.record(self._execute)

    def _execute(self) -> None:
        cuda = self._cuda
        if cuda is None or not self._context.execute_async_v3(int(cuda.stream)):
            raise EngineLost(f"{self.name}: the card takes no more work")

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run one frame; inputs that are left out stay on the card."""
        cuda = self._cuda
        if cuda is None:
            raise EngineFailed(f"{self.name} is closed")
        self._feeds.update(feeds)
        for n, value in feeds.items():
            np.copyto(self._pinned[n], value)
            cuda.upload(self._addresses[n], self._pinned[n])
        self._enqueue()
        for n in self.outputs:
            cuda.download(self._pinned[n], self._addresses[n])
        cuda.wait()
        return {n: self._pinned[n].copy() for n in self.outputs}

    def close(self) -> None:
        """Free the engine, then its memory."""
        self._context = self._cache = self._engine = self._runtime = None
        if self._cuda is not None:
            self._cuda.close()
            self._cuda = None


def deserialise(trt: Any, data: bytes) -> tuple[Any, Any]:
    """Return the runtime and the engine of checked bytes. Raises EngineFailed with the library's own words."""
    log = logger(trt)
    log.lines.clear()
    runtime = trt.Runtime(log)
    # An engine may carry code for the host; ours never do.
    runtime.engine_host_code_allowed = False
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        words = " ".join((log.lines or ["no reason given"])[0].split())[:200]
        raise EngineFailed(f"the engine was refused here: {words}")
    return runtime, engine
