"""The motion panel: values both ways, presets, own styles, undo."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QInputDialog, QMessageBox, QPushButton
from showing import shown

from didlive.profiles import PRESETS
from didlive.settings import Settings, overlay, walk
from ui.panels.motion import ELSEWHERE, MotionPanel
from ui.studio import Studio


@pytest.fixture
def panel(qtbot, studio: Studio) -> MotionPanel:
    return shown(qtbot, MotionPanel(studio), 800)


def rows(panel: MotionPanel) -> dict:
    return {path: row for form in panel.forms for path, row in form.rows.items()}


def checked(panel: MotionPanel) -> list[str]:
    return [name for name, button in zip(PRESETS, panel.presets.buttons(), strict=True) if button.isChecked()]


def press(panel: MotionPanel, name: str) -> None:
    panel.presets.buttons()[list(PRESETS).index(name)].click()


def test_every_motion_setting_is_there_once(panel: MotionPanel):
    wanted = [path for path, _, _ in walk(Settings()) if path.startswith("motion.") and path not in ELSEWHERE]
    shown = [path for form in panel.forms for path in form.rows]
    assert sorted(shown) == sorted(wanted)


def test_values_go_both_ways(panel: MotionPanel, studio: Studio):
    row = rows(panel)["motion.gains.brows"]
    row.slider.setValue(0)
    assert studio.settings.motion.gains.brows == 0.0
    studio.change("motion.gains.brows", 1.5)
    assert row.value() == 1.5
    row.reset.click()
    assert studio.settings.motion.gains.brows == 1.0 and row.value() == 1.0


def test_presets_apply_and_show_what_holds(panel: MotionPanel, studio: Studio):
    assert checked(panel) == ["Natural"]
    press(panel, "Cartoon")
    assert checked(panel) == ["Cartoon"]
    assert overlay(studio.settings, PRESETS["Cartoon"]) == studio.settings != Settings()
    press(panel, "Cartoon")
    assert checked(panel) == ["Cartoon"], "a second click changes nothing"
    studio.change("motion.strength", 0.5)
    assert checked(panel) == []
    press(panel, "Natural")
    assert studio.settings == Settings()


def test_undo_redo_and_reset(panel: MotionPanel, studio: Studio):
    assert not panel.undo.isEnabled() and not panel.redo.isEnabled()
    press(panel, "Calm")
    panel.undo.click()
    assert checked(panel) == ["Natural"] and not panel.undo.isEnabled()
    panel.redo.click()
    assert checked(panel) == ["Calm"] and not panel.redo.isEnabled()
    panel.reset_all.click()
    assert studio.settings.motion == Settings().motion and checked(panel) == ["Natural"]
    panel.undo.click()
    assert checked(panel) == ["Calm"]


def test_own_styles_are_saved_picked_and_deleted(panel: MotionPanel, studio: Studio, until):
    assert not panel.profiles.isEnabled() and not panel.delete.isEnabled()
    studio.change("motion.gains.jaw", 1.7)
    panel.save.click()
    dialog = panel.findChild(QInputDialog)
    dialog.setTextValue("  Stage  ")
    dialog.accept()
    until(lambda: panel.profiles.findData("Stage") > 0)
    assert panel.profiles.currentData() == "Stage" and studio.store.profiles() == ("Stage",)
    press(panel, "Natural")
    assert panel.profiles.currentData() == ""
    at = panel.profiles.findData("Stage")
    panel.profiles.setCurrentIndex(at)
    panel.profiles.activated.emit(at)
    assert studio.settings.motion.gains.jaw == 1.7 and panel.profiles.currentData() == "Stage"
    panel.delete.click()
    asking = panel.findChild(QMessageBox)
    assert "Stage" in asking.text()
    next(button for button in asking.findChildren(QPushButton) if button.text() == "Delete").click()
    until(lambda: not panel.profiles.isEnabled())
    assert studio.settings.motion.gains.jaw == 1.7 and studio.store.profiles() == ()


def test_a_name_that_is_taken_is_said_before_it_is_replaced(panel: MotionPanel, studio: Studio, until):
    studio.save_profile("Stage")
    until(lambda: panel.profiles.findData("Stage") > 0)
    studio.change("motion.gains.jaw", 0.4)
    panel.save.click()
    dialog = panel.findChild(QInputDialog)
    assert dialog.labelText() == "Name"
    dialog.setTextValue("stage")
    assert "replaces your style “Stage”" in dialog.labelText()
    dialog.accept()
    until(lambda: panel.profiles.currentData() == "Stage")
    assert studio.store.profiles() == ("Stage",) and studio.store.profile("Stage")["motion"]["gains"]["jaw"] == 0.4


def test_a_name_that_cannot_be_used_is_told(panel: MotionPanel, studio: Studio, qtbot):
    with qtbot.waitSignal(studio.message, check_params_cb=lambda level, text: level == "error" and "a/b" in text):
        panel._save("a/b")


def test_sections_fold_by_keyboard(panel: MotionPanel, qtbot):
    section = panel.sections["limits"]
    assert not section.body.isVisible()
    section.title.setFocus()
    qtbot.keyClick(section.title, " ")
    assert section.body.isVisible()
    qtbot.keyClick(section.title, " ")
    assert not section.body.isVisible()


def test_the_language_switches_live(panel: MotionPanel, language):
    language("zh_CN")
    assert panel.styles.title.text() == "风格" and panel.presets.buttons()[0].text() == "自然"
    assert rows(panel)["motion.gains.jaw"].label.text() == "下颌"
    language("en")
    assert panel.presets.buttons()[0].text() == "Natural"


def test_one_style_that_cannot_be_read_hides_no_other(panel: MotionPanel, studio: Studio, until):
    studio.save_profile("Good")
    until(lambda: panel.profiles.findData("Good") >= 0)
    (studio.store.folder / "profiles" / "broken.toml").write_text("[motion")
    studio.save_profile("Same")
    until(lambda: panel.profiles.findData("Same") >= 0)
    assert panel.profiles.findData("Good") >= 0 and panel.profiles.isEnabled()
    # Both hold the same values: the one that was picked is shown, and can be deleted.
    for name in ("Same", "Good"):
        at = panel.profiles.findData(name)
        panel.profiles.setCurrentIndex(at)
        panel.profiles.activated.emit(at)
        assert panel.profiles.currentData() == name
