"""The menu bar."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QDockWidget, QMainWindow, QMenu

from .hotkeys import HOTKEYS
from .i18n import LANGUAGES, tr
from .studio import Studio

THEMES = ("system", "dark", "light")


class Menus:
    """Fills `window`'s menu bar from the actions; `others` are the entries that have no key."""

    def __init__(self, window: QMainWindow, studio: Studio, actions: dict[str, QAction], docks: dict[str, QDockWidget],
                 others: dict[str, Callable[[], object]]) -> None:
        self._studio = studio
        bar = window.menuBar()
        self._menus = {name: bar.addMenu("") for name in ("file", "edit", "show", "portrait", "view", "help")}
        self._others = {name: QAction(window) for name in others}
        for name, run in others.items():
            self._others[name].triggered.connect(lambda _=False, run=run: run())
        self._menus["file"].addAction(self._others["open"])
        self._menus["file"].addSeparator()
        for hotkey in HOTKEYS:
            if hotkey.menu in self._menus:
                self._menus[hotkey.menu].addAction(actions[hotkey.name])
        view = self._menus["view"]
        for dock in docks.values():
            view.addAction(dock.toggleViewAction())
        view.addAction(self._others["reset_layout"])
        view.addSeparator()
        self._language = self._choice(window, view, "window.language", ("system", *LANGUAGES))
        self._theme = self._choice(window, view, "window.theme", THEMES)
        self._mirror = QAction(window, checkable=True)
        self._mirror.triggered.connect(lambda on: studio.change("window.mirror_preview", on))
        view.addAction(self._mirror)
        for name in ("rebind", "doctor", "about"):
            self._menus["help"].addAction(self._others[name])

    def _choice(self, window: QMainWindow, menu: QMenu, path: str,
                values: tuple[str, ...]) -> tuple[QMenu, dict[str, QAction]]:
        """A submenu of which one entry is checked: a setting with choices."""
        sub, group, made = menu.addMenu(""), QActionGroup(window), {}
        for value in values:
            action = made[value] = QAction(window, checkable=True)
            action.triggered.connect(lambda _=False, value=value: self._studio.change(path, value))
            group.addAction(action)
            sub.addAction(action)
        return sub, made

    def sync(self) -> None:
        """Check what is set."""
        window = self._studio.settings.window
        self._language[1][window.language].setChecked(True)
        self._theme[1][window.theme].setChecked(True)
        self._mirror.setChecked(window.mirror_preview)

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        titles = {"file": tr("&File"), "edit": tr("&Edit"), "show": tr("&Show"), "portrait": tr("&Portraits"),
                  "view": tr("&View"), "help": tr("&Help")}
        for name, menu in self._menus.items():
            menu.setTitle(titles[name])
        texts = {"open": tr("Add portraits…"), "reset_layout": tr("Reset layout"), "rebind": tr("Change keys…"),
                 "doctor": tr("Check this computer…"), "about": tr("About didlive")}
        for name, action in self._others.items():
            action.setText(texts[name])
        self._language[0].setTitle(tr("Language"))
        self._theme[0].setTitle(tr("Theme"))
        self._mirror.setText(tr("Mirror preview"))
        for value, action in self._language[1].items():
            action.setText(LANGUAGES.get(value) or tr("Same as system"))
        names = {"system": tr("Same as system"), "dark": tr("Dark"), "light": tr("Light")}
        for value, action in self._theme[1].items():
            action.setText(names[value])
        self.sync()
