"""Names of the implementations behind each seam, imported only when asked for. Adding one is one file and one line."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadInput

if TYPE_CHECKING:
    from .seams import Tracker

CAMERAS = {
    "webcam": "didlive.capture.opencv:WebCamera",
    "file": "didlive.capture.file:FileCamera",
    "synthetic": "didlive.capture.synthetic:SyntheticCamera",
    "motion": "didlive.capture.replay:MotionCamera",
    "phone": "didlive.capture.phone:PhoneCamera",
}
TRACKERS = {
    "mediapipe": "didlive.track.mediapipe:MediaPipeTracker",
    "replay": "didlive.track.replay:ReplayTracker",
    "ifacialmocap": "didlive.track.ifacialmocap:IFacialMocapTracker",
}
GENERATORS = {
    "refine": "didlive.generate.refine:RefineGenerator",
    "warp": "didlive.generate.warp:WarpGenerator",
    "still": "didlive.generate.still:StillGenerator",
}
SINKS = {
    "mp4": "didlive.sinks.video:Mp4Sink",
    "webm": "didlive.sinks.webm:WebmSink",
    "gif": "didlive.sinks.animation:GifSink",
    "webp": "didlive.sinks.animation:WebpSink",
    "png": "didlive.sinks.png:PngFolderSink",
    "memory": "didlive.sinks.memory:MemorySink",
}
# The camera that is a phone, on this machine; with an address after a colon, in the network. What it delivers.
PHONE, PHONE_FORMAT = "phone", "iFacialMocap"
# Outputs that are watched while they run: they need no path, and pictures that nobody takes in time are left out.
LIVE_SINKS = {
    "mjpeg": "didlive.sinks.mjpeg:MjpegSink",
    "stream": "didlive.sinks.stream:StreamSink",
    "v4l2": "didlive.sinks.v4l2:V4L2Sink",
    "pipewire": "didlive.sinks.pipewire:PipeWireSink",
    "pyvirtualcam": "didlive.sinks.virtualcam:PyVirtualCamSink",
}


def tracker_of(spec: str) -> Tracker:
    """Return the tracker for what `capture.listing.open_camera` opens by this name. Raises BadInput, ModelMissing."""
    if spec.lower().endswith(".npz"):
        return load(TRACKERS, "replay")(Path(spec))
    return load(TRACKERS, "ifacialmocap" if is_phone(spec) else "mediapipe")()


def is_phone(spec: str) -> bool:
    """Whether this names a phone that tracks by itself."""
    return spec == PHONE or spec.startswith(f"{PHONE}:")


def load(table: dict[str, str], name: str) -> Any:
    """Return the class registered as `name`. Raises BadInput with the known names."""
    if name not in table:
        raise BadInput(f"unknown name {name!r}; choose one of: {', '.join(sorted(table))}")
    module, attribute = table[name].split(":")
    return getattr(import_module(module), attribute)
