"""A camera that is lost comes back by itself."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from didlive.capture.reopen import CameraState, ReopeningCamera
from didlive.errors import BadInput, CameraLost
from didlive.seams import CameraInfo
from didlive.types import Frame, Stamp

IMAGE = np.zeros((2, 2, 3), np.uint8)


class Scripted:
    """A camera that opens only when told so, and gives `frames` frames before it is lost (or ends)."""

    def __init__(self, opens: bool | Exception = True, frames: int = 2, ends: bool = False) -> None:
        self.opens, self.frames, self.ends = opens, frames, ends
        self.number = 0
        self.closed = 0

    def open(self) -> CameraInfo:
        if isinstance(self.opens, Exception):
            raise self.opens
        if not self.opens:
            raise CameraLost("not there")
        return CameraInfo("scripted", 2, 2, 30.0, "RGB", live=True)

    def read(self, timeout_s: float = 2.0) -> Frame | None:
        if self.number == self.frames:
            if self.ends:
                return None
            raise CameraLost("gone")
        self.number += 1
        return Frame(IMAGE, Stamp(self.number - 1, self.number))

    def close(self) -> None:
        self.closed += 1


def reopening(*cameras: Scripted) -> ReopeningCamera:
    script = iter(cameras)
    return ReopeningCamera(lambda: next(script), first_s=0.001, longest_s=0.004)


def test_frames_go_on_after_a_loss_with_rising_sequence() -> None:
    first = Scripted(frames=3)
    camera = reopening(first, Scripted(opens=False), Scripted(opens=False), Scripted(frames=2, ends=True))
    assert camera.open().name == "scripted" and camera.state is CameraState.OPEN
    sequences = [camera.read().stamp.sequence for _ in range(3)]  # type: ignore[union-attr]
    with pytest.raises(CameraLost, match="gone"):
        camera.read()
    assert first.closed == 1
    sequences += [camera.read(20.0).stamp.sequence for _ in range(2)]  # type: ignore[union-attr]
    assert sequences == [0, 1, 2, 3, 4]
    assert camera.read() is None
    assert (camera.state, camera.reopened) == (CameraState.OPEN, 1)
    camera.close()
    assert camera.state is CameraState.CLOSED


def test_a_camera_that_is_absent_at_first_comes_later() -> None:
    camera = reopening(Scripted(opens=False), Scripted(opens=BadInput("two fit")), Scripted())
    with pytest.raises(CameraLost, match="not there"):
        camera.open()
    assert camera.state in (CameraState.RETRYING, CameraState.OPEN)
    assert camera.read(20.0) is not None
    camera.close()


def test_bad_input_is_not_retried() -> None:
    camera = reopening(Scripted(opens=BadInput("no such file")))
    with pytest.raises(BadInput):
        camera.open()
    assert camera.state is CameraState.CLOSED
    with pytest.raises(CameraLost, match="closed"):
        camera.read()


def test_a_short_timeout_alone_is_not_a_loss() -> None:
    class Slow(Scripted):
        def read(self, timeout_s: float = 2.0) -> Frame | None:
            raise CameraLost("no frame in time")

    camera = reopening(Slow())
    camera.open()
    with pytest.raises(CameraLost, match="in time"):
        camera.read(0.0)
    assert camera.state is CameraState.OPEN
    camera.close()


def test_close_ends_the_retrying() -> None:
    camera = ReopeningCamera(lambda: Scripted(opens=False), first_s=60.0)
    with pytest.raises(CameraLost):
        camera.open()
    camera.close()
    assert camera.state is CameraState.CLOSED
    with pytest.raises(CameraLost, match="closed"):
        camera.read()


def test_a_camera_that_is_closed_while_it_opens_does_not_stay_open() -> None:
    began, go_on = threading.Event(), threading.Event()

    class Slow(Scripted):
        def open(self) -> CameraInfo:
            began.set()
            go_on.wait(20.0)
            return super().open()

    def open_it() -> None:
        with pytest.raises(CameraLost, match="closed"):
            camera.open()

    device = Slow()
    camera = reopening(device)
    opening = threading.Thread(target=open_it)
    opening.start()
    assert began.wait(20.0)
    camera.close()
    go_on.set()
    opening.join(20.0)
    assert not opening.is_alive() and device.closed == 1 and camera.state is CameraState.CLOSED


def test_why_it_was_lost_is_said_until_the_next_frame() -> None:
    camera = reopening(Scripted(frames=0), Scripted(frames=1))
    camera.open()
    with pytest.raises(CameraLost, match="gone"):
        camera.read()
    while camera.state is not CameraState.OPEN:
        threading.Event().wait(0.001)
    assert camera.reason == "gone", "it can be opened, but gave nothing yet"
    assert camera.read() is not None and camera.reason == ""
    camera.close()
