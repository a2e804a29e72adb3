"""A person in front of a screen: a virtual one, a window manager, real keys, and pictures of what is seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageGrab

TOOLS = ("Xvfb", "openbox", "xdotool")
LIMIT_S = 60.0
SIZE = (1280, 800)


def missing() -> str:
    """Name the tools that are not installed, or return an empty text."""
    return ", ".join(tool for tool in TOOLS if shutil.which(tool) is None)


class Screen:
    """A virtual screen with a window manager. `process` is the X server."""

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        read, write = os.pipe()
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size[0]}x{size[1]}x24", "-nolisten", "tcp"],
            pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as line:
            self.name = f":{line.readline().strip()}"
        self.environment = {**os.environ, "DISPLAY": self.name}
        for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
            self.environment.pop(name, None)
        self._manager = subprocess.Popen(["openbox"], env=self.environment, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)

    def close(self) -> None:
        """Switch it off."""
        for process in (self._manager, self.process):
            process.terminate()
            process.wait(LIMIT_S)


class Person:
    """Somebody who uses didlive on `screen` with an empty `home`. The program is `process`."""

    def __init__(self, screen: Screen, home: Path, cache: Path, arguments: list[str], pictures: Path) -> None:
        self._screen, self.home, self._pictures = screen, home, pictures
        home.mkdir(exist_ok=True)
        own = {"HOME": str(home), "DIDLIVE_CACHE": str(cache), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        environment = {**screen.environment, **own}
        for name in [n for n in environment if n.startswith("XDG_") or n in ("DIDLIVE_CONFIG", "DIDLIVE_DATA")]:
            del environment[name]
        self._log = (home / "didlive.log").open("w")
        self.process = subprocess.Popen([sys.executable, "-m", "didlive", "run", *arguments], env=environment,
                                        stdout=self._log, stderr=subprocess.STDOUT)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(LIMIT_S)
        self._log.close()

    def see(self, title: str) -> None:
        """Wait until a window with this title is there, and take it."""
        self._do("search", "--sync", "--onlyvisible", "--name", title, "windowactivate", "--sync")

    def titles(self) -> str:
        """Return the titles of all windows."""
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "."], env=self._screen.environment,
                               capture_output=True, text=True, check=False)
        names = [subprocess.run(["xdotool", "getwindowname", number], env=self._screen.environment,
                                capture_output=True, text=True, check=False).stdout for number in found.stdout.split()]
        return " ".join(names)

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        self._do("key", "--delay", "80", *keys)

    def write(self, text: str) -> None:
        """Type a text."""
        self._do("type", "--delay", "8", text)

    def look(self, name: str) -> Image.Image:
        """Take a picture of the screen and keep it as `name`.png."""
        picture = ImageGrab.grab(xdisplay=self._screen.name)
        self._pictures.mkdir(parents=True, exist_ok=True)
        picture.save(self._pictures / f"{name}.png")
        return picture

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something that has to happen; the limit only ends a test that hangs."""
        end_s = time.monotonic() + LIMIT_S
        while not condition():
            assert self.process.poll() is None, f"didlive ended before {what}: {self.log()}"
            assert time.monotonic() < end_s, f"{what} did not happen; windows: {self.titles()}; {self.log()}"
            time.sleep(0.05)

    def log(self) -> str:
        """Return what didlive printed."""
        return (self.home / "didlive.log").read_text(errors="replace")

    def leave(self) -> int:
        """Wait for the program's end and return its exit code."""
        return self.process.wait(LIMIT_S)

    def _do(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], env=self._screen.environment, check=True, capture_output=True,
                       timeout=LIMIT_S)


@contextmanager
def screen() -> Iterator[Screen]:
    """Give a screen for the time of a test."""
    made = Screen()
    try:
        yield made
    finally:
        made.close()
