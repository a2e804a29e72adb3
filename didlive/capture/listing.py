"""Which cameras there are, and which camera a word on the command line means."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadInput
from ..registry import is_phone
from ..seams import Camera
from ..settings import CameraSettings

_VIDEO_SUFFIXES = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".ts", ".wmv", ".flv"}


@dataclass(frozen=True, slots=True)
class CameraChoice:
    """One camera of this machine: OpenCV's index, its name, its device path (may be empty), OpenCV's backend id."""

    index: int
    name: str
    path: str
    backend: int


def list_cameras() -> list[CameraChoice]:
    """Return the cameras of this machine, lowest index first; empty when there are none."""
    import cv2
    from cv2_enumerate_cameras import enumerate_cameras

    # Without a choice every camera is listed once per backend.
    backends = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_MSMF, "darwin": cv2.CAP_AVFOUNDATION}
    backend = backends.get(sys.platform, cv2.CAP_ANY)
    found = [CameraChoice(c.index, c.name or "", c.path or "", c.backend) for c in enumerate_cameras(backend)]
    return sorted(found, key=lambda c: c.index)


def describe_cameras(cameras: list[CameraChoice]) -> str:
    """Return one line for people: `0 "Name", 2 "Name"`, or that there are none."""
    if not cameras:
        return "no camera is connected; plug one in, or take a clip or the built-in motion"
    return "connected: " + ", ".join(f'{c.index} "{c.name}"' for c in cameras)


def open_camera(spec: str, settings: CameraSettings | None = None, *, paced: bool, loop: bool = False) -> Camera:
    """Return the camera that `spec` names, not opened yet: an index, a name or part of it, a device path, a video file,
    a motion file (.npz), a phone (see `PhoneCamera`), or `synthetic`. Raises BadInput for a file that does not exist; a
    webcam that is absent raises CameraLost, with the list of those that exist, when it is opened."""
    settings = settings or CameraSettings()
    if not spec.strip():
        raise BadInput("no camera was named; give an index, a name or a file")
    if is_phone(spec):
        from .phone import PhoneCamera

        return PhoneCamera(spec)
    if spec == "synthetic":
        from .synthetic import SyntheticCamera

        return SyntheticCamera(settings, paced=paced)
    path = Path(spec)
    if not spec.startswith("/dev/") and not spec.isdecimal() and (path.exists() or _looks_like_file(spec)):
        if not path.exists():
            raise BadInput(f"{spec} does not exist; check the name")
        if path.suffix.lower() == ".npz":
            from .replay import MotionCamera

            return MotionCamera(path, paced=paced, loop=loop)
        from .file import FileCamera

        return FileCamera(path, paced=paced, loop=loop)
    from .opencv import WebCamera

    return WebCamera(replace(settings, name=spec))


def _looks_like_file(spec: str) -> bool:
    return "/" in spec or "\\" in spec or Path(spec).suffix.lower() in _VIDEO_SUFFIXES | {".npz"}
