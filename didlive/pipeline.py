"""The live path as plain calls: track, motion, retarget, generate, composite. Threads are wiring around it.

Two halves: an `Observer` sees camera frames and returns numbers, a `Renderer` sees numbers and returns pictures. No
camera pixel can get from one to the other.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from functools import cached_property

from .actor import Actor, leaner
from .errors import BadInput
from .flow import Latest
from .motion import MotionEstimator, measure, mirrored
from .overrides import CameraLook, blinking, effective
from .retarget import Retargeter
from .seams import Tracker
from .settings import MotionSettings, Settings
from .types import Frame, Measure, Motion, Patch, Performer, Stamp, Tracking

# After a generator failed twice on one frame it rests this long, then twice as long each time, up to the second value.
FIRST_REST_S, LONGEST_REST_S = 0.25, 4.0
MOST_LOGGED = 20
_log = logging.getLogger(__name__)


class Observer:
    """From camera frames to the performer's motion. `configure`, `recalibrate` and `use_performer` may be called from
    any thread; they take effect with the next frame.

    tracking: what the tracker saw last; measures: the last face taken apart, not mirrored, not smoothed. Numbers only.
    """

    def __init__(self, tracker: Tracker, motion: MotionSettings, neutral: Measure | None = None) -> None:
        self._tracker = tracker
        self._estimator = MotionEstimator(motion, neutral)
        self._motion, self._performer = motion, self._estimator.performer
        self._recalibrate = False
        self.tracking: Latest[Tracking] = Latest()
        self.measures: Latest[Measure] = Latest()

    def observe(self, frame: Frame) -> Motion | None:
        """Return the performer's motion, or None as long as no face was ever seen."""
        return self._estimate(self._tracker.track(frame))

    def absent(self, stamp: Stamp) -> Motion | None:
        """Return the motion when there is no camera frame at all: hold, ease, idle."""
        return self._estimate(Tracking(None, (0, 0), 0, stamp))

    def configure(self, motion: MotionSettings) -> None:
        """Change the settings; the performer's neutral is kept."""
        self._motion = motion

    def use_performer(self, performer: Performer | None) -> None:
        """Use a known performer's face and ranges; None: calibrate whoever is there."""
        self._performer = performer

    def recalibrate(self) -> None:
        """Take the performer's face of the next half second as neutral."""
        self._recalibrate = True

    def start_over(self, tracker: Tracker) -> None:
        """Go on with another camera's frames, in the thread that observes: everything seen so far is forgotten."""
        tracker.reset()
        self._tracker = tracker
        self._estimator = MotionEstimator(self._motion)

    @property
    def performer(self) -> Performer | None:
        """The known performer whose face and ranges are used, if any."""
        return self._performer

    @property
    def calibrating(self) -> bool:
        """Whether the performer's neutral face is still being looked for."""
        return self._recalibrate or self._estimator.calibrating

    def _estimate(self, tracking: Tracking) -> Motion | None:
        estimator = self._estimator
        if self._motion is not estimator.settings:
            estimator.configure(self._motion)
        if self._performer is not estimator.performer:
            estimator.use(self._performer)
        if self._recalibrate:
            self._recalibrate = False
            estimator.recalibrate()
        seen = None if tracking.face is None else measure(tracking.face)
        self.tracking.put(tracking)
        if seen is not None:
            self.measures.put(seen)
            seen = mirrored(seen) if estimator.settings.mirror else seen
        motion = estimator.follow(seen, tracking.stamp)
        return None if motion is None else replace(motion, stamp=motion.stamp.mark("motion"))


class _Cast:
    """An actor with what is bound to its face: the retargeter and how it looks at the viewer.

    They are made with the first frame, by the thread that renders: who switches portraits or moves a slider does not
    wait for them.
    """

    def __init__(self, actor: Actor, motion: MotionSettings) -> None:
        self.actor, self._motion = actor, motion

    @cached_property
    def retargeter(self) -> Retargeter:
        portrait = self.actor.portrait
        return Retargeter(portrait.face, self._motion, self.actor.response, portrait.drawn)

    @cached_property
    def eyes(self) -> CameraLook:
        return CameraLook(self.actor.portrait.face)


