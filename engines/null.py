"""The engine that runs nothing: every output is zero, which for a residual means the plain warp."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .engine import Array, EngineFailed, Feeds
from .ort import open_ort


class NullEngine:
    """Takes the inputs of a network and answers with zeros; see `engines.engine.Engine`."""

    provider = "none: the network is off"

    def __init__(self, name: str, model: bytes):
        self.name = name
        shape_of = open_ort(name, "fp32", model, 1)
        self.inputs, self.outputs, self.dtypes = shape_of.inputs, shape_of.outputs, shape_of.dtypes
        shape_of.close()
        self._feeds: Feeds | None = Feeds(self.inputs, self.dtypes)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Check the inputs and return zeros."""
        if self._feeds is None:
            raise EngineFailed(f"{self.name} is closed")
        self._feeds.update(feeds)
        return {name: np.zeros(shape, self.dtypes[name]) for name, shape in self.outputs.items()}

    def close(self) -> None:
        """Nothing to free."""
        self._feeds = None


def open_null(name: str, precision: str, model: bytes, threads: int | None = None) -> NullEngine:
    """Return the null engine of a network."""
    return NullEngine(name, model)
