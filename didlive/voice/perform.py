"""Offline: a portrait speaks what a file or a speech engine says. Same input and seed, same bytes."""

from __future__ import annotations

import tempfile
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..actor import Actor, prepare_actor, repeatable
from ..animate import Performance, Progress, Report, clip_motions, closing_notes, track_clip
from ..errors import Cancelled
from ..pipeline import Renderer
from ..portrait import load_portrait
from ..seams import SOUND_HZ, StreamFormat
from ..settings import Settings
from ..sinks import sink_for
from ..types import Frame, Motion, Stamp
from .listener import faces_of
from .motion import nobody, speaking
from .mouth import LAG_S, Mouth
from .sound import read_sound
from .speech import Speech


def face_at(faces: Sequence[Mouth], time_s: float, rate_hz: float) -> Mouth:
    """Return the face to show for one picture of so many a second: the nearest in time, with the lips of the most
    closed in the picture's time, so that no p falls between two pictures."""
    step_s = faces[1].time_s - faces[0].time_s if len(faces) > 1 else 1.0

    def index(at_s: float) -> int:
        return min(max(round((at_s - faces[0].time_s) / step_s), 0), len(faces) - 1)

    # The shapes are smoothed, and so late; the closures are not.
    nearest = faces[index(time_s + LAG_S)]
    half_s = 0.5 / rate_hz
    during = faces[index(time_s - half_s):index(time_s + half_s) + 1]
    return replace(nearest, contact=max(face.contact for face in during))


def perform(speech: Speech, settings: Settings, driven: Sequence[Motion | None] = (),
            rate_hz: float | None = None) -> list[Motion]:
    """Return the motion of every picture of a speech.

    driven: the motions of a clip that moves all but the mouth, and then as long as these; without them, and before the
    clip's first face, head and eyes move by themselves, by the seed of the idle motion. rate_hz: of the pictures; None:
    as the output's.
    """
    rate_hz = rate_hz or settings.output.rate_hz
    faces = faces_of(speech)
    seed, voice = settings.motion.idle.seed, settings.voice
    count = len(driven) or max(1, int(np.ceil(len(speech.samples) / speech.rate_hz * rate_hz)))
    motions = []
    for k in range(count):
        stamp = Stamp(k, round(k * 1e9 / rate_hz))
        mouth = face_at(faces, k / rate_hz, rate_hz)
        own = driven[k] if driven else None
        liveliness = voice.liveliness if own is None else 0.0
        motions.append(speaking(own or nobody(stamp, seed), mouth, 1.0, liveliness, voice.strength))
    return motions


def draw(actor: Actor, motions: Sequence[Motion], rate_hz: float, settings: Settings,
         progress: Progress, renderer: Renderer | None = None) -> Iterator[Frame]:
    """Yield the pictures of motions."""
    renderer = renderer or Renderer(settings.motion, actor)
    for k, motion in enumerate(motions):
        yield renderer.render(motion, Stamp(k, round(k * 1e9 / rate_hz)))
        progress("draw", k + 1, len(motions))


def animate_speech(portrait: Path | str, said: Path | Speech, out: Path | str, settings: Settings, *,
                   driving: Path | None = None, face: int | None = None, signed: bool = False,
                   heard: bool = True, max_frames: int | None = None, progress: Progress = lambda *_: None,
                   cancelled: Callable[[], bool] = lambda: False) -> Report:
    """Let a portrait speak and write `out`, as `animate.animate` does; an mp4 or WebM keeps the sound.

    said: a file with sound, or what a speech engine returned; heard: whether the file keeps it. driving: a clip or
    motion file that moves all but the mouth. Raises BadInput, OutputFailed, ModelMissing, Cancelled.
    """
    start_s = time.monotonic()

    def tell(what: str, done: int, total: int) -> None:
        if cancelled():
            raise Cancelled("stopped; nothing was written")
        progress(what, done, total)

    with tempfile.TemporaryDirectory(prefix="didlive-") as folder:
        sound = said if isinstance(said, Path) else write_wav(Path(folder) / "speech.wav", said)
        speech = said if isinstance(said, Speech) else Speech(read_sound(said, SOUND_HZ), SOUND_HZ)
        sources = [path for path in (portrait, sound, driving) if path]
        sink = sink_for(str(out), audio_from=sound if heard else None, sources=sources)
        chosen = load_portrait(portrait, face, settings.output.kind)
        behind = settings.output.background
        transparent = Path(out).suffix.lower() != ".mp4" and (
            behind == "transparent" or (behind == "picture" and chosen.alpha is not None))
        actor = prepare_actor(chosen, repeatable(settings), alpha=transparent)
        width, height = actor.compositor.size
        try:
            # Opened once for trial: what cannot be written shall be known before a long clip is tracked.
            sink.open(StreamFormat(width, height, 25.0, transparent))
            sink.abort()
            clip = None if driving is None else track_clip(driving, max_frames=max_frames, progress=tell)
            rate_hz = settings.output.rate_hz if clip is None else clip.rate_hz
            motions = perform(speech, settings, _driven(clip, settings), rate_hz)[:max_frames]
            renderer = Renderer(settings.motion, actor)
            sink.open(StreamFormat(width, height, rate_hz, transparent))
            for frame in draw(actor, motions, rate_hz, settings, tell, renderer):
                sink.write(frame)
            sink.close()
        except BaseException:
            sink.abort()
            raise
    lost = 0 if clip is None else sum(t.face is None for t in clip.trackings)
    notes = (*chosen.warnings, *_clip_notes(clip, speech, max_frames),
             *closing_notes(Path(out), chosen, renderer, lost, len(clip.trackings) if clip else 0, signed))
    return Report(Path(out), len(motions), rate_hz, (width, height), lost, renderer.faults,
                  time.monotonic() - start_s, notes)


def _clip_notes(clip: Performance | None, speech: Speech, max_frames: int | None) -> tuple[str, ...]:
    if clip is None:
        return ()
    left_s = len(speech.samples) / speech.rate_hz - len(clip.order) / clip.rate_hz
    cut = max_frames is None and left_s > 1 / clip.rate_hz
    return (*clip.notes, *([f"the last {left_s:.1f} s of the speech were cut: the clip that drives it ends before"]
                           if cut else []))


def _driven(clip: Performance | None, settings: Settings) -> Sequence[Motion | None]:
    return () if clip is None else clip_motions(clip, settings.motion)


def write_wav(file: Path, speech: Speech) -> Path:
    """Write spoken sound as 16-bit WAV; return the file."""
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(speech.rate_hz)
        wav.writeframes((np.clip(speech.samples, -1, 1) * 32767).astype(np.int16).tobytes())
    return file
