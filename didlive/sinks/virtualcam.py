"""The camera that other programs see: which kinds work here, and the one for Windows and macOS.

On Linux there are two kinds, and `auto` offers each that works, both at once where it can. v4l2loopback is what Zoom,
Teams and all that opens /dev/video* see, but it needs a kernel module. PipeWire needs none, but only programs that ask
the camera portal see it: browsers, OBS, GNOME. They are outputs of their own, so that one that is lost (the module
unloaded, the daemon restarted) comes back by itself while the other goes on; PipeWire costs nothing while nobody
watches. On Windows and macOS `auto` is pyvirtualcam (an optional extra under the GPL), which needs OBS Studio's or
Unity Capture's camera.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OutputFailed
from ..registry import LIVE_SINKS, load
from ..seams import Sink, StreamFormat
from ..types import U8
from . import pipewire, v4l2
from .live import LiveSink
from .recorder import PacedSink

# Kind -> the name of the output.
NAMES = {"v4l2": "virtual camera (v4l2loopback)", "pipewire": "virtual camera (PipeWire)",
         "pyvirtualcam": "virtual camera"}
PREFERENCES = ("auto", *NAMES)
INSTALL = 'python -m pip install "didlive[virtualcam]"'
GUIDE = {"win32": "install OBS Studio, which brings a virtual camera",
         "darwin": "install OBS Studio 30 or newer, and start its virtual camera once"}


class PyVirtualCamSink(LiveSink):
    """Shows pictures through pyvirtualcam: OBS Virtual Camera or Unity Capture on Windows, OBS on macOS."""

    def __init__(self) -> None:
        super().__init__()
        self._camera: Any = None

    def _begin(self, stream: StreamFormat) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise OutputFailed(f"the virtual camera of this system needs one more package; run: {INSTALL}") from error
        try:
            # Only even sizes exist there.
            self._camera = pyvirtualcam.Camera(stream.width + stream.width % 2, stream.height + stream.height % 2,
                                               stream.rate_hz)
        except RuntimeError as error:
            why = " ".join(str(error).split())
            raise OutputFailed(f"there is no virtual camera to write to ({why}); {_guide()}") from error
        self.place = self._camera.device

    def _show(self, image: U8) -> None:
        height, width = image.shape[:2]
        image = np.ascontiguousarray(image[:, :, :3])
        if width % 2 or height % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        try:
            self._camera.send(image)
        except RuntimeError as error:
            raise OutputFailed(f"{self.place} took no picture ({' '.join(str(error).split())})") from error

    def _release(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def _guide() -> str:
    return GUIDE.get(sys.platform, f"run: {v4l2.LOAD}")


def _problem(kind: str) -> tuple[str, str]:
    """Return why a kind of camera cannot be there, and what to do; both empty when it can."""
    if kind != "pyvirtualcam":
        if sys.platform != "linux":
            return f"{kind} is there on Linux only", "use pyvirtualcam"
        return v4l2.problem() if kind == "v4l2" else pipewire.problem()
    if importlib.util.find_spec("pyvirtualcam") is None:
        return "the package pyvirtualcam is not installed", INSTALL
    return "", ""


def _kinds() -> tuple[str, ...]:
    return ("v4l2", "pipewire") if sys.platform == "linux" else ("pyvirtualcam",)


def choose(preference: str = "auto") -> dict[str, Sink]:
    """Return the cameras to offer, unopened, by the name of the output; `preference` is one of PREFERENCES. Raises
    OutputFailed, with what to do, when there is none."""
    kinds = _kinds() if preference == "auto" else (preference,)
    problems = {kind: _problem(kind) for kind in kinds}
    works = [kind for kind, (why, _) in problems.items() if not why]
    if not works:
        raise OutputFailed("there can be no virtual camera; " + "; or: ".join(
            f"{why}, run: {fix}" for why, fix in problems.values()))
    return {NAMES[kind]: load(LIVE_SINKS, kind)() for kind in works}


def plug_in(sinks: dict[str, Sink], rate_hz: float, add: Callable[[str, Sink], object]) -> str:
    """Give what `choose` returned to `add` (`Session.add_sink`), each with a steady rate of its own, and say in one
    line which cameras there are now; for a show that runs. Raises OutputFailed when there is none."""
    failed: list[str] = []
    for name, sink in sinks.items():
        try:
            add(name, PacedSink(sink, rate_hz))
        except OutputFailed as error:
            failed.append(str(error))
    places = [sink.place for sink in sinks.values() if isinstance(sink, LiveSink) and sink.place]
    if not places:
        raise OutputFailed("; ".join(failed))
    if NAMES["pipewire"] in sinks and len(places) == 1:
        why, fix = v4l2.problem()
        if why:
            return f"the virtual camera is on, for browsers and OBS: {places[0]}; for Zoom and Teams, too, run: {fix}"
    return f"the virtual camera is on: {' and '.join(places)}"


def unplug(remove: Callable[[str], object]) -> None:
    """Take every virtual camera out by `remove` (`Session.remove_sink`)."""
    for name in NAMES.values():
        remove(name)


def report() -> list[tuple[str, bool, str, str]]:
    """Return (name, works, what was found, what to do) of every kind of virtual camera for this system."""
    result = []
    for kind in _kinds():
        why, fix = _problem(kind)
        if kind == "v4l2":
            free = [f"{device.path} ({device.name}) is free" for device in v4l2.devices()[0] if device.free]
            result.append(("v4l2loopback", not why, why or ", ".join(free), fix))
        elif kind == "pipewire":
            result.append(("PipeWire", not why, why or "running", fix))
        else:
            result.append(("pyvirtualcam", not why, why or f"installed; {_guide()}", fix))
    return result
