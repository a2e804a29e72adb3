"""The show: threads that capture, track, render and send out, a state people can read, and an end that is quick."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .actor import Actor
from .broadcast import Broadcast
from .capture.reopen import CameraState
from .errors import BadInput, DidliveError, OutputFailed
from .feed import Feed
from .flow import Latest
from .motion_out import MotionOut
from .pace import Pace
from .pipeline import Observer
from .seams import AudioTap, Camera, CameraInfo, Sink, Tracker
from .settings import MotionSettings, Settings
from .status import State, Stats
from .take import TakeWriter
from .types import F32, Frame, Measure, Motion, Performer, Portrait, Presence, Stamp, Tracking

if TYPE_CHECKING:
    from .voice.live import Voice

__all__ = ["Session", "State", "Stats"]

MOST_FAULTS, FAULT_WINDOW_S = 3, 10.0
STALL_S = 1.0
JOIN_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Cue:
    """What the render thread gets: numbers only. `live`: there was a camera frame, so its delay means something."""

    motion: Motion | None
    stamp: Stamp
    live: bool


class Session(Broadcast):
    """One show: `start`, then `stop` (or use it as a context manager). All other methods may be called from any thread
    while it runs.

    camera: a paced camera; it is opened here, and again and again when it is lost. sinks: outputs; each should run in
    its own thread (`QueuedSink`, `PacedSink`), since `write` is called from the render thread. `preview` holds the
    newest frame for a window. The session closes cameras, trackers and sinks.

    tracking, measures: what the tracker saw last, as numbers. camera_view: the newest camera frame while `show_camera`
    is on; it is for the eyes of the performer only and must not leave the window. take: set it, and the performance is
    kept there as numbers until it is None again; who sets it closes it. motion_out: set it, and the motion goes to
    other programs; it is closed with the session. voice: what hears a microphone and moves the mouth; see `set_voice`.
    """

    def __init__(self, settings: Settings, camera: Camera, tracker: Tracker, actor: Actor,
                 sinks: Sequence[Sink] = ()) -> None:
        super().__init__(settings, actor, sinks)
        self._settings = settings
        self._feed = Feed(camera, tracker)
        self._source = self._feed.source
        self._observer = Observer(tracker, settings.motion)
        self._seed = settings.motion.idle.seed
        self._portrait, self._shown = actor.portrait, [actor.portrait.sha256]
        self._cues: Latest[_Cue] = Latest()
        self.tracking: Latest[Tracking] = self._observer.tracking
        self.measures: Latest[Measure] = self._observer.measures
        self.camera_view: Latest[Frame] = self._feed.view
        self.take: TakeWriter | None = None
        self.motion_out: MotionOut | None = None
        self.voice: Voice | None = None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._panicking = self._held = self._started = False
        self._failure = ""
        self._presence: Presence | None = None
        self._fault_times_s: deque[float] = deque(maxlen=MOST_FAULTS)
        self._seen_faults: set[str] = set()
        self._faults = 0

    def __enter__(self) -> Session:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Open the outputs, which show the still portrait at once, and start. Raises OutputFailed."""
        if self._threads or self._stopped:
            raise BadInput("a session starts once; make a new one")
        try:
            self._open_outputs()
        except OutputFailed:
            self._stopped = True
            self._feed.close_trackers()
            raise
        work = {"capture": lambda: self._feed.run(self._over), "track": self._track, "render": self._render,
                "care": self._care}
        for name, loop in work.items():
            thread = threading.Thread(target=self._run, args=(loop,), name=f"didlive-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the show; may be called twice. Files are finished first, live outputs close last."""
        self._stopped = True
        self._stopping.set()
        self._cues.close()
        self._feed.stop()
        deadline = time.monotonic() + JOIN_S
        threads, self._threads = self._threads, []
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        # A tracker that hangs in a native call is left alone: closing it from here would crash.
        if not any(t.is_alive() for t in threads if t.name == "didlive-track"):
            self._feed.close_trackers()
        if self.motion_out is not None:
            self.motion_out.close()
        self.set_voice(None)
        self._close_outputs()

    def recalibrate(self) -> None:
        """Take the performer's face of the next half second as neutral."""
        self._observer.recalibrate()

    @property
    def calibrating(self) -> bool:
        """Whether the performer's neutral face is still being looked for."""
        return self._observer.calibrating

    def use_performer(self, performer: Performer | None) -> None:
        """Use a known performer's face and ranges from the next frame on; None: calibrate whoever is there."""
        self._observer.use_performer(performer)
        self._renderer.use_performer(performer)

    def configure(self, motion: MotionSettings) -> None:
        """Change the motion settings from the next frame on."""
        self._seed = motion.idle.seed
        self._observer.configure(motion)
        self._renderer.configure(motion)

    def set_actor(self, actor: Actor) -> None:
        """Show another portrait from the next frame on. Raises BadInput when its picture has another size than the
        outputs were opened with, or only one of both is transparent."""
        have, need = actor.compositor.size, self._outputs.size
        if have != need:
            raise BadInput(f"this portrait's picture is {have[0]}x{have[1]} px, but the outputs run at "
                           f"{need[0]}x{need[1]}; choose a fixed size, or stop and start again")
        if actor.compositor.alpha != self._outputs.alpha:
            raise BadInput("a transparent background comes or goes only with a new start; stop and start again")
        self._outputs.color = actor.output.background_color
        self._renderer.set_actor(actor)
        self._portrait = actor.portrait
        self._shown.append(actor.portrait.sha256)
        if self._stilled():
            self._send_still()

    def set_camera(self, camera: Camera, tracker: Tracker | None = None) -> None:
        """Follow another camera, seen by another tracker (None: by the one there is); the portrait idles until it
        delivers, and outputs go on. What is replaced is closed; whoever is there is calibrated anew."""
        self._feed.change(camera, tracker)

    def set_voice(self, voice: Voice | None) -> None:
        """Let a voice move the mouth while the camera does not see it, or none; the one before is closed. Opening the
        microphone may take a moment. Raises BadInput where microphones cannot be used."""
        if voice is not None:
            voice.start()
        before, self.voice = self.voice, voice
        # Nobody would close the one that comes when all is over.
        for gone in (before, voice if self._stopped else None):
            if gone is not None:
                gone.close()

    def tap(self) -> AudioTap:
        """Return a reader of what the voice's microphone hears from now on, whichever it is; silence in a panic."""
        heard: tuple[Voice, AudioTap] | None = None

        def read() -> tuple[F32, int] | None:
            nonlocal heard
            voice = self.voice
            if voice is None:
                heard = None
                return None
            if heard is None or heard[0] is not voice:
                heard = voice, voice.tap()
            block = heard[1]()
            return (block[0] * 0, block[1]) if block is not None and self._panicking else block

        return read

    @property
    def camera_info(self) -> CameraInfo | None:
        """What the camera really delivers; None before it was opened."""
        return self._feed.info

    def show_camera(self, on: bool = True) -> None:
        """Put camera frames into `camera_view`, or stop and forget the last one."""
        self._feed.show(on)

    @property
    def portrait(self) -> Portrait:
        """The portrait that plays now."""
        return self._portrait

    @property
    def shown(self) -> tuple[str, ...]:
        """The SHA-256 of every portrait's file so far, in order."""
        return tuple(self._shown)

    @property
    def provider(self) -> str:
        """What draws the portrait now, and on what: for example `warp on CPU`."""
        return self._renderer.provider

    def follow(self, on: bool = True) -> None:
        """Switch the camera off (the portrait idles) or on again; a clip starts from its beginning."""
        self._feed.following.set() if on else self._feed.following.clear()

    def hold(self, on: bool = True) -> None:
        """Freeze the portrait in its pose, or let it move again."""
        self._held = on

    def panic(self, on: bool = True) -> None:
        """Show the still portrait now and until released with `panic(False)`; nothing else gets out, nor any sound."""
        self._panicking = on
        if on:
            self._send_still()

    @property
    def held(self) -> bool:
        """Whether the portrait is frozen."""
        return self._held

    @property
    def panicking(self) -> bool:
        """Whether nothing but the still portrait gets out."""
        return self._panicking

    @property
    def following(self) -> bool:
        """Whether the camera is on, or would be if it were there."""
        return self._feed.following.is_set()

    @property
    def failure(self) -> str:
        """Why the session failed, or an empty string."""
        return self._failure

    def stats(self) -> Stats:
        """Return how it stands now."""
        state, reason = self._state()
        dropped = self._feed.shots.dropped + self._cues.dropped + self._outputs.dropped
        return self._meters.stats(state, reason, dropped, self._faults + self._renderer.faults)

    def _state(self) -> tuple[State, str]:
        if self._failure:
            return State.FAILED, self._failure
        if self._stopped:
            return State.STOPPED, ""
        if self._panicking:
            return State.HOLDING, "panic: the still portrait is shown"
        voice = self.voice
        problem = self._renderer.problem or self._outputs.problem or self._feed.reason
        problem = problem or ("" if voice is None else voice.problem)
        if problem:
            return State.DEGRADED, problem
        if self._held:
            return State.HOLDING, "held"
        if voice is not None and (not self.following or voice.speaking):
            return State.LIVE, ""
        if not self.following:
            return State.IDLE, self._feed.rest
        if self._presence is None:
            return (State.IDLE, "no face was seen yet") if self._started else (State.STARTING, "")
        if self._presence is Presence.TRACK:
            return State.LIVE, ""
        if self._presence is Presence.IDLE:
            return State.IDLE, "no face in the picture"
        return State.HOLDING, "the face was lost"

    # Threads. Each of the four loops below runs under `_run`.

    def _run(self, loop: Callable[[], None]) -> None:
        while not self._stopping.is_set() and not self._failure:
            try:
                loop()
                return
            except DidliveError as error:
                self._fail(str(error))
            # The top of a thread: what nobody foresaw is logged, counted and survived, up to a limit.
            except Exception as error:  # noqa: BLE001
                self._count(error)

    def _count(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text not in self._seen_faults and len(self._seen_faults) < 20:
            self._seen_faults.add(text)
            _log.error("unexpected error in %s", threading.current_thread().name, exc_info=error)
        now_s = time.monotonic()
        with self._gate:
            self._faults += 1
            self._fault_times_s.append(now_s)
            often = len(self._fault_times_s) == MOST_FAULTS and now_s - self._fault_times_s[0] <= FAULT_WINDOW_S
        if often:
            self._fail(f"stopped after {MOST_FAULTS} unexpected errors ({text}); see the log")

    def _fail(self, reason: str) -> None:
        """End everything but the outputs, which hold the still portrait."""
        self._failure = self._failure or reason
        self._feed.shots.close()
        self._cues.close()
        self._send_still()

    def _stilled(self) -> bool:
        return self._panicking or bool(self._failure)

    def _over(self) -> bool:
        return self._stopping.is_set() or bool(self._failure)

    def _track(self) -> None:
        period_s = 1.0 / self._settings.output.rate_hz
        last_s, last_ns, sequence, due_s = -STALL_S, 0, 0, 0.0
        while not self._over():
            # By the clock, not after the work: a portrait that goes on by itself keeps its rate.
            shot = self._feed.shots.take(max(0.001, due_s - time.monotonic()))
            now_s = time.monotonic()
            due_s = max(due_s, now_s - period_s) + period_s
            if shot is not None:
                frame = shot.frame
                if shot.source is not self._source:
                    self._observer.start_over(shot.source.tracker)
                    self._feed.retire(shot.source.tracker)
                    if self.voice is not None:
                        self.voice.forget_performer()
                self._source = shot.source
                last_s, last_ns, sequence = now_s, frame.stamp.captured_ns, frame.stamp.sequence
                self._follow(frame)
                self._started = True
            elif now_s - last_s > STALL_S or self._feed.state is not CameraState.OPEN:
                # Nobody to follow: the portrait goes on by itself.
                sequence += 1
                last_ns = self._alone(sequence, last_ns)

    def _follow(self, frame: Frame) -> None:
        motion, voice = self._observer.observe(frame), self.voice
        if voice is not None:
            voice.look(frame, self.tracking.peek())
            motion = voice.fuse(motion, frame.stamp, True, self._seed)
        self._cue(motion, frame.stamp, True)

    def _alone(self, sequence: int, last_ns: int) -> int:
        """Go on without a camera: idle, or as the voice says. Return the time that is shown, after `last_ns`."""
        voice = self.voice
        heard_ns = None if voice is None else voice.newest_ns
        stamp = Stamp(sequence, max(time.perf_counter_ns() if heard_ns is None else heard_ns, last_ns + 1))
        motion = self._observer.absent(stamp)
        if voice is not None:
            motion = voice.fuse(motion, stamp, False, self._seed)
        self._cue(motion, stamp, heard_ns is not None)
        return stamp.captured_ns

    def _cue(self, motion: Motion | None, stamp: Stamp, live: bool) -> None:
        self._cues.put(_Cue(motion, stamp, live))
        take, voice = self.take, self.voice
        if take is not None:
            said = None if voice is None else voice.said
            take.add(self.tracking.peek(), stamp, motion, self._observer.performer, said, held=self._held,
                     hidden=self._panicking)
        out = self.motion_out
        if out is not None and not self._held:
            out.add(None if self._panicking else motion)

    def _render(self) -> None:
        pose, drawn, actor = None, None, None
        while not self._over():
            if (cue := self._cues.take(0.1)) is None:
                continue
            self._presence = cue.motion.presence if cue.motion is not None else None
            if not self._held or pose is None:
                pose, drawn = cue, None
            # A frozen pose is drawn once, and again for another portrait.
            if drawn is None or actor is not self._renderer.actor:
                actor = self._renderer.actor
                drawn = self._renderer.render(pose.motion, pose.stamp)
            self._send(drawn if pose is cue else Frame(drawn.image, cue.stamp), cue.live)

    def _care(self) -> None:
        """Reopen live outputs that were lost, and draw cheaper where the pictures do not keep up with the camera."""
        pace, shots, cues = Pace(self._settings.output.rate_hz), self._feed.shots, self._cues
        while not self._over() and not self._stopping.wait(0.1):
            self._reopen_lost()
            self._renderer.lean = pace.lean(shots.count, cues.count - cues.dropped)
