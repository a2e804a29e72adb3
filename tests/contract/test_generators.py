"""One suite over every registered generator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stage import turned_head

from didlive.actor import Actor
from didlive.registry import GENERATORS, load
from didlive.seams import Generator
from didlive.types import U8, Patch, Portrait

# The portrait's alpha goes through one resampling at rest: a level or two may change at soft edges.
NEUTRAL_MEAN = 1.5


@pytest.fixture(scope="module", params=sorted(GENERATORS))
def generator(request: pytest.FixtureRequest, models: object) -> Generator:
    return load(GENERATORS, request.param)()


@pytest.fixture(scope="module")
def portrait(actor: Actor) -> Portrait:
    return actor.portrait


@pytest.fixture(scope="module")
def source(generator: Generator, portrait: Portrait) -> Any:
    return generator.prepare(portrait)


def pasted(portrait: Portrait, patch: Patch) -> U8:
    image = portrait.image.copy()
    height, width = patch.image.shape[:2]
    image[patch.y:patch.y + height, patch.x:patch.x + width] = patch.image
    return image


def test_a_patch_lies_inside_the_portrait(generator: Generator, source: Any, portrait: Portrait):
    patch = generator.generate(source, turned_head(portrait, 8.0))
    height, width = patch.image.shape[:2]
    assert patch.image.dtype == np.uint8 and patch.image.shape[2] == 3 and patch.image.flags.c_contiguous
    assert patch.x >= 0 and patch.y >= 0
    assert patch.x + width <= portrait.image.shape[1] and patch.y + height <= portrait.image.shape[0]
    assert patch.alpha is None or (patch.alpha.shape == (height, width) and patch.alpha.dtype == np.uint8)


def test_the_stamp_is_passed_on_and_marked_once(generator: Generator, source: Any, portrait: Portrait):
    stamp = generator.generate(source, turned_head(portrait, sequence=7)).stamp
    assert stamp.sequence == 7 and [name for name, _ in stamp.marks] == ["retarget", "generate"]


def test_a_neutral_drive_gives_the_portrait_back(generator: Generator, source: Any, portrait: Portrait):
    seen = pasted(portrait, generator.generate(source, turned_head(portrait)))
    difference = np.abs(seen.astype(int) - portrait.image)
    assert difference.mean() < NEUTRAL_MEAN


def test_the_same_drive_gives_the_same_pixels(generator: Generator, source: Any, portrait: Portrait):
    first = generator.generate(source, turned_head(portrait, 6.0, 0.4))
    generator.generate(source, turned_head(portrait, -12.0, 0.0))
    again = generator.generate(source, turned_head(portrait, 6.0, 0.4))
    assert np.array_equal(first.image, again.image)


def test_nothing_given_is_changed(generator: Generator, source: Any, portrait: Portrait):
    before, asked = portrait.image.copy(), turned_head(portrait, 5.0)
    landmarks = asked.landmarks.copy()
    generator.generate(source, asked)
    assert np.array_equal(before, portrait.image) and np.array_equal(landmarks, asked.landmarks)
    assert source.portrait is portrait


def test_wild_drives_give_pictures(generator: Generator, source: Any, portrait: Portrait):
    base = turned_head(portrait)
    wild = [turned_head(portrait, yaw, lids) for yaw in (-45, 45) for lids in (0.0, 1.35)]
    wild += [replace(base, landmarks=base.landmarks + np.float32(s), centre=base.centre + np.float32(s))
             for s in (-500, 500)]
    wild += [replace(base, scale=s) for s in (0.5, 2.0)]
    for asked in wild:
        assert generator.generate(source, asked).image.shape[2] == 3


def test_two_portraits_do_not_mix(generator: Generator, source: Any, portrait: Portrait):
    before = generator.generate(source, turned_head(portrait, 7.0)).image
    darker = replace(portrait, image=(portrait.image // 2).astype(np.uint8))
    other = generator.prepare(darker)
    assert generator.generate(other, turned_head(darker, 7.0)).image.mean() < before.mean()
    assert np.array_equal(before, generator.generate(source, turned_head(portrait, 7.0)).image)


def test_the_warp_moves_something(portrait: Portrait, models: object):
    warp = load(GENERATORS, "warp")()
    source = warp.prepare(portrait)
    still = warp.generate(source, turned_head(portrait)).image.astype(int)
    for asked in (turned_head(portrait, 12.0), turned_head(portrait, 0.0, 0.0)):
        assert np.abs(warp.generate(source, asked).image - still).max() > 40
