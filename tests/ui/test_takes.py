"""Recordings that end when everything ends: whatever the background thread is busy with, nothing is left unwritten."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from stage import SETTINGS, Show, show_threads

from didlive.session import State
from didlive.take import SUFFIX, TakeWriter, load_take
from ui.jobs import Jobs
from ui.takes import Takes

Until = Callable[[Callable[[], object]], None]
LIMIT_S = 60.0


class Rig:
    """A show of stand-ins whose recordings go to `folder`; its background thread can be held up."""

    def __init__(self, folder: Path) -> None:
        self.show, self.jobs = Show(), Jobs()
        self.takes = Takes(self.jobs, lambda _: None)
        self.takes.videos = folder
        self.path = folder
        self.reached, self.go = threading.Event(), threading.Event()

    def wait(self) -> None:
        """Say that this was reached, and wait until it may go on."""
        self.reached.set()
        assert self.go.wait(LIMIT_S)

    def end(self) -> list[bool]:
        """End as the window does; return whether the take and the recording were there at the end."""
        path, found = self.path, []

        def ending() -> None:
            self.jobs.close()
            self.show.session.stop()
            self.jobs.wait(0.0)
            self.takes.finish()
            found.extend(file.exists() for file in (path.with_suffix(SUFFIX), path))

        thread = threading.Thread(target=ending)
        thread.start()
        # Enough for an ending that does not wait; one that does needs `go`.
        thread.join(0.5)
        self.go.set()
        thread.join(LIMIT_S)
        return found


@pytest.fixture
def rig(qapp, until: Until, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "videos")
    made.show.session.start()
    made.show.until(State.LIVE)
    made.takes.begin(made.show.session, SETTINGS)
    until(lambda: made.takes.recording and made.takes.measure() and made.takes._now.sink.written > 5)
    assert made.takes.path is not None
    made.path = made.takes.path
    yield made
    made.go.set()
    made.jobs.close()
    made.show.session.stop()
    made.takes.finish()
    assert made.jobs.wait(LIMIT_S)


def complete(path: Path) -> None:
    """Check that recording and take can be used, and that nobody works on them any more."""
    with av.open(str(path)) as clip:
        assert sum(1 for _ in clip.decode(video=0)) > 5
    assert load_take(path.with_suffix(SUFFIX)).recording.present.any()
    assert "didlive-take" not in show_threads()


def test_a_take_whose_job_never_came(rig: Rig, until: Until):
    rig.jobs.submit(rig.wait, soon=True)
    until(rig.reached.is_set)
    rig.show.session.stop()
    rig.takes.ended()
    assert not rig.takes.recording
    assert rig.end() == [True, True]
    complete(rig.path)


def test_the_end_waits_for_a_take_that_is_being_written(rig: Rig, until: Until, monkeypatch: pytest.MonkeyPatch):
    finish = TakeWriter._finish

    def slowly(take: TakeWriter, *arguments: object) -> None:
        rig.wait()
        finish(take, *arguments)

    monkeypatch.setattr(TakeWriter, "_finish", slowly)
    rig.takes.end(rig.show.session)
    until(rig.reached.is_set)
    assert rig.end() == [True, True]
    complete(rig.path)


def test_the_end_waits_for_a_recording_that_is_being_finished(rig: Rig, monkeypatch: pytest.MonkeyPatch, until: Until):
    sink = rig.takes._now.sink.sink
    close = sink.close

    def slowly() -> None:
        rig.wait()
        close()

    monkeypatch.setattr(sink, "close", slowly)
    rig.takes.end(rig.show.session)
    until(rig.reached.is_set)
    assert rig.end() == [True, True]
    complete(rig.path)
