"""A microphone that hears what the tests play: a null sink and its monitor in a PipeWire of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pipewire_session import pipewire
from stage import wait_until

NEEDS = ("pipewire-pulse", "pactl", "paplay")
NAME = "TestMicrophone"


class SoundServer:
    """`play` a WAV file into the microphone; `unplug` it and `plug` it in again."""

    def __init__(self) -> None:
        self._modules: list[str] = []

    def plug(self) -> None:
        """Connect the microphone."""
        self._load("module-null-sink", "sink_name=testsink", "rate=48000", "channels=1", "channel_map=mono")
        self._load("module-remap-source", "master=testsink.monitor", "source_name=testmic", "channels=1",
                   "channel_map=mono", f"source_properties=device.description={NAME}")
        wait_until(lambda: "testmic" in pactl("list", "short", "sources"), "the microphone")
        # The session manager may not have begun yet.
        chosen = ["pactl", "set-default-source", "testmic"]
        wait_until(lambda: not subprocess.run(chosen, capture_output=True).returncode, "the default microphone")

    def unplug(self) -> None:
        """Take the microphone away."""
        while self._modules:
            pactl("unload-module", self._modules.pop())

    def play(self, file: Path) -> subprocess.Popen[bytes]:
        """Begin to play a file; the microphone hears every sample of it."""
        return subprocess.Popen(["paplay", "--device=testsink", str(file)])

    def _load(self, *module: str) -> None:
        self._modules.append(pactl("load-module", *module))


def pactl(*words: str) -> str:
    """Run pactl and return what it says."""
    return subprocess.run(["pactl", *words], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def sound_server() -> Iterator[SoundServer]:
    """Give a sound server with one microphone; skip the test where it is not installed."""
    missing = [name for name in NEEDS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (see TEST_TOOLS in the Makefile)")
    with pipewire() as daemon, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULSE_SERVER", f"unix:{daemon.folder}/pulse/native")
        daemon.start()
        daemon.manage()
        pulse = subprocess.Popen(["pipewire-pulse"], env=os.environ, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: subprocess.run(["pactl", "info"], capture_output=True).returncode == 0, "PulseAudio")
            server = SoundServer()
            server.plug()
            yield server
        finally:
            pulse.kill()
            pulse.wait()
