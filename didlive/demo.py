"""What `--demo` plays: a portrait that comes with a dependency, and a short recorded performance that comes with us."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from .errors import BadInput

PORTRAIT = Path("mpl-data", "sample_data", "grace_hopper.jpg")


def demo_portrait() -> Path:
    """Return Grace Hopper's official portrait (US Navy, public domain) from Matplotlib's sample data, without importing
    Matplotlib. Raises BadInput when it is not there."""
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / PORTRAIT
        if path.is_file():
            return path
    raise BadInput("the built-in portrait (Matplotlib's sample data) is not installed; name one with --portrait")


def demo_motion() -> Path:
    """Return the motion file of the demo: nine seconds of talking, a smile, blinks and a look around."""
    return Path(str(files("didlive") / "data" / "demo_motion.npz"))
