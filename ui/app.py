"""The application around the window: theme, language, signals, crash reports, and an orderly end."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication, QWidget

from didlive.panic import panic_signals
from didlive.profiles import Store
from didlive.settings import Settings

from . import theme
from .crash import CrashCatcher
from .engines import watch
from .i18n import set_language
from .litter import Litter
from .studio import Studio

if TYPE_CHECKING:
    from .theme import Colors

PULSE_MS = 200
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for. portraits: pictures to add, or to show in kiosk mode; camera: instead of the one
    in the settings; seconds: per portrait in kiosk mode."""

    portraits: tuple[Path, ...] = ()
    camera: str | None = None
    kiosk: bool = False
    seconds: float | None = None
    language: str | None = None


class Look(QObject):
    """Keeps language and theme as the settings, or the system, say."""

    def __init__(self, app: QApplication, studio: Studio, language: str | None,
                 paint: Callable[[Colors], None]) -> None:
        super().__init__(app)
        self._app, self._studio, self._language, self._paint = app, studio, language, paint
        self._shown: tuple[str, str] = ("", "")
        studio.settings_changed.connect(self.apply)
        app.styleHints().colorSchemeChanged.connect(lambda _: self._colors())
        self._first = studio.settings.window.language
        self.apply(studio.settings)

    def apply(self, settings: Settings) -> None:
        """Take what the settings say, if it is new."""
        window = settings.window
        # The command line's language holds until another one is chosen in the window.
        language = self._language if self._language and window.language == self._first else window.language
        if language != self._shown[0]:
            set_language(language)
        if window.theme != self._shown[1]:
            self._shown = language, window.theme
            self._colors()
        self._shown = language, window.theme

    def _colors(self) -> None:
        self._paint(theme.apply(self._app, self._studio.settings.window.theme))


def run(options: Options) -> int:
    """Open the window and return the exit code when it is closed."""
    app = QApplication.instance()
    app = app if isinstance(app, QApplication) else QApplication(sys.argv[:1])
    app.setApplicationName("didlive")
    app.setDesktopFileName("didlive")
    app.setStyle("Fusion")
    app.setQuitOnLastWindowClosed(False)
    if options.kiosk:
        from .kiosk import open_kiosk

        return _play(app, *open_kiosk(app, options))
    return _play(app, *open_window(app, options))


def open_window(app: QApplication, options: Options) -> tuple[Studio, QWidget]:
    """Make and show the window; the show itself begins in the background."""
    from .tray import Tray, draw_icon
    from .window import MainWindow

    store = Store()
    studio = Studio(store, camera=options.camera)
    set_language(options.language or studio.settings.window.language)
    theme.apply(app, studio.settings.window.theme)
    app.setWindowIcon(draw_icon(""))
    window = MainWindow(studio, QSettings(str(store.folder / "window.ini"), QSettings.Format.IniFormat))
    Look(app, studio, options.language, window.paint_with)
    Tray(studio, window, window.actions_of.by_name["panic"])
    window.show()
    watch(studio)
    # After the first picture of the window is on the screen.
    QTimer.singleShot(0, lambda: studio.open(options.portraits))
    return studio, window


def _play(app: QApplication, studio: Studio, window: QWidget) -> int:
    catcher = CrashCatcher(window)
    catcher.quit_asked.connect(window.close)
    catcher.install()
    studio.closed.connect(app.quit)
    qInstallMessageHandler(lambda kind, context, text: _listen(studio, kind, text))
    endings = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: window.close()) for number in endings]
    # Python handles signals only between its own instructions; the timer gives it the chance.
    pulse = QTimer(interval=PULSE_MS)
    pulse.timeout.connect(lambda: None)
    pulse.start()
    litter = Litter()
    try:
        # Called in a thread of its own: at once, also while the window is busy.
        with panic_signals(studio.panic_now):
            return app.exec()
    finally:
        litter.stop()
        pulse.stop()
        catcher.remove()
        qInstallMessageHandler(None)
        for number, handler in zip(endings, before, strict=True):
            signal.signal(number, handler)


def _listen(studio: Studio, kind: QtMsgType, text: str) -> None:
    """Log what Qt says. When the screen is gone, Qt says so and ends the process at once: then recordings are finished
    here."""
    quiet = kind in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg)
    _log.log(logging.DEBUG if quiet else logging.WARNING, "%s", text)
    if "connection broke" in text:
        studio.finish_now()
