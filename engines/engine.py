"""The engine seam: one network, ready to run. Registered backends are listed in `engines.BACKENDS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class EngineFailed(Exception):
    """A network cannot be opened or run here; the message is one line that says why."""


class EngineLost(EngineFailed):
    """An engine that worked has lost its device (driver reset, card unplugged, out of memory)."""


class Engine(Protocol):
    """One network with fixed shapes. Not for two threads at once; `close` may be called twice.

    name: the network. provider: what really runs it, for people ("ONNX Runtime CPU, fp32, 1 thread"). inputs, outputs:
    name -> shape. `run` takes float32 C-contiguous arrays (uint8 where `dtypes` says so) and returns new arrays. An
    input left out keeps its value of the run before, so constants are given once. Raises ValueError for a wrong name or
    shape, EngineLost when the device is gone, EngineFailed for the rest.
    """

    @property
    def name(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, Shape]: ...
    @property
    def outputs(self) -> Mapping[str, Shape]: ...
    @property
    def dtypes(self) -> Mapping[str, np.dtype[Any]]: ...
    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]: ...
    def close(self) -> None: ...


class Feeds:
    """The inputs of one engine, checked, each keeping its last value."""

    def __init__(self, shapes: Mapping[str, Shape], dtypes: Mapping[str, np.dtype[Any]]):
        self.shapes, self.dtypes = shapes, dtypes
        self.values: dict[str, Array] = {}

    def update(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Take the new values and return those of all inputs. Raises ValueError."""
        for name, value in feeds.items():
            if name not in self.shapes:
                raise ValueError(f"no input is called {name!r}; there are {', '.join(self.shapes)}")
            if value.shape != self.shapes[name] or value.dtype != self.dtypes[name]:
                raise ValueError(f"{name} must be {self.dtypes[name]} {self.shapes[name]}, "
                                 f"not {value.dtype} {value.shape}")
            self.values[name] = np.ascontiguousarray(value)
        missing = [name for name in self.shapes if name not in self.values]
        if missing:
            raise ValueError(f"inputs never given: {', '.join(missing)}")
        return self.values
