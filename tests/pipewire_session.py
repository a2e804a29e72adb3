"""A PipeWire of the tests' own: daemon and session manager in a folder of theirs, and what watches cameras."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stage import wait_until

NEEDS = ("pipewire", "wireplumber", "dbus-daemon", "gst-launch-1.0")
PORTAL = "org.freedesktop.portal.Desktop"
PERMISSIONS = "org.freedesktop.impl.portal.PermissionStore"
SERVICES = Path("/usr/share/dbus-1/services")
LIMIT_S = 120.0


class PipeWire:
    """`start` and `kill` the daemon; `manage` starts what connects cameras and watchers, `grant` the camera portal.
    environment: what programs need to be part of it; screen: the X display that they see, or an empty text."""

    def __init__(self, folder: Path, screen: str = "") -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        places = ("XDG_DATA_HOME", "XDG_CACHE_HOME")
        hidden = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP")
        self.environment = {name: value for name, value in os.environ.items() if name not in hidden}
        self.environment |= {**dict.fromkeys(places, str(folder)), "NO_AT_BRIDGE": "1",
                             "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"}
        if screen:
            self.environment["DISPLAY"] = screen

    def _run(self, *command: str) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._running.append(subprocess.Popen(command, env=self.environment, **quiet))

    def bus(self) -> None:
        """Start a message bus, unless there is one. A daemon that is started later lets the portal in."""
        if not _answers(self.folder / "bus"):
            self._run("dbus-daemon", "--session", "--nofork", f"--address=unix:path={self.folder}/bus")
            wait_until(lambda: _answers(self.folder / "bus"), "the message bus", LIMIT_S)

    def start(self) -> None:
        """Start the daemon, and wait until it can be reached."""
        self._run("pipewire")
        wait_until(lambda: _answers(self.folder / "pipewire-0"), "PipeWire's answer", LIMIT_S)

    def manage(self) -> None:
        """Start the session manager, on a message bus."""
        # WirePlumber 0.4 gives up where there is no logind (a bare container), for the sake of Bluetooth: an empty file
        # of this name switches that off; later versions do not read it.
        switch = self.folder / "wireplumber" / "bluetooth.lua.d" / "90-enable-all.lua"
        switch.parent.mkdir(parents=True, exist_ok=True)
        switch.touch()
        self.bus()
        self._run("wireplumber")

    def grant(self) -> None:
        """Start the camera portal, with the yes that a person gives once; wait until it sees a camera."""
        self._ask(PERMISSIONS, f"{PERMISSIONS}.SetPermission", "string:devices", "boolean:true", "string:camera",
                  "string:", "array:string:yes")
        wait_until(lambda: "true" in self._ask(PORTAL, "org.freedesktop.DBus.Properties.Get",
                                               "string:org.freedesktop.portal.Camera", "string:IsCameraPresent"),
                   "a camera in the portal", LIMIT_S)

    def _ask(self, name: str, method: str, *arguments: str) -> str:
        """Call a method of a program on the bus, which is started for that."""
        place = "/" + name.replace(".", "/").replace("/Desktop", "/desktop")
        command = ["dbus-send", "--session", "--print-reply", f"--dest={name}", place, method, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True,
                              timeout=LIMIT_S).stdout

    def kill(self) -> None:
        """Kill everything without a farewell."""
        while self._running:
            process = self._running.pop()
            process.kill()
            process.wait()


def _answers(address: Path) -> bool:
    """Whether somebody listens at a socket; a file alone may be left over, or be made too early."""
    with socket.socket(socket.AF_UNIX) as door:
        return door.connect_ex(str(address)) == 0


def _furnish(folder: Path) -> None:
    """Choose the portal's parts: its dialogs by GTK, and no folder of shared documents, which would be mounted."""
    for place, text in (
        ("xdg-desktop-portal/portals.conf", "[preferred]\ndefault=gtk\n"),
        ("dbus-1/services/org.freedesktop.portal.Documents.service",
         "[D-BUS Service]\nName=org.freedesktop.portal.Documents\nExec=/bin/false\n"),
    ):
        file = folder / place
        file.parent.mkdir(parents=True)
        file.write_text(text)


@contextmanager
def pipewire(screen: str = "") -> Iterator[PipeWire]:
    """Give a PipeWire that this process reaches, with nothing started yet; skip the test where it is not installed."""
    missing = [name for name in NEEDS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (see TEST_TOOLS in the Makefile)")
    # Not under tmp_path: the path of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="didlive-"))
    places = {name: str(folder) for name in ("XDG_RUNTIME_DIR", "PIPEWIRE_RUNTIME_DIR", "XDG_CONFIG_HOME",
                                             "XDG_STATE_HOME")}
    _furnish(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, place in places.items():
            patch.setenv(name, place)
        patch.delenv("PIPEWIRE_REMOTE", raising=False)
        made = PipeWire(folder, screen)
        try:
            yield made
        finally:
            made.kill()
            shutil.rmtree(folder, ignore_errors=True)


def watch(node: int, file: Path) -> subprocess.Popen[bytes]:
    """Start a program that watches the camera `node` and appends every picture to `file`, as it comes."""
    command = ["gst-launch-1.0", "-q", "pipewiresrc", f"path={node}", "!", "video/x-raw", "!", "filesink",
               f"location={file}", "buffer-mode=unbuffered"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
