"""The dark line of closed lips goes into the opening when they part; it does not stay on either lip."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import stage

from didlive.generate.lip_line import COLUMNS_LOWER, COLUMNS_UPPER, LipLine, calm_lips, find_lip_line
from didlive.generate.warp import WarpGenerator
from didlive.geometry import INNER_LOWER, INNER_UPPER, LIPS_INNER, LIPS_OUTER, OVAL, mirror_index
from didlive.portrait import load_portrait
from didlive.types import U8, Portrait

SKIN, LIPS, DARK = (190, 150, 130), (180, 100, 100), (50, 20, 20)
# How far below the tracked line the real one lies, px; half of its thickness.
OFF, HALF = 3.0, 1.0


@pytest.fixture
def portrait() -> Portrait:
    """A face with closed lips, painted: skin, lips, and a line that the landmarks miss."""
    made = stage.portrait(size=400)
    landmarks = made.face.landmarks.copy()
    middle = (landmarks[INNER_UPPER] + landmarks[INNER_LOWER]) / 2
    landmarks[INNER_UPPER], landmarks[INNER_LOWER] = middle, middle + np.array([0, 0.4, 0], np.float32)
    image = np.full_like(made.image, 230)
    for points, colour in ((OVAL, SKIN), (LIPS_OUTER, LIPS)):
        cv2.fillPoly(image, [np.round(landmarks[points, :2]).astype(np.int32)], colour)
    cv2.polylines(image, [np.round((middle[:, :2] + [0, OFF]) * 16).astype(np.int32)], False, DARK, round(2 * HALF),
                  cv2.LINE_AA, 4)
    # Skin that is painted flat has no texture to be seen.
    return dataclasses.replace(made, image=image, face=dataclasses.replace(made.face, landmarks=landmarks))


def parted(portrait: Portrait, line: bool) -> tuple[U8, np.ndarray]:
    """The picture with the lips 12 px apart, and where its lips are."""
    generator = WarpGenerator()
    source = generator.prepare(portrait)
    assert source.lip_line is not None
    drive = stage.turned_head(portrait)
    landmarks = drive.landmarks.copy()
    landmarks[COLUMNS_UPPER, 1] -= 4
    landmarks[COLUMNS_LOWER, 1] += 8
    source = source if line else dataclasses.replace(source, lip_line=None)
    image = stage.pictured(portrait, generator.generate(source, dataclasses.replace(drive, landmarks=landmarks)))
    lips, inside = (cv2.fillPoly(np.zeros(image.shape[:2], np.uint8), [np.round(landmarks[p, :2]).astype(np.int32)], 1)
                    for p in (LIPS_OUTER, LIPS_INNER))
    # Its corners do not move.
    corners = landmarks[[61, 291], 0]
    lips[:, :int(corners[0] + 0.25 * np.ptp(corners))] = 0
    lips[:, int(corners[1] - 0.25 * np.ptp(corners)):] = 0
    return image, (lips == 1) & (cv2.dilate(inside, np.ones((5, 5), np.uint8)) == 0)


def test_columns_run_from_the_outer_to_the_inner_edge_on_both_sides():
    for columns, inner in ((COLUMNS_UPPER, INNER_UPPER), (COLUMNS_LOWER, INNER_LOWER)):
        np.testing.assert_array_equal(columns[:, 3], inner)
        np.testing.assert_array_equal(mirror_index()[columns], columns[::-1])
        assert set(columns[:, 0]) <= set(LIPS_OUTER)


def test_the_line_is_found_where_it_is(portrait: Portrait):
    line = find_lip_line(portrait.image, portrait.face.landmarks)
    assert line is not None
    upper, lower = line.upper[2:7, 1], line.lower[2:7, 1]
    assert np.abs((upper + lower) / 2 - OFF).max() < 1
    assert ((lower - upper) > HALF).all() and ((lower - upper) < 8).all()


def test_nothing_of_it_stays_on_the_lips(portrait: Portrait, models: Path):
    dark = {}
    for line in (True, False):
        image, lips = parted(portrait, line)
        dark[line] = int((image[lips].max(1) < 130).sum())
    assert dark[False] > 30
    assert dark[True] < 0.15 * dark[False]


def test_lips_that_stay_closed_are_as_they_were(portrait: Portrait, models: Path):
    source = WarpGenerator().prepare(portrait)
    assert source.lip_line is not None
    sources = source.uv.copy()
    points = source.landmarks.copy()
    source.lip_line.part(sources, points)
    np.testing.assert_array_equal(sources, source.uv)
    np.testing.assert_array_equal(points, source.landmarks)


def test_lips_without_a_line_and_open_ones_have_none(portrait: Portrait, astronaut: Path):
    landmarks = portrait.face.landmarks
    plain = portrait.image.copy()
    cv2.fillPoly(plain, [np.round(landmarks[LIPS_OUTER, :2]).astype(np.int32)], LIPS)
    assert find_lip_line(plain, landmarks) is None
    assert find_lip_line(portrait.image, (landmarks / 30).astype(np.float32)) is None, "a mouth of a few pixels"
    assert WarpGenerator().prepare(load_portrait(astronaut)).lip_line is None


def test_a_lip_is_stretched_evenly(portrait: Portrait):
    landmarks = portrait.face.landmarks
    shift = np.zeros((9, 2), np.float32)
    line = LipLine(shift, shift, landmarks[LIPS_INNER, :2])
    target = landmarks.copy()
    target[COLUMNS_UPPER, 1] -= np.array([10, 6, 3, 4], np.float32)
    target[COLUMNS_LOWER, 1] += np.array([14, 13, 11, 8], np.float32)
    sources = np.ascontiguousarray(landmarks[:, :2], np.float32)
    line.part(sources, target)
    for columns in (COLUMNS_UPPER, COLUMNS_LOWER):
        asked, given = (np.linalg.norm(np.diff(p[columns, :2], axis=1), axis=2)[4] for p in (target, sources))
        np.testing.assert_allclose(given / given.sum(), asked / asked.sum(), atol=0.12)


def test_stretched_lips_have_no_stripes(portrait: Portrait):
    target = portrait.face.landmarks
    stripes = np.full((*portrait.image.shape[:2], 4), 255, np.uint8)
    stripes[:, ::2, :3] = 100
    rows = np.repeat(np.arange(len(stripes), dtype=np.float32)[:, None], stripes.shape[1], 1)
    plain, stretched = stripes.copy(), stripes.copy()
    calm_lips(plain, rows, target)
    np.testing.assert_array_equal(plain, stripes)
    calm_lips(stretched, (rows / 5).astype(np.float32), target)
    x, y = np.round(target[17, :2] * 0.6 + target[14, :2] * 0.4).astype(int)
    assert np.ptp(stretched[y, x - 4:x + 5, 0]) < 30
    np.testing.assert_array_equal(stretched[:, :int(target[61, 0]) - 3], stripes[:, :int(target[61, 0]) - 3])


def test_no_lip_is_drawn_over_the_other(portrait: Portrait):
    landmarks = portrait.face.landmarks
    shift = np.zeros((9, 2), np.float32)
    points = landmarks.copy()
    points[COLUMNS_UPPER[:, 3], 1] -= 1
    points[COLUMNS_LOWER, 1] += 8
    # A row of the upper lip hangs over the opening.
    points[COLUMNS_UPPER[:, 2], 1] = points[COLUMNS_UPPER[:, 3], 1] + 10
    LipLine(shift, shift, landmarks[LIPS_INNER, :2]).part(np.ascontiguousarray(landmarks[:, :2], np.float32), points)
    middle = COLUMNS_UPPER[4]
    assert points[middle[2], 1] <= points[middle[3], 1] + 0.5
