"""Where the picture goes beside files: the virtual camera, the picture page, a stream; and the motion as numbers. Each
is plugged into every session as long as it is wanted, also into one that began anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from didlive.errors import DidliveError
from didlive.settings import Settings

from .i18n import tr
from .jobs import Jobs

if TYPE_CHECKING:
    from didlive.session import Session
    from didlive.sinks.mjpeg import MjpegSink

PAGE, STREAM = "picture page", "stream"
CAMERA_SETTING, PAGE_SETTING, MOTION_SETTING = "output.virtual_camera", "stream.page", "motion_out.enabled"


class Plug(QObject):
    """One kind of output. `message(level, text)` says where it goes, or what to do; `changed` when it came or went;
    `refused` comes when it cannot be."""

    message = Signal(str, str)
    changed = Signal()
    refused = Signal()

    def __init__(self, jobs: Jobs, put: Callable[[Session, Settings], str], take: Callable[[Session], str],
                 parent: QObject | None = None) -> None:
        """put, take: plug it into a session, or out again, in a job, and say in one line how that went."""
        super().__init__(parent)
        self._jobs, self._put, self._take = jobs, put, take
        self._session: Session | None = None
        self._wanted: object = None
        self.on = False

    def follow(self, session: Session | None, settings: Settings, wanted: object) -> None:
        """Plug in or out. wanted: all of the settings that matter to it, None for off."""
        wanted = None if session is None else wanted
        if session is self._session and wanted == self._wanted:
            return
        # The outputs of a session that ended went with it.
        had = self._wanted is not None and session is self._session
        self._session, self._wanted = session, wanted
        if session is None or (wanted is None and not had):
            self._is_on(False)
            return

        def switch() -> str:
            said = self._take(session) if had else ""
            return said if wanted is None else self._put(session, settings)

        def done(text: str) -> None:
            if (self._session, self._wanted) == (session, wanted):
                self._is_on(wanted is not None)
                self.message.emit("info", text)

        self._jobs.submit(switch, done, failed=lambda error: self._failed(session, error))

    def _is_on(self, on: bool) -> None:
        if on != self.on:
            self.on = on
            self.changed.emit()

    def _failed(self, session: Session, error: DidliveError) -> None:
        # A session that ended meanwhile takes nothing; the next one does.
        if session is self._session and not session.over:
            self._wanted = None
            self._is_on(False)
            self.message.emit("error", str(error))
            self.refused.emit()


class Sending(QObject):
    """All plugs. `message(level, text)`; `changed` when something came or went; `refused(path)` when a setting must be
    off, because it cannot be. The stream is no setting: nobody shall go live by opening the window."""

    message = Signal(str, str)
    changed = Signal()
    refused = Signal(str)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._settings = Settings()
        self._page_sink: MjpegSink | None = None
        self.streaming = False
        self.camera = Plug(jobs, _put_camera, _take_camera, self)
        self.page = Plug(jobs, self._put_page, _take_page, self)
        self.stream = Plug(jobs, _put_stream, _take_stream, self)
        self.motion = Plug(jobs, _put_motion, _take_motion, self)
        for plug in (self.camera, self.page, self.stream, self.motion):
            plug.message.connect(self.message)
            plug.changed.connect(self.changed)
        self.stream.refused.connect(lambda: self.go_live(False))
        for plug, path in ((self.camera, CAMERA_SETTING), (self.page, PAGE_SETTING), (self.motion, MOTION_SETTING)):
            plug.refused.connect(lambda path=path: self.refused.emit(path))

    def follow(self, session: Session | None, settings: Settings) -> None:
        """Plug everything in or out so that `session` is as the settings say."""
        self._session, self._settings = session, settings
        output, stream, motion = settings.output, settings.stream, settings.motion_out
        rate_hz = output.rate_hz
        self.camera.follow(session, settings, (rate_hz,) if output.virtual_camera else None)
        self.page.follow(session, settings, (stream.page_port, rate_hz) if stream.page else None)
        self.stream.follow(session, settings, (stream.url, stream.bitrate_kbps, output.encoder, rate_hz)
                           if self.streaming else None)
        self.motion.follow(session, settings, motion if motion.enabled else None)

    def go_live(self, on: bool) -> None:
        """Stream to the server of the settings, or stop."""
        self.streaming = on
        self.follow(self._session, self._settings)
        self.changed.emit()

    @property
    def address(self) -> str:
        """Where the picture page is, or an empty text."""
        return self._page_sink.place if self._page_sink is not None and self.page.on else ""

    @property
    def viewers(self) -> int:
        """How many look at the picture page."""
        return self._page_sink.viewers if self._page_sink is not None else 0

    def _put_page(self, session: Session, settings: Settings) -> str:
        from didlive.sinks.mjpeg import MjpegSink
        from didlive.sinks.recorder import PacedSink

        sink = MjpegSink(settings.stream.page_port)
        session.add_sink(PAGE, PacedSink(sink, settings.output.rate_hz))
        self._page_sink = sink
        return tr("The picture page is {address}", address=sink.place)


def _put_camera(session: Session, settings: Settings) -> str:
    from didlive.sinks.virtualcam import choose, plug_in

    return plug_in(choose("auto"), settings.output.rate_hz, session.add_sink)


def _take_camera(session: Session) -> str:
    from didlive.sinks.virtualcam import unplug

    unplug(session.remove_sink)
    return tr("The virtual camera is off")


def _take_page(session: Session) -> str:
    session.remove_sink(PAGE)
    return tr("The picture page is off")


def _put_stream(session: Session, settings: Settings) -> str:
    from didlive.sinks.recorder import PacedSink
    from didlive.sinks.stream import StreamSink
    from didlive.streaming import complete

    sink = StreamSink(complete(settings.stream.url), bitrate_kbps=settings.stream.bitrate_kbps,
                      encoder=settings.output.encoder, audio=session.tap() if session.voice is not None else None)
    session.add_sink(STREAM, PacedSink(sink, settings.output.rate_hz))
    return tr("Streaming to {server}", server=sink.place)


def _take_stream(session: Session) -> str:
    session.remove_sink(STREAM)
    return tr("The stream has ended")


def _put_motion(session: Session, settings: Settings) -> str:
    from didlive.motion_out import MotionOut

    out = session.motion_out = MotionOut(settings.motion_out)
    if session.over:
        # Nobody would close what comes when all has ended.
        _take_motion(session)
    return tr("The motion goes to {place}", place=out.place)


def _take_motion(session: Session) -> str:
    out, session.motion_out = session.motion_out, None
    if out is not None:
        out.close()
    return tr("The motion is not sent any more")
