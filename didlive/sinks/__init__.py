"""Where finished frames go. `sink_for` chooses by the name of the output."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import OutputFailed
from ..registry import SINKS, load
from ..seams import AudioTap, Sink
from .files import refuse_sources

SUFFIXES = {".mp4": "mp4", ".webm": "webm", ".gif": "gif", ".webp": "webp"}


def sink_for(path: Path | str, *, audio_from: Path | str | None = None, real_time: bool = False,
             audio: AudioTap | None = None, encoder: str = "processor", sources: Iterable[Path | str] = ()) -> Sink:
    """Return the unopened sink for `path`: `.mp4`, `.webm`, `.gif`, `.webp`, or a folder of numbered PNG pictures.

    A folder is a name without an extension, one that ends in `/`, or a folder that exists. `audio_from` (a clip whose
    sound is kept) and `audio` (a microphone) matter to `.mp4` and `.webm` only, as the others have no sound, `encoder`
    (see `Mp4Sink`) to `.mp4` only; `real_time`: pictures are timed as they were captured, except in a folder.
    Raises OutputFailed for any other extension, and when `path` is, or is a folder around, one of `sources` (the files
    that the output is made from).
    """
    text = os.fspath(path)
    suffix = Path(text).suffix.lower()
    refuse_sources(Path(text), sources)
    if text.endswith(("/", os.sep)) or not suffix or (suffix not in SUFFIXES and Path(text).is_dir()):
        return load(SINKS, "png")(Path(text))
    if suffix == ".png":
        raise OutputFailed(f"{text}: a row of pictures needs a folder; end the name with / to get numbered PNG files")
    if suffix not in SUFFIXES:
        raise OutputFailed(f"{text}: unknown kind of output {suffix!r}; use {', '.join(SUFFIXES)} or a folder name/")
    name = SUFFIXES[suffix]
    more: dict[str, Any] = {"encoder": encoder} if name == "mp4" else {}
    if name in ("mp4", "webm"):
        more |= {"audio_from": audio_from, "audio": audio}
    return load(SINKS, name)(Path(text), real_time=real_time, **more)
