"""What the window's background thread does to begin a show: models, a prepared portrait, a camera, a session. No Qt
here; everything heavy is imported when it is called."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from didlive.demo import demo_motion
from didlive.errors import BadInput
from didlive.registry import is_phone
from didlive.settings import OutputSettings, Settings

if TYPE_CHECKING:
    from didlive.actor import Actor
    from didlive.capture.listing import CameraChoice
    from didlive.capture.reopen import ReopeningCamera
    from didlive.download import Progress
    from didlive.library import Entry
    from didlive.seams import Tracker
    from didlive.session import Session

MOST_ACTORS = 12


@dataclass(frozen=True, slots=True)
class Driver:
    """What drives the portrait. spec: index, name or file for `open_camera`; name: for people, empty for the built-in
    motion; missing: the camera that was asked for is not there, so the built-in motion stands in."""

    spec: str
    name: str
    missing: bool = False


def find_choice(wanted: str, cameras: tuple[CameraChoice, ...]) -> CameraChoice | None:
    """Return the camera with this index, device path, name or, at last, part of a name."""
    name = wanted.lower()
    tests: tuple[Callable[[CameraChoice], bool], ...] = (
        lambda camera: wanted in (str(camera.index), camera.path), lambda camera: name == camera.name.lower(),
        lambda camera: not wanted.isdecimal() and name in camera.name.lower())
    return next((camera for test in tests for camera in cameras if test(camera)), None) if wanted else None


def lasting_name(spec: str, cameras: tuple[CameraChoice, ...]) -> str:
    """Return a camera's name for its index, which may be another one at the next start; the index where several have
    that name, or none."""
    camera = next((camera for camera in cameras if str(camera.index) == spec), None)
    if camera is None or not camera.name or camera.name.isdecimal() or set("/\\") & set(camera.name):
        return spec
    return camera.name if [each.name for each in cameras].count(camera.name) == 1 else spec


def find_driver(wanted: str, cameras: tuple[CameraChoice, ...]) -> Driver:
    """Return what `wanted` means on this machine: a camera by index, part of its name or device path, a file, or, when
    it is empty or not there, the built-in motion."""
    if wanted:
        camera = find_choice(wanted, cameras)
        if camera is not None:
            return Driver(str(camera.index), camera.name or f"camera {camera.index}")
        if wanted == "synthetic" or is_phone(wanted) or Path(wanted).is_file():
            return Driver(wanted, Path(wanted).name)
    return Driver(str(demo_motion()), "", bool(wanted))


def open_driver(driver: Driver, settings: Settings) -> tuple[ReopeningCamera, Tracker]:
    """Return camera and tracker for a session; the session opens and closes them. Raises BadInput, ModelMissing."""
    from didlive.capture.listing import open_camera
    from didlive.capture.reopen import ReopeningCamera
    from didlive.registry import tracker_of

    tracker = tracker_of(driver.spec)
    asked = replace(settings.camera, name=driver.spec)
    return ReopeningCamera(lambda: open_camera(driver.spec, asked, paced=True, loop=True)), tracker


def fetch_models(progress: Progress) -> None:
    """Get the models that are not on this machine yet. Raises ModelMissing, OutputFailed, Cancelled."""
    from didlive.models import ensure_model, list_models

    for spec in list_models():
        ensure_model(spec, progress)


@dataclass(slots=True)
class Wish:
    """What the user has asked for, which outlives the session: the still portrait only, a frozen one, a camera."""

    panicking: bool = False
    held: bool = False
    following: bool = True

    def fulfil(self, session: Session, settings: Settings) -> None:
        """Make a session do so."""
        if session.panicking != self.panicking:
            session.panic(self.panicking)
        session.hold(self.held)
        session.follow(self.following and not settings.voice.alone)


class NoDriver(BadInput):
    """What should drive the portrait cannot be opened: a file that is no motion, for example."""


def begin(actor: Actor, driver: Driver, settings: Settings, wish: Wish) -> Session:
    """Return a running session without outputs; the preview shows what would go out. Raises NoDriver, DidliveError."""
    from didlive.session import Session

    try:
        camera, tracker = open_driver(driver, settings)
    except BadInput as error:
        raise NoDriver(str(error)) from error
    session = Session(settings, camera, tracker, actor)
    wish.fulfil(session, settings)
    session.start()
    return session


class Wardrobe:
    """Keeps the newest prepared portraits, so that switching back to one takes no time. `get` prepares in the calling
    thread; `find` only looks and may be called from any thread."""

    def __init__(self) -> None:
        self._actors: OrderedDict[_Cut, Actor] = OrderedDict()

    def find(self, entry: Entry, settings: Settings) -> Actor | None:
        """Return the prepared portrait, or None."""
        return self._actors.get(_cut(entry, settings))

    def get(self, entry: Entry, settings: Settings) -> Actor:
        """Return the prepared portrait, preparing it if need be. Raises BadInput, ModelMissing."""
        cut = _cut(entry, settings)
        actor = self._actors.get(cut)
        if actor is None:
            actor = self._actors[cut] = self._make(entry, settings, cut)
        self._actors.move_to_end(cut)
        while len(self._actors) > MOST_ACTORS:
            self._actors.popitem(last=False)
        return actor

    def _make(self, entry: Entry, settings: Settings, cut: _Cut) -> Actor:
        from didlive.actor import prepare_actor, recomposed

        shape = _shape(cut)
        alike = next((actor for other, actor in self._actors.items() if _shape(other) == shape), None)
        # With another background the portrait itself stays as it was prepared.
        return prepare_actor(entry.path, settings) if alike is None else recomposed(alike, settings)


# All that a prepared portrait depends on: its key, the generator, its engine, the output.
_Cut = tuple[str, str, str, OutputSettings]


def _cut(entry: Entry, settings: Settings) -> _Cut:
    return entry.key, settings.generator, settings.engine, replace(settings.output, rate_hz=30.0)


def _shape(cut: _Cut) -> tuple[str, ...]:
    return *cut[:3], cut[3].size, cut[3].framing, cut[3].kind
