"""The one controller between the widgets and the library: panels talk to `Studio` and to nothing else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer

from didlive.errors import DidliveError
from didlive.profiles import Store

from .i18n import tr
from .show import lasting_name
from .voice import Listening
from .wizard import RangeRun
from .workbench import Workbench

if TYPE_CHECKING:
    from didlive.calibration import Performer
    from didlive.capture.listing import CameraChoice
    from didlive.session import Session

STATS_MS, CAMERAS_MS, SECOND_MS = 250, 2000, 1000


class Studio(Workbench):
    """Everything the window can do. Nothing here blocks the window's thread."""

    def __init__(self, store: Store, portraits: Path | None = None, camera: str | None = None,
                 parent: QObject | None = None) -> None:
        """portraits: the library's folder, if not the user's own. camera: drives until another one is chosen, whatever
        the settings say. Nothing starts before `open`."""
        super().__init__(store, portraits, parent)
        self._runner.camera = camera
        self._cameras_known = self._looking = self._closing = self._calibrating = False
        self._left, self._failure = 0, ""
        self._outputs: object = ()
        self._ticks, self._poll, self._second = QTimer(self), QTimer(self), QTimer(self)
        self._ticks.timeout.connect(self._tick)
        self._poll.timeout.connect(self.refresh_cameras)
        self._second.timeout.connect(self._count_down)
        self._shelf.added.connect(lambda keys: self.choose_portrait(keys[0]))
        self._runner.portrait_changed.connect(self._ask_whose)
        self.consents.revoked.connect(self._leave)
        self._runner.began.connect(self._began)
        self._runner.ended.connect(self._ended)
        self.sending.refused.connect(lambda path: self.change(path, False))
        self.settings_changed.connect(lambda settings: self.sending.follow(self.session, settings))
        self.voice = Listening(self)

    # Beginning and end

    def open(self, portraits: tuple[Path, ...] = ()) -> None:
        """Read the library, put `portraits` into it, look for cameras, and begin the show."""
        self.store.claim()
        if self.store.note:
            self.message.emit("warning", self.store.note)

        def opened() -> None:
            if portraits:
                self.add_portraits(list(portraits))
            self.refresh_cameras(self.start)

        self._shelf.open(opened)
        self._refresh_names()
        self.takes.refresh()
        self._ticks.start(STATS_MS)
        # Elsewhere a look at the cameras is slow, and may wake them.
        if sys.platform == "linux":
            self._poll.start(CAMERAS_MS)

    def start(self) -> None:
        """Begin the show, or let the portrait follow again, also where the camera was off for good."""
        if self._runner.running:
            self.change("voice.alone", False)
        self._runner.wanted = self._runner.wanted or self.settings.window.portrait
        self._runner.start()

    def stop(self) -> None:
        """End the show; a recording is finished."""
        self._runner.stop()

    def toggle(self) -> None:
        """Start, or stop following: the camera is switched off and the portrait idles."""
        self.follow(False) if self._runner.running and self.following else self.start()

    def shutdown(self) -> None:
        """End everything in the background: recordings first, then unsaved settings; then `closed` comes."""
        if self._closing:
            return
        self._closing = self._runner.closing = True
        for timer in (self._ticks, self._poll, self._second):
            timer.stop()
        self._tuning.flush()
        self._jobs.close()
        self._aside.close()
        self.consents.close()
        threading.Thread(target=self._end, name="didlive-closing", daemon=True).start()

    def finish_now(self) -> None:
        """The screen is gone and the process ends at once: finish the recordings here."""
        self._runner.stop_all()
        self.takes.finish()

    def _end(self) -> None:
        self._runner.stop_all()
        for jobs in (self._jobs, self._aside):
            jobs.wait(2.0)
        # One that a job was beginning or stopping.
        self._runner.stop_all()
        self.takes.finish()
        try:
            self._write_kept()
        except DidliveError as error:
            self.message.emit("error", str(error))
        self.store.release()
        self.closed.emit()

    def submit(self, function: Callable[[], Any], done: Callable[[Any], None] | None = None, label: str = "", *,
               failed: Callable[[DidliveError], None] | None = None) -> None:
        """Run `function` in the background, then `done(result)` here; errors go to `failed`, or become messages."""
        self._aside.submit(function, done, label, failed=failed)

    def _ask_whose(self, key: str) -> None:
        entry = self._shelf.entry(key)
        if entry is not None:
            self.consents.ask(entry)

    def _leave(self, key: str) -> None:
        """Show another portrait than this one, or none."""
        if key in (self.portrait, self.preparing):
            other = next((entry.key for entry in self.entries if entry.key != key), "")
            self.choose_portrait(other) if other else self.stop()

    # Camera and performer

    def choose_camera(self, spec: str) -> None:
        """Let a camera (index or name), a clip or motion file drive; an empty text: the built-in motion."""
        self._runner.camera = None
        self.change("camera.name", lasting_name(spec, self.cameras), merge=False)
        self._runner.find_camera(again=True)

    def refresh_cameras(self, done: Callable[[], None] = lambda: None) -> None:
        """Look which cameras are connected."""
        if self._looking or self._closing:
            return
        self._looking = True

        def look() -> tuple[CameraChoice, ...]:
            from didlive.capture.listing import list_cameras

            return tuple(list_cameras())

        def seen(cameras: tuple[CameraChoice, ...]) -> None:
            self._looking = False
            if cameras != self.cameras or not self._cameras_known:
                self.cameras, self._cameras_known = cameras, True
                self._runner.take_cameras(cameras)
                self.cameras_changed.emit(cameras)
            done()

        def failed(_: DidliveError) -> None:
            seen(())

        self._jobs.submit(look, seen, failed=failed)

    def show_camera(self, on: bool) -> None:
        """Show the camera's picture inside the window while `on`."""
        if self.session is not None:
            self.session.show_camera(on)

    def recalibrate(self, countdown_s: int = 3) -> None:
        """Count down, then take the performer's face as neutral."""
        if not self.following:
            self._ask_to_start()
            return
        self._left = countdown_s + 1
        self._count_down()
        if self._left > 0:
            self._second.start(SECOND_MS)

    def _call_off(self) -> None:
        """No calibration then: who presses Esc or stops does not look neutral."""
        if self._second.isActive():
            self._second.stop()
            self.countdown.emit(0)

    def start_wizard(self, name: str) -> RangeRun | None:
        """Measure the performer's ranges; None (and a message) when nobody is followed."""
        if self.session is None or not self.following:
            self._ask_to_start()
            return None
        run = RangeRun(self.session, name, self)
        run.failed.connect(lambda text: self.message.emit("error", text))
        return run

    def use_performer(self, name: str) -> None:
        """Use a saved performer's neutral face and ranges; an empty text: nobody's."""
        self.change("window.performer", name, merge=False)
        self._apply_performer()

    def save_performer(self, performer: Performer) -> None:
        """Keep a performer and use it."""

        def saved(_: Any) -> None:
            self._refresh_names()
            self.use_performer(performer.name)

        self._jobs.submit(lambda: self.store.save_performer(performer), saved, soon=True)

    def delete_performer(self, name: str) -> None:
        """Forget a performer."""
        if self.settings.window.performer == name:
            self.use_performer("")
        self._jobs.submit(lambda: self.store.delete_performer(name), lambda _: self._refresh_names(), soon=True)

    # The show

    def follow(self, on: bool) -> None:
        """Follow the performer; off: the camera is released and the portrait idles."""
        if not on:
            self._call_off()
        self._runner.follow(on)
        self._tick()

    def hold(self, on: bool) -> None:
        """Freeze the portrait, or let it move again."""
        self._runner.hold(on)
        self._tick()

    def panic(self, on: bool) -> None:
        """Show the still portrait on every output, now and until released."""
        self._call_off()
        self._runner.panic(on)
        self._tick()

    def panic_now(self, on: bool) -> None:
        """The same from any thread, without a word to the window, which looks by itself."""
        self._runner.panic(on)

    def record(self, on: bool) -> None:
        """Record what goes out, or finish the recording."""
        if self.session is None:
            self._ask_to_start()
        elif on:
            self.takes.begin(self.session, self.settings)
        else:
            self.takes.end(self.session)

    def _ask_to_start(self) -> None:
        self.message.emit("warning", tr("One moment: the show begins") if self._runner.starting else
                          tr("Start the show first"))

    def snapshot(self) -> None:
        """Save what goes out now as a picture."""
        if self.session is None:
            self._ask_to_start()
        else:
            self.takes.snapshot(self.session)

    # From the parts

    def _tick(self) -> None:
        session = self.session
        if session is None:
            return
        self.stats_changed.emit(session.stats())
        self.takes.look(session)
        states = session.output_states()
        stands = [(state.name, state.problem) for state in states]
        if stands != self._outputs:
            self._outputs = stands
            self.outputs_changed.emit()
        if session.failure and session.failure != self._failure:
            self.message.emit("error", session.failure)
        self._failure = session.failure
        if self._calibrating and not session.calibrating:
            self._calibrating = False
            self.message.emit("info", tr("Calibrated: your face of now is the neutral one"))

    def _began(self, session: Session) -> None:
        self._failure, self._calibrating = "", False
        self._shelf.fill()
        self._apply_performer()
        self.sending.follow(session, self.settings)
        self.session_changed.emit(session)
        self._tick()

    def _ended(self, session: Session) -> None:
        cut_off = self.takes.recording and self.session is not None
        self.takes.ended()
        if cut_off:
            self.message.emit("warning", tr("The recording ended, because the size, frame rate or transparency of the "
                                            "picture changed; Record begins another one"))
        if self.session is None:
            self.session_changed.emit(None)

    def _apply_performer(self) -> None:
        name, session = self.settings.window.performer, self.session
        if session is None:
            return
        if name:
            self._jobs.submit(lambda: session.use_performer(self.store.performer(name)), failed=self._no_performer)
        else:
            session.use_performer(None)

    def _no_performer(self, error: DidliveError) -> None:
        """Tell once that a performer cannot be read, and use nobody's face and ranges."""
        self.message.emit("error", str(error))
        self.use_performer("")

    def _count_down(self) -> None:
        self._left -= 1
        self.countdown.emit(max(0, self._left))
        if self._left <= 0:
            self._second.stop()
            session = self.session
            if session is not None:
                session.recalibrate()
                self._calibrating = True
                seen = session.tracking.peek()
                if seen is None or seen.face is None:
                    self.message.emit("warning", tr("No face is seen; the next one that comes is taken as neutral"))
