"""The camera panel: cameras by name, files, the neutral face, performers."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox, QPushButton, QScrollArea
from showing import shown

from didlive.calibration import STEPS, Performer
from didlive.capture.listing import CameraChoice
from didlive.demo import demo_motion
from didlive.motion import measure
from didlive.recording import load_recording
from didlive.types import Face
from ui.panels.camera import FILE, CameraPanel
from ui.panels.faces import POSES, FaceHint
from ui.panels.wizard import RangeDialog
from ui.show import Driver
from ui.studio import Studio

CAMERAS = (CameraChoice(0, "Front", "/dev/video0", 200), CameraChoice(2, "", "/dev/video2", 200))


@pytest.fixture
def panel(qtbot, studio: Studio) -> CameraPanel:
    return shown(qtbot, CameraPanel(studio), 700)


def plug_in(studio: Studio, *cameras: CameraChoice) -> None:
    studio.cameras = cameras
    studio.cameras_changed.emit(cameras)


def pick(panel: CameraPanel, data: object) -> None:
    at = next(i for i in range(panel.cameras.count()) if panel.cameras.itemData(i) == data)
    panel.cameras.setCurrentIndex(at)
    panel.cameras.activated.emit(at)


def someone(name: str) -> Performer:
    recording = load_recording(demo_motion())
    return Performer(name, measure(Face(recording.landmarks[0], recording.blendshapes[0], recording.transforms[0])))


def test_without_a_camera_the_built_in_motion_drives(panel: CameraPanel):
    assert panel.cameras.currentData() == "" and "plug one in" in panel.driving.text()
    assert panel.driving.text().startswith("Driven by the built-in motion")


def test_cameras_come_and_go(panel: CameraPanel, studio: Studio):
    plug_in(studio, *CAMERAS)
    assert [panel.cameras.itemText(i) for i in range(2)] == ["Front", "Camera 2"]
    assert panel.cameras.currentText() == "Front", "0 is what is asked for"
    assert "plug one in" not in panel.driving.text()
    plug_in(studio, CAMERAS[1])
    assert panel.cameras.findText("Front") < 0 and panel.cameras.currentData() == ""


def test_a_long_name_does_not_widen_the_panel(panel: CameraPanel, studio: Studio, monkeypatch: pytest.MonkeyPatch):
    inside = panel.findChild(QScrollArea).widget()
    before = inside.minimumSizeHint().width()
    monkeypatch.setattr(studio._runner, "driver", Driver("0", f"<b>{'very_long_' * 9}</b>.mp4"))
    plug_in(studio)
    told = panel.driving.text()
    assert told.startswith("Driven by <b>very_long") and "…" in told and "</b>.mp4" in told
    assert panel.driving.textFormat() == Qt.TextFormat.PlainText, "a file's name is no HTML"
    assert inside.minimumSizeHint().width() == before


def test_a_camera_is_chosen_by_its_name_or_index(panel: CameraPanel, studio: Studio):
    plug_in(studio, *CAMERAS)
    pick(panel, "2")
    assert studio.settings.camera.name == "2" and panel.cameras.currentText() == "Camera 2"
    studio.choose_camera("fron")
    assert panel.cameras.currentText() == "Front"
    studio.choose_camera("/dev/video2")
    assert panel.cameras.currentText() == "Camera 2"
    pick(panel, "")
    assert studio.settings.camera.name == ""


def test_a_file_drives(panel: CameraPanel, studio: Studio):
    pick(panel, FILE)
    assert panel.cameras.currentData() == "", "nothing is chosen before the file is"
    dialog = panel.findChild(QFileDialog)
    dialog.filesSelected.emit(["clips/talk.mp4"])
    dialog.close()
    assert studio.settings.camera.name == "clips/talk.mp4" and panel.cameras.currentText() == "talk.mp4"


def test_only_a_camera_is_asked_for_size_and_rate(panel: CameraPanel, studio: Studio):
    assert panel.format.isVisible() and panel.rate.isVisible(), "the first camera is asked for"
    for name, asked in (("clips/talk.mp4", False), ("", False), ("2", True)):
        studio.choose_camera(name)
        assert (panel.format.isVisible(), panel.rate.isVisible()) == (asked, asked)


def test_the_command_lines_camera_is_shown_until_another_is_chosen(qtbot, studio: Studio):
    studio._runner.camera = "clips/talk.mp4"
    panel = shown(qtbot, CameraPanel(studio), 700)
    assert panel.cameras.currentText() == "talk.mp4"
    pick(panel, "")
    assert panel.cameras.currentData() == "" and panel.cameras.findText("talk.mp4") < 0


def test_format_and_mirror_go_both_ways(panel: CameraPanel, studio: Studio):
    at = panel.sizes.findText("1280 × 720 px")
    panel.sizes.activated.emit(at)
    assert (studio.settings.camera.width, studio.settings.camera.height) == (1280, 720)
    studio.undo()
    assert panel.sizes.currentText() == "640 × 480 px", "one choice, one step"
    studio.change("camera.width", 800)
    assert panel.sizes.currentText() == "800 × 480 px"
    panel.rate.rows["camera.rate_hz"].number.setValue(15)
    assert studio.settings.camera.rate_hz == 15.0
    panel.mirror.rows["motion.mirror"].box.click()
    assert studio.settings.motion.mirror
    studio.change("motion.mirror", False)
    assert not panel.mirror.rows["motion.mirror"].box.isChecked()


def test_the_countdown_is_drawn(panel: CameraPanel, studio: Studio, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(studio, "recalibrate", asked.append)
    panel.calibrate.click()
    assert asked == [3]
    still = panel.face.grab().toImage()
    studio.countdown.emit(2)
    assert panel.face.count == 2 and not panel.calibrate.isEnabled()
    assert panel.face.grab().toImage() != still
    studio.countdown.emit(0)
    assert panel.face.count == 0 and panel.calibrate.isEnabled()
    assert panel.face.grab().toImage() == still


def test_every_pose_has_its_own_drawing(qtbot):
    assert [step.name for step in STEPS] == list(POSES)
    hint, seen = FaceHint(), []
    qtbot.addWidget(hint)
    for pose in POSES:
        hint.show_pose(pose)
        seen.append(hint.grab().toImage())
    assert all(a != b for i, a in enumerate(seen) for b in seen[:i])


def test_performers_are_used_and_deleted(panel: CameraPanel, studio: Studio, until):
    assert panel.performers.count() == 1 and not panel.delete.isEnabled()
    studio.save_performer(someone("Mae"))
    until(lambda: panel.performers.currentData() == "Mae" and panel.delete.isEnabled())
    panel.performers.activated.emit(0)
    assert studio.settings.window.performer == "" and not panel.delete.isEnabled()
    panel.performers.activated.emit(1)
    assert studio.settings.window.performer == "Mae"
    panel.delete.click()
    asking = panel.findChild(QMessageBox)
    assert "Mae" in asking.text()
    next(button for button in asking.findChildren(QPushButton) if button.text() == "Delete").click()
    until(lambda: panel.performers.count() == 1)
    assert studio.settings.window.performer == "" and studio.store.performers() == ()


def test_the_wizard_needs_a_name_and_a_show(panel: CameraPanel):
    panel.measure.click()
    dialog = panel.findChild(RangeDialog)
    assert not dialog.begin.isEnabled()
    dialog.name.setText("Mae?")
    assert not dialog.begin.isEnabled() and "leave out" in dialog.count.text()
    dialog.name.setText("Mae")
    assert "leave out" not in dialog.count.text()
    dialog.begin.click()
    assert dialog.run is None and "Start the show first" in dialog.count.text()
    dialog.reject()


def test_the_wizard_measures_step_by_step(qtbot, show: Studio, until, monkeypatch):
    monkeypatch.setattr("didlive.calibration.STEPS", tuple(dataclasses.replace(s, seconds=0.6) for s in STEPS))
    dialog, texts = RangeDialog(show), set()
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.name.setText("Mae")
    dialog.activateWindow()
    dialog.name.setFocus()
    qtbot.waitUntil(dialog.name.hasFocus)
    qtbot.keyClick(dialog.name, Qt.Key.Key_Return)
    assert dialog.run is not None and dialog.run.index == 0 and dialog.skip.isVisible() and not dialog.name.isVisible()
    dialog.run.step.connect(lambda text, part: texts.add((dialog.text.text(), dialog.face.pose)))
    until(lambda: show.settings.window.performer == "Mae")
    assert texts == {(step.text, step.name) for step in STEPS}
    assert show.store.performers() == ("Mae",) and not dialog.isVisible()
    until(lambda: show.performers)
    again = RangeDialog(show)
    qtbot.addWidget(again)
    again.name.setText("mae")
    assert again.count.text() == "This replaces what was measured of Mae."
    again.begin.click()
    assert again.run is not None and again.run._name == "Mae", "one file where small letters are capitals"
    again.reject()


def test_the_wizard_can_be_cancelled(qtbot, show: Studio):
    dialog = RangeDialog(show)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.name.setText("Mae")
    dialog.begin.click()
    dialog.skip.click()
    dialog.reject()
    assert dialog.run is None and not dialog.isVisible() and show.store.performers() == ()


def test_a_wizard_that_saw_nobody_says_so_and_starts_again(qtbot, show: Studio):
    dialog = RangeDialog(show)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.name.setText("Mae")
    dialog.begin.click()
    for _ in STEPS:
        dialog.skip.click()
    assert dialog.isVisible() and dialog.begin.isVisible() and "was not seen" in dialog.count.text()
    assert show.store.performers() == ()


def test_the_driver_is_told_while_the_show_runs(qtbot, show: Studio):
    panel = CameraPanel(show)
    qtbot.addWidget(panel)
    with qtbot.waitSignal(show.stats_changed):
        pass
    assert panel.driving.text().startswith("Driven by the built-in motion") and "delivers" not in panel.driving.text()
