"""Where the pictures do not keep up with the camera, they are drawn without the refiner."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stage import Follower, Nuisance, bare, make_actor, wait_until

from didlive import pace
from didlive.actor import Actor, leaner, prepare_actor
from didlive.demo import demo_portrait
from didlive.generate.refine import RefineGenerator
from didlive.motion import measure, to_motion
from didlive.pace import FIRST_LEAN_S, OFTEN, WINDOW_S, Pace
from didlive.pipeline import Renderer
from didlive.session import Session
from didlive.settings import MotionSettings, Settings
from didlive.types import Motion, Presence, Stamp


class Slow:
    """An engine that adds red, and takes its time when told so."""

    name, provider, delay_s = "refiner", "a slow card", 0.0

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        time.sleep(self.delay_s)
        return {f"{key}_out": np.full((len(value), 3, *value.shape[2:]), 0.2, np.float32)
                for key, value in feeds.items()}


class Clock:
    """Seconds that pass when told so, and the counts of a show meanwhile."""

    def __init__(self, rate_hz: float = 30.0) -> None:
        self.now_s, self.seen, self.shown = 100.0, 0, 0
        self.pace = Pace(rate_hz, lambda: self.now_s)

    def window(self, camera_hz: float, shown_hz: float) -> bool:
        """Let one window pass; return whether to draw lean."""
        self.now_s += WINDOW_S
        self.seen += round(camera_hz * WINDOW_S)
        self.shown += round(shown_hz * WINDOW_S)
        return self.pace.lean(self.seen, self.shown)


@pytest.mark.parametrize(("camera_hz", "shown_hz"), [(30, 30), (30, 27), (60, 30), (15, 15), (4, 1), (0, 0)])
def test_it_stays_full(camera_hz: float, shown_hz: float):
    clock = Clock()
    assert not any(clock.window(camera_hz, shown_hz) for _ in range(20))


def test_it_gets_lean_when_it_is_late_again_and_again():
    clock = Clock()
    assert [clock.window(30, 20) for _ in range(OFTEN)] == [False] * (OFTEN - 1) + [True]
    clock = Clock()
    assert not any(clock.window(30, 20 if i % 2 else 30) for i in range(20)), "one hitch is no reason"


def test_it_tries_again_later_and_later():
    clock, lengths = Clock(), []
    for _ in range(3):
        while not clock.window(30, 20):
            pass
        begin_s = clock.now_s
        while clock.window(30, 30):
            pass
        lengths.append(clock.now_s - begin_s)
    assert lengths == [FIRST_LEAN_S, 2 * FIRST_LEAN_S, 4 * FIRST_LEAN_S]


@pytest.fixture(scope="module")
def slow(models: object) -> tuple[Slow, Actor]:
    engine: Any = Slow()
    settings = Settings(output=bare(size="128x128", rate_hz=30.0))
    drawer: Any = RefineGenerator(engine)
    return engine, prepare_actor(demo_portrait(), settings, generator=drawer, calibrate=False)


def open_mouth(actor: Actor) -> Motion:
    neutral = measure(actor.portrait.face)
    shape = neutral.shape.copy()
    shape[[14, 17, 87, 317, 402, 178, 84, 314, 405, 181, 152], 1] += 0.2
    motion = to_motion(neutral, neutral, Presence.TRACK, Stamp(1, 1))
    return replace(motion, now=replace(neutral, shape=shape))


def test_lean_is_the_plain_warp_and_back(slow: tuple[Slow, Actor]):
    _, actor = slow
    renderer = Renderer(MotionSettings(), actor)
    motion = open_mouth(actor)
    full = renderer.render(motion, motion.stamp).image
    renderer.lean = True
    lean = renderer.render(motion, motion.stamp).image
    assert "too slow" in renderer.provider and renderer.actor is actor
    assert np.array_equal(lean, Renderer(MotionSettings(), leaner(actor)).render(motion, motion.stamp).image)
    assert not np.array_equal(full, lean)
    renderer.lean = False
    assert np.array_equal(renderer.render(motion, motion.stamp).image, full)


def test_what_cannot_be_cheaper_stays():
    actor = make_actor()
    assert leaner(actor) is actor


def test_a_show_that_is_too_slow_gets_lean_by_itself(slow: tuple[Slow, Actor], monkeypatch: pytest.MonkeyPatch):
    engine, actor = slow
    monkeypatch.setattr(pace, "WINDOW_S", 0.4)
    session = Session(Settings(output=bare(size="128x128", rate_hz=30.0)), Nuisance(30.0), Follower(), actor)
    with session:
        engine.delay_s = 0.3
        wait_until(lambda: "too slow" in session.provider, "the plain warp")
        drawn = session.stats().frames
        wait_until(lambda: session.stats().frames > drawn + 5)
