"""Words for people."""

from __future__ import annotations


def frames(count: int) -> str:
    """Return `1 frame`, `2 frames`, ..."""
    return "1 frame" if count == 1 else f"{count} frames"
