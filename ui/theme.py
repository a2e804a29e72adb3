"""Colours of the window: dark and light, one accent, following the system. Fusion draws; a small style sheet rounds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication


@dataclass(frozen=True, slots=True)
class Colors:
    """One theme, as #rrggbb. text and dim must be readable on window, base, panel and button; on_accent on accent."""

    window: str
    base: str
    panel: str
    button: str
    line: str
    text: str
    dim: str
    accent: str
    on_accent: str
    link: str
    good: str
    warn: str
    bad: str


DARK = Colors(window="#1e1f23", base="#17181b", panel="#26272c", button="#303238", line="#3c3e45", text="#eceef2",
              dim="#a9adb7", accent="#2f6fe4", on_accent="#ffffff", link="#7fb0ff", good="#3ecf8e", warn="#f2b134",
              bad="#ff7a70")
LIGHT = Colors(window="#f4f5f7", base="#ffffff", panel="#eceef2", button="#ffffff", line="#c9cdd5", text="#1d2026",
               dim="#565c68", accent="#1f5fd6", on_accent="#ffffff", link="#1a55c4", good="#157a4b", warn="#8a5a00",
               bad="#b3261e")

_SHEET = """
QMainWindow::separator { background: @window; width: 8px; height: 8px; }
QDockWidget { titlebar-close-icon: none; titlebar-normal-icon: none; }
QDockWidget::title { background: @window; padding: 8px 12px; text-align: left; }
QToolTip { background: @panel; color: @text; border: 1px solid @line; padding: 4px 6px; }
QMenuBar { background: @window; padding: 2px 4px; }
QMenuBar::item { padding: 4px 10px; border-radius: 4px; }
QMenuBar::item:selected, QMenu::item:selected { background: @accent; color: @on_accent; }
QMenu { background: @panel; border: 1px solid @line; padding: 4px; }
QMenu::item { padding: 6px 28px 6px 24px; border-radius: 4px; }
QMenu::item:disabled { color: @dim; }
QMenu::separator { height: 1px; background: @line; margin: 4px 8px; }
QPushButton { background: @button; border: 1px solid @line; border-radius: 6px; padding: 6px 12px; }
QPushButton:hover { border-color: @dim; }
QPushButton:pressed, QPushButton:checked { background: @accent; color: @on_accent; border-color: @accent; }
QPushButton:disabled { color: @dim; background: @window; }
QPushButton:focus { border: 2px solid @link; padding: 5px 11px; }
QPushButton:default { border-color: @link; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QComboBox { background: @button; border: 1px solid @line; border-radius: 6px; padding: 4px 8px; }
QAbstractSpinBox { background: @base; border: 1px solid @line; border-radius: 6px; padding: 3px 4px; }
QLineEdit { background: @base; border: 1px solid @line; border-radius: 6px; padding: 4px 6px; }
QAbstractSpinBox QLineEdit, QComboBox QLineEdit { background: transparent; border: none; border-radius: 0; padding: 0; }
QComboBox:hover, QAbstractSpinBox:hover, QLineEdit:hover { border-color: @dim; }
QComboBox:focus, QAbstractSpinBox:focus, QLineEdit:focus { border-color: @link; }
QCheckBox::indicator { width: 14px; height: 14px; border: 1px solid @dim; border-radius: 4px; background: @base; }
QCheckBox::indicator:hover, QCheckBox::indicator:focus { border-color: @link; }
QCheckBox::indicator:checked { background: @accent; border-color: @accent; image: url("$assets/check.svg"); }
QRadioButton::indicator { width: 14px; height: 14px; border: 1px solid @dim; border-radius: 8px; background: @base; }
QRadioButton::indicator:hover, QRadioButton::indicator:focus { border-color: @link; }
QRadioButton::indicator:checked { width: 8px; height: 8px; border: 4px solid @accent; background: white; }
QSlider::groove:horizontal { height: 4px; background: @line; border-radius: 2px; }
QSlider::sub-page:horizontal { background: @link; border-radius: 2px; }
QSlider::handle:horizontal { background: @text; width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; }
QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus { background: @link; }
QSlider::handle:horizontal:disabled { background: @dim; }
QComboBox:disabled { color: @dim; background: @window; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox::down-arrow { image: url("$assets/arrow-$theme.svg"); width: 12px; height: 12px; }
QTabBar::tab { background: transparent; color: @dim; padding: 8px 14px; border: none;
    border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: @text; border-bottom: 2px solid @link; }
QTabBar::tab:hover { color: @text; }
QScrollArea, QScrollArea > QWidget > QWidget#page { background: transparent; border: none; }
QProgressBar { background: @button; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }
QProgressBar::chunk { background: @link; border-radius: 3px; }
QTreeView { background: @base; border: 1px solid @line; border-radius: 6px; }
QListWidget { background: @base; border: 1px solid @line; border-radius: 6px; padding: 2px; }
QTreeView::item { padding: 4px; }
QHeaderView { background: transparent; }
QHeaderView::section { background: @panel; color: @dim; border: none; padding: 6px 8px; }
QScrollBar { background: transparent; }
QScrollBar:vertical { width: 10px; }
QScrollBar:horizontal { height: 10px; }
QScrollBar::handle { background: @line; border-radius: 3px; margin: 2px; min-height: 24px; min-width: 24px; }
QScrollBar::handle:hover { background: @dim; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
#strip, #messages, #breakdown { background: @panel; border-radius: 8px; }
#state { font-size: 17pt; font-weight: 600; }
#dim { color: @dim; }
#key { font-weight: 600; }
#problem { color: @bad; }
#metrics { text-align: left; background: transparent; border: 1px solid transparent; }
#metrics:hover, #metrics:focus, #metrics:checked { border-color: @line; background: @button; color: @text; }
#panic { color: @bad; border-color: @bad; }
#panic:checked, #record:checked { background: @bad; color: @window; border-color: @bad; }
#countdown { background: rgba(0, 0, 0, 160); color: white; border-radius: 56px; font-size: 48pt; font-weight: 600; }
#word { color: white; font-size: 15pt; background: rgba(0, 0, 0, 160); border-radius: 8px; padding: 8px 16px; }
#welcome { color: #c9ccd4; font-size: 13pt; background: transparent; }
"""


