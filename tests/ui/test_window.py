"""The window with a real show: keys, menus, stage, messages, language, theme, closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLineEdit, QPushButton

from didlive.session import State, Stats
from didlive.settings import Settings
from didlive.types import Face, Tracking
from ui.about import AboutDialog, versions
from ui.app import Look
from ui.hotkeys import HOTKEYS, conflicts, sequences
from ui.i18n import say
from ui.inset import GREY, draw_mesh
from ui.keys import BindDialog, KeysDialog
from ui.stage import Strip, headline, state_color
from ui.studio import Studio
from ui.theme import DARK, LIGHT
from ui.window import MainWindow

Until = Callable[[Callable[[], object]], None]


def make_window(qtbot, studio: Studio, folder: Path) -> MainWindow:
    made = MainWindow(studio, QSettings(str(folder / "window.ini"), QSettings.Format.IniFormat))
    # The screen of tests is small.
    made.resize(1280, 800)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    return made


@pytest.fixture
def window(qtbot, show: Studio, tmp_path: Path, until: Until) -> Iterator[MainWindow]:
    made = make_window(qtbot, show, tmp_path)
    until(lambda: show.session is not None and show.session.stats().state is State.LIVE)
    show.session_changed.emit(show.session)
    made.stage.picture.setFocus()
    yield made
    made.stage.stop()
    made.deleteLater()


def press(qtbot, window: MainWindow, key: Qt.Key) -> None:
    qtbot.keyClick(window.focusWidget() or window, key)


def test_it_shows_the_portrait_and_how_it_goes(window: MainWindow, show: Studio, until: Until):
    stage = window.stage
    until(lambda: stage.picture.painted > 5)
    until(lambda: stage.strip.state.text() == "Live")
    assert "frames/s" in stage.strip.metrics.text() and "refined warp" in stage.strip.metrics.text()
    assert stage.strip.driving.text() == "Driven by the built-in motion"
    until(lambda: stage.strip.inset.painted > 0)
    stage.strip.metrics.click()
    assert stage.breakdown.isVisible()
    until(lambda: "Draw" in stage.breakdown.accessibleDescription())
    stage.strip.metrics.click()
    assert not stage.breakdown.isVisible()


def test_what_draws_does_not_widen_the_window(window: MainWindow, show: Studio, monkeypatch: pytest.MonkeyPatch,
                                              language: Callable[[str], None]):
    strip, session, widths = window.stage.strip, show.session, []
    assert session is not None
    for name in ("en", "zh_CN"):
        language(name)
        for provider in ("warp on CPU", "warp on CPU, which is too slow for the refiner now",
                         "refined warp, ONNX Runtime CPU, int8, 1 thread"):
            monkeypatch.setattr(type(session), "provider", property(lambda _, text=provider: text))
            strip.tell(session.stats(), DARK)
            assert strip.metrics.text().replace("\n", " ").endswith(say(provider))
            widths.append(strip.metrics.sizeHint().width())
    assert max(widths) < 260, widths


def test_the_state_can_be_read_in_the_smallest_window(qtbot, show: Studio, until: Until,
                                                      language: Callable[[str], None]):
    language("zh_CN")
    until(lambda: show.session is not None)
    strip = Strip(show)
    qtbot.addWidget(strip)
    strip.show()
    assert show.session is not None
    strip.tell(show.session.stats(), DARK)
    strip.resize(strip.minimumSizeHint())
    until(lambda: strip.width() <= strip.minimumSizeHint().width())
    assert strip.state.width() >= strip.state.fontMetrics().horizontalAdvance(strip.state.text())
    assert strip.driving.height() >= strip.driving.heightForWidth(strip.driving.width())
    strip.inset.stop()


def test_the_window_fits_a_small_screen(themed, window: MainWindow, until: Until, language: Callable[[str], None]):
    """1600 x 1000 px at one and a half times the size."""
    strip = window.stage.strip
    for name in ("en", "zh_CN"):
        language(name)
        window.resize(1067, 667)
        until(lambda: window.width() == 1067)
        assert window.minimumSizeHint().width() <= 1067 and window.minimumSizeHint().height() <= 667
        until(lambda: not strip.inset.isVisible())
        window.resize(1400, 800)
        until(lambda: strip.inset.isVisible())


def test_keys_reach_the_show(qtbot, window: MainWindow, show: Studio, until: Until):
    press(qtbot, window, Qt.Key.Key_H)
    assert show.held and window.stage.buttons["hold"].isChecked()
    press(qtbot, window, Qt.Key.Key_H)
    press(qtbot, window, Qt.Key.Key_Escape)
    assert show.panicking and window.stage.buttons["panic"].isChecked()
    press(qtbot, window, Qt.Key.Key_Escape)
    press(qtbot, window, Qt.Key.Key_M)
    assert show.settings.motion.mirror
    press(qtbot, window, Qt.Key.Key_Plus)
    press(qtbot, window, Qt.Key.Key_Plus)
    press(qtbot, window, Qt.Key.Key_Minus)
    assert show.settings.motion.strength == pytest.approx(1.1)
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert show.settings.motion.strength == 1.0
    press(qtbot, window, Qt.Key.Key_2)
    until(lambda: show.portrait == show.entries[1].key)
    press(qtbot, window, Qt.Key.Key_Space)
    assert not show.following and window.stage.buttons["toggle"].text() == "Start"
    press(qtbot, window, Qt.Key.Key_Space)
    assert show.following
    countdown: list[int] = []
    show.countdown.connect(countdown.append)
    press(qtbot, window, Qt.Key.Key_C)
    assert countdown == [3] and window.stage.count.isVisible()


def test_text_fields_keep_their_keys(qtbot, window: MainWindow, show: Studio):
    field = QLineEdit(window)
    field.show()
    field.setFocus()
    qtbot.keyClicks(field, "hm1")
    assert field.text() == "hm1"
    assert not show.held and not show.settings.motion.mirror


def test_space_presses_the_button_that_tab_reached(qtbot, window: MainWindow, show: Studio):
    assert all(not button.focusPolicy() & Qt.FocusPolicy.ClickFocus for button in window.findChildren(QPushButton))
    hold = window.stage.buttons["hold"]
    hold.setFocus(Qt.FocusReason.TabFocusReason)
    press(qtbot, window, Qt.Key.Key_Space)
    assert show.held and show.following


def test_the_camera_shows_only_while_its_button_is_held(qtbot, window: MainWindow, show: Studio, driving: Path,
                                                         until: Until):
    show.choose_camera(str(driving))
    strip, session = window.stage.strip, show.session
    assert session is not None
    until(lambda: strip.look.isVisible())
    qtbot.mousePress(strip.look, Qt.MouseButton.LeftButton)
    assert strip.inset.showing_camera
    until(lambda: strip.inset.shown is not None and float(np.ptp(strip.inset.shown.image[:, :, 0])) > 0)
    qtbot.mouseRelease(strip.look, Qt.MouseButton.LeftButton)
    assert not strip.inset.showing_camera and session.camera_view.peek() is None
    strip.look.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyPress(strip.look, Qt.Key.Key_Space)
    assert strip.inset.showing_camera and show.following
    qtbot.keyRelease(strip.look, Qt.Key.Key_Space)
    assert not strip.inset.showing_camera


def test_messages_stay_as_long_as_they_matter(qtbot, window: MainWindow, show: Studio):
    bar = window.stage.messages
    show.message.emit("error", "this did not work")
    assert bar.isVisible() and bar.text == "this did not work" and not bar.action.isVisible()
    assert bar.accessibleName() == "Message"
    bar.close_button.click()
    assert not bar.isVisible()
    show.stop()
    show.message.emit("error", "the show is over")
    assert bar.action.isVisible()
    bar.action.click()
    qtbot.waitUntil(lambda: show.session is not None, timeout=60_000)
    show.stop()
    show.message.emit("error", "the show is over again")
    show.start()
    qtbot.waitUntil(lambda: show.session is not None, timeout=60_000)
    assert bar.isVisible() and not bar.action.isVisible(), "it can be read, but there is nothing to try again"


def test_an_error_is_not_wiped_out_by_what_happens_next(qtbot, window: MainWindow, show: Studio):
    bar = window.stage.messages
    show.message.emit("error", "this picture is broken")
    show.message.emit("warning", "that face is cut off")
    assert bar._label.text().splitlines() == ["This picture is broken", "That face is cut off"] and bar.level == "error"
    bar._away.timeout.emit()
    assert bar._label.text().splitlines() == ["This picture is broken"] and bar.isVisible()
    bar.close_button.click()
    show.message.emit("info", "recording")
    assert bar._label.text().splitlines() == ["Recording"]
    show.message.emit("error", "the camera is in use")
    show.solved.emit("this picture is broken")
    assert bar.level == "error" and not bar._away.isActive()
    show.solved.emit("the camera is in use")
    bar._away.timeout.emit()
    assert not bar.isVisible(), "what is mended goes when it was read"


def test_both_languages(window: MainWindow, language: Callable[[str], None], until: Until):
    language("zh_CN")
    until(lambda: window.docks["motion"].windowTitle() == "动作")
    assert window.menuBar().actions()[0].text() == "文件(&F)"
    assert window.stage.buttons["hold"].text() == "定格"
    until(lambda: window.stage.strip.state.text() == "直播中")
    language("en")
    until(lambda: window.stage.buttons["hold"].text() == "Hold")


def test_language_and_theme_follow_the_settings(qapp, window: MainWindow, show: Studio, until: Until,
                                                language: Callable[[str], None]):
    palette, sheet = qapp.palette(), qapp.styleSheet()
    painted: list[object] = []
    look = Look(qapp, show, None, painted.append)
    try:
        show.change("window.theme", "light")
        show.change("window.theme", "dark")
        assert painted[-2:] == [LIGHT, DARK]
        show.change("window.language", "zh_CN")
        until(lambda: window.stage.buttons["hold"].text() == "定格")
        show.change("window.language", "en")
        until(lambda: window.stage.buttons["hold"].text() == "Hold")
        assert not show.can_undo
    finally:
        look.deleteLater()
        qapp.setPalette(palette)
        qapp.setStyleSheet(sheet)


def test_full_screen_shows_nothing_but_the_portrait(window: MainWindow, show: Studio):
    window.actions_of.by_name["fullscreen"].trigger()
    assert window.isFullScreen() and not window.stage.strip.isVisible()
    show.message.emit("info", "nobody at the stand wants to know")
    assert not window.stage.messages.isVisible()
    show.message.emit("error", "but this they must")
    assert window.stage.messages.isVisible()
    assert not any(dock.isVisible() for dock in window.docks.values())
    window.actions_of.by_name["fullscreen"].trigger()
    assert not window.isFullScreen() and window.stage.strip.isVisible() and window.docks["library"].isVisible()


def test_closing_ends_the_show_first_and_the_layout_is_remembered(qtbot, window: MainWindow, show: Studio,
                                                                   tmp_path: Path):
    window.docks["library"].hide()
    with qtbot.waitSignal(window.gone, timeout=60_000):
        window.close()
        assert window.isVisible() and "Closing" in window.windowTitle()
        window.close()
    assert not window.isVisible()
    assert show.session is not None and show.session.stats().state is State.STOPPED
    show._closing = False
    again = make_window(qtbot, show, tmp_path)
    assert not again.docks["library"].isVisible()
    again._reset_layout()
    assert again.docks["library"].isVisible()
    again.stage.stop()
    again.deleteLater()


def test_every_action_is_in_a_menu_and_has_a_key(window: MainWindow):
    shown = [action for menu in window.menuBar().actions() for action in (menu.menu() or window).actions()]
    for name, action in window.actions_of.by_name.items():
        assert isinstance(action, QAction) and action in shown, name
        assert action.shortcuts() and action.text(), name


def test_no_two_actions_have_the_same_key():
    assert not conflicts({})
    pairs = conflicts({"hold": "C"})
    assert [(a.name, b.name) for a, b in pairs] == [("recalibrate", "hold")]
    assert [s.toString() for s in sequences(HOTKEYS[0], {"toggle": "F5"})] == ["F5"]


def test_keys_can_be_changed(qtbot, window: MainWindow, show: Studio, until: Until):
    dialog = BindDialog(window.actions_of.own, window)
    qtbot.addWidget(dialog)
    dialog.fields["hold"].setKeySequence("F7")
    assert dialog.own == {"hold": "F7"} and not dialog.problem.text()
    dialog.fields["mirror"].setKeySequence("F7")
    assert "Hold" in dialog.problem.text() and not dialog.buttons.button(dialog.buttons.StandardButton.Ok).isEnabled()
    dialog.fields["mirror"].setKeySequence("M")
    window.actions_of.bind(dialog.own)
    press(qtbot, window, Qt.Key.Key_F7)
    assert show.held
    sheet = KeysDialog(window.actions_of.own, lambda: None, window)
    qtbot.addWidget(sheet)
    assert "F7" in " ".join(label.text() for label in sheet.findChildren(type(window.stage.strip.state)))


def test_about_names_licences(qtbot):
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    found = {name: (version, licence) for name, version, licence in versions()}
    assert "mediapipe" in found and all(version for version, _ in found.values())


def test_states_in_words_and_colours():
    def stats(state: State) -> Stats:
        return Stats(state, "", 0.0, 0.0, 0.0, 0, 0, 0, ())

    assert headline(None) == "Stopped" and headline(stats(State.IDLE)) == "Ready"
    assert len({headline(stats(state)) for state in State}) == len(State)
    assert state_color(stats(State.LIVE), DARK) == DARK.good and state_color(None, LIGHT) == LIGHT.dim


def test_the_mesh_is_drawn_on_grey_as_in_a_mirror():
    from didlive.demo import demo_motion
    from didlive.recording import load_recording
    from didlive.types import Stamp

    recording = load_recording(demo_motion())
    landmarks = recording.landmarks[0].copy()
    face = Face(landmarks, recording.blendshapes[0], recording.transforms[0])
    stamp = Stamp(0, 0)
    empty = draw_mesh(Tracking(None, (640, 480), 0, stamp), 160, 120)
    assert (empty == GREY).all()
    drawn = draw_mesh(Tracking(face, (640, 480), 1, stamp), 160, 120)
    assert drawn.shape == (120, 160, 3) and 0.05 < float((drawn != GREY).any(axis=2).mean()) < 0.9
    far = landmarks / 4
    far[:, 0] += 640 - far[:, 0].max()
    corner = draw_mesh(Tracking(Face(far, face.blendshapes, face.transform), (640, 480), 1, stamp), 160, 120)
    places = np.flatnonzero((corner != GREY).any(axis=(0, 2)))
    assert places.size and places.mean() < 80, "what is right in the camera is left in a mirror"


def test_defaults_are_those_of_the_library():
    assert Settings().window.language == "system" and Settings().window.theme == "system"
