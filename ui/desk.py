"""What the widgets can see of the show: its signals and its state. `studio.Studio` adds what they can do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from didlive.profiles import Store
from didlive.registry import is_phone
from didlive.settings import Settings
from didlive.types import U8

from .consent import Consents
from .i18n import shortened, tr
from .jobs import Jobs
from .runner import Runner
from .sending import Sending
from .shelf import Shelf
from .takes import Takes
from .tuning import Tuning

if TYPE_CHECKING:
    from didlive.capture.listing import CameraChoice
    from didlive.credentials import Seal
    from didlive.library import Entry, Library
    from didlive.portrait import Verdict
    from didlive.session import Session


class Desk(QObject):
    """The parts of the show and how they stand. All signals come in the window's thread; nothing here blocks it.

    message(level, text): level info, warning or error. solved(text): what that message told is so no more.
    busy_changed(what, progress 0..1 or -1): an empty text means nothing. portraits_added(keys). countdown(seconds left)
    before a calibration, 0 at its moment. closed: after `shutdown`.
    """

    settings_changed = Signal(object)
    library_changed = Signal()
    portraits_added = Signal(object)
    portrait_changed = Signal(str)
    preparing_changed = Signal()
    stats_changed = Signal(object)
    busy_changed = Signal(str, float)
    message = Signal(str, str)
    solved = Signal(str)
    cameras_changed = Signal(object)
    driver_changed = Signal()
    outputs_changed = Signal()
    session_changed = Signal(object)
    level_changed = Signal(float, bool)
    profiles_changed = Signal()
    performers_changed = Signal()
    countdown = Signal(int)
    closed = Signal()

    def __init__(self, store: Store, portraits: Path | None = None, parent: QObject | None = None) -> None:
        """portraits: the library's folder, if not the user's own."""
        super().__init__(parent)
        self.store = store
        self._kept: tuple[Settings, set[str]] | None = None
        # What must not keep a portrait or camera waiting is done aside.
        self._jobs, self._aside = Jobs(self), Jobs(self)
        self._tuning = Tuning(store, self._keep, self)
        self._shelf = Shelf(self._jobs, self._aside, portraits, self)
        self.consents = Consents(store.folder / "consent", self)
        self._runner = Runner(self._jobs, self._shelf, self._tuning, self.consents, self)
        self.takes = Takes(self._jobs, self._seal, self)
        # A server that does not answer must not keep a portrait waiting.
        self.sending = Sending(self._aside, self)
        self.cameras: tuple[CameraChoice, ...] = ()
        self.profiles: tuple[str, ...] = ()
        self.performers: tuple[str, ...] = ()
        for part in (self._shelf, self._runner, self.takes, self.sending, self.consents):
            part.message.connect(self.message)
        for jobs in (self._jobs, self._aside):
            jobs.failed.connect(lambda text: self.message.emit("error", text))
            jobs.busy.connect(self.busy_changed)
        self._tuning.changed.connect(lambda new, _: self.settings_changed.emit(new))
        self._shelf.changed.connect(self.library_changed)
        self._shelf.changed.connect(lambda: self.consents.look(self._shelf.entries))
        self.consents.known.connect(self.library_changed)
        self._shelf.added.connect(self.portraits_added)
        self._runner.portrait_changed.connect(self.portrait_changed)
        self._runner.preparing_changed.connect(self.preparing_changed)
        self._runner.driver_changed.connect(self.driver_changed)
        self._runner.solved.connect(self.solved)
        self.takes.changed.connect(self.outputs_changed)
        self.sending.changed.connect(self.outputs_changed)

    def _keep(self, common: Settings, key: str, own: dict[str, Any]) -> None:
        """Save settings in the background."""
        keys = self._kept[1] if self._kept is not None else set()
        if key and own != self._shelf.own.get(key, {}):
            self._shelf.own[key] = own
            keys = keys | {key}
        self._kept = common, keys
        self._jobs.submit(self._write_kept)

    def _write_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self.store.save(kept[0])
            for key in kept[1]:
                self._shelf.write_own(key)

    def _seal(self, session: Session) -> Seal | None:
        """Return what signs the files of a session, if they shall be signed; call it in a job."""
        from didlive.credentials import Seal

        return Seal(session, self.consents.ledger) if self.settings.output.credentials else None

    # What there is

    @property
    def settings(self) -> Settings:
        """The settings in force, with the portrait's own."""
        return self._tuning.settings

    @property
    def session(self) -> Session | None:
        """The running session."""
        return self._runner.session

    @property
    def library(self) -> Library | None:
        """The portrait library; None until it was read."""
        return self._shelf.library

    @property
    def portrait(self) -> str:
        """The key of the portrait that plays, or an empty text."""
        return self._runner.portrait

    @property
    def preparing(self) -> str:
        """The key of the portrait that is being prepared to play, or an empty text."""
        return self._runner.preparing

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The portraits of the library."""
        return self._shelf.entries

    def thumbnail(self, key: str) -> U8 | None:
        """Return (size, size, 3) RGB, or None while it is made."""
        return self._shelf.thumbnails.get(key)

    def verdict(self, key: str) -> Verdict | None:
        """Return how good a portrait it makes, or None while that is found out."""
        return self._shelf.verdicts.get(key)

    @property
    def camera_asked(self) -> str:
        """The camera that is asked for: the command line's, until another one is chosen, else the settings'."""
        return self.settings.camera.name if self._runner.camera is None else self._runner.camera

    @property
    def driving(self) -> str:
        """What drives the portrait, for people."""
        driver = self._runner.driver
        if is_phone(driver.spec):
            address = driver.spec.partition(":")[2]
            return tr("the phone at {address}", address=address) if address else tr("a phone at this computer")
        if driver.name:
            return shortened(driver.name)
        return tr("the built-in motion (no camera found)") if driver.missing else tr("the built-in motion")

    @property
    def has_camera(self) -> bool:
        """Whether something drives that has a picture; the built-in motion and motion files have none."""
        driver = self._runner.driver
        return bool(driver.name) and not driver.spec.lower().endswith(".npz") and not is_phone(driver.spec)

    @property
    def following(self) -> bool:
        """Whether the portrait follows, or would if somebody were seen."""
        return self.session is not None and self.session.following

    @property
    def held(self) -> bool:
        """Whether the portrait is frozen."""
        return self._runner.held

    @property
    def panicking(self) -> bool:
        """Whether only the still portrait goes out."""
        return self._runner.panicking

    @property
    def recording(self) -> bool:
        """Whether a recording runs."""
        return self.takes.recording

    @property
    def recordings(self) -> tuple[Path, ...]:
        """The last recordings, newest first."""
        return self.takes.recordings

    @property
    def folders(self) -> tuple[Path, Path]:
        """The folders of recordings and of snapshots."""
        return self.takes.videos, self.takes.pictures

    @property
    def can_undo(self) -> bool:
        """Whether a change of the settings can be taken back."""
        return self._tuning.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether a change that was taken back can be made again."""
        return self._tuning.can_redo