def contrast(one: str, other: str) -> float:
    """Return the WCAG 2 contrast ratio of two colours, 1 to 21."""

    def luminance(color: str) -> float:
        parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def resolve(theme: str) -> Colors:
    """Return the colours that `dark`, `light` or `system` stands for; dark where the system does not say."""
    if theme == "system":
        scheme = QApplication.styleHints().colorScheme()
        theme = "light" if scheme == Qt.ColorScheme.Light else "dark"
    return DARK if theme == "dark" else LIGHT


def palette(colors: Colors) -> QPalette:
    """Return the palette of a theme."""
    made, role = QPalette(), QPalette.ColorRole
    for name, roles in {
        colors.window: (role.Window,),
        colors.base: (role.Base,),
        colors.panel: (role.AlternateBase, role.ToolTipBase),
        colors.button: (role.Button,),
        colors.text: (role.WindowText, role.Text, role.ButtonText, role.ToolTipText, role.BrightText),
        colors.dim: (role.PlaceholderText,),
        colors.accent: (role.Highlight, role.Accent),
        colors.on_accent: (role.HighlightedText,),
        colors.link: (role.Link, role.LinkVisited),
        colors.line: (role.Mid, role.Midlight),
    }.items():
        for one in roles:
            made.setColor(one, QColor(name))
    made.setColor(role.Dark, QColor(colors.line).darker(115))
    made.setColor(role.Light, QColor(colors.button).lighter(110))
    made.setColor(role.Shadow, QColor("#000000"))
    for one in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, one, QColor(colors.dim))
    return made


def apply(app: QApplication, theme: str) -> Colors:
    """Put the theme on the application and return its colours."""
    colors = resolve(theme)
    assets = Path(str(files("ui") / "assets")).as_posix()
    sheet = _SHEET.replace("$assets", assets).replace("$theme", "dark" if colors is DARK else "light")
    for f in sorted(fields(colors), key=lambda f: -len(f.name)):
        sheet = sheet.replace(f"@{f.name}", getattr(colors, f.name))
    app.setPalette(palette(colors))
    if app.styleSheet() != sheet:
        app.setStyleSheet(sheet)
    return colors
