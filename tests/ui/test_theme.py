"""Both themes can be read, and follow the settings."""

from __future__ import annotations

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from ui.theme import DARK, LIGHT, Colors, apply, contrast, resolve


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=["dark", "light"])
def test_texts_can_be_read(colors: Colors):
    behind = (colors.window, colors.base, colors.panel, colors.button)
    for text in (colors.text, colors.dim, colors.link, colors.bad):
        assert min(contrast(text, color) for color in behind) >= 4.5, text
    assert contrast(colors.on_accent, colors.accent) >= 4.5
    for mark in (colors.good, colors.warn, colors.bad):
        assert min(contrast(mark, color) for color in behind) >= 3


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_application_takes_a_theme(qtbot):
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    before, sheet = app.palette(), app.styleSheet()
    try:
        for name, colors in (("light", LIGHT), ("dark", DARK)):
            assert apply(app, name) is colors
            assert app.palette().color(QPalette.ColorRole.Window) == QColor(colors.window)
            assert "@" not in app.styleSheet() and "$" not in app.styleSheet()
        assert resolve("system") in (DARK, LIGHT)
    finally:
        app.setPalette(before)
        app.setStyleSheet(sheet)
