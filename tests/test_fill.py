"""Holes are filled with what lies around them."""

from __future__ import annotations

import numpy as np
import pytest

from didlive.generate.fill import fill_background
from didlive.generate.holes import fill_holes
from didlive.types import F32


def shelves(size: int = 200) -> F32:
    """A wall with upright stripes of three colours on a slope of light."""
    colours = np.array([[40, 60, 90], [150, 40, 40], [210, 190, 120]], np.float32)
    picture = np.repeat(colours[np.arange(size) // 9 % 3][None], size, axis=0)
    return (picture * np.linspace(0.7, 1, size, dtype=np.float32)[:, None, None]).astype(np.float32)


def head(size: int = 200) -> F32:
    """1 around a round hole, 0 in it."""
    yy, xx = np.mgrid[0:size, 0:size] - size / 2
    return (np.hypot(yy, xx) > 0.2 * size).astype(np.float32)


def test_stripes_go_on_behind_a_head():
    picture, known = shelves(), head()
    filled = fill_background(picture * known[:, :, None], known)
    assert np.array_equal(filled[known > 0], picture[known > 0])
    # What a turning head uncovers, not what stays behind it.
    yy, xx = np.mgrid[0:200, 0:200] - 100
    seen = (known == 0) & (np.hypot(yy, xx) > 26)
    wrong = np.abs(filled - picture)[seen].mean()
    assert wrong < 0.5 * np.abs(fill_holes(picture, known) - picture)[seen].mean()


def test_leaves_go_on_as_leaves():
    """Where nothing fits because everything is disorder, a blurred band around the head is what is seen."""
    rng = np.random.default_rng(3)
    leaves = np.kron(rng.uniform(0, 1, (50, 50)) > 0.5, np.ones((4, 4)))[:, :, None] * np.array([120, 200, 60])
    picture, known = leaves.astype(np.float32), head()
    filled = fill_background(picture * known[:, :, None], known)
    yy, xx = np.mgrid[0:200, 0:200] - 100
    seen = (known == 0) & (np.hypot(yy, xx) > 32)
    assert filled[seen].std(0).mean() > 0.5 * picture[seen].std(0).mean()
    assert fill_holes(picture, known)[seen].std(0).mean() < 0.4 * picture[seen].std(0).mean()


def test_the_same_picture_is_filled_in_the_same_way():
    picture, known = shelves(120), head(120)
    assert np.array_equal(fill_background(picture, known), fill_background(picture, known))


@pytest.mark.parametrize("rim", [1, 4])
def test_where_next_to_nothing_is_known_the_fill_is_smooth(rim: int):
    known = np.zeros((90, 70), np.float32)
    known[:rim], known[-rim:] = 1, 1
    picture = np.zeros((90, 70, 3), np.float32)
    picture[:45], picture[45:] = 80, 120
    filled = fill_background(picture, known)
    assert filled.min() >= 79.9 and filled.max() <= 120.1
    assert np.abs(np.diff(filled, axis=0)).max() < 12


def test_a_picture_without_a_hole_stays_as_it_is():
    picture = shelves(64)
    assert np.array_equal(fill_background(picture, np.ones((64, 64), np.float32)), picture)
