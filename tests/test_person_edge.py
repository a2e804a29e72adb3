"""Where the person ends, nothing is drawn that is brighter or darker than the person and what is behind."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import stage

from didlive.generate import warp
from didlive.generate.raster import everywhere, find_spans, plain_edges
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
    plain_edges(drawn, person, edge, x, y, everywhere(*x.shape))
    np.testing.assert_array_equal(drawn, cubic)
    edge[10:20] = 255
    plain_edges(drawn, person, edge, x, y, everywhere(*x.shape))
    linear = np.asarray(cv2.remap(person, x, y, cv2.INTER_LINEAR)).astype(int)
    assert np.abs(drawn[10:20].astype(int) - linear[10:20]).max() <= 5
    np.testing.assert_array_equal(drawn[20:], cubic[20:])


def test_only_where_the_person_can_be_is_drawn(portrait: Portrait, monkeypatch: pytest.MonkeyPatch):
    source = WARP.prepare(portrait)
    drives = [stage.turned_head(portrait, yaw_deg) for yaw_deg in (-20.0, 0.0, 12.0)]
    drawn = [WARP.generate(source, drive) for drive in drives]
    maps = source.identity_x, source.identity_y + np.float32(source.matte.above)
    spans = find_spans(source.reach, *maps)
    shown = source.matte.person[source.matte.above:, :, 3] > 0
    inside = (maps[0] >= spans[:, :1]) & (maps[0] < spans[:, 1:])
    assert not shown[~inside].any() and inside.mean() < shown.mean() + 0.15 < 0.9
    monkeypatch.setattr(warp, "find_spans", lambda reach, map_x, map_y: everywhere(*map_x.shape))
    for before, drive in zip(drawn, drives, strict=True):
        np.testing.assert_array_equal(before.image, WARP.generate(source, drive).image)
