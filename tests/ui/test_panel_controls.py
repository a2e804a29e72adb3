"""Rows from the settings: one for every setting, values both ways, nothing by accident."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtWidgets import QApplication, QColorDialog, QFileDialog, QWidget

from didlive.settings import Settings, changed, get, setting, walk
from ui.panels import labels
from ui.panels.controls import Form, aligned
from ui.panels.rows import ChoiceRow, ColorRow, FileRow, NumberRow, Row, SwitchRow, WholeRow, make_row

PATHS = [path for path, _, _ in walk(Settings()) if path.partition(".")[0] in ("motion", "output")]


@pytest.fixture
def form(qtbot) -> Form:
    made = Form(Settings(), PATHS)
    qtbot.addWidget(made)
    made.resize(340, 1200)
    made.show()
    return made


@pytest.fixture
def told(form: Form) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []
    form.edited.connect(lambda path, value: seen.append((path, value)))
    return seen


def another(row: Row) -> Any:
    """A value other than the default that the setting accepts."""
    about = row.field.metadata
    if isinstance(row, SwitchRow):
        return not row.default
    if isinstance(row, NumberRow):
        return about["low"] if row.default != about["low"] else about["high"]
    if isinstance(row, WholeRow):
        return row.default + 1
    if isinstance(row, ChoiceRow):
        return next(value for value in about["choices"] if value != row.default)
    return "#102030" if isinstance(row, ColorRow) else "picture.png"


@pytest.mark.parametrize("path", PATHS)
def test_every_setting_is_shown_without_telling(form: Form, told: list, path: str):
    row = form.rows[path]
    assert row.value() == row.default and row.reset.isHidden()
    value = another(row)
    form.show_settings(changed(Settings(), path, value))
    assert row.value() == value and not told
    assert not row.reset.isHidden()
    form.show_settings(Settings())
    assert row.value() == row.default and row.reset.isHidden() and not told


@pytest.mark.parametrize("path", PATHS)
def test_every_control_has_a_name_and_says_what_it_does(form: Form, path: str):
    row = form.rows[path]
    for widget in row.widgets:
        assert widget.accessibleName() and widget.toolTip()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert row.reset.accessibleName()
    if not isinstance(row, SwitchRow):
        assert row.label.buddy() is row.widgets[0]


def test_the_slider_and_the_number_are_one(form: Form, told: list):
    row = form.rows["motion.gains.mouth"]
    assert isinstance(row, NumberRow)
    row.slider.setValue(row.slider.maximum())
    assert row.number.value() == 2.0 and told == [("motion.gains.mouth", 2.0)]
    row.number.setValue(0.37)
    assert told[-1] == ("motion.gains.mouth", 0.37) and row.value() == 0.37
    assert abs(row.slider.value() - 0.37 / 2 * row.slider.maximum()) <= 1


def test_a_number_can_be_typed(form: Form, told: list, qtbot):
    row = form.rows["motion.limits.yaw_deg"]
    assert isinstance(row, NumberRow)
    row.number.selectAll()
    qtbot.keyClicks(row.number, "31.5")
    assert not told, "half a number is none"
    qtbot.keyClick(row.number, Qt.Key.Key_Return)
    assert told == [("motion.limits.yaw_deg", 31.5)] and row.number.suffix() == "°"


def test_switches_choices_and_whole_numbers_tell(form: Form, told: list, qtbot):
    switch, choice, whole = (form.rows[f"motion.{name}"] for name in ("relative", "blink", "idle.seed"))
    assert isinstance(switch, SwitchRow) and isinstance(choice, ChoiceRow) and isinstance(whole, WholeRow)
    switch.box.click()
    choice.combo.setCurrentIndex(choice.combo.findData("open"))
    whole.number.setValue(11)
    assert told == [("motion.relative", False), ("motion.blink", "open"), ("motion.idle.seed", 11)]


def test_a_second_name_of_a_choice_is_shown_when_it_holds(form: Form):
    row = form.rows["motion.region"]
    assert isinstance(row, ChoiceRow) and row.combo.findData("lips") < 0
    row.show_value("lips")
    assert row.value() == "lips"


def test_a_file_is_typed_or_picked(form: Form, told: list, qtbot):
    row = form.rows["output.background_image"]
    assert isinstance(row, FileRow)
    row.line.setFocus()
    row.line.setText("beach.png")
    qtbot.keyClick(row.line, Qt.Key.Key_Return)
    assert told == [("output.background_image", "beach.png")]
    row.browse.click()
    dialog = row.line.findChild(QFileDialog)
    dialog.filesSelected.emit(["forest.png"])
    dialog.close()
    assert told[-1] == ("output.background_image", "forest.png")


def test_a_colour_is_picked(form: Form, told: list):
    row = form.rows["output.background_color"]
    assert isinstance(row, ColorRow)
    row.button.click()
    dialog = row.button.findChild(QColorDialog)
    dialog.colorSelected.emit(QColor(255, 0, 16))
    dialog.close()
    assert told == [("output.background_color", "#ff0010")]


def test_reset_asks_for_its_own_setting(form: Form):
    asked: list[str] = []
    form.reset_asked.connect(asked.append)
    form.rows["motion.gains.jaw"].reset.click()
    assert asked == ["motion.gains.jaw"]


def wheel(widget: QWidget) -> bool:
    """Turn the wheel over a widget; return whether it was taken."""
    at = QPointF(widget.width() / 2, widget.height() / 2)
    event = QWheelEvent(at, widget.mapToGlobal(at), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
                        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def test_scrolling_by_changes_nothing_but_with_the_focus_it_does(form: Form, told: list, qtbot, until):
    qtbot.waitActive(form)
    for path, part in (("motion.gains.yaw", "slider"), ("motion.gains.yaw", "number"), ("motion.idle.seed", "number"),
                       ("motion.blink", "combo")):
        widget = getattr(form.rows[path], part)
        form.setFocus()
        wheel(widget)
        assert not told
        widget.setFocus()
        until(widget.hasFocus)
        wheel(widget)
        assert told
        told.clear()


def test_a_hidden_row_takes_no_room(form: Form):
    row = form.rows["output.background_color"]
    row.show_value("#102030")
    row.set_visible(False)
    assert row.label.isHidden() and row.button.isHidden() and row.reset.isHidden()
    row.show_value("#405060")
    assert row.reset.isHidden()
    row.set_visible(True)
    assert not row.button.isHidden() and not row.reset.isHidden()


def test_label_columns_of_several_forms_line_up(qtbot):
    forms = [Form(Settings(), (path,)) for path in ("motion.gains.jaw", "motion.look_at_camera")]
    for form in forms:
        qtbot.addWidget(form)
    aligned(*forms)
    lefts = []
    for form in forms:
        form.resize(320, 40)
        form.show()
        lefts.append(next(iter(form.rows.values())).widgets[0].x())
    assert lefts[0] == lefts[1] > 0


def test_a_new_setting_gets_a_row_and_a_readable_name(qtbot):
    @dataclasses.dataclass(frozen=True)
    class Later:
        strong_wind: float = setting(0.5, "how it blows", 0.0, 1.0, "Beaufort")

    parent = QWidget()
    qtbot.addWidget(parent)
    row = make_row("motion.strong_wind", dataclasses.fields(Later)[0], parent)
    row.retranslate()
    assert row.label.text() == "Strong wind" and row.label.toolTip() == "How it blows"
    assert labels.unit("motion.strong_wind", "Beaufort") == " Beaufort"


def test_labels_choices_and_settings_belong_together():
    known = {path: field for path, field, _ in walk(Settings())}
    assert set(labels.LABELS) <= set(known)
    for path, words in labels.CHOICES.items():
        assert set(words) <= set(known[path].metadata["choices"]), path
    assert all(get(Settings(), path) is not None for path in labels.LABELS)
