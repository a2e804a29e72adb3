"""The outputs of a session: they come, go, break and come back, and the show goes on."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stage import (
    SETTINGS,
    Follower,
    Nuisance,
    Painter,
    Show,
    Watcher,
    bare,
    make_actor,
    portrait,
    show_threads,
    wait_until,
)

from didlive.actor import prepare_actor
from didlive.errors import BadInput, OutputFailed
from didlive.portrait import load_image
from didlive.seams import StreamFormat
from didlive.session import Session, State
from didlive.sinks.memory import MemorySink
from didlive.sinks.recorder import PacedSink, QueuedSink


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


def test_a_show_ends_while_a_lost_output_takes_its_time_to_open(show: Show):
    class Distant(Watcher):
        asked, answered = threading.Event(), threading.Event()

        def open(self, stream: StreamFormat) -> None:
            if self.opened:
                self.asked.set()
                self.answered.wait(60)
            super().open(stream)

    live = Distant()
    session = Session(SETTINGS, Nuisance(), Follower(), make_actor(), [PacedSink(live, 60.0)])
    session.start()
    wait_until(lambda: live.written > 3)
    live.broken = True
    assert live.asked.wait(60)
    live.broken = False
    before = live.aborted
    # It would wait for ever if it waited for the answer.
    session.stop()
    live.answered.set()
    wait_until(lambda: live.opened == 2 and live.aborted > before and show_threads() == [])


def test_live_outputs_end_with_the_still_portrait_and_files_with_what_was_performed(show: Show):
    live, file, seen = Watcher(), MemorySink(), []

    class Slow(MemorySink):
        def close(self) -> None:
            # While a file is finished, everybody sees the portrait at rest.
            wait_until(show_is_still)
            seen.append(True)

    def show_is_still() -> bool:
        return np.array_equal(live.newest, show.still)

    session = Session(SETTINGS, Nuisance(), Follower(), make_actor(), [PacedSink(live, 60.0), QueuedSink(file)])
    with session:
        session.add_sink("slow", QueuedSink(Slow()))
        wait_until(lambda: file.written > 20 and not show_is_still())
    assert seen and show_is_still() and live.closed == 1
    assert not np.array_equal(file.frames[-1].image, show.still)


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
