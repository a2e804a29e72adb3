"""One synchronous step: order of stages, change of actor, regions, and the fitting of a portrait to the output."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from stage import RECORDING, SETTINGS, Follower, Painter, make_actor, portrait

from didlive.actor import Actor, fit, own_size, prepare_actor, watching
from didlive.composite import lay_out
from didlive.errors import BadInput
from didlive.geometry import euler_deg
from didlive.motion import MotionEstimator
from didlive.overrides import effective
from didlive.pipeline import Observer, Pipeline, Renderer
from didlive.retarget import Retargeter
from didlive.settings import REGIONS, Gains, MotionSettings, OutputSettings, Settings, restrict
from didlive.track.replay import ReplayTracker
from didlive.types import Drive, Frame, Motion, Patch, Presence, Stamp, Tracking

STAGES = ["track", "motion", "retarget", "generate", "composite"]
CARD = np.zeros((64, 64, 3), np.uint8)


def camera_frame(number: int) -> Frame:
    return Frame(CARD, Stamp(number, number * 33_333_333))


def test_a_step_marks_each_stage_once_in_order():
    pipeline = Pipeline(Follower(), SETTINGS, make_actor())
    for number in range(3):
        frame = pipeline.step(camera_frame(number))
        assert [name for name, _ in frame.stamp.marks] == STAGES
        assert frame.stamp.sequence == number and frame.stamp.captured_ns == number * 33_333_333
        times = [at for _, at in frame.stamp.marks]
        assert times == sorted(times)


def test_before_the_first_face_the_portrait_is_still():
    tracker, actor = Follower(), make_actor()
    tracker.blind = True
    frame = Pipeline(tracker, SETTINGS, actor).step(camera_frame(0))
    assert np.array_equal(frame.image, actor.compositor.compose(None, frame.stamp).image)


def test_without_an_actor():
    with pytest.raises(BadInput, match="no portrait"):
        Pipeline(Follower(), SETTINGS).step(camera_frame(0))


def test_a_new_actor_plays_from_the_next_frame_on():
    first, second = Painter(), Painter()
    pipeline = Pipeline(Follower(), SETTINGS, make_actor(generator=first))
    pipeline.step(camera_frame(0))
    pipeline.set_actor(make_actor(level=170, generator=second))
    frame = pipeline.step(camera_frame(1))
    assert (first.drawn, second.drawn) == (1, 1)
    assert int(np.median(frame.image)) > 150


def test_a_generator_that_fails_once_is_asked_again():
    painter = Painter()
    renderer = Renderer(SETTINGS.motion, make_actor(generator=painter))
    motion = Observer(Follower(), SETTINGS.motion).observe(camera_frame(0))
    painter.faults = 1
    renderer.render(motion, Stamp(0, 0))
    assert painter.drawn == 1 and renderer.faults == 0 and renderer.problem == ""


def test_a_generator_that_fails_twice_rests(monkeypatch: pytest.MonkeyPatch):
    now_s = [100.0]
    monkeypatch.setattr("didlive.pipeline.time.monotonic", lambda: now_s[0])
    painter = Painter()
    actor = make_actor(generator=painter)
    renderer = Renderer(SETTINGS.motion, actor)
    motion = Observer(Follower(), SETTINGS.motion).observe(camera_frame(0))
    painter.faults = 3
    still = renderer.render(motion, Stamp(0, 0)).image
    assert np.array_equal(still, actor.compositor.compose(None, Stamp(0, 0)).image)
    assert renderer.faults == 1 and "ill" in renderer.problem and painter.faults == 1
    renderer.render(motion, Stamp(1, 0))
    assert painter.faults == 1, "it must rest"
    now_s[0] += 0.3
    renderer.render(motion, Stamp(2, 0))
    assert painter.drawn == 1 and renderer.problem == ""


def test_settings_can_change_between_frames():
    painter = Painter()
    pipeline = Pipeline(Follower(), SETTINGS, make_actor(generator=painter))
    pipeline.step(camera_frame(0))
    pipeline.configure(replace(SETTINGS.motion, region="mouth"))
    pipeline.step(camera_frame(1))
    assert painter.drawn == 2


@pytest.mark.parametrize("region", REGIONS)
def test_regions_zero_the_gains_outside(region: str):
    gains = restrict(Gains(mouth=1.3), region)
    parts = REGIONS[region]
    for field in fields(Gains):
        inside = not parts or field.name in parts
        assert getattr(gains, field.name) == ((1.3 if field.name == "mouth" else 1.0) if inside else 0.0)


def drives(region: str) -> list[Drive]:
    """The demo's motion in one region, retargeted to the demo's own face."""
    motion = effective(MotionSettings(region=region))
    tracker, estimator = ReplayTracker(RECORDING), MotionEstimator(motion)
    retargeter = Retargeter(portrait().face, motion)
    out = []
    for number in range(0, 240, 3):
        seen = estimator.estimate(tracker.track(camera_frame(number)))
        assert seen is not None
        out.append(retargeter.retarget(seen))
    return out


def test_the_head_stays_where_it_is_in_regions_of_the_face():
    for region in ("mouth", "eyes", "expression"):
        turned = max(max(abs(angle) for angle in euler_deg(drive.rotation)) for drive in drives(region))
        assert turned < 0.5, region
    assert max(abs(euler_deg(drive.rotation)[1]) for drive in drives("pose")) > 5


def test_the_mouth_moves_only_in_its_regions():
    def travel(region: str) -> float:
        """How far the corners of the mouth part and close, in px, without the head's motion."""
        widths = [float(np.linalg.norm(d.landmarks[61] - d.landmarks[291])) / d.scale for d in drives(region)]
        return max(widths) - min(widths)

    assert travel("mouth") > 4 * travel("eyes")
    assert travel("mouth") > 4 * travel("pose")


