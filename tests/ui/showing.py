"""Widgets on the screen of a test."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtWidgets import QWidget

W = TypeVar("W", bound=QWidget)


def shown(qtbot, widget: W, height_px: int) -> W:
    """Show a panel as wide as in the window; it is closed with the test."""
    qtbot.addWidget(widget)
    widget.resize(340, height_px)
    widget.show()
    return widget
