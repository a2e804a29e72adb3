"""No failure may send a camera image to a sink. Every camera pixel here has one colour; no output may ever show it."""

from __future__ import annotations

import ast
import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stage import (
    MARKER,
    SETTINGS,
    Follower,
    Nuisance,
    Painter,
    Watcher,
    make_actor,
    marked,
    portrait,
    show_threads,
    wait_until,
)

from didlive import background, composite, generate, overrides, retarget, sinks
from didlive.motion import measure
from didlive.pipeline import Renderer
from didlive.portrait import load_image
from didlive.session import Session, State
from didlive.sinks.recorder import PacedSink, QueuedSink
from didlive.types import Performer

# More by hand: DIDLIVE_SCHEDULES=1000.
SCHEDULES, EVENTS = int(os.environ.get("DIDLIVE_SCHEDULES", "200")), 4
NEUTRAL = measure(portrait().face)


class Show:
    """A session with three kinds of outputs, all watched, and everything that can go wrong with it."""

    def __init__(self, rate_hz: float = 60.0) -> None:
        self.camera, self.tracker, self.painter = Nuisance(rate_hz), Follower(), Painter()
        self.watchers = [Watcher(), Watcher(), Watcher()]
        plain, paced, queued = self.watchers
        self.paced = PacedSink(paced, 120.0)
        self.session = Session(SETTINGS, self.camera, self.tracker, make_actor(generator=self.painter),
                               [plain, self.paced, QueuedSink(queued)])
        self.mishaps: dict[str, Callable[[], object]] = {
            "tracker exception": lambda: setattr(self.tracker, "faults", 1),
            "tracker keeps failing": lambda: setattr(self.tracker, "faults", 99),
            "generator exception": lambda: setattr(self.painter, "faults", 1),
            "generator keeps failing": lambda: setattr(self.painter, "faults", 99),
            "generator recovers": lambda: setattr(self.painter, "faults", 0),
            "camera lost": lambda: setattr(self.camera, "lost", True),
            "camera back": lambda: setattr(self.camera, "lost", False),
            "camera changes its size": lambda: setattr(self.camera, "width", 96),
            "face lost": lambda: setattr(self.tracker, "blind", True),
            "face back": lambda: setattr(self.tracker, "blind", False),
            "output lost": lambda: setattr(paced, "broken", True),
            "output back": lambda: setattr(paced, "broken", False),
            "output aborted under us": self.paced.abort,
            "plain output lost": lambda: setattr(plain, "broken", True),
            "another portrait": lambda: self.session.set_actor(make_actor(level=150, generator=self.painter)),
            "panic": self.session.panic,
            "panic released": lambda: self.session.panic(False),
            "hold": self.session.hold,
            "hold released": lambda: self.session.hold(False),
            "camera off": lambda: self.session.follow(False),
            "camera on": self.session.follow,
            "the window looks at the camera": self.session.show_camera,
            "the window looks away": lambda: self.session.show_camera(False),
            "another camera": lambda: self.session.set_camera(Nuisance(rate_hz)),
            "another camera and tracker": lambda: self.session.set_camera(Nuisance(rate_hz), Follower()),
            "another output": self.add_output,
            "a known performer": lambda: self.session.use_performer(Performer("me", NEUTRAL)),
            "recalibrate": self.session.recalibrate,
            "settings": lambda: self.session.configure(SETTINGS.motion),
            "camera closed under us": self.camera.close,
            "tracker closed under us": self.tracker.close,
        }

    def add_output(self) -> None:
        self.watchers.append(Watcher())
        self.session.add_sink(f"late {len(self.watchers)}", self.watchers[-1])

    @property
    def leaks(self) -> int:
        newest = self.session.preview.peek()
        return sum(w.leaks for w in self.watchers) + (newest is not None and marked(newest.image))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """The faults are on purpose."""
    caplog.set_level(logging.CRITICAL + 1)


def test_the_watcher_sees_a_leak():
    picture = np.full((64, 64, 3), 90, np.uint8)
    assert not marked(picture)
    picture[5, 5] = MARKER
    assert marked(picture)
    camera = Nuisance()
    camera.open()
    frame = camera.read()
    assert frame is not None and marked(frame.image)


@pytest.mark.parametrize("mishap", sorted(Show().mishaps))
def test_one_mishap(mishap: str):
    show = Show()
    show.session.start()
    wait_until(lambda: show.painter.drawn > 1)
    show.mishaps[mishap]()
    before = show.session.stats().frames
    wait_until(lambda: show.session.stats().frames > before + 5 or show.session.stats().state is State.FAILED)
    show.session.stop()
    assert show.leaks == 0 and all(w.written for w in show.watchers)
    assert show_threads() == []


def test_the_camera_is_seen_in_the_window_and_nowhere_else(tmp_path: Path):
    show = Show()
    show.session.show_camera()
    show.session.start()
    wait_until(lambda: show.session.camera_view.peek() is not None)
    seen = show.session.camera_view.peek()
    assert seen is not None and marked(seen.image), "the window does see it"
    for mishap in sorted(show.mishaps):
        show.mishaps[mishap]()
        show.session.show_camera()
        show.session.snapshot(tmp_path / "now.png")
        assert not marked(load_image(tmp_path / "now.png")[0]), mishap
    show.session.stop()
    assert show.leaks == 0 and show.session.camera_view.peek() is None
    assert show_threads() == []


def test_random_schedules():
    """Many shows, each with a few mishaps at random moments, ended at a random moment."""
    for seed in range(SCHEDULES):
        chance = random.Random(seed)
        show = Show(rate_hz=200.0)
        story = chance.choices(sorted(show.mishaps), k=EVENTS)
        show.session.start()
        for mishap in story:
            time.sleep(chance.uniform(0.0, 0.015))
            show.mishaps[mishap]()
        time.sleep(chance.uniform(0.0, 0.015))
        show.session.stop()
        assert show.leaks == 0, f"schedule {seed}: {story}"
        assert sum(w.written for w in show.watchers) > 0
        assert show_threads() == [], f"schedule {seed}: {story}"


def test_the_drawing_half_has_no_way_to_a_camera():
    """By construction: what draws, composes and writes imports no camera, and `render` is given motion, not frames."""
    paths = [Path(module.__file__ or "") for module in (background, composite, overrides, retarget)]
    paths += [*Path(generate.__path__[0]).glob("*.py"), *Path(sinks.__path__[0]).glob("*.py")]
    for path in paths:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        imports = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not [name for name in imports if "capture" in name.split(".")], path
    assert list(Renderer.render.__annotations__) == ["motion", "stamp", "return"]
