"""The full screen of a stand."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PIL import Image
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent

from didlive.demo import demo_portrait
from didlive.errors import BadInput
from didlive.profiles import Store
from ui.kiosk import Kiosk, open_kiosk
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def kiosk(qtbot, tmp_path: Path, astronaut: Path, models: Path,
          monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Studio, Kiosk]]:
    from PySide6.QtWidgets import QApplication

    from didlive.cli.run import pictures
    from ui.app import Options

    monkeypatch.setenv("DIDLIVE_CONFIG", str(tmp_path / "config"))
    folder = tmp_path / "portraits"
    folder.mkdir()
    shutil.copy(astronaut, folder / "a.png")
    shutil.copy(demo_portrait(), folder / "b.jpg")
    (folder / "c.png").write_bytes(b"no picture")
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    palette, sheet = app.palette(), app.styleSheet()
    studio, made = open_kiosk(app, Options(pictures(folder), "", True, 3600.0, "en"))
    yield studio, made
    if not made._ended:
        with qtbot.waitSignal(studio.closed, timeout=60_000):
            made.close()
    app.setPalette(palette)
    app.setStyleSheet(sheet)
    made.deleteLater()


def test_portraits_follow_one_another_and_nothing_is_kept(qtbot, kiosk: tuple[Studio, Kiosk], tmp_path: Path,
                                                          until: Until):
    studio, window = kiosk
    until(lambda: studio.portrait)
    until(lambda: window.picture.painted > 3)
    keys = window._keys
    assert window.isFullScreen() and window.cursor().shape() == Qt.CursorShape.BlankCursor and len(keys) == 2
    until(lambda: studio.portrait == keys[0])
    qtbot.keyClick(window, Qt.Key.Key_Right)
    until(lambda: studio.portrait == keys[1])
    qtbot.keyClick(window, Qt.Key.Key_Space)
    until(lambda: studio.portrait == keys[0])
    qtbot.keyClick(window, Qt.Key.Key_Left)
    until(lambda: studio.portrait == keys[1])
    window._next.start(1)
    until(lambda: studio.portrait == keys[0])
    assert Store(tmp_path / "config").load().window.portrait == ""


def test_a_picture_that_cannot_be_used_is_passed_over(kiosk: tuple[Studio, Kiosk], tmp_path: Path, until: Until):
    studio, window = kiosk
    until(lambda: studio.session is not None and studio.portrait)
    first, last = window._keys
    until(lambda: studio.portrait == first)
    problems: list[str] = []
    studio.message.connect(lambda level, text: problems.append(text))

    def refused() -> bool:
        return any("no face" in problem for problem in problems) and studio.preparing == ""

    Image.new("RGB", (300, 300), (90, 90, 90)).save(tmp_path / "grey.png")
    studio.add_portraits([tmp_path / "grey.png"] * 2)
    until(lambda: window._keys != [first, last])
    grey, = window._keys
    # What is added is shown at once, if it can be.
    until(refused)
    window._keys = [first, grey, last]
    problems.clear()
    window.step(1)
    until(lambda: studio.portrait == last)
    assert any("no face" in problem for problem in problems)
    # From then on it has no turn at all, in no direction.
    problems.clear()
    window.step(-1)
    until(lambda: studio.portrait == first)
    window.step(1)
    until(lambda: studio.portrait == last)
    assert not problems


def test_escape_twice_ends_it(qtbot, kiosk: tuple[Studio, Kiosk], until: Until):
    studio, window = kiosk
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.label.text() == "Press Esc again to quit" and window.label.isVisible()
    window._silence.timeout.emit()
    assert not window.label.isVisible(), "its plate would lie over the picture"
    # A key that is held down is one press.
    held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier, "", True)
    for _ in range(5):
        window.keyPressEvent(held)
    assert window.isVisible()
    with qtbot.waitSignal(studio.closed, timeout=60_000):
        qtbot.keyClick(window, Qt.Key.Key_Escape)
    until(lambda: not window.isVisible())


def test_what_the_command_line_takes_as_portraits(tmp_path: Path):
    from didlive.cli.run import pictures

    with pytest.raises(BadInput, match="has no pictures"):
        pictures(tmp_path)
    with pytest.raises(BadInput, match="does not exist"):
        pictures(tmp_path / "gone.png")
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures(tmp_path)] == ["a.jpg", "b.PNG"]
    assert pictures(tmp_path / "notes.txt") == (tmp_path / "notes.txt",)
