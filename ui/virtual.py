"""The virtual camera of the window: plugged in while the setting is on, also into a session that began anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from didlive.errors import DidliveError
from didlive.settings import Settings

from .i18n import tr
from .jobs import Jobs

if TYPE_CHECKING:
    from didlive.session import Session


class VirtualCamera(QObject):
    """Follows `output.virtual_camera`. `message(level, text)` says which cameras there are, or what to do; `refused`
    comes when there can be none."""

    message = Signal(str, str)
    refused = Signal()

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._session: Session | None = None
        self._on = False

    def follow(self, session: Session | None, settings: Settings) -> None:
        """Plug in or out so that `session` is as the settings say."""
        wanted, rate_hz = settings.output.virtual_camera and session is not None, settings.output.rate_hz
        if session is self._session and wanted == self._on:
            return
        # The outputs of a session that ended went with it.
        had = self._on and session is self._session
        self._session, self._on = session, wanted
        if session is None or not (wanted or had):
            return

        def switch() -> str:
            from didlive.sinks.virtualcam import choose, plug_in, unplug

            if wanted:
                return plug_in(choose("auto"), rate_hz, session.add_sink)
            unplug(session.remove_sink)
            return tr("The virtual camera is off")

        self._jobs.submit(switch, lambda text: self.message.emit("info", text), tr("Virtual camera"),
                          failed=self._failed)

    def _failed(self, error: DidliveError) -> None:
        self._on = False
        self.message.emit("error", str(error))
        self.refused.emit()