class Renderer:
    """From motion to finished pictures of one actor. `set_actor` and `configure` may be called from any thread; they
    take effect with the next frame.

    faults: frames that the generator could not draw. problem: why the still portrait is shown instead, or "".
    """

    def __init__(self, motion: MotionSettings, actor: Actor | None = None) -> None:
        self._given, self._motion = motion, effective(motion)
        self._performer: Performer | None = None
        self._cast: _Cast | None = None
        self._full: Actor | None = None
        self._lean, self._choosing = False, threading.RLock()
        self._rest_s, self._rest_until_s = FIRST_REST_S, 0.0
        self._seen: set[str] = set()
        self.faults, self.problem = 0, ""
        if actor is not None:
            self.set_actor(actor)

    @property
    def actor(self) -> Actor | None:
        """The portrait that plays now."""
        return self._full

    @property
    def lean(self) -> bool:
        """Whether portraits are drawn as cheaply as can be; may be set from any thread."""
        return self._lean

    @lean.setter
    def lean(self, on: bool) -> None:
        with self._choosing:
            changed, self._lean = on != self._lean, on
            if changed and self._full is not None:
                self.set_actor(self._full)
                _log.info("drawn by: %s", self.provider)

    def set_actor(self, actor: Actor) -> None:
        """Show this portrait from the next frame on."""
        with self._choosing:
            # One assignment: a frame is drawn with the old actor or with the new one, never with half of each.
            self._cast = _Cast(leaner(actor) if self._lean else actor, self._motion)
            # Who sees the new one here gets it drawn, too.
            self._full = actor
            self._rest_until_s, self.problem = 0.0, ""

    def configure(self, motion: MotionSettings) -> None:
        """Change the settings."""
        with self._choosing:
            self._given, self._motion = motion, effective(motion, self._performer)
            if self._full is not None:
                self.set_actor(self._full)

    def use_performer(self, performer: Performer | None) -> None:
        """Adapt to the ranges of a known performer; None: to the typical person's."""
        self._performer = performer
        self.configure(self._given)

    @property
    def provider(self) -> str:
        """What draws now, and on what: for example `warp on CPU`."""
        if self._cast is None or self.problem:
            return "still portrait"
        return self._cast.actor.generator.provider

    def render(self, motion: Motion | None, stamp: Stamp) -> Frame:
        """Return the portrait in this motion; None: the portrait at rest, with `stamp`.

        A generator that fails is asked once more, then the still portrait is shown while it rests; see `problem`.
        Raises BadInput when no actor was set.
        """
        cast = self._cast
        if cast is None:
            raise BadInput("no portrait was chosen")
        compositor = cast.actor.compositor
        if motion is None or time.monotonic() < self._rest_until_s:
            return compositor.compose(None, stamp if motion is None else motion.stamp)
        patch = self._draw(cast, motion)
        return compositor.compose(patch, motion.stamp if patch is None else patch.stamp)

    def _draw(self, cast: _Cast, motion: Motion) -> Patch | None:
        for _ in range(2):
            try:
                drive = cast.retargeter.retarget(blinking(cast.eyes.looking(motion, self._motion), self._motion))
                patch = cast.actor.generator.generate(cast.actor.source, drive)
            # Anything may come out of a generator; the show goes on with the still portrait, and the user is told.
            except Exception as error:  # noqa: BLE001
                if self._is_new(error):
                    _log.exception("the portrait cannot be drawn")
                continue
            self._rest_s, self.problem = FIRST_REST_S, ""
            return patch
        self.faults += 1
        self._rest_until_s = time.monotonic() + self._rest_s
        self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        return None

    def _is_new(self, error: Exception) -> bool:
        """Put the error into `problem`; return whether it was never seen before: one traceback in the log is enough."""
        text = f"{type(error).__name__}: {error}"
        self.problem = f"the portrait cannot be drawn ({text})"
        new = text not in self._seen and len(self._seen) < MOST_LOGGED
        self._seen |= {text} if new else set()
        return new


class Pipeline:
    """Both halves in one synchronous `step`, from camera frame to finished frame."""

    def __init__(self, tracker: Tracker, settings: Settings, actor: Actor | None = None,
                 neutral: Measure | None = None) -> None:
        self.observer = Observer(tracker, settings.motion, neutral)
        self.renderer = Renderer(settings.motion, actor)

    def step(self, frame: Frame) -> Frame:
        """Return the finished frame for one camera frame."""
        return self.renderer.render(self.observer.observe(frame), frame.stamp)

    def set_actor(self, actor: Actor) -> None:
        """Show this portrait from the next frame on."""
        self.renderer.set_actor(actor)

    def configure(self, motion: MotionSettings) -> None:
        """Change the motion settings of both halves."""
        self.observer.configure(motion)
        self.renderer.configure(motion)
