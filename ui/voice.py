"""The microphone of the window: opened and closed as the settings ask, its level, and which microphones there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from didlive.errors import DidliveError
from didlive.settings import Settings

from .i18n import tr

if TYPE_CHECKING:
    from didlive.session import Session
    from didlive.voice.live import Voice

    from .studio import Studio

LEVEL_MS = 50
ENABLED = "voice.enabled"


class Listening(QObject):
    """Gives each session of a Studio its voice, as long as the settings want one. `changed` comes when there are other
    microphones, or the voice came or went; microphones: their names, the system's own choice first."""

    changed = Signal()

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._studio = studio
        self.microphones: tuple[str, ...] = ()
        self._session: Session | None = None
        self._wanted: str | None = None
        self._talking, self._alone, self._looking, self._problem = False, studio.settings.voice.alone, False, ""
        self._levels = QTimer(self, interval=LEVEL_MS)
        self._levels.timeout.connect(self._measure)
        studio.settings_changed.connect(self._follow)
        studio.session_changed.connect(lambda _: self._follow(studio.settings))

    @property
    def voice(self) -> Voice | None:
        """What listens now."""
        return None if self._session is None else self._session.voice

    def look(self) -> None:
        """Look which microphones there are."""

        def names() -> tuple[str, ...]:
            from didlive.capture.microphone import list_microphones

            try:
                return tuple(dict.fromkeys(m.name for m in list_microphones()))
            finally:
                self._looking = False

        def seen(found: tuple[str, ...]) -> None:
            if found != self.microphones:
                self.microphones = found
                self.changed.emit()

        def failed(error: DidliveError) -> None:
            # Once; it is looked for again and again.
            if str(error) != self._problem:
                self._problem = str(error)
                self._studio.message.emit("error", self._problem)

        if not self._looking:
            self._looking = True
            self._studio.submit(names, seen, failed=failed)

    def talk(self, on: bool) -> None:
        """Hold the talk button, or let it go."""
        self._talking = on
        if self.voice is not None:
            self.voice.microphone.talking = on

    def delay_ms(self) -> tuple[float, bool]:
        """Return by how much the sound is delayed, and whether the picture's part of it is measured yet."""
        voice = self.voice
        return (0.0, False) if voice is None else (voice.delay_ms, voice.delay_known)

    def _follow(self, settings: Settings) -> None:
        session = self._studio.session
        if settings.voice.alone != self._alone:
            self._alone = settings.voice.alone
            self._studio.follow(not self._alone)
        wanted = settings.voice.microphone if settings.voice.enabled and session is not None else None
        if session is self._session and wanted == self._wanted:
            if self.voice is not None:
                self.voice.configure(settings.voice)
            return
        had = session is self._session and self._wanted is not None
        self._session, self._wanted = session, wanted
        if session is not None and (had or wanted is not None):
            self._studio.submit(lambda: _switch(session, settings, wanted), self._switched,
                                tr("Opening the microphone") if wanted is not None else "")
        self._levels.stop()

    def _switched(self, problem: str) -> None:
        if problem:
            self._studio.message.emit("error", problem)
            self._studio.change(ENABLED, False)
        voice = self.voice
        if voice is not None:
            # What was changed while it was opened.
            voice.configure(self._studio.settings.voice)
            voice.microphone.talking = self._talking
            self._levels.start()
        self._studio.level_changed.emit(0.0, False)
        self.changed.emit()

    def _measure(self) -> None:
        voice = self.voice
        if voice is None:
            self._levels.stop()
            self._studio.level_changed.emit(0.0, False)
        else:
            self._studio.level_changed.emit(voice.microphone.level, voice.microphone.clipping)


def _switch(session: Session, settings: Settings, wanted: str | None) -> str:
    """Give a session its voice or take it; return what went wrong, or an empty text. For a job."""
    from didlive.voice.live import open_voice

    try:
        session.set_voice(None if wanted is None else open_voice(settings.voice))
    except DidliveError as error:
        return str(error)
    return ""
