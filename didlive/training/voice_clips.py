"""Recorded speech of people, with the jaw as the tracker saw it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..animate import track_clip
from ..geometry import SHAPE_INDEX
from ..types import F32
from ..voice.mel import FRAME_S, RATE_HZ
from ..voice.sound import read_sound
from .voice_batches import RealClip, real_clip

# Clips of this tier of a corpus may teach weights that ship; others may judge them.
TEACHING = "A"
# A jaw that moves less, or a clip in which less is said, belongs to somebody who listens.
LEAST_MOVE, LEAST_SPOKEN_S = 0.05, 1.0


def read_clips(corpus: Path, cache: Path, tier: str = TEACHING) -> list[RealClip]:
    """Return the clips with sound of a corpus (`manifest.csv` names file, tier, audio, identity, and whether a program
    made the person), tracked once and kept in `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    clips = []
    with (corpus / "manifest.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream)
                if row["kind"] == "video" and row["tier"] == tier and row["audio"] not in ("none", "silent")
                and row["synthetic"] == "no"]
    for row in rows:
        kept = cache / f"{Path(row['file']).stem}.npz"
        if not kept.is_file():
            times_s, jaw = track_jaw(corpus / row["file"])
            np.savez(kept, times=times_s, jaw=jaw)
        with np.load(kept) as data:
            times_s, jaw = data["times"], data["jaw"]
        if np.percentile(jaw, 95) - np.percentile(jaw, 5) > LEAST_MOVE:
            clip = real_clip(read_sound(corpus / row["file"], RATE_HZ), times_s, jaw, row["identity"])
            clips += [clip] if clip.spoken.sum() * FRAME_S > LEAST_SPOKEN_S else []
    return clips


def track_jaw(clip: Path) -> tuple[F32, F32]:
    """Return (n,) times in seconds of the sound and (n,) jaw openings of the frames in which a face was seen."""
    seen = [(t.stamp.captured_ns * 1e-9, t.face.blendshapes[SHAPE_INDEX["jawOpen"]])
            for t in track_clip(clip).trackings if t.face is not None]
    times_s, jaw = (np.array(values, np.float32) for values in zip(*seen, strict=True))
    return times_s, jaw


def split_clips(clips: Sequence[RealClip]) -> tuple[list[RealClip], list[RealClip]]:
    """Return (teaching, held out): every fourth person is held out."""
    people = sorted({clip.identity for clip in clips})
    held_out = set(people[3::4])
    return [c for c in clips if c.identity not in held_out], [c for c in clips if c.identity in held_out]
