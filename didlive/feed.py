"""The camera side of a show: frames for the tracker, a change of camera while it runs, and a look for the window."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from .capture.reopen import CameraState, ReopeningCamera
from .errors import BadInput, CameraLost
from .flow import Latest
from .seams import Camera, CameraInfo, Tracker
from .types import Frame

_log = logging.getLogger(__name__)


class Source(NamedTuple):
    """A camera and the tracker that sees its frames."""

    camera: ReopeningCamera
    tracker: Tracker


class Shot(NamedTuple):
    """A frame and where it comes from."""

    frame: Frame
    source: Source


def _reopening(camera: Camera) -> ReopeningCamera:
    return camera if isinstance(camera, ReopeningCamera) else ReopeningCamera(lambda: camera)


class Feed:
    """Reads the camera (`run`, in a thread of its own) as long as somebody is to be followed.

    shots: the newest frame, for the tracker. view: the newest frame while `show` is on, else nothing; it is there for
    the window and nobody else. source: what is read now. following: cleared, the camera is off. ended: the clip is
    over. problem: why a camera that was changed to cannot be used, or "".
    """

    def __init__(self, camera: Camera, tracker: Tracker) -> None:
        self.source = Source(_reopening(camera), tracker)
        self._trackers = [tracker]
        self._lock = threading.Lock()
        self._showing = self._begun = False
        self._stopping = threading.Event()
        self.shots: Latest[Shot] = Latest()
        self.view: Latest[Frame] = Latest()
        self.following = threading.Event()
        self.following.set()
        self.ended, self.problem = False, ""

    @property
    def state(self) -> CameraState:
        """Whether the camera delivers."""
        return self.source.camera.state

    @property
    def reason(self) -> str:
        """Why there are no frames, or an empty string."""
        return self.problem or self.source.camera.reason

    @property
    def rest(self) -> str:
        """Why nobody is followed when `following` is cleared."""
        if self.ended:
            return "the clip has ended"
        return "the camera is off" if self.info is None or self.info.live else "the motion is off"

    @property
    def info(self) -> CameraInfo | None:
        """What the camera delivers; None before it was opened."""
        return self.source.camera.info

    def change(self, camera: Camera, tracker: Tracker | None) -> None:
        """Go on with another camera, and with another tracker unless it is None; from any thread."""
        with self._lock:
            before = self.source
            self.source = Source(_reopening(camera), tracker or before.tracker)
            stopped_by_itself = self.ended or bool(self.problem)
            self._begun, self.ended, self.problem = True, False, ""
            if self.source.tracker not in self._trackers:
                self._trackers.append(self.source.tracker)
        before.camera.close()
        self.view.clear()
        if stopped_by_itself:
            self.following.set()

    def show(self, on: bool) -> None:
        """Put frames into `view` from now on, or stop and forget the last."""
        with self._lock:
            self._showing = on
            if not on:
                self.view.clear()

    def retire(self, present: Tracker) -> None:
        """Close the trackers that came before the present one; for the thread that tracks."""
        with self._lock:
            at = self._trackers.index(present)
            old, self._trackers = self._trackers[:at], self._trackers[at:]
        for tracker in old:
            tracker.close()

    def stop(self) -> None:
        """End `run` and close the camera."""
        self._stopping.set()
        self.shots.close()
        self.source.camera.close()
        self.show(False)

    def close_trackers(self) -> None:
        """Close all trackers; nobody may track any more."""
        for tracker in self._trackers:
            tracker.close()

    def run(self, over: Callable[[], bool]) -> None:
        """Read until it is `over`. Raises BadInput when the first camera cannot be used from the beginning."""
        while not over():
            if not self.following.wait(0.1):
                continue
            source = self.source
            try:
                source.camera.open()
            except CameraLost as error:
                _log.info("camera: %s", error)
            except BadInput as error:
                if not self._begun:
                    raise
                with self._lock:
                    # Another one may have come while this one opened.
                    if source is self.source:
                        self.problem = str(error)
                        self.following.clear()
                continue
            self._begun, self.problem = True, ""
            self._read_on(source, over)
            source.camera.close()
            self.view.clear()

    def _read_on(self, source: Source, over: Callable[[], bool]) -> None:
        """Hand over frames until the clip ends, the camera changes, or nobody is to be followed any more."""
        self.ended = False
        while not over() and self.following.is_set() and source is self.source:
            try:
                frame = source.camera.read(0.5)
            except CameraLost:
                # It is being opened again in the background; without this pause the loop would spin.
                self._stopping.wait(0.02)
                continue
            if frame is None:
                with self._lock:
                    if source is self.source:
                        self.ended = True
                        self.following.clear()
                return
            self.shots.put(Shot(frame, source))
            with self._lock:
                if self._showing and source is self.source:
                    self.view.put(frame)
