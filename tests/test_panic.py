"""Panic by signal: one frame later every output shows the still portrait, until it is released."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stage import wait_until

from didlive.panic import panic_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="this system has no such signals")

TESTS = Path(__file__).resolve().parent
# A show whose main thread sits in a call that never comes back to Python's own loop, as a window's does.
SHOW = """
import sys, threading
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.."]
from stage import SETTINGS, Follower, Nuisance, Watcher, make_actor
from didlive.panic import panic_signals
from didlive.session import Session
from didlive.types import Stamp
import numpy as np

actor = make_actor()
still = actor.compositor.compose(None, Stamp(0, 0)).image

class Teller(Watcher):
    said = ""
    def write(self, frame):
        super().write(frame)
        says = "still" if np.array_equal(frame.image, still) else "moving"
        if says != self.said:
            self.said = says
            print(says, flush=True)

teller = Teller()
session = Session(SETTINGS, Nuisance(), Follower(), actor, [teller])
# The signals first: one that comes before its handler ends the process.
with panic_signals(session.panic), session:
    sys.stdin.buffer.raw.read(1)
    print("leaks", teller.leaks, flush=True)
"""


def test_a_signal_stills_the_portrait_until_another_releases_it():
    show = subprocess.Popen([sys.executable, "-c", SHOW, str(TESTS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    assert show.stdin is not None and show.stdout is not None
    try:
        assert [show.stdout.readline().strip() for _ in range(2)] == ["still", "moving"]
        for number, says in ((signal.SIGUSR1, "still"), (signal.SIGUSR2, "moving"), (signal.SIGUSR1, "still")):
            show.send_signal(number)
            assert show.stdout.readline().strip() == says
        # Twice is not worse than once.
        show.send_signal(signal.SIGUSR1)
        said, _ = show.communicate("x", timeout=60)
        assert said.split() == ["leaks", "0"] and show.returncode == 0
    finally:
        show.kill()
        show.wait()


def test_handlers_come_back_and_nothing_is_left():
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    told: list[bool] = []
    with panic_signals(told.append):
        for number, count in ((signal.SIGUSR1, 1), (signal.SIGUSR2, 2)):
            signal.raise_signal(number)
            wait_until(lambda count=count: len(told) == count)
    assert told == [True, False]
    assert {number: signal.getsignal(number) for number in before} == before
    assert "didlive-panic" not in [thread.name for thread in threading.enumerate()]
    # Another handler of wake-ups was not there, and is not there now.
    descriptor = signal.set_wakeup_fd(-1)
    assert descriptor == -1
