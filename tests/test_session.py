"""The session: states, faults, panic and the end, with stand-ins for every device."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
from stage import SETTINGS, Painter, Show, make_actor, show_threads, wait_until

from didlive.errors import BadInput
from didlive.session import State
from didlive.types import Frame, Performer, Ranges, Tracking


def test_starts_with_the_still_portrait_and_goes_live(show: Show):
    show.camera.lost = True
    show.session.start()
    assert show.shows_still()
    show.camera.lost = False
    show.until(State.LIVE)
    wait_until(lambda: not show.shows_still(), "a moving frame")
    stats = show.session.stats()
    assert stats.frames > 0 and stats.p95_ms >= stats.p50_ms > 0
    assert [name for name, _ in stats.stages_ms] == ["track", "motion", "retarget", "generate", "composite"]
    assert show.session.preview.peek() is not None


def test_numbers_of_the_tracker_are_there_for_the_window(show: Show):
    show.session.start()
    show.until(State.LIVE)
    tracking, measure = show.session.tracking.peek(), show.session.measures.peek()
    assert tracking is not None and tracking.face is not None and measure is not None
    show.tracker.blind = True
    wait_until(lambda: (seen := show.session.tracking.peek()) is not None and seen.face is None)
    info = show.session.camera_info
    assert info is not None and info.width == 64
    assert show.session.provider == "painter on CPU"


def test_a_known_performer_is_used_and_left_again(show: Show):
    measure = show.session.measures
    show.session.start()
    show.until(State.LIVE)
    seen = measure.peek()
    assert seen is not None
    show.session.use_performer(Performer("me", seen, Ranges(jaw=0.4)))
    drawn = show.painter.drawn
    wait_until(lambda: show.painter.drawn > drawn + 3)
    show.session.use_performer(None)
    wait_until(lambda: show.session.calibrating)
    wait_until(lambda: not show.session.calibrating)
    assert show.session.stats().faults == 0


def test_stop_ends_all_threads_and_closes_everything(show: Show):
    show.session.start()
    show.until(State.LIVE)
    show.session.stop()
    assert show_threads() == [] and show.tracker.closed and show.watcher.closed == 1
    assert show.state() is State.STOPPED
    show.session.stop()
    with pytest.raises(BadInput):
        show.session.start()


def test_stop_without_start(show: Show):
    show.session.stop()
    assert show.tracker.closed


def test_a_hanging_tracker_does_not_hang_the_end(show: Show):
    asleep, awake = threading.Event(), threading.Event()

    def hang(frame: Frame) -> Tracking:
        asleep.set()
        awake.wait(30)
        return Tracking(None, (1, 1), 0, frame.stamp)

    show.tracker.track = hang  # pyright: ignore[reportAttributeAccessIssue]
    show.session.start()
    assert asleep.wait(30)
    show.session.stop()
    assert show_threads() == ["didlive-track"] and not show.tracker.closed and show.watcher.closed == 1
    awake.set()
    wait_until(lambda: not show_threads())


def test_a_lost_face_is_held_then_idle(show: Show):
    show.session.start()
    show.until(State.LIVE)
    show.tracker.blind = True
    show.until(State.HOLDING)
    show.until(State.IDLE)
    show.tracker.blind = False
    show.until(State.LIVE)


def test_nobody_ever_seen_is_idle(show: Show):
    show.tracker.blind = True
    show.session.start()
    show.until(State.IDLE)
    assert show.shows_still()


def test_hold_freezes_and_releases(show: Show):
    show.session.start()
    wait_until(lambda: show.painter.drawn > 3)
    show.session.hold()
    show.until(State.HOLDING)
    drawn = show.painter.drawn
    written = show.watcher.written
    wait_until(lambda: show.watcher.written > written + 5)
    assert show.painter.drawn <= drawn + 1
    show.session.hold(False)
    wait_until(lambda: show.painter.drawn > drawn + 3)


def test_another_portrait_is_shown_also_while_held(show: Show):
    show.session.start()
    wait_until(lambda: show.painter.drawn > 3)
    show.session.hold()
    show.until(State.HOLDING)
    painter = Painter()
    show.session.set_actor(make_actor(level=200, generator=painter))
    wait_until(lambda: show.watcher.newest is not None and np.median(show.watcher.newest) > 190, "the other portrait")
    written = show.watcher.written
    wait_until(lambda: show.watcher.written > written + 5)
    assert painter.drawn == 1 and show.session.held


def test_panic_shows_the_still_portrait_at_once_and_until_released(show: Show):
    show.session.start()
    wait_until(lambda: show.painter.drawn > 3)
    show.session.panic()
    assert show.shows_still() and "panic" in show.session.stats().reason
    for written in range(show.watcher.written, show.watcher.written + 20):
        wait_until(lambda least=written: show.watcher.written > least)
        assert show.shows_still()
    show.session.panic(False)
    wait_until(lambda: not show.shows_still())


def test_an_actor_is_changed_between_frames(show: Show):
    other = Painter()
    show.session.start()
    show.until(State.LIVE)
    show.session.set_actor(make_actor(level=160, generator=other))
    wait_until(lambda: other.drawn > 3)
    drawn = show.painter.drawn
    wait_until(lambda: other.drawn > 8)
    assert show.painter.drawn == drawn
    with pytest.raises(BadInput, match="64x64"):
        show.session.set_actor(make_actor(size=64))


def test_recalibrate_and_configure_while_running(show: Show):
    show.session.start()
    show.until(State.LIVE)
    show.session.recalibrate()
    show.session.configure(SETTINGS.motion)
    drawn = show.painter.drawn
    wait_until(lambda: show.painter.drawn > drawn + 3)
    assert show.session.stats().faults == 0


def test_one_generator_fault_is_retried_on_the_same_frame(show: Show, caplog: pytest.LogCaptureFixture):
    show.session.start()
    show.until(State.LIVE)
    with caplog.at_level(logging.ERROR):
        show.painter.faults = 1
        wait_until(lambda: show.painter.faults == 0)
        drawn = show.painter.drawn
        wait_until(lambda: show.painter.drawn > drawn + 3)
    assert show.session.stats().faults == 0
    assert [r.exc_info is not None for r in caplog.records] == [True]


def test_a_broken_generator_gives_the_still_portrait_and_recovers(show: Show, caplog: pytest.LogCaptureFixture):
    show.session.start()
    show.until(State.LIVE)
    with caplog.at_level(logging.ERROR):
        show.painter.faults = 10**6
        show.until(State.DEGRADED)
        wait_until(show.shows_still)
        # The reason is there after the first try, the fault is counted after the second.
        wait_until(lambda: show.session.stats().faults >= 1)
        assert "cannot be drawn" in show.session.stats().reason
        show.painter.faults = 0
        show.until(State.LIVE)
    assert len(caplog.records) == 1, "one traceback is enough"


def test_two_tracker_faults_are_survived(show: Show, caplog: pytest.LogCaptureFixture):
    show.session.start()
    show.until(State.LIVE)
    with caplog.at_level(logging.ERROR):
        show.tracker.faults = 2
        wait_until(lambda: show.session.stats().faults == 2)
        drawn = show.painter.drawn
        wait_until(lambda: show.painter.drawn > drawn + 3)
    assert len(caplog.records) == 1 and "Traceback" in caplog.text
    assert show.state() is State.LIVE


def test_three_tracker_faults_end_as_failed_with_the_still_portrait(show: Show, caplog: pytest.LogCaptureFixture):
    show.session.start()
    show.until(State.LIVE)
    with caplog.at_level(logging.ERROR):
        show.tracker.faults = 3
        show.until(State.FAILED)
    assert "stumbled" in show.session.failure
    wait_until(show.shows_still)
    written = show.watcher.written
    show.session.panic()
    assert show.watcher.written == written + 1 and show.shows_still()