@pytest.mark.parametrize(("region", "blinks"), [("eyes", True), ("all", True), ("mouth", False), ("pose", False)])
def test_blinks_come_through_only_where_the_eyes_follow(region: str, blinks: bool):
    seen: list[float] = []

    class Listener(Painter):
        def generate(self, source: object, drive: Drive) -> Patch:
            seen.append(float(drive.lids.min()))
            return super().generate(source, drive)

    settings = replace(SETTINGS, motion=MotionSettings(region=region))
    pipeline = Pipeline(ReplayTracker(RECORDING), settings, make_actor(generator=Listener()))
    for number in range(90):
        pipeline.step(camera_frame(number))
    assert (min(seen) < 0.2) is blinks


def test_absent_holds_eases_and_idles():
    observer = Observer(Follower(), SETTINGS.motion)
    assert observer.absent(Stamp(0, 0)) is None
    observer.observe(camera_frame(1))
    at_s = (0.1, 0.5, 2.0)
    seen = [observer.absent(Stamp(2 + i, 33_333_333 + int(s * 1e9))) for i, s in enumerate(at_s)]
    assert [m.presence for m in seen if m is not None] == [Presence.HOLD, Presence.EASE, Presence.IDLE]


def test_recalibration_makes_the_face_of_now_the_neutral():
    observer = Observer(ReplayTracker(RECORDING), replace(SETTINGS.motion, auto_neutral=False))
    for number in range(150):
        observer.observe(camera_frame(number))
    before = observer.observe(camera_frame(150))
    observer.recalibrate()
    after = observer.observe(camera_frame(151))
    assert before is not None and after is not None

    def away(motion: Motion) -> float:
        return float(np.abs(motion.now.shape - motion.neutral.shape).mean())

    assert away(after) < 0.5 * away(before)


# The actor.


@pytest.mark.parametrize(("size", "framing"),
                         [("512", "head"), ("720p", "head"), ("1080p", "full"), ("200x300", "full")])
def test_a_portrait_is_scaled_until_its_pixels_are_the_outputs(size: str, framing: str):
    fitted = fit(portrait(300), OutputSettings(size=size, framing=framing))
    place = lay_out((fitted.image.shape[1], fitted.image.shape[0]), fitted.face.landmarks,
                    OutputSettings(size=size, framing=framing))
    assert place.scale.value == 1.0 or fitted.image.shape[0] == 900, "3 times is the limit"


@pytest.mark.parametrize(("pixels", "framing", "wanted"), [
    (300, "head", "512x512"), (300, "full", "512x512"), (640, "head", "640x640"), (641, "full", "640x640"),
    (4000, "head", "1080x1080"), (4000, "full", "1920x1920")])
def test_size_auto_is_the_portraits_own_within_limits(pixels: int, framing: str, wanted: str):
    given = portrait(pixels)
    output = own_size(given, OutputSettings(size="auto", framing=framing))
    assert output.size == wanted
    fitted = fit(given, output)
    place = lay_out((fitted.image.shape[1], fitted.image.shape[0]), fitted.face.landmarks, output)
    assert place.scale.value == 1.0 and (place.width, place.height) == place.canvas, "no bands at the sides"


def test_size_source_leaves_the_portrait_alone():
    given = portrait(300)
    assert fit(given, OutputSettings(size="source", framing="full")) is given


def test_prepare_measures_the_answer(astronaut: Path, models: Path):
    settings = Settings(output=OutputSettings(size="256x256"))
    actor = prepare_actor(astronaut, settings)
    assert isinstance(actor, Actor) and actor.compositor.size == (256, 256)
    assert 0.5 < actor.response.yaw < 2.0 and 0.5 < actor.response.gaze_x < 2.0
    still = prepare_actor(astronaut, replace(settings, generator="still"))
    assert still.response.yaw == 1.0


def test_watching_finds_the_portraits_own_face_again(actor: Actor, models: Path):
    with watching(actor.portrait) as look:
        found = look(actor.portrait.image)
    assert found is not None
    size = float(np.ptp(actor.portrait.face.landmarks[:, 1]))
    assert float(np.abs(found.landmarks[:, :2] - actor.portrait.face.landmarks[:, :2]).mean()) < 0.03 * size


def test_no_face_in_the_tracking_is_not_an_error():
    estimator = MotionEstimator(SETTINGS.motion)
    assert estimator.estimate(Tracking(None, (64, 64), 0, Stamp(0, 0))) is None
