"""Offline: a portrait, a clip or a recorded motion, and out comes a file. Same input, same bytes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import wording
from .actor import Actor, prepare_actor, repeatable
from .capture.listing import open_camera
from .consent import Ledger
from .credentials import sign, used
from .errors import BadInput, Cancelled, OutputFailed
from .motion import MotionEstimator, find_neutral, measure, mirrored, smooth_clip
from .pipeline import Renderer
from .portrait import load_portrait
from .registry import TRACKERS, load
from .seams import Sink, StreamFormat
from .settings import MotionSettings, Settings
from .sinks import sink_for
from .take import Take
from .types import Frame, Measure, Motion, Performer, Portrait, Stamp, Tracking
from .voice.said import Said

# Told what is being done ("track" or "draw"), how many frames are done, and how many there are (0: unknown).
Progress = Callable[[str, int, int], None]
SLOWEST_HZ, FASTEST_HZ = 1.0, 120.0
LONGEST_S = 1.0


@dataclass(frozen=True, slots=True)
class Performance:
    """A whole tracked clip, only numbers: what was seen at which time, and the constant rate it is played at.

    order: for each output frame the index of the tracked frame that is nearest in time; a clip of constant rate is
    played frame by frame, one of variable rate keeps its time, and so its sound. notes: what the user should know.
    said: what the voice did in each tracked frame; empty: there was none.
    """

    trackings: tuple[Tracking, ...]
    rate_hz: float
    order: tuple[int, ...]
    notes: tuple[str, ...] = ()
    said: tuple[Said | None, ...] = ()

    @property
    def faces(self) -> int:
        """In how many tracked frames a face was seen."""
        return sum(t.face is not None for t in self.trackings)


@dataclass(frozen=True, slots=True)
class Report:
    """What `animate` made: frames, rate, size (width, height) px, frames of the clip in which no face was seen, frames
    that could not be drawn (the still portrait stands in), seconds it took, and notes for the user."""

    out: Path
    frames: int
    rate_hz: float
    size: tuple[int, int]
    lost: int
    undrawn: int
    seconds: float
    notes: tuple[str, ...]


def _silent(what: str, done: int, total: int) -> None:
    """Report to nobody."""


def track_clip(path: Path | str, *, max_frames: int | None = None, progress: Progress = _silent) -> Performance:
    """Track a whole clip, or read a motion file (.npz). Raises BadInput when it shows no face at all."""
    path = Path(path)
    replayed = path.suffix.lower() == ".npz"
    camera = open_camera(_as_file(path), paced=False)
    trackings: list[Tracking] = []
    try:
        nominal_hz = camera.open().rate_hz
        tracker = load(TRACKERS, "replay")(path) if replayed else load(TRACKERS, "mediapipe")()
        try:
            for frame in islice(iter(camera.read, None), max_frames):
                trackings.append(tracker.track(frame))
                progress("track", len(trackings), 0)
            damaged = bool(getattr(camera, "damaged", 0))
        finally:
            tracker.close()
    finally:
        camera.close()
    if not any(t.face is not None for t in trackings):
        raise BadInput(f"no face was found in {path} ({len(trackings)} frames); use a clip of one face that looks to "
                       "the camera")
    times_ns = [t.stamp.captured_ns for t in trackings]
    rate_hz, order = at_constant_rate(times_ns, nominal_hz)
    notes = [wording.incomplete(len(trackings))] if damaged else []
    intervals_s = _intervals_s(times_ns)
    if len(intervals_s) and (cut_s := float((intervals_s - _longest_s(intervals_s)).clip(0).sum())) > 0:
        notes.append(f"the clip has holes without any frame; they were shortened by {cut_s:.1f} s (its sound was not)")
    return Performance(tuple(trackings), rate_hz, order, tuple(notes))


def _as_file(path: Path) -> str:
    """Keep a file called `0` or `clip` from being taken for a webcam."""
    return str(path) if path.is_absolute() else str(Path.cwd() / path)


def at_constant_rate(times_ns: Sequence[int], nominal_hz: float) -> tuple[float, tuple[int, ...]]:
    """Return the rate to play at and, for each output frame, the index of the input frame nearest in time.

    The file's own rate is taken unless it contradicts the usual interval of its frames (some recorders write 1000).
    A hole in the times, without any frame, is shortened to a second.
    """
    intervals_s = _intervals_s(times_ns)
    rate_hz = nominal_hz
    if len(intervals_s):
        shown_s = np.minimum(intervals_s, _longest_s(intervals_s))
        times_s = np.concatenate([[0.0], np.cumsum(shown_s)])
        # The median does not mind a hole, the mean does not mind frames in bursts.
        measured = [1 / max(float(np.median(shown_s)), 1e-9), len(shown_s) / max(float(times_s[-1]), 1e-9)]
        if nominal_hz > FASTEST_HZ or not any(hz / 2 <= nominal_hz <= hz * 2 for hz in measured):
            rate_hz = measured[0] if measured[0] <= FASTEST_HZ else measured[1]
    else:
        times_s = np.zeros(1)
    rate_hz = min(max(rate_hz, SLOWEST_HZ), FASTEST_HZ)
    wanted = np.arange(round(float(times_s[-1]) * rate_hz) + 1) / rate_hz
    after = np.clip(np.searchsorted(times_s, wanted), 1, len(times_s) - 1) if len(times_s) > 1 else np.zeros(1, int)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - times_s[before] <= times_s[after] - wanted, before, after)
    return rate_hz, tuple(int(i) for i in nearest)


def _intervals_s(times_ns: Sequence[int]) -> npt.NDArray[np.float64]:
    return np.diff(np.asarray(times_ns, dtype=np.float64)) * 1e-9


def _longest_s(intervals_s: npt.NDArray[np.float64]) -> float:
    """How long one frame may stay: a second, or what is usual in a clip that is slower than that."""
    return max(LONGEST_S, 2 * float(np.median(intervals_s)))


def take_performance(take: Take) -> Performance:
    """Return a stored performance as `track_clip` returns that of a clip."""
    trackings = take.trackings()
    order = at_constant_rate([t.stamp.captured_ns for t in trackings], take.recording.rate_hz)
    return Performance(trackings, *order, said=take.said)


def clip_motions(performance: Performance, settings: MotionSettings, neutral: int | Measure | None = None,
                 performer: Performer | None = None) -> list[Motion | None]:
    """Return the motion of every output frame, smoothed without delay; None before the first face.

    neutral: the performer relaxed (not mirrored), or the index of the tracked frame (the next with a face) that shows
    this; None: the calmest frames of the clip. performer: whose face and ranges are known.
    """
    seen = [i for i, t in enumerate(performance.trackings) if t.face is not None]
    raw = [measure(face, settings.mirror) for i in seen if (face := performance.trackings[i].face) is not None]
    times_s = [performance.trackings[i].stamp.captured_ns * 1e-9 for i in seen]
    smooth = dict(zip(seen, smooth_clip(raw, times_s, settings.smoothing), strict=True))
    if isinstance(neutral, Measure):
        relaxed = mirrored(neutral) if settings.mirror else neutral
    else:
        calm = None if neutral is None else next((m for i, m in smooth.items() if i >= neutral), raw[-1])
        relaxed = find_neutral(raw) if calm is None else calm
    # The live presence machine, fed with measures that are smoothed already.
    estimator = MotionEstimator(replace(settings, auto_neutral=False), relaxed, smoothed=True)
    if performer is not None:
        estimator.use(performer)
    stamps = [Stamp(k, round(k * 1e9 / performance.rate_hz)) for k in range(len(performance.order))]
    motions = [estimator.follow(smooth.get(i), stamp) for i, stamp in zip(performance.order, stamps, strict=True)]
    for k, (i, stamp) in enumerate(zip(performance.order, stamps, strict=True) if performance.said else ()):
        said = performance.said[i]
        if said is not None:
            believed = smooth.get(i - said.back) if said.back else None
            motions[k] = said.move(motions[k], stamp, settings.idle.seed, believed)
    return motions


def animate_frames(portrait: Path | str | Actor, driving: Path | str | Performance, *, settings: Settings,
                   face: int | None = None, max_frames: int | None = None, neutral: int | None = None,
                   progress: Progress = _silent) -> Iterator[tuple[Frame, Frame | None]]:
    """Yield the finished frames, each with the frame of the clip that drove it (None for a motion file).

    First the whole clip is tracked (only numbers are kept), then it is decoded a second time beside the drawing.
    """
    performance = driving if isinstance(driving, Performance) else None
    actor = portrait if isinstance(portrait, Actor) else prepare_actor(portrait, repeatable(settings), face=face)
    if performance is None:
        performance = track_clip(Path(str(driving)), max_frames=max_frames, progress=progress)
    drivers: Iterator[Frame | None] = iter([None] * len(performance.order))
    if not isinstance(driving, Performance) and Path(driving).suffix.lower() != ".npz":
        drivers = _pictures(Path(driving), performance.order)
    yield from zip(render_performance(actor, performance, settings, neutral, progress), drivers, strict=False)


def _pictures(path: Path, order: Sequence[int]) -> Iterator[Frame]:
    """Decode again: yield the frame of each index of `order`, which does not fall."""
    from .capture.file import FileCamera

    camera = FileCamera(path)
    try:
        camera.open()
        frame = None
        for wanted in order:
            while frame is None or frame.stamp.sequence < wanted:
                frame = camera.read()
                if frame is None:
                    return
            yield frame
    finally:
        camera.close()


def render_performance(actor: Actor, performance: Performance, settings: Settings,
                       neutral: int | Measure | None = None, progress: Progress = _silent,
                       renderer: Renderer | None = None, performer: Performer | None = None) -> Iterator[Frame]:
    """Draw a tracked clip, frame by frame at its constant rate."""
    renderer = renderer or Renderer(settings.motion, actor)
    if performer is not None:
        renderer.use_performer(performer)
    motions = clip_motions(performance, settings.motion, neutral, performer)
    for k, motion in enumerate(motions):
        yield renderer.render(motion, Stamp(k, round(k * 1e9 / performance.rate_hz)))
        progress("draw", k + 1, len(motions))


def animate(portrait: Path | str, driving: Path | str | Take, out: Path | str, settings: Settings, *,
            face: int | None = None, audio: str = "keep", max_frames: int | None = None, signed: bool = False,
            progress: Progress = _silent, cancelled: Callable[[], bool] = lambda: False) -> Report:
    """Animate a portrait by a clip, a motion file or a take and write `out` (.mp4, .gif, .webp, or a folder of PNG
    pictures).

    audio: "keep" takes the clip's sound over (.mp4 and .webm), "none" leaves it out. signed: with Content Credentials
    (not a folder); then the bytes differ each time. `cancelled` is asked before every frame. Nothing half-written is
    left behind, and neither input is ever replaced. Raises BadInput, OutputFailed, ModelMissing, Cancelled.
    """
    start_s = time.monotonic()
    take = driving if isinstance(driving, Take) else None
    source = Path(driving) if not isinstance(driving, Take) else driving.path
    name, out = os.fspath(out), Path(out)

    def tell(what: str, done: int, total: int) -> None:
        if cancelled():
            raise Cancelled("stopped; nothing was written")
        progress(what, done, total)

    sound = audio == "keep" and take is None and source.suffix.lower() != ".npz"
    sink = sink_for(name, audio_from=source if sound else None, sources=(portrait, source))
    chosen = load_portrait(portrait, face, settings.output.kind)
    behind = settings.output.background
    transparent = out.suffix.lower() != ".mp4" and (behind == "transparent"
                                                    or (behind == "picture" and chosen.alpha is not None))
    actor = prepare_actor(chosen, repeatable(settings), alpha=transparent)
    width, height = actor.compositor.size
    # Opened once for trial: what cannot be written shall be known before a long clip is tracked.
    if take is None:
        _check_clip(source)
    try:
        sink.open(StreamFormat(width, height, 25.0, transparent))
        sink.abort()
        performance = take_performance(take) if take else track_clip(source, max_frames=max_frames, progress=tell)
        renderer = Renderer(settings.motion, actor)
        frames = render_performance(actor, performance, settings, take and take.neutral, tell, renderer,
                                    take and take.performer)
        count = _write(sink, StreamFormat(width, height, performance.rate_hz, transparent), frames)
    except BaseException:
        sink.abort()
        raise
    said = performance.said or [None] * len(performance.trackings)
    lost = sum(t.face is None and voice is None for t, voice in zip(performance.trackings, said, strict=True))
    notes = (*chosen.warnings, *performance.notes,
             *closing_notes(out, chosen, renderer, lost, len(performance.trackings), signed))
    return Report(out, count, performance.rate_hz, (width, height), lost, renderer.faults,
                  time.monotonic() - start_s, notes)


def closing_notes(out: Path, chosen: Portrait, renderer: Renderer, lost: int, tracked: int,
                  signed: bool) -> tuple[str, ...]:
    """Sign a finished file where it shall be; return what is to be said about it: lost of the tracked frames have no
    face."""
    notes = []
    if signed:
        try:
            sign(out, used([chosen.sha256], Ledger()))
        except OutputFailed as error:
            notes.append(str(error))
    if lost:
        notes.append(f"no face was seen in {lost} of {wording.frames(tracked)}; the portrait idles there")
    if renderer.faults:
        notes.append(f"{wording.frames(renderer.faults)} could not be drawn: {renderer.problem}")
    return tuple(notes)


def _check_clip(driving: Path) -> None:
    """Raise BadInput now when the clip cannot be opened."""
    camera = open_camera(_as_file(driving), paced=False)
    try:
        camera.open()
    finally:
        camera.close()


def _write(sink: Sink, stream: StreamFormat, frames: Iterator[Frame]) -> int:
    """Write all frames; return how many there were."""
    count = 0
    sink.open(stream)
    for frame in frames:
        sink.write(frame)
        count += 1
    sink.close()
    return count
