"""The real program on a real (virtual) screen, used with the keyboard as a person would."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

import person
from person import Person, Screen

from didlive.demo import demo_portrait
from didlive.profiles import Store

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs an X server"),
    pytest.mark.skipif(bool(person.missing()), reason=f"not installed: {person.missing()}"),
]


@pytest.fixture
def screen() -> Iterator[Screen]:
    with person.screen() as made:
        yield made


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where the pictures go: $DIDLIVE_PICTURES, so that a person can look at them, or nowhere in particular."""
    return Path(os.environ.get("DIDLIVE_PICTURES", tmp_path / "pictures"))


def frames(path: Path) -> int:
    with av.open(str(path)) as clip:
        return sum(1 for _ in clip.decode(video=0))


def recordings(home: Path) -> list[Path]:
    return sorted(home.glob("Videos/didlive/*.mp4"))


def library(home: Path) -> int:
    """How many portraits the user added."""
    return len([p for p in (home / ".local/share/didlive/portraits").glob("*") if p.suffix in (".jpg", ".png")])


def playing(home: Path) -> str:
    return Store(home / ".config/didlive").load().window.portrait


def add_portraits(me: Person, *paths: Path) -> None:
    """Add pictures by the first entry of the first menu."""
    me.press("alt+f")
    me.press("Return")
    me.see("^Add portraits")
    me.write(" ".join(f'"{path}"' for path in paths))
    me.look("3 adding portraits")
    me.press("Return")
    me.see("^didlive")


def record(me: Person) -> None:
    """Start a recording and let it grow."""
    me.press("r")
    me.wait(lambda: [p for p in recordings(me.home) if p.stat().st_size > 20_000], "a recording")


def use_every_key(me: Person, added: str) -> None:
    """Another portrait, calibration, panic, a recording, a snapshot, the cheat sheet."""
    me.press("1")
    me.wait(lambda: playing(me.home) not in ("", added), "another portrait")
    me.press("c")
    me.look("5 calibrating")
    me.press("Escape")
    me.wait(lambda: "didlive - Holding" in me.titles(), "panic")
    me.look("6 panic")
    me.press("Escape")
    me.wait(lambda: "didlive - Live" in me.titles(), "the show again")
    record(me)
    me.look("7 recording")
    me.press("s")
    me.wait(lambda: list(me.home.glob("Pictures/didlive/*.png")), "a snapshot")
    me.press("F1")
    me.see("^Keys")
    me.look("8 keys")
    me.press("Escape")
    me.see("^didlive")


def test_a_first_run_and_a_whole_show(screen: Screen, tmp_path: Path, models: Path, driving: Path, astronaut: Path,
                                      pictures: Path):
    ana, bea, bad = tmp_path / "Ana.png", tmp_path / "Bea.jpg", tmp_path / "Bad.jpg"
    shutil.copy(astronaut, ana)
    shutil.copy(demo_portrait(), bea)
    with bea.open("ab") as file:  # Another file than the built-in one.
        file.write(b"\0")
    bad.write_bytes(b"this is no picture")
    with Person(screen, tmp_path / "home", models.parent, ["--camera", str(driving), "--language", "en"],
                pictures) as me:
        me.see("^didlive")
        me.look("1 first window")
        me.wait(lambda: "didlive - Live" in me.titles() and playing(me.home), "the show")
        me.look("2 live from a clip")
        first = playing(me.home)
        add_portraits(me, ana, bad, bea)
        me.wait(lambda: library(me.home) == 2, "two of three portraits in the library")
        me.wait(lambda: playing(me.home) != first, "the new portrait plays")
        me.look("4 added")
        use_every_key(me, playing(me.home))
        me.press("ctrl+q")
        assert me.leave() == 0, me.log()
        assert "Traceback" not in me.log()
    [recording] = recordings(me.home)
    assert frames(recording) > 10 and ".recording" not in recording.name


def test_both_languages_and_both_themes_fill_the_window(screen: Screen, tmp_path: Path, models: Path, pictures: Path):
    for language, theme in (("en", "light"), ("zh_CN", "dark"), ("zh_CN", "light")):
        home = tmp_path / f"{language}-{theme}"
        folder = home / ".config/didlive"
        folder.mkdir(parents=True)
        (folder / "settings.toml").write_text(f'version = 1\n[window]\nlanguage = "{language}"\ntheme = "{theme}"\n'
                                              '[camera]\nname = ""\n')
        with Person(screen, home, models.parent, [], pictures) as me:
            live = "didlive - Live" if language == "en" else "didlive - 直播中"
            me.see("^didlive")
            me.wait(lambda live=live, me=me: live in me.titles(), "the show")
            seen = np.asarray(me.look(f"9 {language} {theme}").convert("L"))
            panel = float(np.median(seen[300:700, 1000:1200]))
            assert panel > 200 if theme == "light" else panel < 60
            me.press("ctrl+q")
            assert me.leave() == 0, me.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_from_outside_it_closes_in_order(screen: Screen, tmp_path: Path, models: Path, pictures: Path,
                                               number: signal.Signals):
    with Person(screen, tmp_path / "home", models.parent, ["--camera", ""], pictures) as me:
        me.see("^didlive")
        me.wait(lambda: "didlive - Live" in me.titles(), "the show")
        record(me)
        me.process.send_signal(number)
        assert me.leave() == 0, me.log()
    [recording] = recordings(me.home)
    assert frames(recording) > 10 and ".recording" not in recording.name


def test_a_lost_screen_loses_no_recording(screen: Screen, tmp_path: Path, models: Path, pictures: Path):
    with Person(screen, tmp_path / "home", models.parent, ["--camera", ""], pictures) as me:
        me.see("^didlive")
        me.wait(lambda: "didlive - Live" in me.titles(), "the show")
        record(me)
        screen.process.kill()
        assert me.leave() != 0
    [recording] = recordings(me.home)
    assert frames(recording) > 10 and ".recording" not in recording.name


def test_a_kiosk_fills_the_screen(screen: Screen, tmp_path: Path, models: Path, astronaut: Path, pictures: Path):
    folder = tmp_path / "portraits"
    folder.mkdir()
    shutil.copy(astronaut, folder / "a.png")
    shutil.copy(demo_portrait(), folder / "b.jpg")
    arguments = ["--kiosk", "--portrait", str(folder), "--every", "600", "--camera", "", "--language", "en"]
    with Person(screen, tmp_path / "home", models.parent, arguments, pictures) as me:
        me.see("^didlive")
        # The face is in the middle; the picture stands between two black bands.
        me.wait(lambda: np.asarray(me.look("10 kiosk"))[300:500, 500:700].std() > 20, "a portrait")
        seen = np.asarray(me.look("10 kiosk"))
        assert seen[:, :100].max() < 8 and seen[:, -100:].max() < 8 and seen[0, 600].max() > 8
        me.press("Right")
        me.wait(lambda: np.abs(np.asarray(me.look("11 kiosk next")).astype(int) - seen).mean() > 15, "the next one")
        me.press("Escape", "Escape")
        assert me.leave() == 0, me.log()
