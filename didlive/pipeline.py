"""The live path as plain calls: track, motion, retarget, generate, composite. Threads are wiring around it.

Two halves: an `Observer` sees camera frames and returns numbers, a `Renderer` sees numbers and returns pictures. No
camera pixel can get from one to the other.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .actor import Actor
from .errors import BadInput
from .motion import MotionEstimator
from .retarget import Retargeter
from .seams import Tracker
from .settings import MotionSettings, Settings, restrict
from .types import Frame, Measure, Motion, Patch, Stamp, Tracking

# After a generator failed twice on one frame it rests this long, then twice as long each time, up to the second value.
FIRST_REST_S, LONGEST_REST_S = 0.25, 4.0
MOST_LOGGED = 20
_log = logging.getLogger(__name__)


class Observer:
    """From camera frames to the performer's motion. `configure` and `recalibrate` may be called from any thread; they
    take effect with the next frame."""

    def __init__(self, tracker: Tracker, motion: MotionSettings, neutral: Measure | None = None) -> None:
        self._tracker = tracker
        self._estimator = MotionEstimator(motion, neutral)
        self._recalibrate = False

    def observe(self, frame: Frame) -> Motion | None:
        """Return the performer's motion, or None as long as no face was ever seen."""
        return self._estimate(self._tracker.track(frame))

    def absent(self, stamp: Stamp) -> Motion | None:
        """Return the motion when there is no camera frame at all: hold, ease, idle."""
        return self._estimate(Tracking(None, (0, 0), 0, stamp))

    def configure(self, motion: MotionSettings) -> None:
        """Change the settings; the performer's neutral is kept."""
        self._estimator = MotionEstimator(motion, self._estimator.neutral)

    def recalibrate(self) -> None:
        """Take the performer's face of the next half second as neutral."""
        self._recalibrate = True

    def _estimate(self, tracking: Tracking) -> Motion | None:
        estimator = self._estimator
        if self._recalibrate:
            self._recalibrate = False
            estimator.recalibrate()
        motion = estimator.estimate(tracking)
        return None if motion is None else replace(motion, stamp=motion.stamp.mark("motion"))


class _Cast(NamedTuple):
    """An actor and the retargeter bound to its face; replaced as one."""

    actor: Actor
    retargeter: Retargeter


class Renderer:
    """From motion to finished pictures of one actor. `set_actor` and `configure` may be called from any thread; they
    take effect with the next frame.

    faults: frames that the generator could not draw. problem: why the still portrait is shown instead, or "".
    """

    def __init__(self, motion: MotionSettings, actor: Actor | None = None) -> None:
        self._motion = effective(motion)
        self._cast: _Cast | None = None
        self._rest_s, self._rest_until_s = FIRST_REST_S, 0.0
        self._seen: set[str] = set()
        self.faults, self.problem = 0, ""
        if actor is not None:
            self.set_actor(actor)

    @property
    def actor(self) -> Actor | None:
        """The portrait that plays now."""
        return self._cast.actor if self._cast else None

    def set_actor(self, actor: Actor) -> None:
        """Show this portrait from the next frame on."""
        # One assignment: a frame is drawn with the old actor or with the new one, never with half of each.
        self._cast = _Cast(actor, Retargeter(actor.portrait.face, self._motion, actor.response))
        self._rest_until_s, self.problem = 0.0, ""

    def configure(self, motion: MotionSettings) -> None:
        """Change the settings."""
        self._motion = effective(motion)
        if self._cast is not None:
            self.set_actor(self._cast.actor)

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
                drive = cast.retargeter.retarget(self._chosen(motion))
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

    def _chosen(self, motion: Motion) -> Motion:
        """Leave the eyes open where lids shall not follow: their gain weakens half-closed lids, but keeps blinks."""
        if self._motion.gains.lids > 0:
            return motion
        return replace(motion, lids=np.ones(2, np.float32))

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


def effective(motion: MotionSettings) -> MotionSettings:
    """Return the settings with the chosen region applied to the gains."""
    return replace(motion, gains=restrict(motion.gains, motion.region))
