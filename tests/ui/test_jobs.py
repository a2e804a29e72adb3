"""The background thread: order, results, failures, the end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from didlive.errors import BadInput, Cancelled
from ui.jobs import Jobs


@pytest.fixture
def jobs(qtbot) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.close()
    assert made.wait(10)


def test_results_come_back_in_the_threads_of_the_window(qtbot, jobs: Jobs):
    threads: list[threading.Thread] = []
    results: list[int] = []

    def work() -> int:
        threads.append(threading.current_thread())
        return 7

    jobs.submit(work, lambda result: (results.append(result), threads.append(threading.current_thread())))
    qtbot.waitUntil(lambda: bool(results))
    assert results == [7]
    assert threads[0] is not threads[1] is threading.current_thread()


def test_what_is_urgent_goes_first(qtbot, jobs: Jobs):
    gate, order = threading.Event(), []
    jobs.submit(lambda: gate.wait(10))
    jobs.submit(lambda: order.append("later"))
    jobs.submit(lambda: order.append("sooner"), soon=True)
    gate.set()
    qtbot.waitUntil(lambda: len(order) == 2)
    assert order == ["sooner", "later"]


def test_failures_are_told_in_one_line(qtbot, jobs: Jobs):
    def fail() -> None:
        raise BadInput("this picture is broken; take another")

    own: list[str] = []
    with qtbot.waitSignal(jobs.failed) as told:
        jobs.submit(fail)
    assert told.args == ["this picture is broken; take another"]
    jobs.submit(fail, failed=lambda error: own.append(str(error)))
    qtbot.waitUntil(lambda: bool(own))


def test_an_unexpected_error_is_reported_and_the_next_job_runs(qtbot, jobs: Jobs, monkeypatch: pytest.MonkeyPatch):
    seen: list[type] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: seen.append(kind))
    done: list[int] = []
    jobs.submit(lambda: [][0])
    jobs.submit(lambda: 1, done.append)
    qtbot.waitUntil(lambda: bool(done))
    assert seen == [IndexError]


def test_progress_is_told_and_ends_when_the_window_closes(qtbot, jobs: Jobs):
    said: list[tuple[str, float]] = []
    jobs.busy.connect(lambda label, part: said.append((label, part)))
    begun, closing, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        jobs.progress(1, 4)
        begun.set()
        closing.wait(10)
        try:
            jobs.progress(2, 4)
        except Cancelled:
            ended.append(True)
            raise

    jobs.submit(work, label="Fetching")
    qtbot.waitUntil(lambda: ("Fetching", 0.25) in said)
    jobs.close()
    closing.set()
    assert jobs.wait(10) and ended
    qtbot.waitUntil(lambda: said[-1] == ("", 0.0))
    assert said[0] == ("Fetching", -1.0)
