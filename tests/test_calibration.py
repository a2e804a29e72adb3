"""The range wizard: what a performer shows becomes ranges, and a skipped step costs nothing."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from didlive.calibration import STEPS, RangeWizard, dump_performer, read_performer
from didlive.demo import demo_motion
from didlive.errors import BadInput
from didlive.geometry import SHAPE_INDEX, from_rotvec, to_rotvec
from didlive.motion import find_neutral, measure
from didlive.recording import load_recording
from didlive.types import Face, Measure, Performer, Ranges

BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")


@pytest.fixture(scope="module")
def calm() -> Measure:
    recording = load_recording(demo_motion())
    rows = zip(recording.landmarks, recording.blendshapes, recording.transforms, strict=True)
    return find_neutral([measure(Face(*row)) for row in rows])


def scored(m: Measure, **scores: float) -> Measure:
    values = m.blendshapes.copy()
    for name, value in scores.items():
        values[SHAPE_INDEX[name]] = value
    return replace(m, blendshapes=values)


def turned(m: Measure, degrees: float) -> Measure:
    turn = from_rotvec(np.array([0, np.radians(degrees), 0], np.float32))
    return replace(m, rotvec=to_rotvec(turn @ from_rotvec(m.rotvec)))


def shown(calm: Measure) -> dict[str, list[Measure]]:
    """What a performer shows at each step, reached gradually as people do."""
    way = np.clip(np.linspace(0, 2, 40), 0, 1)
    closed = [replace(scored(calm, **dict.fromkeys(BLINKS, 0.1 + 0.4 * t)),
                      lids=(calm.lids * (1 - 0.5 * t)).astype(np.float32)) for t in way]
    rest = calm.blendshapes
    brows = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
    return {
        "neutral": [calm] * 20,
        "close eyes": closed,
        "open mouth": [scored(calm, jawOpen=float(rest[SHAPE_INDEX["jawOpen"]]) + 0.4 * t) for t in way],
        "raise brows": [scored(calm, **{n: float(rest[SHAPE_INDEX[n]]) + 0.3 * t for n in brows}) for t in way],
        "turn": [turned(calm, 40 * float(np.sin(t))) for t in np.linspace(0, 6.28, 120)],
    }


def run(steps: dict[str, list[Measure]]) -> RangeWizard:
    wizard = RangeWizard()
    while wizard.step is not None:
        for m in steps.get(wizard.step.name, []):
            wizard.feed(m)
        wizard.next()
    return wizard


def test_the_steps_are_in_order_and_say_what_to_do():
    assert [step.name for step in STEPS] == ["neutral", "close eyes", "open mouth", "raise brows", "turn"]
    assert all(step.text and step.seconds > 0 for step in STEPS)
    wizard = RangeWizard()
    seen = [wizard.step, *(wizard.next() for _ in STEPS)]
    assert seen == [*STEPS, None] and wizard.next() is None


def test_what_was_shown_becomes_the_ranges(calm: Measure):
    performer = run(shown(calm)).result("me")
    ranges = performer.ranges
    assert performer.name == "me" and performer.neutral.shape == pytest.approx(calm.shape, abs=1e-5)
    assert ranges.lids == pytest.approx(0.5, abs=0.01) and ranges.blink == pytest.approx(0.5, abs=0.01)
    assert ranges.jaw == pytest.approx(0.4, abs=0.01) and ranges.brows == pytest.approx(0.3, abs=0.01)
    assert ranges.turn_deg == pytest.approx(40, abs=2)


@pytest.mark.parametrize("skipped", [step.name for step in STEPS[1:]])
@pytest.mark.parametrize("how", ["skipped", "nothing done"])
def test_a_skipped_step_is_the_typical_persons(calm: Measure, skipped: str, how: str):
    steps = shown(calm)
    steps[skipped] = [] if how == "skipped" else [calm] * 30
    whole, typical, got = run(shown(calm)).result("x").ranges, Ranges(), run(steps).result("x").ranges
    part = {"close eyes": "lids", "open mouth": "jaw", "raise brows": "brows", "turn": "turn_deg"}
    for name, field in part.items():
        expected = typical if name == skipped else whole
        assert getattr(got, field) == pytest.approx(getattr(expected, field)), name


def test_without_a_neutral_face_there_is_no_performer(calm: Measure):
    steps = shown(calm)
    steps["neutral"] = [calm] * 2
    with pytest.raises(BadInput, match="neutral face was not seen"):
        run(steps).result("me")


def test_unrest_in_the_neutral_step_is_left_out(calm: Measure):
    steps = shown(calm)
    steps["neutral"] = [scored(calm, mouthSmileLeft=0.9, mouthSmileRight=0.9, jawOpen=0.5)] * 15 + [calm] * 20
    assert run(steps).result("me").neutral.blendshapes == pytest.approx(calm.blendshapes, abs=1e-5)


def test_a_damaged_performer_is_said_in_one_line(calm: Measure):
    whole = dump_performer(Performer("me", calm))
    torn = bytearray(whole)
    torn[200:260] = b"\xff" * 60
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header, changed = members["neutral_gaze.npy"], io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name, data in (members | {"neutral_gaze.npy": header.replace(b"}", b" ")}).items():
            archive.writestr(name, data)
    for data in (bytes(torn), changed.getvalue(), whole[:500], b"nothing"):
        with pytest.raises(BadInput, match="performer me cannot be used: the file is damaged") as caught:
            read_performer(data, "me")
        assert "\n" not in str(caught.value)
