"""A PipeWire of the tests' own: daemon and session manager in a folder of theirs, and what watches cameras."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stage import wait_until

NEEDS = ("pipewire", "wireplumber", "dbus-daemon", "gst-launch-1.0")


class PipeWire:
    """`start` and `kill` the daemon; `manage` starts what connects cameras and watchers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"}
        self._environment.pop("DISPLAY", None)

    def _run(self, *command: str) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._running.append(subprocess.Popen(command, env=self._environment, **quiet))

    def start(self) -> None:
        """Start the daemon, and wait until it can be reached."""
        socket = self.folder / "pipewire-0"
        socket.unlink(missing_ok=True)
        self._run("pipewire")
        wait_until(socket.exists, "PipeWire's socket")

    def manage(self) -> None:
        """Start a message bus and the session manager."""
        # WirePlumber 0.4 gives up where there is no logind (a bare container), for the sake of Bluetooth: an empty file
        # of this name switches that off; later versions do not read it.
        switch = self.folder / "wireplumber" / "bluetooth.lua.d" / "90-enable-all.lua"
        switch.parent.mkdir(parents=True, exist_ok=True)
        switch.touch()
        self._run("dbus-daemon", "--session", "--nofork", f"--address=unix:path={self.folder}/bus")
        wait_until((self.folder / "bus").exists, "the message bus")
        self._run("wireplumber")

    def kill(self) -> None:
        """Kill everything without a farewell."""
        while self._running:
            process = self._running.pop()
            process.kill()
            process.wait()


@contextmanager
def pipewire() -> Iterator[PipeWire]:
    """Give a PipeWire that this process reaches, with nothing started yet; skip the test where it is not installed."""
    missing = [name for name in NEEDS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (see TEST_TOOLS in the Makefile)")
    # Not under tmp_path: the path of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="didlive-"))
    places = {name: str(folder) for name in ("XDG_RUNTIME_DIR", "PIPEWIRE_RUNTIME_DIR", "XDG_CONFIG_HOME",
                                             "XDG_STATE_HOME")}
    with pytest.MonkeyPatch.context() as patch:
        for name, place in places.items():
            patch.setenv(name, place)
        patch.delenv("PIPEWIRE_REMOTE", raising=False)
        made = PipeWire(folder)
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
