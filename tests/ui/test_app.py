"""The application around the window, and the binding it stands on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from command import run
from PySide6.QtCore import QtMsgType
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from didlive.profiles import Store
from ui.app import _listen, _play
from ui.studio import Studio
from ui.tray import Tray, draw_icon

ROOT = Path(__file__).resolve().parents[2]


def test_qt_does_not_use_none_up(qtbot):
    """PySide6 6.12.0 does: on Python 3.11 a program that runs for minutes dies of it."""
    label = QLabel()
    qtbot.addWidget(label)
    before = sys.getrefcount(None)
    for _ in range(500):
        label.setText("x")
    assert sys.getrefcount(None) > before - 100


def test_the_window_loads_nothing_heavy_before_it_shows():
    code = ("import sys, ui.app, ui.window, ui.tray;"
            "print(*[m for m in ('mediapipe', 'numba', 'skimage', 'matplotlib', 'av', 'scipy') if m in sys.modules])")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert result.stdout.strip() == ""


def test_a_broken_screen_finishes_recordings_at_once(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    finished: list[bool] = []
    monkeypatch.setattr(studio, "finish_now", lambda: finished.append(True))
    _listen(studio, QtMsgType.QtWarningMsg, "some other warning")
    assert not finished
    _listen(studio, QtMsgType.QtWarningMsg, "The X11 connection broke (error 1). Did the X11 server die?")
    assert finished


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such signals")
def test_panic_by_signal(qtbot, qapp: QApplication, show: Studio, until, monkeypatch: pytest.MonkeyPatch):
    def used() -> int:
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: show.panicking)
        os.kill(os.getpid(), signal.SIGUSR2)
        until(lambda: not show.panicking)
        return 0

    window = QWidget()
    qtbot.addWidget(window)
    monkeypatch.setattr(qapp, "exec", used)
    assert _play(qapp, show, window) == 0


def test_the_tray_shows_the_state(qtbot, show: Studio):
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QMainWindow

    window = QMainWindow()
    qtbot.addWidget(window)
    tray = Tray(show, window, QAction("Panic", window))
    assert tray.icon.toolTip() == "didlive: Stopped"
    qtbot.waitUntil(lambda: tray.icon.toolTip() == "didlive: Live", timeout=60_000)
    show.hold(True)
    assert tray.icon.toolTip() == "didlive: Holding"
    tray.menu.actions()[0].trigger()
    assert window.isVisible()
    assert not draw_icon("#ff0000").isNull()


def test_a_broken_settings_file_is_told(qtbot, tmp_path: Path, models: Path):
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "settings.toml").write_text("this is = = no TOML")
    studio = Studio(Store(folder), tmp_path / "portraits", "")
    with qtbot.waitSignal(studio.message, check_params_cb=lambda level, text: level == "warning") as told:
        studio.open()
    assert "set aside" in told.args[1]
    with qtbot.waitSignal(studio.closed, timeout=60_000):
        studio.shutdown()


@pytest.mark.parametrize(("arguments", "said"), [
    (["run"], "no screen"), (["run", "--every", "5"], "needs --kiosk"), (["run", "--kiosk", "--every", "0"], "above 0"),
    (["run", "--portrait", "gone.png"], "does not exist")])
def test_the_command_says_what_is_wrong(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    code, _, errors = run([*arguments], capsys)
    assert code == 2 and said in errors
