"""A virtual camera through the kernel module v4l2loopback, which every Linux program sees: Zoom, Teams, browsers."""

from __future__ import annotations

import errno
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import OutputFailed
from ..seams import StreamFormat
from ..types import U8
from .live import NAME, LiveSink, fitted, yuyv

LOAD = f"sudo modprobe v4l2loopback exclusive_caps=1 card_label={NAME}"
INSTALL = "sudo apt-get install v4l2loopback-dkms"
UNLOAD = "sudo modprobe -r v4l2loopback"
ONE_MORE = f"sudo modprobe v4l2loopback devices=2 exclusive_caps=1,1 card_label={NAME},{NAME}2"
ALLOW = "sudo usermod -aG video $USER"
HIGHEST = 100
# From linux/videodev2.h.
_QUERYCAP, _S_FMT = 0x80685600, 0xC0D05605
_CAPABILITY_BYTES, _FORMAT_BYTES = 104, 208
_VIDEO_OUTPUT, _BUFFER_OUTPUT, _FIELD_NONE, _SRGB = 2, 2, 1, 8
_YUYV = int.from_bytes(b"YUYV", "little")


@dataclass(frozen=True, slots=True)
class Device:
    """A loopback device: its path, its name for people, and whether nobody writes to it yet (as far as it tells)."""

    path: str
    name: str
    free: bool


def devices() -> tuple[list[Device], list[str]]:
    """Return the loopback devices, and the video devices that this user may not open."""
    found, denied = [], []
    for path in (f"/dev/video{number}" for number in range(HIGHEST)):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                denied.append(path)
            continue
        try:
            device = _ask(descriptor, path)
        finally:
            os.close(descriptor)
        if device is not None:
            found.append(device)
    return found, denied


def _ask(descriptor: int, path: str) -> Device | None:
    """Return what a device says of itself, None when it is no loopback device."""
    from fcntl import ioctl

    answer = bytearray(_CAPABILITY_BYTES)
    try:
        ioctl(descriptor, _QUERYCAP, answer)
    except OSError:
        return None
    driver, card = (bytes(part).split(b"\0")[0].decode(errors="replace") for part in (answer[:16], answer[16:48]))
    if driver != "v4l2 loopback":
        return None
    # With exclusive_caps a device stops being an output as soon as somebody writes to it.
    return Device(path, card, bool(struct.unpack_from("<I", answer, 84)[0] & _VIDEO_OUTPUT))


def problem() -> tuple[str, str]:
    """Return why no loopback device can be written to, and the command to run; both empty when one is free."""
    found, denied = devices()
    if any(device.free for device in found):
        return "", ""
    if found:
        return f"{found[0].path} is used by another program", f"{UNLOAD} && {ONE_MORE}"
    if denied:
        return f"you may not use {denied[0]} until you are in the group video and log in again", ALLOW
    if Path("/sys/module/v4l2loopback").exists():
        return "the kernel module v4l2loopback is loaded, but has no device", f"{UNLOAD} && {LOAD}"
    if _installed():
        return "the kernel module v4l2loopback is not loaded", LOAD
    return "the kernel module v4l2loopback is not installed", f"{INSTALL} && {LOAD}"


def _installed() -> bool:
    """Whether the running kernel has the module."""
    try:
        return "v4l2loopback" in Path("/lib/modules", os.uname().release, "modules.dep").read_text(encoding="utf-8")
    except OSError:
        return False


class V4L2Sink(LiveSink):
    """Writes YUYV pictures to `path`, or to the first free loopback device.

    While somebody watches, a device keeps its size; pictures of another one are then scaled to it.
    """

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self.path = path
        self._descriptor = -1

    def _begin(self, stream: StreamFormat) -> None:
        if sys.platform != "linux":
            raise OutputFailed("v4l2loopback is there on Linux only")
        failed: OutputFailed | None = None
        for device in devices()[0]:
            wanted = device.path == self.path if self.path else device.free
            try:
                if wanted and self._take(device, stream.width + stream.width % 2, stream.height):
                    return
            except OutputFailed as error:
                failed = failed or error
        if failed is not None:
            raise failed
        if self.path:
            raise OutputFailed(f"{self.path} is no v4l2loopback device, or another program writes to it")
        why, fix = problem()
        raise OutputFailed(f"{why}; run: {fix}" if why else "every v4l2loopback device is used by another program; "
                           f"run: {UNLOAD} && {ONE_MORE}")

    def _take(self, device: Device, width: int, height: int) -> bool:
        """Try to become the writer of a device; False when it has one."""
        from fcntl import ioctl

        form = bytearray(_FORMAT_BYTES)
        struct.pack_into("<I", form, 0, _BUFFER_OUTPUT)
        struct.pack_into("<8I", form, 8, width, height, _YUYV, _FIELD_NONE, 2 * width, 2 * width * height, _SRGB, 0)
        try:
            self._descriptor = os.open(device.path, os.O_WRONLY)
            ioctl(self._descriptor, _S_FMT, form)
        except OSError as error:
            self._release()
            if error.errno == errno.EBUSY:
                return False
            raise OutputFailed(f"{device.path} cannot be opened ({error.strerror})") from error
        self._width, self._height, pixels = struct.unpack_from("<3I", form, 8)
        if pixels != _YUYV:
            self._release()
            raise OutputFailed(f"{device.path} keeps another pixel format, since a program is reading it; stop that "
                               "program's video first")
        self._path, self.place = device.path, f"{device.name} ({device.path})"
        return True

    def _show(self, image: U8) -> None:
        if image.shape[0] != self._height or image.shape[1] not in (self._width, self._width - 1):
            image = fitted(image, self._width, self._height)
        picture = yuyv(image)
        try:
            written = os.write(self._descriptor, picture.data)
        except OSError as error:
            raise OutputFailed(f"{self._path} took no picture ({error.strerror}); is v4l2loopback still loaded?"
                               ) from error
        if written != picture.nbytes:
            raise OutputFailed(f"{self._path} took {written} of {picture.nbytes} bytes of a picture")

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
