"""Hair of a brow that grows below the tracked line goes up with the brow; it is not drawn out to the lid."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import cv2
import numpy as np
import pytest
import stage

from didlive.demo import demo_portrait
from didlive.generate.brows import SIDE, find_brows
from didlive.generate.warp import WarpGenerator, WarpSource
from didlive.geometry import COLUMNS_BROW, OVAL, mirror_index
from didlive.portrait import load_portrait
from didlive.types import U8, Portrait

SKIN, HAIR = (200, 165, 145), (60, 40, 30)
WARP = WarpGenerator()


def painted(below: float) -> Portrait:
    """A face of skin with brows that reach from their tracked upper edge this much of the way from the tracked lower
    edge to the lid."""
    made = stage.portrait(size=480)
    landmarks = made.face.landmarks
    image = np.full_like(made.image, 230)
    cv2.fillPoly(image, [np.round(landmarks[OVAL, :2]).astype(np.int32)], SKIN)
    for columns in (COLUMNS_BROW[:SIDE], COLUMNS_BROW[SIDE:]):
        upper, lower, _, _, lid = (landmarks[points, :2] for points in columns.T)
        edge = lower + below * (lid - lower)
        cv2.fillPoly(image, [np.round(np.concatenate([upper, edge[::-1]])).astype(np.int32)], HAIR, cv2.LINE_AA)
    return dataclasses.replace(made, image=image)


@pytest.fixture(scope="module")
def source() -> WarpSource:
    return WARP.prepare(painted(0.4))


def raised(source: WarpSource, px: float, kept: bool = True) -> tuple[U8, np.ndarray]:
    """The picture with brows that went up, and the landmarks there."""
    drive = stage.turned_head(source.portrait)
    landmarks = drive.landmarks.copy()
    landmarks[COLUMNS_BROW[:, :2], 1] -= px
    source = source if kept else dataclasses.replace(source, brows=None)
    patch = WARP.generate(source, dataclasses.replace(drive, landmarks=landmarks))
    return stage.pictured(source.portrait, patch), landmarks


def thickness(image: U8, landmarks: np.ndarray) -> float:
    """How thick the brows are in the middle, px."""
    found = []
    for column in (COLUMNS_BROW[3], COLUMNS_BROW[SIDE + 3]):
        x, top = np.round(landmarks[column[0], :2]).astype(int)
        bottom = round(float(landmarks[column[4], 1]))
        found.append((image[top - 6:bottom, x - 2:x + 3].astype(float).mean((1, 2)) < 110).sum())
    return float(np.mean(found))


def test_columns_are_mirror_images_of_each_other():
    np.testing.assert_array_equal(mirror_index()[COLUMNS_BROW[:SIDE]], COLUMNS_BROW[SIDE:])


@pytest.mark.parametrize("below", [0.0, 0.2, 0.4, 0.6])
def test_the_lower_edge_of_a_brow_is_found(below: float):
    made = painted(below)
    brows = find_brows(made.image, made.face.landmarks)
    # What is right below the tracked edge counts as brow.
    assert np.abs(brows.hair[[2, 3, 4, 8, 9, 10]] - max(below, 0.2)).max() < 0.13


def test_a_face_without_brows_has_no_edge_to_be_found():
    made = painted(0.4)
    image = np.where((made.image == HAIR).all(2, keepdims=True), np.array(SKIN, np.uint8), made.image)
    smooth = np.asarray(cv2.GaussianBlur(image, (0, 0), 6), np.uint8)
    assert find_brows(smooth, made.face.landmarks).hair.max() < 0.35


def test_raised_brows_are_as_thick_as_before(source: WarpSource):
    before = thickness(source.portrait.image, source.portrait.face.landmarks)
    assert before > 12
    kept, without = thickness(*raised(source, 14)), thickness(*raised(source, 14, kept=False))
    assert kept < before + 3, (before, kept)
    assert without > before + 6, "they were not stretched without, so the test shows nothing"


def test_brows_at_rest_and_lowered_ones_are_drawn_as_ever(source: WarpSource):
    for px in (0.0, -4.0):
        np.testing.assert_array_equal(raised(source, px)[0], raised(source, px, kept=False)[0])


@pytest.mark.parametrize(("pitch", "yaw"), [(-18.0, 0.0), (15.0, 20.0), (0.0, 30.0)])
def test_a_head_that_turns_or_nods_without_a_word_leaves_them_alone(source: WarpSource, pitch: float, yaw: float):
    drive = stage.turned_head(source.portrait, yaw, pitch_deg=pitch)
    with_brows, without = WARP.generate(source, drive), WARP.generate(dataclasses.replace(source, brows=None), drive)
    np.testing.assert_array_equal(with_brows.image, without.image)


def test_shadow_towards_the_lid_is_no_hair():
    made = painted(0.4)
    landmarks = made.face.landmarks
    top, bottom = landmarks[COLUMNS_BROW[:, 0], 1].min(), landmarks[COLUMNS_BROW[:, 4], 1].max()
    rows = np.interp(np.arange(len(made.image)), [top, bottom], [200, 110])
    shadow = np.broadcast_to(rows[:, None, None], made.image.shape).astype(np.uint8)
    assert find_brows(shadow, landmarks).hair.max() < 0.35


def test_brows_go_up_without_a_jump(source: WarpSource):
    steps = [raised(source, px)[0].astype(int) for px in np.linspace(0, 6, 13)]
    jumps = [float(np.abs(a - b).mean()) for a, b in pairwise(steps)]
    assert max(jumps) < 3 * np.median(jumps)


def test_glasses_and_drawn_faces_are_left_alone(source: WarpSource, models: object):
    assert source.brows is not None
    assert WARP.prepare(dataclasses.replace(source.portrait, drawn=True)).brows is None
    assert WARP.prepare(load_portrait(demo_portrait())).brows is None
