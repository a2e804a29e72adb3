"""The window: the stage in the middle, panels around it, menus, and a layout that is remembered."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QEvent, QSettings, Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QAbstractButton, QDialog, QDockWidget, QMainWindow, QTabWidget, QWidget

from .about import AboutDialog, DoctorDialog
from .actions import Actions
from .i18n import tr
from .keys import BindDialog, KeysDialog
from .menus import Menus
from .panels.camera import CameraPanel
from .panels.library import LibraryPanel
from .panels.motion import MotionPanel
from .panels.output import OutputPanel
from .panels.voice import VoicePanel
from .stage import Stage, headline
from .studio import Studio
from .theme import Colors

LAYOUT_VERSION = 1
SIZE, LEFT_PX, RIGHT_PX = (1280, 800), 264, 340
# What a window manager may take for the title.
TITLE_PX = 40
Area = Qt.DockWidgetArea


class MainWindow(QMainWindow):
    """Everything a person sees. Closing asks `studio` to end; when that is done, the window goes and `gone` comes."""

    gone = Signal()

    def __init__(self, studio: Studio, layout: QSettings) -> None:
        """layout: where size and docks are remembered."""
        super().__init__()
        self._studio, self._layout = studio, layout
        self._closing = self._ended = False
        self.setObjectName("didlive")
        self.actions_of = Actions(studio, self, {"fullscreen": self._toggle_full_screen, "keys": self._show_keys,
                                                 "quit": self.close})
        self.stage = Stage(studio, self.actions_of.by_name)
        self.setCentralWidget(self.stage)
        self.docks = self._make_docks()
        self._menus = Menus(self, studio, self.actions_of.by_name, self.docks, {
            "open": self._library.ask_files, "reset_layout": self._reset_layout, "rebind": self._rebind,
            "doctor": lambda: self._show(DoctorDialog(studio, self)), "about": lambda: self._show(AboutDialog(self))})
        studio.message.connect(self._message)
        studio.solved.connect(self.stage.messages.solved)
        studio.closed.connect(self._finish)
        studio.session_changed.connect(lambda session: self.stage.messages.solved() if session is not None else None)
        for signal in (studio.settings_changed, studio.library_changed, studio.stats_changed, studio.session_changed,
                       studio.outputs_changed):
            signal.connect(self._sync)
        room = self.screen().availableGeometry()
        self.resize(min(SIZE[0], room.width()), min(SIZE[1], room.height() - TITLE_PX))
        self.arrange()
        self._bare = self.saveState(LAYOUT_VERSION)
        self._restore()
        # Or a button that was clicked would take Space from the show.
        for button in self.findChildren(QAbstractButton):
            if button.focusPolicy() & Qt.FocusPolicy.TabFocus:
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.stage.picture.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.stage.picture.setFocus()
        self.retranslate()

    def _make_docks(self) -> dict[str, QDockWidget]:
        studio = self._studio
        self._library = LibraryPanel(studio)
        made = {"library": self._library, "motion": MotionPanel(studio), "camera": CameraPanel(studio),
                "voice": VoicePanel(studio), "output": OutputPanel(studio)}
        docks: dict[str, QDockWidget] = {}
        for name, panel in made.items():
            dock = docks[name] = QDockWidget(self)
            dock.setObjectName(name)
            dock.setWidget(panel)
            self.addDockWidget(Area.LeftDockWidgetArea if name == "library" else Area.RightDockWidgetArea, dock)
        right = [dock for name, dock in docks.items() if name != "library"]
        for before, after in itertools.pairwise(right):
            self.tabifyDockWidget(before, after)
        self.setTabPosition(Area.RightDockWidgetArea, QTabWidget.TabPosition.North)
        for dock in right:
            # Its tab says what it is.
            dock.setTitleBarWidget(QWidget(dock))
        right[0].raise_()
        return docks

    def arrange(self) -> None:
        """Give the panels their usual widths."""
        both = [self.docks["library"], self.docks["motion"]]
        self.resizeDocks(both, [LEFT_PX, RIGHT_PX], Qt.Orientation.Horizontal)

    # What the parts tell

    def _message(self, level: str, text: str) -> None:
        if self.isFullScreen() and level == "info":
            return
        stopped = self._studio.session is None
        self.stage.messages.tell(level, text, self._studio.start if level == "error" and stopped else None)

    def _sync(self) -> None:
        self.actions_of.sync()
        self.stage.sync()
        self._menus.sync()
        self._title()

    def _title(self) -> None:
        state = tr("Closing") if self._closing else headline(self.stage.stats)
        self.setWindowTitle(f"didlive - {state}")

    def paint_with(self, colors: Colors) -> None:
        """Take the colours of the theme."""
        self.stage.paint_with(colors)

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self._title()
        titles = {"library": tr("Portraits"), "motion": tr("Motion"), "camera": tr("Camera"), "output": tr("Output"),
                  "voice": tr("Voice")}
        for name, dock in self.docks.items():
            dock.setWindowTitle(titles[name])
        self.actions_of.retranslate()
        self._menus.retranslate()
        self.stage.sync()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()
        super().changeEvent(event)

    # What people ask for

    def _toggle_full_screen(self) -> None:
        on = not self.isFullScreen()
        if on:
            self._before = self.saveState(LAYOUT_VERSION)
            for dock in self.docks.values():
                dock.hide()
        self.menuBar().setMaximumHeight(0 if on else 16777215)
        self.stage.only_picture(on)
        self.showFullScreen() if on else self.showNormal()
        if not on:
            self.restoreState(self._before, LAYOUT_VERSION)
        self.actions_of.by_name["fullscreen"].setChecked(on)

    def _show_keys(self) -> None:
        self._show(KeysDialog(self.actions_of.own, self._rebind, self))

    def _rebind(self) -> None:
        dialog = BindDialog(self.actions_of.own, self)

        def take() -> None:
            self.actions_of.bind(dialog.own)
            self.stage.sync()
            own = dict(dialog.own)
            self._studio.submit(lambda: self._studio.store.save_hotkeys(own))

        dialog.accepted.connect(take)
        self._show(dialog)

    def _show(self, dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _reset_layout(self) -> None:
        self.restoreState(self._bare, LAYOUT_VERSION)
        self.arrange()

    # Beginning and end

    def _restore(self) -> None:
        geometry, state = self._layout.value("geometry"), self._layout.value("state")
        if geometry is not None:
            self.restoreGeometry(geometry)
        if state is not None:
            self.restoreState(state, LAYOUT_VERSION)

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the show in the background first."""
        if self._ended:
            event.accept()
            return
        event.ignore()
        if self._closing:
            return
        self._closing = True
        if self.isFullScreen():
            self._toggle_full_screen()
        self._layout.setValue("geometry", self.saveGeometry())
        self._layout.setValue("state", self.saveState(LAYOUT_VERSION))
        self._title()
        self.stage.messages.tell("info", tr("Closing: recordings are being finished"))
        self.setEnabled(False)
        self._studio.shutdown()

    def _finish(self) -> None:
        self._ended = True
        self.stage.stop()
        self.close()
        self.gone.emit()
