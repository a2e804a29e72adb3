"""Words for people."""

from __future__ import annotations


def storable(text: str) -> str:
    """Return a text that any file can hold: a file's name may have bytes that are no letters (of another encoding)."""
    return text.encode(errors="replace").decode()


def incomplete(count: int) -> str:
    """Return what is said of a clip of which only `count` frames could be read."""
    return f"the clip is damaged or incomplete; {frames(count)} could be read"


def frames(count: int) -> str:
    """Return `1 frame`, `2 frames`, ..."""
    return "1 frame" if count == 1 else f"{count} frames"
