"""The session: states, faults, panic and the end, with stand-ins for every device."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stage import SETTINGS, Follower, Nuisance, Painter, Watcher, bare, make_actor, portrait, show_threads, wait_until

from didlive.actor import prepare_actor
from didlive.errors import BadInput, OutputFailed
from didlive.portrait import load_image
from didlive.session import Session, State
from didlive.sinks.memory import MemorySink
from didlive.sinks.recorder import PacedSink, QueuedSink
from didlive.types import Frame, Performer, Ranges, Stamp, Tracking


class Show:
    """A session and everything it is made of."""

    def __init__(self) -> None:
        self.camera, self.tracker, self.painter, self.watcher = Nuisance(), Follower(), Painter(), Watcher()
        self.actor = make_actor(generator=self.painter)
        self.still = self.actor.compositor.compose(None, Stamp(0, 0)).image
        self.session = Session(SETTINGS, self.camera, self.tracker, self.actor, [self.watcher])

    def state(self) -> State:
        return self.session.stats().state

    def until(self, state: State) -> None:
        wait_until(lambda: self.state() is state, f"state {state} (now {self.session.stats()})")

    def shows_still(self) -> bool:
        return np.array_equal(self.watcher.newest, self.still)


@pytest.fixture
def show() -> Iterator[Show]:
    made = Show()
    yield made
    made.session.stop()
    assert show_threads() == []


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


def test_changing_the_camera_again_and_again(show: Show):
    show.session.start()
    trackers = [Follower() for _ in range(12)]
    for tracker in trackers:
        show.session.set_camera(Nuisance(200.0), tracker)
    show.until(State.LIVE)
    show.session.stop()
    assert all(t.closed for t in trackers) and show.session.failure == ""


def test_outputs_come_and_go(show: Show):
    show.session.start()
    show.until(State.LIVE)
    late, queued = Watcher(), QueuedSink(Watcher())
    show.session.add_sink("late", late)
    assert late.opened == 1 and late.written >= 1, "it begins with the last frame"
    show.session.add_sink("queued", queued)
    wait_until(lambda: late.written > 5 and queued.written > 5)
    states = {s.name: s for s in show.session.output_states()}
    assert list(states) == ["output 1", "late", "queued"] and states["queued"].written > 5
    with pytest.raises(BadInput, match="late is there already"):
        show.session.add_sink("late", Watcher())
    show.session.remove_sink("late")
    written = late.written
    show.session.remove_sink("late")
    wait_until(lambda more=show.watcher.written: show.watcher.written > more + 5)
    assert late.written == written and late.closed == 1
    broken = Watcher()
    broken.broken = True
    with pytest.raises(OutputFailed):
        show.session.add_sink("broken", broken)
    assert [s.name for s in show.session.output_states()] == ["output 1", "queued"]
    show.session.stop()
    assert queued.error is None and [s.problem for s in show.session.output_states()] == ["", ""]
    with pytest.raises(BadInput, match="the show is over"):
        show.session.add_sink("late", Watcher())


def test_an_output_added_before_the_start_is_opened_with_it(show: Show):
    early = Watcher()
    show.session.add_sink("early", early)
    assert early.opened == 0
    show.session.start()
    wait_until(lambda: early.written > 3)
    assert early.opened == 1


def test_an_output_that_breaks_while_it_is_finished_says_so(show: Show):
    class Full(Watcher):
        def close(self) -> None:
            raise OutputFailed("the disk is full")

    show.session.start()
    for name, sink in (("plain", Full()), ("queued", QueuedSink(Full()))):
        show.session.add_sink(name, sink)
        assert show.session.remove_sink(name) == "the disk is full"
    assert len(show.session.output_states()) == 1


def test_an_output_added_in_panic_begins_with_the_still_portrait(show: Show):
    show.session.start()
    wait_until(lambda: show.painter.drawn > 3)
    show.session.panic()
    late = Watcher()
    show.session.add_sink("late", late)
    assert np.array_equal(late.newest, show.still)


def test_a_snapshot_is_what_goes_out(show: Show, tmp_path: Any):
    path = tmp_path / "pictures" / "now.png"
    with pytest.raises(OutputFailed, match="nothing has gone out"):
        show.session.snapshot(path)
    show.session.start()
    show.session.panic()
    show.session.snapshot(path)
    assert np.array_equal(load_image(path)[0], show.still)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFailed, match="was not written"):
        show.session.snapshot(tmp_path / "file" / "now.png")


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


def test_camera_off_and_on(show: Show):
    show.session.start()
    show.until(State.LIVE)
    show.session.follow(False)
    show.until(State.IDLE)
    assert "off" in show.session.stats().reason
    show.session.follow()
    show.until(State.LIVE)


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


def test_a_file_that_is_no_video_fails_with_its_reason(tmp_path: Any):
    from didlive.capture.file import FileCamera

    path = tmp_path / "text.mp4"
    path.write_text("no video")
    session = Session(SETTINGS, FileCamera(path, paced=True), Follower(), make_actor())
    session.start()
    wait_until(lambda: session.stats().state is State.FAILED)
    assert "text.mp4" in session.failure
    session.stop()


def test_a_lost_live_output_comes_back_and_a_lost_file_does_not(show: Show):
    live, file = Watcher(), Watcher()
    paced, queued = PacedSink(live, 60.0), QueuedSink(file)
    session = Session(SETTINGS, Nuisance(), Follower(), make_actor(), [paced, queued])
    session.start()
    wait_until(lambda: live.written > 3 and file.written > 3)
    live.broken = file.broken = True
    wait_until(lambda: paced.error is not None and queued.error is not None)
    assert session.stats().state is State.DEGRADED and "output" in session.stats().reason
    live.broken = file.broken = False
    wait_until(lambda: live.opened == 2)
    written = live.written
    wait_until(lambda: live.written > written + 3)
    assert file.opened == 1
    session.stop()


def test_an_output_that_cannot_open_starts_nothing():
    bad, good = Watcher(), Watcher()
    bad.broken = True
    session = Session(SETTINGS, Nuisance(), Follower(), make_actor(), [good, bad])
    with pytest.raises(OutputFailed):
        session.start()
    assert good.aborted == 1 and show_threads() == []
    session.stop()


def test_a_plain_sink_that_fails_does_not_stop_the_others(show: Show):
    memory = MemorySink()
    session = Session(SETTINGS, Nuisance(), Follower(), make_actor(), [show.watcher, memory])
    with session:
        wait_until(lambda: memory.written > 2)
        show.watcher.broken = True
        written = memory.written
        wait_until(lambda: memory.written > written + 3)
        assert session.stats().state is State.DEGRADED


def test_transparent_frames_reach_those_who_can_show_them_and_others_get_the_colour():
    output = bare("source", "full", background="transparent", background_color="#0000ff", rate_hz=60.0)
    settings = replace(SETTINGS, output=output)
    cover = np.zeros((128, 128), np.uint8)
    cover[40:90, 40:90] = 255
    actor = prepare_actor(replace(portrait(), alpha=cover), settings, generator=Painter(), calibrate=False)
    clear, plain, queued = MemorySink(), Watcher(), QueuedSink(MemorySink())
    with Session(settings, Nuisance(), Follower(), actor, [clear, plain]) as session:
        session.panic()
        session.add_sink("queued", queued)
        late = Watcher()
        session.add_sink("late", late)
        wait_until(lambda: queued.written > 2 and plain.written > 2)
        for opaque in (plain.newest, late.newest):
            assert opaque is not None and opaque.shape == (128, 128, 3)
            assert (opaque[:20] == (0, 0, 255)).all() and np.array_equal(opaque[60, 60], portrait().image[60, 60])
        assert clear.frames[-1].image.shape == (128, 128, 4) and (clear.frames[-1].image[:20, :, 3] == 0).all()
        assert clear.stream is not None and clear.stream.alpha
        with pytest.raises(BadInput, match="new start"):
            session.set_actor(make_actor())
