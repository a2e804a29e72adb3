"""What the user asked for outlives the session: panic, hold, a camera that is off; and one press is one action."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest
from PySide6.QtWidgets import QWidget

from didlive.session import Session
from ui.actions import REPEATING, Actions
from ui.hotkeys import HOTKEYS
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]


def running(show: Studio) -> Session:
    assert show.session is not None
    return show.session


def begin_anew(show: Studio, until: Until) -> Session:
    """Change the size, which takes a new session."""
    before = running(show)
    show.change("output.size", "256x256" if show.settings.output.size != "256x256" else "320x320")
    until(lambda: show.session is not None and show.session is not before)
    return running(show)


def test_panic_outlives_the_session(show: Studio, until: Until):
    show.panic(True)
    session = begin_anew(show, until)
    assert session.panicking and show.panicking
    still = running(show).preview.peek()
    assert still is not None
    until(lambda: session.tracking.count > 3)
    now = session.preview.peek()
    assert now is not None and (now.image == still.image).all()
    show.panic(False)
    assert not show.panicking and not begin_anew(show, until).panicking


def test_panic_reaches_a_session_that_is_about_to_be_replaced(show: Studio, until: Until):
    before = running(show)
    show.change("output.size", "192x192")
    until(lambda: show.session is not before)
    show.panic(True)
    assert before.panicking or before.over
    until(lambda: show.session is not None and show.session is not before)
    assert running(show).panicking


def test_hold_and_a_camera_that_is_off_outlive_the_session(show: Studio, until: Until):
    show.hold(True)
    show.follow(False)
    session = begin_anew(show, until)
    assert session.held and show.held and not session.following
    show.hold(False)
    show.start()
    session = begin_anew(show, until)
    assert not session.held and session.following


def test_panic_before_there_is_a_session(studio: Studio, models: object, until: Until):
    studio.change("camera.name", "", merge=False)
    studio.open()
    studio.panic(True)
    assert studio.session is None and studio.panicking
    until(lambda: studio.session is not None)
    assert running(studio).panicking


def test_another_camera_does_not_begin_to_follow_by_itself(show: Studio, until: Until):
    show.follow(False)
    show.change("camera.rate_hz", 15.0)
    show.choose_camera("synthetic")
    until(lambda: show.driving == "synthetic")
    done: list[object] = []
    show._jobs.submit(lambda: None, done.append)
    until(lambda: bool(done))
    assert not running(show).following and not show.following


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_signal_is_remembered_too(show: Studio, until: Until):
    from didlive.panic import panic_signals

    with panic_signals(show.panic_now):
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: show.panicking)
        assert begin_anew(show, until).panicking
        os.kill(os.getpid(), signal.SIGUSR2)
        until(lambda: not show.panicking)


def test_a_key_that_is_held_down_is_one_press(studio: Studio, qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    actions = Actions(studio, window, dict.fromkeys(("fullscreen", "keys", "quit"), lambda: None))
    assert {h.name for h in HOTKEYS if actions.by_name[h.name].autoRepeat()} == set(REPEATING)


@pytest.mark.parametrize(("path", "value"), [("output.background", "transparent"), ("output.rate_hz", 24.0)])
def test_a_recording_that_a_setting_ends_says_so(show: Studio, until: Until, path: str, value: object):
    told: list[str] = []
    show.message.connect(lambda _, text: told.append(text))
    until(lambda: show.session is not None)
    show.record(True)
    until(lambda: show.recording and running(show).output_states()[0].written > 5)
    before = running(show)
    show.change(path, value)
    until(lambda: show.session is None)
    show.snapshot()
    assert told[-1] == "One moment: the show begins"
    until(lambda: show.session is not None and show.session is not before and not show.recording)
    assert any(text.startswith("Recorded ") for text in told) and "The recording ended" in told[-1]


def test_two_quick_clicks_are_one_recording(show: Studio, until: Until):
    said: list[tuple[str, str]] = []
    show.message.connect(lambda level, text: said.append((level, text)))
    show.record(True)
    show.record(True)
    until(lambda: show.recording)
    show.record(False)
    until(lambda: not show.recording and any("Recorded" in text for _, text in said))
    assert not [text for level, text in said if level == "error"]
