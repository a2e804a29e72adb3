"""All panels at their narrowest usual width: nothing is clipped in either language, and everything has a name."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QWidget,
)

from ui.panels.camera import CameraPanel
from ui.panels.library import LibraryPanel
from ui.panels.motion import MotionPanel
from ui.panels.output import OutputPanel
from ui.panels.panel import WIDTH_PX, Fold
from ui.panels.voice import VoicePanel
from ui.panels.wizard import RangeDialog
from ui.studio import Studio

PANELS = (CameraPanel, LibraryPanel, MotionPanel, OutputPanel, RangeDialog)
CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QListView)


def unfolded(qtbot, kind: type, studio: Studio) -> QWidget:
    panel = kind(studio)
    qtbot.addWidget(panel)
    panel.resize(WIDTH_PX, 760)
    panel.show()
    for fold in panel.findChildren(Fold):
        fold.setChecked(True)
    if isinstance(panel, OutputPanel):
        for background in ("color", "image"):
            studio.change("output.background", background)
        studio.change("output.size", "800x600")
    return panel


def room(widget: QWidget) -> int:
    """The width that a widget's text needs."""
    if isinstance(widget, QLabel):
        return 0 if widget.wordWrap() else widget.sizeHint().width()
    if isinstance(widget, QComboBox):
        # The arrow and the frame take about 36 px.
        return widget.fontMetrics().horizontalAdvance(widget.currentText()) + 36
    return widget.sizeHint().width()


@pytest.mark.parametrize("name", ["en", "zh_CN"])
@pytest.mark.parametrize("kind", PANELS, ids=lambda kind: kind.__name__)
def test_no_text_is_clipped(qtbot, themed, studio: Studio, language, kind: type, name: str):
    panel = unfolded(qtbot, kind, studio)
    language(name)
    qtbot.waitExposed(panel)

    def fits() -> None:
        for area in panel.findChildren(QScrollArea):
            assert area.widget().minimumSizeHint().width() <= area.viewport().width()
        seen = [w for w in panel.findChildren(QWidget) if w.isVisible()
                and isinstance(w, (QLabel, QCheckBox, QPushButton, QComboBox, QAbstractSpinBox))]
        clipped = [(type(w).__name__, w.accessibleName(), w.width(), room(w)) for w in seen if w.width() < room(w)]
        assert len(seen) > 3 and not clipped

    # Layouts follow new texts in their own time.
    qtbot.waitUntil(fits)


@pytest.mark.parametrize("kind", PANELS, ids=lambda kind: kind.__name__)
def test_every_control_is_reached_by_keyboard_and_has_a_name(qtbot, studio: Studio, kind: type):
    panel = unfolded(qtbot, kind, studio)
    # Spin and combo boxes have parts of their own that are no stops of the keyboard.
    controls = [w for w in panel.findChildren(QWidget) if isinstance(w, CONTROLS) and w.isVisible()
                and not isinstance(w, QScrollBar) and not isinstance(w.parent(), (QAbstractSpinBox, QComboBox))]
    nameless = [type(w).__name__ for w in controls
                if not (w.accessibleName() or (isinstance(w, QAbstractButton) and w.text()))]
    unreached = [w.accessibleName() for w in controls if not w.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert controls and not nameless and not unreached


@pytest.mark.parametrize("kind", [CameraPanel, MotionPanel, OutputPanel, VoicePanel], ids=lambda kind: kind.__name__)
def test_no_panel_gets_narrower_than_what_is_in_it(qtbot, themed, studio: Studio, kind: type):
    panel = unfolded(qtbot, kind, studio)
    inside = panel.findChild(QScrollArea).widget()

    def whole() -> bool:
        # As narrow as a full window makes it; low, so that it scrolls.
        panel.resize(panel.minimumSizeHint().width(), 200)
        return inside.minimumSizeHint().width() <= panel.findChild(QScrollArea).viewport().width()

    qtbot.waitUntil(whole)
    # A row that needs more room comes.
    studio.change("motion_out.enabled", True)
    studio.choose_camera("phone:192.0.2.7")
    inside.layout().addWidget(QLabel("x" * 80))
    qtbot.waitUntil(whole)
