"""Panic from outside: SIGUSR1 puts every output to the still portrait, SIGUSR2 releases it."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def _wake(*_: object) -> None:
    """Without a handler in Python the signal would end the process; the work is done by the thread that is woken."""


if sys.platform == "win32":

    @contextmanager
    def panic_signals(panic: Callable[[bool], object]) -> Iterator[None]:
        """Do nothing: this system has no such signals."""
        yield

else:

    @contextmanager
    def panic_signals(panic: Callable[[bool], object]) -> Iterator[None]:
        """Call `panic(True)` at SIGUSR1 and `panic(False)` at SIGUSR2 while the block runs.

        It is called at once in a thread of its own, also while the main thread waits or is inside Qt. To be entered in
        the main thread.
        """
        numbers = {signal.SIGUSR1: True, signal.SIGUSR2: False}
        listening, waking = socket.socketpair()
        waking.setblocking(False)

        def listen() -> None:
            while data := listening.recv(64):
                for number in data:
                    if number in numbers:
                        panic(numbers[signal.Signals(number)])

        thread = threading.Thread(target=listen, name="didlive-panic", daemon=True)
        thread.start()
        # Python writes a signal's number into this socket at the moment it comes, whatever runs.
        before_fd = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, _wake) for number in numbers}
        try:
            yield
        finally:
            signal.set_wakeup_fd(before_fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            waking.close()
            thread.join(1.0)
            listening.close()
