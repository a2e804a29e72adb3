"""The networks that ship with the project: read only when their size and SHA-256 are those of the manifest."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .engine import EngineFailed

FOLDER = Path(__file__).parent / "weights"
PRECISIONS = ("fp32", "fp16", "int8", "s8")


@dataclass(frozen=True, slots=True)
class Weights:
    """One ONNX file: network, precision (fp32, fp16; int8: uint8 activations, for CPUs; s8: symmetric, for TensorRT),
    path, SHA-256 in hex, size in bytes, licence."""

    name: str
    precision: str
    path: Path
    sha256: str
    size: int
    licence: str


def catalogue(folder: Path = FOLDER) -> dict[str, dict[str, Weights]]:
    """Return network -> precision -> file, as `manifest.toml` lists them."""
    table = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    return {
        name: {
            precision: Weights(name, precision, folder / entry[precision]["file"], entry[precision]["sha256"],
                               entry[precision]["bytes"], entry["licence"])
            for precision in PRECISIONS if precision in entry
        }
        for name, entry in table.items()
    }  # fmt: skip


def find(name: str, precision: str = "fp32", folder: Path = FOLDER) -> Weights:
    """Return one entry of the manifest. Raises EngineFailed with the known names."""
    networks = catalogue(folder)
    if name not in networks:
        raise EngineFailed(f"no network is called {name!r}; known: {', '.join(networks) or 'none'}")
    if precision not in networks[name]:
        raise EngineFailed(f"{name} has no {precision} weights, only {', '.join(networks[name])}")
    return networks[name][precision]


def read(entry: Weights) -> bytes:
    """Return the checked bytes of a network. Raises EngineFailed when the file is absent or not the known one."""
    try:
        # One byte more than expected is enough to see that it is another file, however large.
        with entry.path.open("rb") as stream:
            data = stream.read(entry.size + 1)
    except OSError as error:
        raise EngineFailed(f"{entry.path} cannot be read ({error.strerror}); install didlive again") from error
    if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise EngineFailed(f"{entry.path} is damaged or not the file that ships with didlive; install didlive again")
    return data
