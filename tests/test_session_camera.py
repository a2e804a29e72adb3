"""The camera of a session: who reads it, who sees it, another one while the show runs, its loss."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from stage import SETTINGS, Follower, Nuisance, Show, Watcher, make_actor, wait_until

from didlive.errors import BadInput
from didlive.seams import CameraInfo
from didlive.session import Session, State


def test_only_the_capture_thread_touches_the_camera(show: Show):
    show.session.start()
    show.until(State.LIVE)
    assert show.camera.reading_threads == {"didlive-capture"}


def test_the_camera_is_shown_only_while_asked(show: Show):
    session = show.session
    session.start()
    show.until(State.LIVE)
    assert session.camera_view.peek() is None
    session.show_camera()
    wait_until(lambda: session.camera_view.peek() is not None)
    frame = session.camera_view.peek()
    assert frame is not None and frame.image.shape == (64, 64, 3)
    session.show_camera(False)
    assert session.camera_view.peek() is None
    before = session.stats().frames
    wait_until(lambda: session.stats().frames > before + 3)
    assert session.camera_view.peek() is None
    session.show_camera()
    wait_until(lambda: session.camera_view.peek() is not None)
    session.follow(False)
    wait_until(lambda: session.camera_view.peek() is None)
    session.follow()
    wait_until(lambda: session.camera_view.peek() is not None)
    session.stop()
    assert session.camera_view.peek() is None


def test_another_camera_and_tracker_take_over_while_outputs_go_on(show: Show):
    show.session.start()
    show.until(State.LIVE)
    wait_until(lambda: not show.session.calibrating)
    opened, camera, tracker = show.watcher.opened, Nuisance(), Follower()
    show.session.set_camera(camera, tracker)
    wait_until(lambda: show.tracker.closed and camera.opened == 1)
    show.until(State.LIVE)
    assert camera.reading_threads == {"didlive-capture"} and not tracker.closed
    wait_until(lambda: not show.session.calibrating, "the new performer's neutral")
    assert (show.watcher.opened, show.watcher.closed, show.session.stats().faults) == (opened, 0, 0)
    third = Nuisance()
    show.session.set_camera(third)
    wait_until(lambda: third.opened == 1)
    show.until(State.LIVE)
    show.session.stop()
    assert tracker.closed and show.watcher.closed == 1


def test_a_camera_changed_before_the_first_frame_brings_its_own_tracker(show: Show):
    camera, tracker = Nuisance(), Follower()
    show.session.set_camera(camera, tracker)
    show.session.start()
    show.until(State.LIVE)
    wait_until(lambda: show.tracker.closed)
    assert show.camera.opened == 0 and not tracker.closed


def test_a_camera_changed_to_that_cannot_be_used_is_said_and_the_show_goes_on(show: Show, tmp_path: Any):
    from didlive.capture.file import FileCamera

    show.session.start()
    show.until(State.LIVE)
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    show.session.set_camera(FileCamera(path, paced=True))
    show.until(State.DEGRADED)
    assert str(path) in show.session.stats().reason
    show.session.set_camera(Nuisance())
    show.until(State.LIVE)


def test_a_camera_that_turns_out_useless_does_not_stop_the_one_that_came_after_it(show: Show):
    began, go_on = threading.Event(), threading.Event()

    class Useless(Nuisance):
        def open(self) -> CameraInfo:
            began.set()
            go_on.wait(30.0)
            raise BadInput("it is no camera")

    show.session.start()
    show.until(State.LIVE)
    show.session.set_camera(Useless())
    assert began.wait(30.0)
    show.session.set_camera(Nuisance())
    go_on.set()
    show.until(State.LIVE)
    assert show.session.following


def test_a_fault_after_a_change_of_camera_leaves_the_performer_known(show: Show, caplog: pytest.LogCaptureFixture):
    class Counting(Follower):
        resets = 0

        def reset(self) -> None:
            self.resets += 1

    tracker = Counting()
    show.session.start()
    show.session.set_camera(Nuisance(), tracker)
    wait_until(lambda: show.tracker.closed)
    show.until(State.LIVE)
    with caplog.at_level(logging.ERROR):
        tracker.faults = 1
        wait_until(lambda: show.session.stats().faults == 1)
    drawn = show.painter.drawn
    wait_until(lambda: show.painter.drawn > drawn + 3)
    assert tracker.resets == 1


def test_changing_the_camera_again_and_again(show: Show):
    show.session.start()
    trackers = [Follower() for _ in range(12)]
    for tracker in trackers:
        show.session.set_camera(Nuisance(200.0), tracker)
    show.until(State.LIVE)
    show.session.stop()
    assert all(t.closed for t in trackers) and show.session.failure == ""


def test_camera_loss_is_degraded_and_comes_back(show: Show):
    show.session.start()
    show.until(State.LIVE)
    show.camera.lost = True
    show.until(State.DEGRADED)
    assert "camera" in show.session.stats().reason
    before = show.session.stats().frames
    wait_until(lambda: show.session.stats().frames > before + 5, "the idle portrait")
    show.camera.lost = False
    show.until(State.LIVE)
    assert show.camera.opened >= 2


def test_camera_off_and_on(show: Show):
    show.session.start()
    show.until(State.LIVE)
    show.session.follow(False)
    show.until(State.IDLE)
    assert "off" in show.session.stats().reason
    show.session.follow()
    show.until(State.LIVE)


def test_a_clip_that_vanished_is_said_while_the_portrait_idles_and_plays_when_it_is_back():
    class Vanishing(Nuisance):
        gone, closed = False, 0

        def open(self) -> CameraInfo:
            if self.gone:
                raise BadInput("clip.mp4 cannot be read; put it back")
            return super().open()

        def close(self) -> None:
            super().close()
            self.closed += 1

    camera, watcher = Vanishing(), Watcher()
    session = Session(SETTINGS, camera, Follower(), make_actor(), [watcher])
    session.start()
    wait_until(lambda: session.stats().state is State.LIVE)
    closed = camera.closed
    session.follow(False)
    wait_until(lambda: camera.closed > closed)
    camera.gone = True
    session.follow()
    wait_until(lambda: "put it back" in session.stats().reason)
    assert session.stats().state is State.DEGRADED and not session.following
    written = watcher.written
    wait_until(lambda: watcher.written > written + 3)
    camera.gone = False
    session.follow()
    wait_until(lambda: session.stats().state is State.LIVE)
    session.stop()


def test_a_file_that_is_no_video_fails_with_its_reason(tmp_path: Any):
    from didlive.capture.file import FileCamera

    path = tmp_path / "text.mp4"
    path.write_text("no video")
    session = Session(SETTINGS, FileCamera(path, paced=True), Follower(), make_actor())
    session.start()
    wait_until(lambda: session.stats().state is State.FAILED)
    assert "text.mp4" in session.failure
    session.stop()
