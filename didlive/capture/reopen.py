"""A camera that comes back: any camera, opened again and again until it works."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from ..errors import CameraLost, DidliveError
from ..seams import Camera, CameraInfo
from ..types import Frame


class CameraState(enum.Enum):
    """Closed, delivering frames, or lost and being opened again in the background."""

    CLOSED = "closed"
    OPEN = "open"
    RETRYING = "retrying"


class ReopeningCamera:
    """Wraps a factory of cameras: after CameraLost a new camera is opened in the background, after 0.25 s, then twice
    as long each time up to 4 s, for ever.

    `read` returns a Frame, None at the end of a file, or raises CameraLost while retrying (the caller may simply read
    again). `state` and `reason` say how it stands, `info` what the last opened camera delivers, `reopened` counts
    successes. Sequence numbers go on rising over a re-opening.
    """

    def __init__(self, factory: Callable[[], Camera], *, first_s: float = 0.25, longest_s: float = 4.0,
                 stall_s: float = 2.0) -> None:  # fmt: skip
        self._factory, self._first_s, self._longest_s, self._stall_s = factory, first_s, longest_s, stall_s
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._camera: Camera | None = None
        self._retrying: threading.Thread | None = None
        self._delay_s, self._alive_s = first_s, 0.0
        self._base, self._last = 0, -1
        self.state = CameraState.CLOSED
        self.reason = ""
        self.info: CameraInfo | None = None
        self.reopened = 0

    def open(self) -> CameraInfo:
        """Open the camera. Raises BadInput; raises CameraLost when it is not there now, and then goes on trying in the
        background until it comes or `close` is called, and when it was closed, by another thread, while it opened."""
        self.close()
        self._stop, self._delay_s, self._base, self._last = threading.Event(), self._first_s, 0, -1
        camera = self._factory()
        try:
            info = camera.open()
        except CameraLost as error:
            self._lose(camera, str(error))
            raise
        if not self._take_over(camera, info, self._stop):
            camera.close()
            raise CameraLost("the camera was closed")
        return info

    def read(self, timeout_s: float = 2.0) -> Frame | None:
        """Return the next frame or None at the end. Raises CameraLost while the camera is away or when closed."""
        start_s = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self.state is not CameraState.RETRYING, timeout_s)
            camera, reason = self._camera, self.reason
        if camera is None:
            raise CameraLost(reason or "the camera is closed; open it first")
        left_s = max(0.0, timeout_s - (time.monotonic() - start_s))
        begin_s = time.monotonic()
        try:
            frame = camera.read(left_s)
        except CameraLost as error:
            now_s = time.monotonic()
            # It failed before its time was up, or nothing came for long. A short timeout alone is not a loss.
            if now_s - begin_s < 0.9 * left_s or now_s - self._alive_s >= self._stall_s:
                self._lose(camera, str(error))
            raise
        if frame is None:
            return None
        self._delay_s, self._alive_s = self._first_s, time.monotonic()
        self.reason = ""
        self._last = frame.stamp.sequence + self._base
        return Frame(frame.image, replace(frame.stamp, sequence=self._last))

    def close(self) -> None:
        """Stop delivering and stop trying."""
        with self._changed:
            self._stop.set()
            camera, self._camera = self._camera, None
            self.state, self.reason = CameraState.CLOSED, ""
            self._changed.notify_all()
        if camera is not None:
            camera.close()
        retrying, self._retrying = self._retrying, None
        # It ends at once unless a camera is just being opened, which can take seconds and is left behind.
        if retrying is not None and retrying is not threading.current_thread():
            retrying.join(0.3)

    def _take_over(self, camera: Camera, info: CameraInfo, stop: threading.Event) -> bool:
        with self._changed:
            if stop.is_set():
                return False
            self._camera, self.info, self._alive_s = camera, info, time.monotonic()
            self._base = self._last + 1
            self.state = CameraState.OPEN
            self._changed.notify_all()
            return True

    def _lose(self, camera: Camera, reason: str) -> None:
        with self._changed:
            if self._stop.is_set():
                return
            self._camera, self.state, self.reason = None, CameraState.RETRYING, reason
        camera.close()
        retrying = threading.Thread(target=self._retry, args=(self._stop,), name="didlive-reopen", daemon=True)
        # Begun before `close`, in another thread, can see it: what has not begun cannot be waited for.
        retrying.start()
        self._retrying = retrying

    def _retry(self, stop: threading.Event) -> None:
        while not stop.wait(self._delay_s):
            self._delay_s = min(2 * self._delay_s, self._longest_s)
            camera = self._factory()
            try:
                info = camera.open()
            except DidliveError as error:
                camera.close()
                self.reason = str(error)
                continue
            if self._take_over(camera, info, stop):
                self.reopened += 1
            else:
                camera.close()
            return
