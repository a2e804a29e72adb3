"""A closed eye looks closed: what the generator draws is shown to the tracker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from didlive.actor import watching
from didlive.demo import demo_portrait
from didlive.generate.warp import WarpGenerator
from didlive.geometry import SHAPE_INDEX
from didlive.motion import measure, to_motion
from didlive.portrait import load_portrait
from didlive.retarget import Retargeter
from didlive.settings import MotionSettings
from didlive.types import U8, Portrait, Presence, Stamp

BLINKS = [SHAPE_INDEX["eyeBlinkLeft"], SHAPE_INDEX["eyeBlinkRight"]]


@pytest.fixture(params=["glasses", "astronaut"])
def portrait(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Portrait]:
    if request.param == "glasses":
        yield load_portrait(demo_portrait())
    else:
        Image.fromarray(skimage.data.astronaut()).save(tmp_path / "astronaut.png")
        yield load_portrait(tmp_path / "astronaut.png")


def drawn(portrait: Portrait, opening: float) -> U8:
    neutral = measure(portrait.face)
    motion = replace(to_motion(neutral, neutral, Presence.TRACK, Stamp(0, 0)), lids=np.full(2, opening, np.float32))
    generator = WarpGenerator()
    source = generator.prepare(portrait)
    patch = generator.generate(source, Retargeter(portrait.face, MotionSettings()).retarget(motion))
    image = portrait.image.copy()
    height, width = patch.image.shape[:2]
    image[patch.y:patch.y + height, patch.x:patch.x + width] = patch.image
    return image


def test_the_tracker_sees_open_half_closed_and_closed_eyes(portrait: Portrait):
    with watching(portrait) as look:
        faces = [look(drawn(portrait, opening)) for opening in (1.0, 0.5, 0.0)]
    seen = [float(f.blendshapes[BLINKS].min()) for f in faces if f is not None]
    assert len(seen) == 3
    assert seen[0] < seen[1] < seen[2]
    assert seen[2] > seen[0] + 0.15


def test_a_closed_lid_has_the_colour_of_skin(portrait: Portrait):
    """It is about as light as the cheek: no dark hole, no white of the eye."""
    image = drawn(portrait, 0.0).astype(np.float32)
    points = portrait.face.landmarks[:, :2].round().astype(int)
    cheeks = np.median([image[points[i, 1], points[i, 0]] for i in (50, 280, 101, 330)], axis=0)
    for iris in (468, 473):
        x, y = points[iris]
        lid = np.median(image[y - 2:y + 1, x - 2:x + 3].reshape(-1, 3), axis=0)
        assert 0.55 * cheeks.sum() < lid.sum() < 1.2 * cheeks.sum()
