"""What outputs share that are watched while they run: never half open, and the colours of a webcam."""

from __future__ import annotations

import threading
from typing import ClassVar

import cv2
import numpy as np

from ..errors import OutputFailed
from ..seams import StreamFormat
from ..types import U8, Frame

NAME = "DidLive"
# OpenCV's threads wait for each other by spinning, which costs as much again; less than this it converts in one.
STRIPE_PX = 320 * 240 - 1


def yuyv(image: U8) -> U8:
    """Return a picture (H, W, 3 or 4) RGB(A) as webcams send it: (H, W', 2), luma and, in turn, the two chromas of a
    pair of pixels; BT.601, limited range. W' is W or the next even number; alpha is dropped."""
    if image.shape[1] % 2:
        image = np.asarray(cv2.copyMakeBorder(image, 0, 0, 0, 1, cv2.BORDER_REPLICATE), np.uint8)
    code = cv2.COLOR_RGBA2YUV_YUY2 if image.shape[2] == 4 else cv2.COLOR_RGB2YUV_YUY2
    made = np.empty((*image.shape[:2], 2), np.uint8)
    rows = max(1, STRIPE_PX // image.shape[1])
    for top in range(0, image.shape[0], rows):
        cv2.cvtColor(image[top:top + rows], code, dst=made[top:top + rows])
    return made


def fitted(image: U8, width: int, height: int) -> U8:
    """Return a picture scaled to `width` x `height` px, with black bars where its shape is another."""
    have_height, have_width = image.shape[:2]
    if (have_width, have_height) == (width, height):
        return image
    zoom = min(width / have_width, height / have_height)
    size = max(1, round(have_width * zoom)), max(1, round(have_height * zoom))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    return np.asarray(cv2.copyMakeBorder(small, top, height - size[1] - top, left, width - size[0] - left,
                                         cv2.BORDER_CONSTANT), np.uint8)


class LiveSink:
    """Base of the virtual cameras and streams. A subclass gives `_begin`, `_show` and `_release`, and its `kind` for
    people.

    place: where others find it, once it is open. `written` counts the pictures taken. Any thread may
    call; a failure releases everything, so that `open` may be tried again. Raises OutputFailed.
    """

    kind: ClassVar[str] = "virtual camera"

    def __init__(self) -> None:
        self.place = ""
        self.written = 0
        self._stream: StreamFormat | None = None
        self._lock = threading.Lock()

    def open(self, stream: StreamFormat) -> None:
        """Start; see `didlive.seams.Sink`."""
        with self._lock:
            if self._stream is not None:
                raise OutputFailed(f"the {self.kind} {self.place} is open already")
            try:
                self._begin(stream)
            except BaseException:
                self._release()
                raise
            self.written, self._stream = 0, stream

    def write(self, frame: Frame) -> None:
        """Show one picture of the opened size."""
        with self._lock:
            stream = self._stream
            if stream is None:
                raise OutputFailed(f"the {self.kind} is not open")
            height, width = frame.image.shape[:2]
            try:
                if (width, height) != (stream.width, stream.height):
                    raise OutputFailed(f"a picture of {width}x{height} px came, but the {self.kind} was opened for "
                                       f"{stream.width}x{stream.height}")
                self._show(frame.image)
            except BaseException:
                self._end()
                raise
            self.written += 1

    def close(self) -> None:
        """Stop and disappear."""
        with self._lock:
            self._end()

    def abort(self) -> None:
        """The same as `close`: nothing is kept."""
        self.close()

    def _end(self) -> None:
        self._stream = None
        self._release()

    def _begin(self, stream: StreamFormat) -> None:
        raise NotImplementedError

    def _show(self, image: U8) -> None:
        raise NotImplementedError

    def _release(self) -> None:
        """Give everything back; must not raise and may be called twice."""
        raise NotImplementedError
