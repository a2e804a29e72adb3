"""What there is to play at once: portraits that come with dependencies, and a short recorded performance of ours."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from .errors import BadInput

GRACE_HOPPER = ("Grace Hopper", "matplotlib", Path("mpl-data", "sample_data", "grace_hopper.jpg"))
ASTRONAUT = ("Eileen Collins", "skimage", Path("data", "astronaut.png"))
ANIME = ("Anime", "didlive", Path("data", "anime.png"))


def _installed(package: str, file: Path) -> Path | None:
    """Return the path of a package's file without importing the package, or None."""
    spec = find_spec(package)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for folder in folders if (path := Path(folder) / file).is_file()), None)


def sample_portraits() -> tuple[tuple[str, Path], ...]:
    """Return (name, path) of the built-in portraits that are there: Grace Hopper (US Navy, from Matplotlib's sample
    data) and Eileen Collins (NASA, from scikit-image's), both in the public domain, and a drawn face of ours."""
    found = ((name, _installed(package, file)) for name, package, file in (GRACE_HOPPER, ASTRONAUT, ANIME))
    return tuple((name, path) for name, path in found if path is not None)


def demo_portrait() -> Path:
    """Return the first built-in portrait. Raises BadInput when there is none."""
    for _, path in sample_portraits():
        return path
    raise BadInput("the built-in portrait (Matplotlib's sample data) is not installed; name one with --portrait")


def demo_motion() -> Path:
    """Return the motion file of the demo: nine seconds of talking, a smile, blinks and a look around."""
    return Path(str(files("didlive") / "data" / "demo_motion.npz"))
