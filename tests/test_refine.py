"""The refiner in the show: its crops, where it adds something, and what happens when its engine fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from didlive.demo import demo_portrait
from didlive.generate.canonical import EYE, FACE, MOUTH, matrices, pose_of, still_pose, take, to_crop, views
from didlive.generate.refine import INSIDE, LID_LEAST, RefineGenerator, RefineSource, feathers, window
from didlive.generate.warp import WarpGenerator
from didlive.geometry import CHIN, EYE_LOWER, EYE_RINGS, EYE_UPPER, LIPS_INNER, LIPS_OUTER, from_euler_deg
from didlive.portrait import load_portrait
from didlive.types import Drive, Portrait, Presence, Stamp
from engines import EngineFailed

# A landmark on the fold above an upper lid.
LID_FOLD = 27


class Constant:
    """An engine that adds one colour to each region; after `failing` is set it fails."""

    name, provider, failing = "refiner", "a constant", False
    colours: Mapping[str, tuple[float, float, float]] = {"mouth_out": (0.2, 0, 0), "eyes_out": (0, 0.2, 0),
                                                         "face_out": (0, 0, 0.2)}

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.failing:
            raise EngineFailed("the card caught fire")
        out = {}
        for key, value in feeds.items():
            assert value.dtype == np.float32 and np.abs(value).max() <= 1.001
            colour = np.array(self.colours[f"{key}_out"], np.float32).reshape(1, 3, 1, 1)
            out[f"{key}_out"] = np.broadcast_to(colour, (len(value), 3, *value.shape[2:])).copy()
        return out


@pytest.fixture(scope="module")
def portrait(models: object) -> Portrait:
    return load_portrait(demo_portrait())


@pytest.fixture
def engine() -> Any:
    return Constant()


@pytest.fixture
def generator(engine: Any) -> RefineGenerator:
    return RefineGenerator(engine)


@pytest.fixture
def source(generator: RefineGenerator, portrait: Portrait) -> RefineSource:
    return generator.prepare(portrait)


def drive(source: RefineSource, yaw_deg: float = 0.0, jaw: float = 0.0, scale: float = 1.0) -> Drive:
    """The portrait turned, its lower lip and chin moved down by `jaw` head radii."""
    warp = source.warp
    shape = warp.local.shape.copy()
    shape[[CHIN, 14, 17, 87, 317, 402, 178, 84, 314, 405, 181], 1] += jaw
    turn = from_euler_deg(0, yaw_deg, 0).astype(np.float32)
    offset = np.array([warp.x, warp.y, 0], np.float32)
    landmarks = (shape @ (turn @ warp.local.rotation).T) * (warp.local.scale * scale) + warp.local.centre + offset
    return Drive(landmarks.astype(np.float32), turn, warp.local.centre + offset, scale, np.ones(2, np.float32),
                 Presence.TRACK, Stamp(0, 0))


def added(generator: RefineGenerator, source: RefineSource, asked: Drive) -> np.ndarray:
    """What the refiner changed, (H, W, 3) int."""
    return generator.generate(source, asked).image.astype(int) - WarpGenerator().generate(source.warp, asked).image


def test_crops_stand_upright_whatever_the_head_does(source: RefineSource):
    for yaw, scale in ((0, 1.0), (20, 1.0), (-15, 0.8)):
        pose = pose_of(drive(source, yaw, scale=scale), source.warp)
        mouth, left, right, face = matrices(pose)
        corners = to_crop(pose.landmarks[[61, 291]], mouth)
        assert abs(corners[0, 1] - corners[1, 1]) < 4 and 25 < corners[1, 0] - corners[0, 0] < 90
        assert np.allclose(to_crop(pose.landmarks[LIPS_OUTER], mouth).mean(0), [63.5, 47.5], atol=0.01)
        for side, matrix in enumerate((left, right)):
            ring = to_crop(pose.landmarks[EYE_RINGS[side]], matrix)
            assert (ring > 5).all() and (ring < 59).all()
        # Both eyes look like image left: the outer corner is on the left.
        for matrix, outer, inner in ((left, 33, 133), (right, 263, 362)):
            x = to_crop(pose.landmarks[[outer, inner]], matrix)[:, 0]
            assert x[0] < x[1]
        assert (to_crop(pose.landmarks[[10, CHIN]], face)[:, 1] > 0).all()


def test_the_guide_lies_on_what_the_warp_drew(source: RefineSource):
    asked = drive(source, jaw=0.25)
    image = WarpGenerator().generate(source.warp, asked).image
    pose = pose_of(asked, source.warp)
    seen = views(image, pose, source.reference)
    assert seen.mouth.shape == (MOUTH.channels, MOUTH.height, MOUTH.width)
    assert seen.eyes[1].shape == (EYE.channels, EYE.height, EYE.width)
    assert seen.face.shape == (FACE.channels, FACE.height, FACE.width)
    opening, lips = seen.mouth[6] > 128, seen.mouth[7] > 128
    ring = to_crop(pose.landmarks[LIPS_INNER], seen.matrices[0])
    assert opening.sum() == pytest.approx(_area(ring), rel=0.15)
    assert (opening & ~lips).sum() < 0.05 * opening.sum(), "the opening lies inside the lips"
    # The place up the upper teeth grows downwards, along the arch to the right.
    down, along = seen.mouth[10, :, 64].astype(int), seen.mouth[9, 48].astype(int)
    assert (np.diff(down) >= 0).all() and (np.diff(along) >= 0).all() and np.ptp(down) > 60 < np.ptp(along)


def _area(ring: np.ndarray) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def test_a_crop_of_a_large_picture_is_smooth():
    checks = (np.indices((1200, 1200)).sum(0) % 2 * 255).astype(np.uint8)
    matrix = np.array([[8, 0, 100], [0, 8, 100]], np.float32)
    crop = take(np.dstack([checks] * 3), matrix, MOUTH)
    assert np.abs(crop.astype(int) - 127).max() <= 3


def test_nothing_is_added_to_the_portrait_at_rest(generator: RefineGenerator, source: RefineSource):
    assert not added(generator, source, drive(source)).any()
    assert still_pose(source.warp.landmarks, source.warp.local).scale == 1


def test_each_region_gets_its_own(generator: RefineGenerator, source: RefineSource):
    asked = drive(source, yaw_deg=14, jaw=0.07)
    change = added(generator, source, asked)
    pose = pose_of(asked, source.warp)

    def at(points: np.ndarray) -> np.ndarray:
        x, y = np.round(points[:, :2].mean(0)).astype(int)
        return change[y - 1:y + 2, x - 1:x + 2].mean((0, 1))

    red, green, blue = (at(pose.landmarks[points]) for points in (LIPS_INNER, [LID_FOLD], [50, 205]))
    assert red[0] > 20 and abs(red[1]) < 3 and green[1] > 20 and abs(green[0]) < 3 and blue[2] > 10
    # Not a pixel beyond the face.
    assert not change[:5].any() and not change[-5:].any() and not change[:, :5].any()


def test_a_black_and_white_portrait_stays_so(generator: RefineGenerator, portrait: Portrait):
    grey = replace(portrait, image=np.repeat(portrait.image.mean(2, keepdims=True).astype(np.uint8), 3, axis=2))
    source = generator.prepare(grey)
    asked = drive(source, jaw=0.1)
    image = generator.generate(source, asked).image
    assert not np.array_equal(image, WarpGenerator().generate(source.warp, asked).image)
    assert not np.ptp(image.astype(int), axis=2).any()


def test_shut_lids_are_changed_little(generator: RefineGenerator, source: RefineSource):
    def green(opening: float) -> float:
        asked = drive(source, jaw=0.1)
        landmarks = asked.landmarks.copy()
        upper, lower = landmarks[EYE_UPPER[0]], landmarks[EYE_LOWER[0]]
        landmarks[EYE_UPPER[0]] = lower + (upper - lower) * opening
        change = added(generator, source, replace(asked, landmarks=landmarks))
        x, y = np.round(landmarks[LID_FOLD, :2] - [source.warp.x, source.warp.y]).astype(int)
        return float(change[y - 1:y + 2, x - 1:x + 2, 1].mean())

    assert green(0.75) > 40 and abs(green(0.0) - LID_LEAST * green(0.75)) < 4


def test_the_iris_stays_the_portraits_own(generator: RefineGenerator, source: RefineSource):
    """Unsure where it went, a network draws a mean of iris and white: pupils would fade in a look aside."""
    asked = drive(source, jaw=0.1)
    landmarks = asked.landmarks.copy()
    landmarks[[*EYE_UPPER[0], *EYE_UPPER[1]], 1] -= 3
    landmarks[468:478, 0] += 0.12 * abs(landmarks[33, 0] - landmarks[133, 0])
    asked = replace(asked, landmarks=landmarks)
    plain = WarpGenerator().generate(source.warp, asked).image
    seen = views(plain, pose_of(asked, source.warp), source.reference)
    change = np.ascontiguousarray(np.abs(added(generator, source, asked)).astype(np.uint8))
    for crop, matrix in zip(seen.eyes, seen.matrices[1:3], strict=True):
        green, ball = take(change, matrix, EYE)[:, :, 1], cv2.erode(np.minimum(crop[6], crop[7]), np.ones((5, 5)))
        assert (ball > 200).sum() > 30 and green[ball > 200].max() < 8
        assert np.median(green[(crop[6] > 200) & (crop[7] < 20)]) > 20, "the white of the eye is the network's"


def test_what_is_added_fades_in_with_the_movement(generator: RefineGenerator, source: RefineSource):
    sizes = [float(np.abs(added(generator, source, drive(source, jaw=jaw))).sum()) for jaw in (0.0, 0.01, 0.03, 0.2)]
    assert sizes[0] == 0 and sizes == sorted(sizes) and sizes[-1] > sizes[1]


def test_borders_of_the_crops_fade(portrait: Portrait):
    for region in (MOUTH, EYE, FACE):
        weights = window(region)
        assert weights.shape == (region.height, region.width) and weights.max() == 1
        assert not weights[0].any() and not weights[:, -1].any()


def test_a_failing_engine_leaves_the_plain_warp(generator: RefineGenerator, engine: Any, source: RefineSource):
    asked = drive(source, jaw=0.2)
    assert added(generator, source, asked).any() and generator.provider == "refined warp, a constant"
    engine.failing = True
    assert not added(generator, source, asked).any()
    engine.failing = False
    assert not added(generator, source, asked).any(), "an engine that failed is asked again"
    assert "the card caught fire" in generator.provider


def test_another_scale_of_the_portrait_shows_the_same_crops(generator: RefineGenerator, source: RefineSource,
                                                           portrait: Portrait):
    from didlive.portrait import scaled

    larger = generator.prepare(scaled(portrait, 1.7))
    a, b = source.reference, larger.reference
    assert np.abs(a.face.astype(int) - b.face).mean() < 3 and np.abs(a.mouth.astype(int) - b.mouth).mean() < 6
    assert replace(larger, warp=source.warp).portrait is portrait


def test_the_face_network_changes_nothing_between_the_lips(generator: RefineGenerator, source: RefineSource):
    asked = drive(source, jaw=0.25)
    seen = views(generator.generate(source, asked).image, pose_of(asked, source.warp), source.reference)
    mouth, _, _, face = feathers(seen, [1.0] * 4)
    crop, whole = (np.vstack([seen.matrices[i], [0, 0, 1]]) for i in (0, 3))
    middle = np.array([*np.argwhere(seen.mouth[6] > 127).mean(0)[::-1], 1])
    x, y = np.round((np.linalg.inv(whole) @ crop @ middle)[:2]).astype(int)
    assert face[y, x] < 0.1 and face.max() > 0.9
    u, v = middle[:2].astype(int)
    assert mouth[v, u] == pytest.approx(INSIDE, abs=0.05)


def test_the_portraits_own_teeth_keep_their_light(generator: RefineGenerator, source: RefineSource, astronaut: Path):
    """The network changes the light of drawn teeth only."""
    def between_lips(prepared: RefineSource) -> int:
        asked = drive(prepared, jaw=0.25)
        change = np.abs(added(generator, prepared, asked)).max(2)
        x, y = np.round(asked.landmarks[[13, 14], :2].mean(0) - [prepared.warp.x, prepared.warp.y]).astype(int)
        return int(change[y - 1:y + 2, x - 1:x + 2].max())

    smiling = generator.prepare(load_portrait(astronaut))
    assert source.warp.mouth.own is None and between_lips(source) > 10
    assert smiling.warp.mouth.own is not None and between_lips(smiling) == 0
