"""Garbage that holds widgets is collected in the GUI thread."""

from __future__ import annotations

import gc
import threading

from PySide6.QtWidgets import QLabel

from ui.litter import Litter


class Ring:
    """A cycle with a widget in it; says in which thread it died."""

    def __init__(self, died: list[int]) -> None:
        self.me, self.died, self.label = self, died, QLabel("x")

    def __del__(self) -> None:
        self.died.append(threading.get_ident())


def test_a_worker_that_allocates_does_not_collect(qtbot):
    died: list[int] = []
    litter = Litter()
    try:
        for _ in range(50):
            Ring(died)
        worker = threading.Thread(target=lambda: [[] for _ in range(200_000)])
        worker.start()
        worker.join()
        assert not died and not gc.isenabled()
        kept = [[] for _ in range(5000)]  # Python counts what is alive: now a collection is due.
        qtbot.waitUntil(lambda: len(died) == 50, timeout=60_000)
        assert set(died) == {threading.get_ident()} and kept
    finally:
        litter.stop()
    assert gc.isenabled()
    gc.disable()  # As the fixture left it.
