"""The `still` generator: the portrait itself. The last resort when nothing else can draw, and the picture of panic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import Drive, Patch, Portrait


@dataclass(frozen=True, slots=True)
class StillSource:
    """Nothing to prepare."""

    portrait: Portrait


class StillGenerator:
    """Draws the portrait unmoved, whatever the drive."""

    provider = "still portrait"

    def prepare(self, portrait: Portrait) -> StillSource:
        """Wrap the portrait."""
        return StillSource(portrait)

    def generate(self, source: StillSource, drive: Drive) -> Patch:
        """Return the whole portrait as the patch."""
        portrait = source.portrait
        alpha = None if portrait.alpha is None else np.ascontiguousarray(portrait.alpha)
        return Patch(portrait.image, 0, 0, drive.stamp.mark("generate"), alpha)
