"""Code that runs networks, and the weights that ship with the project."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .engine import Engine, EngineFailed, EngineLost
from .weights import FOLDER, find, read

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BACKENDS", "Engine", "EngineFailed", "EngineLost", "open_engine"]

# Name -> what opens it: (name, precision, model, threads) -> Engine. Adding one is one file and one line.
BACKENDS = {
    "ort": "engines.ort:open_ort",
    "openvino": "engines.openvino:open_openvino",
}


def open_engine(name: str, backend: str = "auto", threads: int | None = None, precision: str = "fp32",
                folder: Path = FOLDER) -> Engine:
    """Open a network of the manifest (`engines/weights/manifest.toml`) on a backend.

    backend: a name of BACKENDS, or auto. threads: for CPUs; None leaves one core free. Raises EngineFailed.
    """
    chosen = "ort" if backend == "auto" else backend
    if chosen not in BACKENDS:
        raise EngineFailed(f"no engine is called {backend!r}; choose one of: auto, {', '.join(BACKENDS)}")
    module, attribute = BACKENDS[chosen].split(":")
    return getattr(import_module(module), attribute)(name, precision, read(find(name, precision, folder)), threads)
