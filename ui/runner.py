"""Runs the show for the window: which portrait plays, what drives it, and the session between them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from didlive.badge import TEXT
from didlive.errors import BadInput, DidliveError
from didlive.settings import Settings

from .consent import Consents, Refused
from .i18n import say, tr
from .jobs import Jobs
from .shelf import Shelf
from .show import Driver, NoDriver, Wardrobe, Wish, begin, fetch_models, find_driver, open_driver
from .tuning import Tuning

if TYPE_CHECKING:
    from didlive.actor import Actor
    from didlive.capture.listing import CameraChoice
    from didlive.library import Entry
    from didlive.session import Session

REFIT_MS = 150
READY_AHEAD = 9


class Runner(QObject):
    """Owns the session. `began(session)` after each start, `ended(session)` when one was stopped on the way to another
    or by the user, `portrait_changed(key)`, `driver_changed`, `message(level, text)`, `solved(text)`: what that message
    told is so no more."""

    began = Signal(object)
    ended = Signal(object)
    portrait_changed = Signal(str)
    driver_changed = Signal()
    preparing_changed = Signal()
    message = Signal(str, str)
    solved = Signal(str)

    def __init__(self, jobs: Jobs, shelf: Shelf, tuning: Tuning, consents: Consents,
                 parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs, self._shelf, self._tuning, self._consents = jobs, shelf, tuning, consents
        self._wardrobe = Wardrobe()
        self._cameras: tuple[CameraChoice, ...] = ()
        # Instead of the settings' camera, if not None.
        self.camera: str | None = None
        self.driver = Driver("", "")
        # What was asked for and cannot be opened; the built-in motion drives instead.
        self._unusable: Driver | None = None
        self._undriven_by = ""
        self.session: Session | None = None
        # Begun and not stopped yet: the one that plays, and others while a job begins or stops them.
        self._open: set[Session] = set()
        self.portrait = ""
        self.wanted = ""
        self._actor: Actor | None = None
        self._rate_hz = 0.0
        self._starting = self.closing = False
        self._wish = Wish()
        self._refit = QTimer(self, singleShot=True, interval=REFIT_MS)
        self._refit.timeout.connect(self._fit_again)
        tuning.changed.connect(self._apply)

    @property
    def running(self) -> bool:
        """Whether there is a session that has not failed."""
        return self.session is not None and not self.session.failure

    @property
    def starting(self) -> bool:
        """Whether a session is about to begin."""
        return self._starting

    @property
    def preparing(self) -> str:
        """The portrait that is being prepared to play, or an empty text."""
        return self.wanted if self._starting or self.wanted != self.portrait else ""

    def start(self) -> None:
        """Begin the show, or let the portrait follow again."""
        self.follow(True)
        if not self.running and not self._starting:
            self._begin()

    def follow(self, on: bool) -> None:
        """Let the portrait follow, or release the camera; a session that begins later does so too."""
        self._wish.following = on
        if self.session is not None:
            self.session.follow(on)

    def hold(self, on: bool) -> None:
        """Freeze the portrait, or let it move; a session that begins later does so too."""
        self._wish.held = on
        if self.session is not None:
            self.session.hold(on)

    def panic(self, on: bool) -> None:
        """Show the still portrait only, or let it move; a session that begins later does so too. From any thread."""
        self._wish.panicking = on
        # One that is about to be replaced still sends out.
        for session in tuple(self._open):
            session.panic(on)

    @property
    def panicking(self) -> bool:
        """Whether only the still portrait goes out, or would."""
        return self._wish.panicking if self.session is None else self.session.panicking

    @property
    def held(self) -> bool:
        """Whether the portrait is frozen, or would be."""
        return self._wish.held if self.session is None else self.session.held

    def stop(self) -> None:
        """End the session; the library and the settings stay."""
        session, self.session = self.session, None
        if session is not None:
            self._jobs.submit(lambda: self._stop(session), lambda _: self.ended.emit(session), soon=True)

    def stop_all(self) -> None:
        """End every session that is still open, at once."""
        for session in tuple(self._open):
            self._stop(session)

    def _stop(self, session: Session) -> None:
        session.stop()
        self._open.discard(session)

    def play(self, key: str) -> None:
        """Show this portrait as soon as it is prepared; the one before plays on until then."""
        entry = self._shelf.entry(key)
        if entry is None or (key == self.portrait and key == self.wanted):
            return
        self.wanted = key
        if not self.running:
            self.start()
            return
        if not self._starting:
            self._prepare(entry)
        self.preparing_changed.emit()

    def take_cameras(self, cameras: tuple[CameraChoice, ...]) -> None:
        """Tell which cameras there are now; the one that was missing drives as soon as it is there."""
        self._cameras = cameras
        driver = self._find()
        if self.driver.missing and not driver.missing:
            self.message.emit("info", tr("{name} is connected and drives now", name=driver.name))
            self._drive(driver)
        elif not self.driver.spec:
            self.driver = driver
            self.driver_changed.emit()
        elif driver != self.driver and not driver.missing:
            # Plugged in again, it may have another number, or be another camera.
            self._drive(driver)

    def find_camera(self, again: bool = False) -> None:
        """Let the camera drive that is asked for now; again: also if it could not be used before."""
        if again:
            self._unusable = None
        driver = self._find()
        if driver != self.driver:
            self._drive(driver)

    def _find(self) -> Driver:
        wanted = find_driver(self._tuning.settings.camera.name if self.camera is None else self.camera, self._cameras)
        return find_driver("", self._cameras) if wanted == self._unusable else wanted

    def _undriven(self, driver: Driver, error: DidliveError) -> None:
        """Let the built-in motion stand in for what cannot be opened."""
        self._undriven_by = str(error)
        self.message.emit("error", self._undriven_by)
        if isinstance(error, BadInput):
            self._unusable = driver
            self.find_camera()

    def prepare_ahead(self) -> None:
        """Prepare the first portraits of the library one by one, so that their number keys switch at once."""
        for entry in self._shelf.entries[:READY_AHEAD]:
            settings = self._settings_of(entry)
            if self._wardrobe.find(entry, settings) is None:
                # A portrait that cannot be used says so when it is chosen.
                self._jobs.submit(lambda entry=entry, settings=settings: self._wardrobe.get(entry, settings),
                                  failed=lambda _: None)

    def _settings_of(self, entry: Entry) -> Settings:
        settings = self._tuning.settings if entry.key == self.portrait else self._tuning.dressed(
            self._shelf.own.get(entry.key, {}))
        text = settings.output.badge_text or tr(TEXT)
        return replace(settings, output=replace(settings.output, badge_text=text))

    # Beginning

    def _begin(self) -> None:
        entry = self._shelf.entry(self.wanted) or next(iter(self._shelf.entries), None)
        # Without a driver the cameras are still being looked for; `start` comes after that.
        if entry is None or self.closing or not self.driver.spec:
            return
        self.wanted, self._starting = entry.key, True
        old, self.session = self.session, None
        settings, driver = self._settings_of(entry), self.driver

        def make() -> tuple[Session, Actor]:
            self._consents.refuse(entry)
            if old is not None:
                self._stop(old)
            fetch_models(self._jobs.progress)
            actor = self._wardrobe.get(entry, settings)
            session = begin(actor, driver, settings, self._wish)
            self._open.add(session)
            if self.closing:
                self._stop(session)
            return session, actor

        self.preparing_changed.emit()
        self._jobs.submit(make, lambda made: self._begun(entry, settings, driver, old, *made),
                          tr("Preparing {name}", name=entry.name),
                          failed=lambda error: self._not_begun(entry, driver, error), soon=True)

    def _begun(self, entry: Entry, settings: Settings, driver: Driver, old: Session | None, session: Session,
               actor: Actor) -> None:
        self._starting = False
        self.session, self._actor, self._rate_hz = session, actor, settings.output.rate_hz
        # What was asked for while it began; it has no outputs yet.
        self._wish.fulfil(session, settings)
        if old is not None:
            self.ended.emit(old)
        self._plays(entry)
        self.began.emit(session)
        # What was changed while this was prepared.
        self._apply(self._settings_of(entry), settings)
        if self.driver != driver:
            self._drive(self.driver)
        if self.wanted != entry.key:
            wanted = self._shelf.entry(self.wanted)
            if wanted is not None:
                self._prepare(wanted)
        self.prepare_ahead()

    def _not_begun(self, entry: Entry, driver: Driver, error: DidliveError) -> None:
        self._starting = False
        if isinstance(error, NoDriver) and self._unusable != driver:
            self._undriven(driver, error)
            self._begin()
            return
        problem = _about(entry, error)
        first = next(iter(self._shelf.entries), None)
        spoilt = isinstance(error, BadInput) and not isinstance(error, Refused)
        if spoilt and self._settings_of(entry).output.background == "image":
            # The picture behind the person may be gone since last time.
            self.message.emit("warning", tr("The background picture is left out: {problem}", problem=say(problem)))
            if entry.key == self.portrait:
                self._tuning.change({"output.background": "picture"}, undoable=False)
            else:
                self._shelf.own.setdefault(entry.key, {}).setdefault("output", {})["background"] = "picture"
            self._begin()
        elif isinstance(error, BadInput) and first is not None and first.key != entry.key:
            # The portrait of last time cannot be used any more.
            self.message.emit("warning", problem)
            self.wanted = first.key
            self._begin()
        else:
            self.message.emit("error", problem)
            self.wanted = self.portrait
            self.preparing_changed.emit()
            self._shelf.fill()

    # Another portrait, other settings

    def _prepare(self, entry: Entry) -> None:
        self._consents.check(entry, lambda: self._dress(entry), lambda error: self._not_prepared(entry, error))

    def _dress(self, entry: Entry) -> None:
        if self._starting or self.wanted != entry.key:
            return
        settings = self._settings_of(entry)
        actor = self._wardrobe.find(entry, settings)
        if actor is not None:
            self._switch(entry, actor)
            return
        self._jobs.submit(lambda: self._wardrobe.get(entry, settings), lambda actor: self._switch(entry, actor),
                          tr("Preparing {name}", name=entry.name),
                          failed=lambda error: self._not_prepared(entry, error), soon=True)

    def _not_prepared(self, entry: Entry, error: DidliveError) -> None:
        if self.wanted == entry.key:
            self.wanted = self.portrait
        # The show goes on; so this does not stay over the picture.
        self.message.emit("warning", _about(entry, error))
        self.preparing_changed.emit()

    def _switch(self, entry: Entry, actor: Actor) -> None:
        session = self.session
        if session is None or self._starting or self.wanted != entry.key:
            return
        compositor = actor.compositor
        if self._actor is None or (compositor.size, compositor.alpha) != (self._actor.compositor.size,
                                                                          self._actor.compositor.alpha):
            self._begin()
            return
        if actor is not self._actor:
            session.set_actor(actor)
            self._actor = actor
        self._plays(entry)

    def _plays(self, entry: Entry) -> None:
        if entry.key != self.portrait:
            self.portrait = entry.key
            self._tuning.wear(entry.key, self._shelf.own.get(entry.key, {}))
            self.portrait_changed.emit(entry.key)
        self.preparing_changed.emit()

    def _apply(self, new: Settings, old: Settings) -> None:
        if new.camera != old.camera:
            self._drive(self._find())
        session = self.session
        if session is None:
            return
        if new.motion != old.motion:
            session.configure(new.motion)
        if _drawn(new) != _drawn(old):
            self._refit.start()

    def _fit_again(self) -> None:
        entry = self._shelf.entry(self.portrait)
        if entry is None or self._starting or not self.running or self._actor is None:
            return
        if self._tuning.settings.output.rate_hz != self._rate_hz:
            self._begin()
        else:
            self._prepare(entry)

    def _drive(self, driver: Driver) -> None:
        session, settings = self.session, self._tuning.settings
        self.driver = driver
        self.driver_changed.emit()
        if driver.missing:
            self.message.emit("warning", tr("The camera is not there; the built-in motion drives until it comes"))
        if session is None or self._starting:
            return

        def swap() -> None:
            session.set_camera(*open_driver(driver, settings))

        def swapped(_: Any) -> None:
            session.follow(self._wish.following and not self._tuning.settings.voice.alone)
            if self._unusable is None:
                self.solved.emit(self._undriven_by)

        self._jobs.submit(swap, swapped, failed=lambda error: self._undriven(driver, error), soon=True)


def _drawn(settings: Settings) -> tuple[object, ...]:
    """What the picture depends on; the label speaks the window's language."""
    return settings.output, settings.generator, settings.engine, settings.window.language


def _about(entry: Entry, error: DidliveError) -> str:
    """Return what went wrong with a portrait; where the library keeps it says nothing to anybody."""
    return str(error).replace(str(entry.path), entry.name)
