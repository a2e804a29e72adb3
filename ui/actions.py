"""The window's actions: what the keys, the menus and the buttons under the stage do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from .hotkeys import HOTKEYS, sequences
from .i18n import tr
from .studio import Studio

STRENGTH_STEP = 0.1
REPEATING = ("stronger", "weaker", "undo", "redo")
CHECKABLE = ("hold", "panic", "mirror", "record", "fullscreen")


class Actions(QObject):
    """One QAction per hotkey, in `by_name`. They are added to `window`, so that they work wherever its focus is; text
    fields take the keys they need first."""

    def __init__(self, studio: Studio, window: QWidget, others: dict[str, Callable[[], object]]) -> None:
        """others: what `fullscreen`, `keys` and `quit` do."""
        super().__init__(window)
        self._studio = studio
        verbs: dict[str, Callable[[], object]] = {
            "toggle": self._toggle, "recalibrate": studio.recalibrate, "hold": lambda: studio.hold(not studio.held),
            "panic": lambda: studio.panic(not studio.panicking), "mirror": self._mirror,
            "stronger": lambda: self._strengthen(STRENGTH_STEP), "weaker": lambda: self._strengthen(-STRENGTH_STEP),
            "record": lambda: studio.record(not studio.recording), "snapshot": studio.snapshot,
            "undo": studio.undo, "redo": studio.redo, **others,
        }
        self.by_name: dict[str, QAction] = {}
        for hotkey in HOTKEYS:
            action = QAction(window)
            action.setCheckable(hotkey.name in CHECKABLE)
            # A key that is held down is one press: twice is panic, and no panic.
            action.setAutoRepeat(hotkey.name in REPEATING)
            number = hotkey.name.removeprefix("portrait")
            verb = verbs.get(hotkey.name) or (lambda number=number: studio.choose_index(int(number)))
            action.triggered.connect(lambda _=False, verb=verb: (verb(), self.sync()))
            window.addAction(action)
            self.by_name[hotkey.name] = action
        self.bind(studio.store.hotkeys())
        self.retranslate()

    def bind(self, own: dict[str, str]) -> None:
        """Use these keys of the user's instead of the defaults."""
        self.own = own
        for hotkey in HOTKEYS:
            self.by_name[hotkey.name].setShortcuts(sequences(hotkey, own))

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        short = {"recalibrate": tr("Calibrate"), "panic": tr("Panic"), "snapshot": tr("Snapshot")}
        for hotkey in HOTKEYS:
            action = self.by_name[hotkey.name]
            action.setText(tr(hotkey.text))
            action.setIconText(short.get(hotkey.name, tr(hotkey.text)))
        self.sync()

    def sync(self) -> None:
        """Show how the show stands: checks, and what is possible."""
        studio, actions = self._studio, self.by_name
        actions["hold"].setChecked(studio.held)
        actions["panic"].setChecked(studio.panicking)
        actions["record"].setChecked(studio.recording)
        actions["mirror"].setChecked(studio.settings.motion.mirror)
        actions["toggle"].setIconText(tr("Stop") if studio.following else tr("Start"))
        actions["undo"].setEnabled(studio.can_undo)
        actions["redo"].setEnabled(studio.can_redo)
        for number, entry in enumerate(studio.entries[:9], 1):
            actions[f"portrait{number}"].setText(entry.name.replace("&", "&&"))
        for number in range(1, 10):
            actions[f"portrait{number}"].setVisible(number <= len(studio.entries))

    def _toggle(self) -> None:
        # Buttons get the focus by Tab only; one that has it is what Space means.
        focused = QApplication.focusWidget()
        if isinstance(focused, QAbstractButton) and focused.isEnabled():
            focused.click()
        else:
            self._studio.toggle()

    def _mirror(self) -> None:
        self._studio.change("motion.mirror", not self._studio.settings.motion.mirror)

    def _strengthen(self, step: float) -> None:
        strength = round(min(2.0, max(0.0, self._studio.settings.motion.strength + step)), 2)
        self._studio.change("motion.strength", strength)
        self._studio.message.emit("info", tr("Expression strength {percent} %", percent=round(strength * 100)))
