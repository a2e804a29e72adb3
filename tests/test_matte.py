"""Who is the person: doubts about a segmenter's mask, parts that hang on to nobody, loose hair."""

from __future__ import annotations

import numpy as np
import pytest

from didlive.generate.matte import catch_strands, doubt_mask, drop_loose
from didlive.types import F32, U8

SIZE = 256
SKIN, HAIR, WALL, RED, WHITE = (210, 160, 135), (60, 45, 35), (70, 90, 140), (190, 30, 45), (235, 235, 230)


@pytest.fixture
def scene() -> tuple[U8, F32]:
    """A face with dark hair before a wall and a striped flag, and the mask that a segmenter might give."""
    random = np.random.default_rng(2)
    image = np.full((SIZE, SIZE, 3), WALL, np.float32)
    for x in range(0, 96, 12):
        image[100:, x:x + 12] = RED if x // 12 % 2 else WHITE
    mask = np.zeros((SIZE, SIZE), np.float32)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    hair, face = np.hypot(x - 128, y - 90) < 62, np.hypot(x - 128, (y - 130) / 1.3) < 50
    image[hair], image[face] = HAIR, SKIN
    mask[hair | face] = 1
    image = np.clip(image + random.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
    return image, mask


def test_a_stripe_that_looks_like_the_background_is_taken_back(scene: tuple[U8, F32]):
    image, mask = scene
    stripe = np.zeros_like(mask, bool)
    stripe[110:200, 60:72] = mask[110:200, 60:72] == 0
    mask[stripe] = 0.5
    found = doubt_mask(image, mask)
    assert found[stripe].mean() < 0.1, found[stripe].mean()
    np.testing.assert_array_equal(found[mask == 1], 1)


def test_hair_in_doubt_stays(scene: tuple[U8, F32]):
    image, mask = scene
    fringe = np.zeros_like(mask, bool)
    fringe[30:60, 120:190] = (image[30:60, 120:190].astype(int).sum(2) < 200) & (mask[30:60, 120:190] == 1)
    assert fringe.sum() > 200
    mask[fringe] = 0.5
    found = doubt_mask(image, mask)[fringe]
    # Its outermost px are mixed with the wall.
    assert found.mean() > 0.48 and np.percentile(found, 10) > 0.49


def test_a_mask_that_doubts_everything_is_left_alone(scene: tuple[U8, F32]):
    mask = np.full((SIZE, SIZE), 0.5, np.float32)
    np.testing.assert_array_equal(doubt_mask(scene[0], mask), mask)


def test_nothing_in_doubt_nothing_changed(scene: tuple[U8, F32]):
    image, mask = scene
    np.testing.assert_array_equal(doubt_mask(image, mask), mask)
    np.testing.assert_array_equal(doubt_mask(image[:9, :200], mask[:9, :200]), mask[:9, :200])


def test_only_small_parts_beside_the_person_are_dropped():
    alpha, head = np.zeros((100, 100), np.float32), np.zeros((100, 100), np.uint8)
    head[30:60, 40:60] = 255
    alpha[25:70, 35:65] = 1
    alpha[80:100, 10:90] = 0.8
    alpha[20:30, 5:15] = 0.7
    alpha[19:31, 4:16] = np.maximum(alpha[19:31, 4:16], 0.2)
    found = drop_loose(alpha, head)
    assert not found[:40, :20].any()
    np.testing.assert_array_equal(found[:, 20:], alpha[:, 20:])
    np.testing.assert_array_equal(found[80:], alpha[80:])


def test_strands_are_hair_and_no_seam_of_a_flag():
    image = np.full((SIZE, SIZE, 3), WALL, np.uint8)
    alpha = np.zeros((SIZE, SIZE), np.float32)
    image[:, 100:], alpha[:, 100:] = HAIR, 1
    for row, colour in ((60, HAIR), (200, HAIR), (150, WHITE)):
        image[row:row + 2, 90:101] = colour
    found = catch_strands(image, alpha, 120)
    assert found[60:62, 93:98].min() > 0.9 and found[200:202, 93:98].min() > 0.9
    assert found[150:152, 90:97].max() < 0.2
    assert catch_strands(image, alpha, SIZE)[150:152, 93:98].min() > 0.9
