"""The preview window without a screen: it paints what goes out, and its keys reach the session."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from stage import SETTINGS, Follower, Nuisance, make_actor, show_threads, wait_until

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from didlive.session import Session, State
from ui.picture import fitted
from ui.preview import PreviewWindow, show, state_line


@pytest.fixture(scope="module")
def app() -> QApplication:
    found = QApplication.instance()
    return found if isinstance(found, QApplication) else QApplication([])


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session(SETTINGS, Nuisance(), Follower(), make_actor())
    made.start()
    yield made
    made.stop()
    assert show_threads() == []


@pytest.fixture
def window(app: QApplication, session: Session) -> Iterator[PreviewWindow]:
    made = PreviewWindow(session, "grey")
    made.resize(300, 260)
    made.show()
    yield made
    made.close()


def until(app: QApplication, condition: Callable[[], object]) -> None:
    def look() -> object:
        app.processEvents()
        return condition()

    wait_until(look)


def press(window: PreviewWindow, key: Qt.Key) -> None:
    window.keyPressEvent(QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier))


def test_it_paints_moving_frames(app: QApplication, window: PreviewWindow, session: Session):
    assert window.windowTitle() == "didlive - grey"
    until(app, lambda: window.picture.painted > 5)
    until(app, lambda: "live" in window.status.text() and "frames/s" in window.status.text())
    seen = window.picture.grab().toImage()
    middle = seen.pixelColor(seen.width() // 2, seen.height() // 4)
    assert abs(middle.red() - 90) < 30 and abs(middle.red() - middle.blue()) < 8


def test_it_follows_the_size_of_the_window(app: QApplication, window: PreviewWindow):
    window.resize(520, 420)
    until(app, lambda: window.picture.shown is not None and window.picture.shown.picture.height()
          == round(window.picture.height() * window.picture.devicePixelRatio()))


def test_keys(app: QApplication, window: PreviewWindow, session: Session):
    until(app, lambda: session.stats().state is State.LIVE)
    press(window, Qt.Key.Key_H)
    assert session.held and "held" in window.status.text()
    press(window, Qt.Key.Key_H)
    press(window, Qt.Key.Key_Escape)
    assert session.panicking and not session.held and "panic" in window.status.text()
    press(window, Qt.Key.Key_Escape)
    press(window, Qt.Key.Key_Space)
    assert not session.following and not session.panicking
    press(window, Qt.Key.Key_Space)
    press(window, Qt.Key.Key_C)
    press(window, Qt.Key.Key_X)
    until(app, lambda: session.stats().state is State.LIVE)
    press(window, Qt.Key.Key_Q)
    assert not window.isVisible()
    assert session.stats().state is State.LIVE, "the session belongs to whoever started it"


def test_show_ends_by_itself(app: QApplication, session: Session):
    show(session, "grey", seconds=0.2)
    assert "didlive-preview" not in show_threads()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_from_outside_the_window_closes(app: QApplication, session: Session, number: int):
    handler = signal.getsignal(number)
    QTimer.singleShot(100, lambda: os.kill(os.getpid(), number))
    late: list[bool] = []
    QTimer.singleShot(60_000, lambda: late.append(True))
    show(session, "a title")
    assert not late and signal.getsignal(number) is handler


def test_fitting_keeps_the_shape():
    image = np.zeros((100, 200, 3), np.uint8)
    assert fitted(image, 200, 100) is image
    assert fitted(image, 100, 100).shape == (50, 100, 3)
    assert fitted(image, 900, 300).shape == (300, 600, 3)
    assert fitted(image, 0, 10) is image


def test_the_state_in_one_line(session: Session):
    wait_until(lambda: session.stats().state is State.LIVE)
    assert state_line(session.stats()).startswith("live ")
