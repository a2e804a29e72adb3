"""Code that runs networks, and the weights that ship with the project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .engine import Engine, EngineFailed, EngineLost
from .weights import FOLDER

# ONNX Runtime (1.31) keeps a file of what it runs on and sends it to its maker, under a number that it makes up once.
# It looks at this while it is imported; what it offers to call is too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["Engine", "EngineFailed", "EngineLost", "open_engine", "open_generators"]


def open_engine(name: str, backend: str = "auto", threads: int | None = None, precision: str | None = None,
                folder: Path = FOLDER, tell: Callable[[str], None] | None = None) -> Engine:
    """Open a network of the manifest (`engines/weights/manifest.toml`).

    backend: auto (the fastest that computes what the CPU does; tried once, then remembered), or a name of
    `engines.backends`. threads: for CPUs; None leaves one core free. precision: fp32, int8 ...; None takes the fastest
    that the backend has. tell: called with a line when a device is lost and the CPU takes over. Raises EngineFailed.
    """
    from .backends import open_candidate
    from .select import candidates, choose, open_auto

    if backend == "auto" and precision is None:
        return open_auto(name, threads, folder, tell=tell)
    if backend == "auto":
        backend = "ort"
    pairs = candidates(name, backend, folder)
    if precision is None and len(pairs) > 1:
        return choose(name, backend, threads, folder).engine
    return open_candidate(name, backend, precision or (pairs[0][1] if pairs else "fp32"), threads, folder)


def open_generators(folder: Path = FOLDER) -> dict[int, Engine]:
    """Return the engines that draw whole pictures on this machine's card (`engines.graph`), by size in px; usually
    none. Raises nothing."""
    from .select import open_whole

    return open_whole(folder)
