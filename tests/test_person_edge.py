"""Where the person ends, nothing is drawn that is brighter or darker than the person and what is behind."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import stage

from didlive.generate import warp
from didlive.generate.raster import plain_edges
from didlive.generate.warp import WarpGenerator
from didlive.types import Portrait

LEVEL = 190
WARP = WarpGenerator()


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    """A grey person before a wall of the same grey, cut out along a ragged edge."""
    made = stage.portrait(size=320)
    noise = np.random.default_rng(3).normal(size=made.image.shape[:2]).astype(np.float32)
    ragged = 14 * cv2.GaussianBlur(noise, (0, 0), 1.2)
    y, x = np.mgrid[0:320, 0:320].astype(np.float32)
    alpha = np.clip((ragged + 120 - np.hypot(x - 160, (y - 160) / 1.2)) * 100, 0, 255).astype(np.uint8)
    return dataclasses.replace(made, image=np.full_like(made.image, LEVEL), alpha=alpha)


def sparkles(portrait: Portrait) -> int:
    """How far the picture is from the grey that all of it has, above the face's features."""
    image = stage.pictured(portrait, WARP.generate(WARP.prepare(portrait), stage.turned_head(portrait, 3.3)))
    top = round(float(portrait.face.landmarks[:, 1].min()))
    return int(np.abs(image[:top].astype(int) - LEVEL).max())


def test_the_outline_does_not_sparkle(portrait: Portrait, monkeypatch: pytest.MonkeyPatch):
    assert sparkles(portrait) <= 3
    monkeypatch.setattr(warp, "plain_edges", lambda *_: None)
    assert sparkles(portrait) > 8, "it does not sparkle without, so the test shows nothing"


def test_inside_the_person_fine_texture_stays_as_sharp():
    person = np.random.default_rng(1).integers(0, 255, (40, 40, 4)).astype(np.uint8)
    person[:, :, 3] = 255
    x, y = (axis.astype(np.float32) + np.float32(0.4) for axis in np.meshgrid(np.arange(38), np.arange(38)))
    cubic = np.asarray(cv2.remap(person, x, y, cv2.INTER_CUBIC), np.uint8)
    edge = np.zeros((40, 40), np.uint8)
    drawn = cubic.copy()
    plain_edges(drawn, person, edge, x, y)
    np.testing.assert_array_equal(drawn, cubic)
    edge[10:20] = 255
    plain_edges(drawn, person, edge, x, y)
    linear = np.asarray(cv2.remap(person, x, y, cv2.INTER_LINEAR)).astype(int)
    assert np.abs(drawn[10:20].astype(int) - linear[10:20]).max() <= 5
    np.testing.assert_array_equal(drawn[20:], cubic[20:])
