"""The motion panel: how the portrait follows the performer. Its rows come from the settings tree."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QInputDialog,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
)

from didlive.errors import DidliveError
from didlive.profiles import PRESETS, same_name
from didlive.settings import Settings, overlay, walk
from ui.i18n import tr

from .controls import aligned, line
from .glyphs import GlyphButton
from .panel import Panel, Section
from .rows import RESET_PX, wide_combo

if TYPE_CHECKING:
    from ui.studio import Studio

# Shown on the camera panel, where they belong for people.
ELSEWHERE = {"motion.mirror", "motion.auto_neutral"}
FIRST = "motion.strength"
GROUPS = ("gains", "", "smoothing", "limits", "idle")
OPENED = {"gains", ""}


class MotionPanel(Panel):
    """Presets and own profiles, the strength of each part, looks and blinks, smoothing, limits, idle behaviour."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._profiles: dict[str, dict] = {}
        self._picked = ""
        self._build_steps()
        self._build_presets()
        self.column.addWidget(self.form(FIRST))
        self.sections = {name: self._section(name) for name in GROUPS}
        aligned(*self.forms)
        self.column.addStretch(1)
        self.retranslate()
        self.show_settings(studio.settings)
        studio.profiles_changed.connect(self._read_profiles)
        self._read_profiles()

    def _build_presets(self) -> None:
        self.presets = QButtonGroup(self)
        self.presets.setExclusive(False)
        chips = QGridLayout()
        chips.setSpacing(8)
        for at, name in enumerate(PRESETS):
            chip = QPushButton()
            chip.setCheckable(True)
            chip.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            chip.clicked.connect(lambda _=False, name=name: self._apply(name, PRESETS[name]))
            self.presets.addButton(chip, at)
            chips.addWidget(chip, at // 2, at % 2)
        self.profiles = wide_combo()
        self.profiles.activated.connect(self._pick_profile)
        self.save, self.delete = QPushButton(), GlyphButton("trash", RESET_PX)
        self.save.clicked.connect(self._ask_name)
        self.delete.clicked.connect(self._ask_delete)
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addLayout(chips)
        box.addLayout(line(self.profiles, self.save, self.delete))
        self.styles = Section(box, corner=line(self.undo, self.redo, self.reset_all, spacing=0))
        self.column.addWidget(self.styles)

    def _section(self, group: str) -> Section:
        """Make the section of one table of the motion settings; "" is what stands in no table."""
        node = f"motion.{group}." if group else "motion."
        paths = [path for path, _, _ in walk(self.studio.settings)
                 if path.startswith(node) and ("." not in path[len(node):]) and path not in {*ELSEWHERE, FIRST}]
        section = Section(self.form(*paths), folds=True, opened=group in OPENED)
        self.column.addWidget(section)
        return section

    def _build_steps(self) -> None:
        self.undo, self.redo, self.reset_all = GlyphButton("undo"), GlyphButton("redo"), GlyphButton("reset")
        self.undo.clicked.connect(self.studio.undo)
        self.redo.clicked.connect(self.studio.redo)
        self.reset_all.clicked.connect(lambda: self.studio.reset("motion"))

    def _apply(self, name: str, tree: dict) -> None:
        self.studio.apply_overlay(tree, name)
        self.show_settings(self.studio.settings)

    def _pick_profile(self, at: int) -> None:
        name = self.profiles.itemData(at)
        if name:
            self._picked = name
            self._apply(name, self._profiles[name])

    def _ask_name(self) -> None:
        dialog = QInputDialog(self)
        dialog.setWindowTitle(tr("Save as a style of my own"))

        def tell(name: str) -> None:
            known = same_name(name, self.studio.profiles)
            dialog.setLabelText(tr("Name; this replaces your style “{name}”", name=known) if known else tr("Name"))

        dialog.textValueChanged.connect(tell)
        tell("")
        dialog.setTextValue(self.profiles.currentData() or "")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.textValueSelected.connect(self._save)
        dialog.open()

    def _save(self, name: str) -> None:
        if name.strip():
            self.studio.save_profile(same_name(name, self.studio.profiles) or name.strip())

    def _ask_delete(self) -> None:
        name = self.profiles.currentData()
        dialog = QMessageBox(QMessageBox.Icon.Question, tr("Delete the style"),
                             tr("Delete the style “{name}”? The settings of now stay as they are.", name=name),
                             QMessageBox.StandardButton.Cancel, self)
        button = dialog.addButton(tr("Delete"), QMessageBox.ButtonRole.DestructiveRole)
        button.clicked.connect(lambda: self.studio.delete_profile(name))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _read_profiles(self) -> None:
        """Read the user's own profiles in the background and show them."""
        store, names = self.studio.store, self.studio.profiles

        def read() -> dict[str, dict]:
            found = {}
            for name in names:
                # One that cannot be read is left out, and hides no other.
                with suppress(DidliveError):
                    found[name] = store.profile(name)
            return found

        self.studio.submit(read, self._show_profiles)

    def _show_profiles(self, profiles: dict[str, dict]) -> None:
        self._profiles = profiles
        self.profiles.clear()
        self.profiles.addItem(tr("My styles") if profiles else tr("No own styles yet"), "")
        for name in profiles:
            self.profiles.addItem(name, name)
        self.profiles.setEnabled(bool(profiles))
        self.show_settings(self.studio.settings)

    def show_settings(self, settings: Settings) -> None:
        """Show the values, and which preset or profile they are."""
        super().show_settings(settings)
        for button, tree in zip(self.presets.buttons(), PRESETS.values(), strict=True):
            button.setChecked(_holds(settings, tree))
        # Of several that are the same, the one that was picked.
        same = [name for name, tree in self._profiles.items() if _holds(settings, tree)]
        mine = self._picked if self._picked in same else next(iter(same), "")
        self.profiles.setCurrentIndex(max(0, self.profiles.findData(mine)))
        self.delete.setEnabled(bool(mine))
        self.undo.setEnabled(self.studio.can_undo)
        self.redo.setEnabled(self.studio.can_redo)

    def retranslate(self) -> None:
        super().retranslate()
        aligned(*self.forms)
        self.styles.set_title(tr("Style"))
        for button, name in zip(self.presets.buttons(), PRESETS, strict=True):
            button.setText(tr(name))
        self.profiles.setAccessibleName(tr("My styles"))
        self.save.setText(tr("Save as…"))
        self.save.setToolTip(tr("Keep the motion settings of now under a name"))
        self.delete.name_it(tr("Delete the style"))
        titles = {"gains": tr("How much follows"), "": tr("Eyes and pose"), "smoothing": tr("Smoothing"),
                  "limits": tr("Limits"), "idle": tr("When nobody is seen")}
        for name, section in self.sections.items():
            section.set_title(titles[name])
        keys = QKeySequence.keyBindings
        native = QKeySequence.SequenceFormat.NativeText
        self.undo.name_it(f"{tr('Undo')} ({keys(QKeySequence.StandardKey.Undo)[0].toString(native)})")
        self.redo.name_it(f"{tr('Redo')} ({keys(QKeySequence.StandardKey.Redo)[0].toString(native)})")
        self.reset_all.name_it(tr("Set all motion settings back to how they came"))
        self._show_profiles(self._profiles)


def _holds(settings: Settings, tree: dict) -> bool:
    """Whether laying `tree` over the settings would change nothing."""
    return overlay(settings, tree) == settings
