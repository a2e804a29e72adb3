"""The show: threads that capture, track, render and send out, a state people can read, and an end that is quick."""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .actor import Actor
from .capture.reopen import CameraState, ReopeningCamera
from .errors import BadInput, CameraLost, DidliveError, OutputFailed
from .flow import Latest, Meter
from .pipeline import Observer, Renderer
from .seams import Camera, Sink, StreamFormat, Tracker
from .settings import MotionSettings, Settings
from .sinks.outputs import Outputs
from .types import Frame, Motion, Presence, Stamp

STAGES = ("track", "motion", "retarget", "generate", "composite")
MOST_FAULTS, FAULT_WINDOW_S = 3, 10.0
STALL_S = 1.0
JOIN_S = 1.0
_log = logging.getLogger(__name__)


class State(enum.Enum):
    """How the show stands: what a person wants to know at a glance."""

    STARTING = "starting"
    LIVE = "live"
    HOLDING = "holding"
    IDLE = "idle"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot. fps: frames sent out per second. p50_ms, p95_ms: from capture to sink. dropped: camera frames and
    motions that a newer one replaced, and frames that outputs dropped. stages_ms: median per stage, each counted from
    the end of the one before, so waiting for a thread counts for the stage that waits."""

    state: State
    reason: str
    fps: float
    p50_ms: float
    p95_ms: float
    dropped: int
    frames: int
    faults: int
    stages_ms: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class _Cue:
    """What the render thread gets: numbers only. `live`: there was a camera frame, so its delay means something."""

    motion: Motion | None
    stamp: Stamp
    live: bool


class Session:
    """One show: `start`, then `stop` (or use it as a context manager). All other methods may be called from any thread
    while it runs.

    camera: a paced camera; it is opened here, and again and again when it is lost. sinks: outputs; each should run in
    its own thread (`QueuedSink`, `PacedSink`), since `write` is called from the render thread. `preview` holds the
    newest frame for a window. The session closes camera, tracker and sinks.
    """

    def __init__(self, settings: Settings, camera: Camera, tracker: Tracker, actor: Actor,
                 sinks: Sequence[Sink] = ()) -> None:
        self._settings, self._tracker = settings, tracker
        self._camera = camera if isinstance(camera, ReopeningCamera) else ReopeningCamera(lambda: camera)
        self._observer = Observer(tracker, settings.motion)
        self._renderer = Renderer(settings.motion, actor)
        self._frames: Latest[Frame] = Latest()
        self._cues: Latest[_Cue] = Latest()
        self.preview: Latest[Frame] = Latest()
        width, height = actor.compositor.size
        self._outputs = Outputs(sinks, StreamFormat(width, height, settings.output.rate_hz, actor.compositor.alpha))
        self._stopping, self._following = threading.Event(), threading.Event()
        self._following.set()
        self._threads: list[threading.Thread] = []
        # Held while a frame goes out, so that after `panic` returns no moving frame follows.
        self._gate = threading.Lock()
        self._panicking = self._held = self._started = self._stopped = self._ended = False
        self._failure = ""
        self._presence: Presence | None = None
        self._last: Frame | None = None
        self._fault_times_s: deque[float] = deque(maxlen=MOST_FAULTS)
        self._seen_faults: set[str] = set()
        self._faults = 0
        self._pace, self._delays = Meter(), Meter()
        self._stages = {name: Meter() for name in STAGES}
        self._sent_ns = 0

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
            self._outputs.open()
        except OutputFailed:
            self._stopped = True
            self._tracker.close()
            raise
        self._send_still()
        work = {"capture": self._capture, "track": self._track, "render": self._render, "care": self._care}
        for name, loop in work.items():
            thread = threading.Thread(target=self._run, args=(loop,), name=f"didlive-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the show; may be called twice. Files are finished first, live outputs close last."""
        self._stopped = True
        self._stopping.set()
        self._frames.close()
        self._cues.close()
        self._camera.close()
        deadline = time.monotonic() + JOIN_S
        threads, self._threads = self._threads, []
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        # A tracker that hangs in a native call is left alone: closing it from here would crash.
        if not any(t.is_alive() for t in threads if t.name == "didlive-track"):
            self._tracker.close()
        self._outputs.close()

    def recalibrate(self) -> None:
        """Take the performer's face of the next half second as neutral."""
        self._observer.recalibrate()

    def configure(self, motion: MotionSettings) -> None:
        """Change the motion settings from the next frame on."""
        self._observer.configure(motion)
        self._renderer.configure(motion)

    def set_actor(self, actor: Actor) -> None:
        """Show another portrait from the next frame on. Raises BadInput when its picture has another size than the
        outputs were opened with."""
        have, need = actor.compositor.size, self._outputs.size
        if have != need:
            raise BadInput(f"this portrait's picture is {have[0]}x{have[1]} px, but the outputs run at "
                           f"{need[0]}x{need[1]}; choose a fixed size, or stop and start again")
        self._renderer.set_actor(actor)
        if self._panicking or self._failure:
            self._send_still()

    def follow(self, on: bool = True) -> None:
        """Switch the camera off (the portrait idles) or on again; a clip starts from its beginning."""
        self._following.set() if on else self._following.clear()

    def hold(self, on: bool = True) -> None:
        """Freeze the portrait in its pose, or let it move again."""
        self._held = on

    def panic(self, on: bool = True) -> None:
        """Show the still portrait now and until released with `panic(False)`; nothing else gets out meanwhile."""
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
        return self._following.is_set()

    @property
    def failure(self) -> str:
        """Why the session failed, or an empty string."""
        return self._failure

    @property
    def outputs(self) -> Outputs:
        """The outputs and their problems."""
        return self._outputs

    def stats(self) -> Stats:
        """Return how it stands now."""
        state, reason = self._state()
        running = time.perf_counter_ns() - self._sent_ns < 2_000_000_000
        stages = tuple((name, meter.percentile_ms(50)) for name, meter in self._stages.items() if meter.count)
        return Stats(state, reason, self._pace.rate_hz() if running else 0.0, self._delays.percentile_ms(50),
                     self._delays.percentile_ms(95), self._frames.dropped + self._cues.dropped + self._outputs.dropped,
                     self._pace.count, self._faults + self._renderer.faults, stages)

    def _state(self) -> tuple[State, str]:
        if self._failure:
            return State.FAILED, self._failure
        if self._stopped:
            return State.STOPPED, ""
        if self._panicking:
            return State.HOLDING, "panic: the still portrait is shown"
        lost = self._camera.reason if self._camera.state is CameraState.RETRYING else ""
        problem = self._renderer.problem or self._outputs.problem or lost
        if problem:
            return State.DEGRADED, problem
        if self._held:
            return State.HOLDING, "held"
        if not self._following.is_set():
            return State.IDLE, "the clip has ended" if self._ended else "the camera is off"
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
        self._frames.close()
        self._cues.close()
        self._send_still()

    @property
    def _over(self) -> bool:
        return self._stopping.is_set() or bool(self._failure)

    def _capture(self) -> None:
        while not self._over:
            if self._following.wait(0.1):
                try:
                    self._camera.open()
                except CameraLost as error:
                    _log.info("camera: %s", error)
                self._read_on()
                self._camera.close()

    def _read_on(self) -> None:
        """Hand over frames until the clip ends or nobody is to be followed any more."""
        self._ended = False
        while not self._over and self._following.is_set() and not self._ended:
            try:
                frame = self._camera.read(0.5)
            except CameraLost:
                # It is being opened again in the background; without this pause the loop would spin.
                self._stopping.wait(0.02)
                continue
            if frame is None:
                self._ended = True
                self._following.clear()
            else:
                self._frames.put(frame)

    def _track(self) -> None:
        period_s = 1.0 / self._settings.output.rate_hz
        last_s, sequence = -STALL_S, 0
        while not self._over:
            frame = self._frames.take(period_s)
            now_s = time.monotonic()
            if frame is not None:
                last_s, sequence = now_s, frame.stamp.sequence
                self._cues.put(_Cue(self._observer.observe(frame), frame.stamp, True))
                self._started = True
            elif now_s - last_s > STALL_S or self._camera.state is not CameraState.OPEN:
                # Nobody to follow: the portrait goes on by itself.
                sequence += 1
                stamp = Stamp(sequence, time.perf_counter_ns())
                self._cues.put(_Cue(self._observer.absent(stamp), stamp, False))

    def _render(self) -> None:
        pose: Frame | None = None
        while not self._over:
            cue = self._cues.take(0.1)
            if cue is None:
                continue
            self._presence = cue.motion.presence if cue.motion is not None else None
            if not self._held or pose is None:
                frame = pose = self._renderer.render(cue.motion, cue.stamp)
            else:
                frame = Frame(pose.image, cue.stamp)
            self._send(frame, cue.live)

    def _care(self) -> None:
        """Reopen live outputs that were lost."""
        while not self._over and not self._stopping.wait(0.1):
            with self._gate:
                last = self._last
            self._outputs.reopen_lost(last)

    def _send(self, frame: Frame, live: bool) -> None:
        with self._gate:
            if self._panicking or self._failure:
                frame, live = self._still(), False
            self._outputs.write(frame)
            self._last = frame
        self.preview.put(frame)
        self._measure(frame, live)

    def _send_still(self) -> None:
        with self._gate:
            frame = self._still()
            self._outputs.write(frame)
            self._last = frame
        self.preview.put(frame)

    def _still(self) -> Frame:
        return self._renderer.render(None, Stamp(0, time.perf_counter_ns()))

    def _measure(self, frame: Frame, live: bool) -> None:
        now_ns = time.perf_counter_ns()
        self._sent_ns = now_ns
        before = frame.stamp.captured_ns
        self._pace.add((now_ns - before) / 1e6)
        if not live:
            return
        self._delays.add((now_ns - before) / 1e6)
        for name, at in frame.stamp.marks:
            if name in self._stages:
                self._stages[name].add((at - before) / 1e6)
                before = at
