"""Moving pictures on a widget."""

from __future__ import annotations

import threading

import numpy as np

from didlive.types import U8
from ui.picture import Picture


def test_what_was_begun_before_it_was_forgotten_never_shows(qtbot):
    begun, go_on = threading.Event(), threading.Event()
    pictures = iter([np.full((8, 8, 3), 255, np.uint8)])

    def make(width: int, height: int) -> U8 | None:
        image = next(pictures, None)
        if image is not None:
            begun.set()
            go_on.wait(5.0)
        return image

    picture = Picture(make)
    qtbot.addWidget(picture)
    picture.show()
    assert begun.wait(5.0)
    picture.forget()
    go_on.set()
    painted = picture.painted
    qtbot.wait(100)
    picture.stop()
    assert picture.shown is None and picture.painted == painted
