"""A picture drawn by one network is the picture that warp, layers, refiner and paste-back give on the CPU."""

from __future__ import annotations

from collections.abc import Mapping

import networks
import numpy as np
import pytest

from didlive.actor import Actor
from didlive.generate.refine import RefineGenerator
from didlive.generate.whole import WholeGenerator
from didlive.geometry import euler_deg, from_euler_deg, head_local, head_rotation, portrait_landmarks
from didlive.types import Drive, Patch, Portrait, Presence, Stamp
from engines import EngineLost, open_engine
from engines.engine import Array
from engines.graph import generator
from engines.ort import OrtEngine, open_ort


@pytest.fixture(scope="module")
def refiner() -> bytes:
    return networks.refiner()


@pytest.fixture(scope="module")
def cpu(refiner: bytes) -> RefineGenerator:
    return RefineGenerator(open_ort("refiner", "fp32", refiner, 1))


@pytest.fixture(scope="module")
def whole(refiner: bytes, cpu: RefineGenerator) -> WholeGenerator:
    return WholeGenerator({512: open_ort("generator-512", "fp32", generator(refiner, 512))}, cpu)


@pytest.fixture(scope="module")
def portrait(actor: Actor) -> Portrait:
    return actor.portrait


def drive(portrait: Portrait, yaw_deg: float = 0.0, lids: float = 1.0, jaw: float = 0.0) -> Drive:
    """Turn the head; jaw: how far everything below the lip line goes down, in head radii."""
    local = head_local(portrait_landmarks(portrait.face), head_rotation(portrait.face))
    rotation = from_euler_deg(0, yaw_deg, 0)
    shape = local.shape.copy()
    shape[shape[:, 1] > shape[13, 1] + 0.005, 1] += jaw
    landmarks = (shape @ (rotation @ local.rotation).T) * local.scale + local.centre
    return Drive(landmarks.astype(np.float32), rotation, local.centre, 1.0, np.full(2, lids, np.float32),
                 Presence.TRACK, Stamp(0, 0))


@pytest.mark.parametrize(("yaw", "lids", "jaw"), [(0, 1, 0), (9, 0.5, 0.1), (-14, 0, 0.3), (4, 1.2, 0.05)])
def test_it_draws_the_same_picture(whole: WholeGenerator, cpu: RefineGenerator, portrait: Portrait, yaw: float,
                                   lids: float, jaw: float) -> None:
    asked = drive(portrait, yaw, lids, jaw)
    expected = cpu.generate(cpu.prepare(portrait), asked)
    got = whole.generate(whole.prepare(portrait), asked)
    assert (got.x, got.y, got.stamp.marks[-1][0]) == (expected.x, expected.y, "generate")
    error = np.abs(got.image.astype(int) - expected.image)
    # The CPU rounds crops and layers to 8 bit and resamples at 1/32 px; folds are softened in another order.
    assert error.mean() < 0.5
    assert np.percentile(error, 99) <= 4
    assert got.alpha is not None and expected.alpha is not None
    assert np.percentile(np.abs(got.alpha.astype(int) - expected.alpha), 99) <= 3


def test_a_head_that_the_picture_cuts_off_goes_on_above_it(whole: WholeGenerator, cpu: RefineGenerator, cut: Portrait):
    asked = drive(cut, 14, 1, 0.05)
    source = whole.prepare(cut)
    assert source.refine.warp.matte.above > 5
    error = np.abs(whole.generate(source, asked).image.astype(int) - cpu.generate(cpu.prepare(cut), asked).image)
    assert error.mean() < 0.5 and np.percentile(error, 99) <= 4


def test_the_far_side_of_a_face_that_turns_back_is_on_the_card_too(whole: WholeGenerator, cpu: RefineGenerator,
                                                                    three_quarter: Portrait):
    source = whole.prepare(three_quarter)
    _, yaw, _ = euler_deg(source.refine.warp.local.rotation)
    asked = drive(three_quarter, -yaw, 1, 0.05)
    error = np.abs(whole.generate(source, asked).image.astype(int)
                   - cpu.generate(cpu.prepare(three_quarter), asked).image)
    assert source.refine.warp.far is not None and error.mean() < 0.5 and np.percentile(error, 99) <= 4


def test_the_refiner_has_a_say_in_these_pictures(whole: WholeGenerator, portrait: Portrait) -> None:
    quiet = WholeGenerator({512: open_ort("g", "fp32", generator(networks.refiner(seed=7), 512))}, whole._cpu)
    asked = drive(portrait, 9, 0.5, 0.1)
    other = quiet.generate(quiet.prepare(portrait), asked).image.astype(int)
    assert np.abs(other - whole.generate(whole.prepare(portrait), asked).image).max() > 8


def test_the_portrait_goes_to_the_card_once(refiner: bytes, cpu: RefineGenerator, portrait: Portrait) -> None:
    class Watched(OrtEngine):
        names: list[set[str]]

        def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
            self.names.append(set(feeds))
            return super().run(feeds)

    engine = open_ort("generator-512", "fp32", generator(refiner, 512))
    engine.__class__ = Watched
    engine.names = []
    made = WholeGenerator({512: engine}, cpu)
    first, second = made.prepare(portrait), made.prepare(portrait)
    for source in (first, first, second, first):
        made.generate(source, drive(portrait, 5))
    assert ["person" in names for names in engine.names] == [True, False, True, True]
    assert made.provider == "refined warp, all on ONNX Runtime CPU, fp32, 1 thread"


def test_the_cpu_goes_on_in_the_same_frame_when_the_card_is_lost(cpu: RefineGenerator, portrait: Portrait) -> None:
    class Lost:
        def __init__(self) -> None:
            self.name, self.provider, self.closed = "generator-512", "a card", False
            self.inputs, self.outputs, self.dtypes = {}, {}, {}

        def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
            raise EngineLost("it fell off the bus")

        def close(self) -> None:
            self.closed = True

    card = Lost()
    made = WholeGenerator({512: card}, cpu)
    source, asked = made.prepare(portrait), drive(portrait, 6, 0.4)
    expected = cpu.generate(cpu.prepare(portrait), asked)
    for _ in range(2):
        patch: Patch = made.generate(source, asked)
        np.testing.assert_array_equal(patch.image, expected.image)
    assert card.closed
    assert made.provider == cpu.provider


def test_a_portrait_larger_than_any_network_is_drawn_by_the_cpu(cpu: RefineGenerator, portrait: Portrait) -> None:
    made = WholeGenerator({32: open_engine("voice", "null")}, cpu)
    source = made.prepare(portrait)
    assert source.size == 0
    assert made.generate(source, drive(portrait, 5)).image.shape[2] == 3
