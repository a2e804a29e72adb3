"""What a speech engine returns: samples, and phoneme times where it knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..types import F32


class Phoneme(NamedTuple):
    """One speech sound: start and end in seconds from the first sample, and its name in IPA."""

    start_s: float
    end_s: float
    ipa: str


@dataclass(frozen=True, slots=True)
class Speech:
    """Spoken sound: `samples` (n,) float32 mono -1..1 at `rate_hz`; `phonemes` in order of time, or None when the
    engine does not tell: then the lips are read from the sound.

    Any function that returns this can speak for a portrait: see `didlive.voice.perform.perform`.
    """

    samples: F32
    rate_hz: int
    phonemes: tuple[Phoneme, ...] | None = None
