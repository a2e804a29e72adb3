"""What drives the portrait cannot be used: the portrait is there all the same, and the window says what drives it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from didlive.demo import demo_motion
from didlive.session import State
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]


def opened(studio: Studio) -> str:
    """The name of what the session has really opened."""
    info = studio.session.camera_info if studio.session is not None else None
    return "" if info is None else info.name


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.npz"
    path.write_bytes(Path(demo_motion()).read_bytes()[:2000])
    return path


def test_a_file_that_is_no_motion_is_said_and_does_not_drive(show: Studio, until: Until, broken: Path, tmp_path: Path):
    told: list[tuple[str, str]] = []
    show.message.connect(lambda level, text: told.append((level, text)))
    good = tmp_path / "good.npz"
    good.write_bytes(Path(demo_motion()).read_bytes())
    show.choose_camera(str(good))
    until(lambda: "good.npz" in opened(show))
    show.choose_camera(str(broken))
    until(lambda: show.driving == "the built-in motion")
    assert any(level == "error" and "broken.npz" in text for level, text in told)
    until(lambda: opened(show) and "good.npz" not in opened(show))
    assert show.session is not None
    until(lambda: show.session.stats().state is State.LIVE)
    # It may have been mended: choosing it again tries again.
    broken.write_bytes(good.read_bytes())
    show.choose_camera(str(broken))
    until(lambda: show.driving == "broken.npz" and "broken.npz" in opened(show))


def test_the_next_start_shows_the_portrait_all_the_same(studio: Studio, models: Path, until: Until, broken: Path):
    told: list[str] = []
    studio.message.connect(lambda level, text: told.append(text) if level == "error" else None)
    studio.change("camera.name", str(broken), merge=False)
    studio.open()
    until(lambda: studio.session is not None and studio.session.stats().state is State.LIVE)
    assert studio.driving == "the built-in motion" and any("broken.npz" in text for text in told)


def test_what_was_said_of_a_broken_file_goes_when_another_one_drives(show: Studio, until: Until, broken: Path,
                                                                     tmp_path: Path):
    told, solved = [], []
    show.message.connect(lambda level, text: told.append(text) if level == "error" else None)
    show.solved.connect(solved.append)
    show.choose_camera(str(broken))
    until(lambda: told and show.driving == "the built-in motion" and "broken" not in opened(show))
    assert told[0] not in solved
    good = tmp_path / "good.npz"
    good.write_bytes(Path(demo_motion()).read_bytes())
    show.choose_camera(str(good))
    until(lambda: told[0] in solved)


def test_a_performer_that_is_gone_is_said_once(show: Studio, until: Until):
    told: list[str] = []
    show.message.connect(lambda level, text: told.append(text) if level == "error" else None)
    show.use_performer("gone")
    until(lambda: told)
    assert "gone" in told[0] and show.settings.window.performer == ""
    before = show.session
    show.change("output.size", "256x256")
    until(lambda: show.session is not None and show.session is not before)
    assert len(told) == 1


def test_a_wizard_needs_somebody_to_measure(show: Studio, until: Until):
    told: list[str] = []
    show.message.connect(lambda _, text: told.append(text))
    until(lambda: show.session is not None)
    show.stop()
    assert show.start_wizard("me") is None and told == ["Start the show first"]
