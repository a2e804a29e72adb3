"""The inside of the mouth: what shows between the lips."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from didlive.demo import demo_portrait
from didlive.generate import mouth
from didlive.generate.arch import BARED_MM, LOWER_LIP, LOWER_SHARE, UPPER_LIP, along_arch, teeth_shifts
from didlive.generate.mouth import _draw_rims, _shade
from didlive.generate.own_teeth import Sprite
from didlive.generate.teeth import luma
from didlive.generate.warp import WarpGenerator, WarpSource
from didlive.geometry import INNER_LOWER, INNER_UPPER, LIPS_OUTER
from didlive.portrait import load_portrait
from didlive.types import F32, Drive, Presence, Stamp

LIFTED = np.concatenate([INNER_UPPER, LIPS_OUTER[1:10]])
LOWERED = np.concatenate([INNER_LOWER, LIPS_OUTER[11:]])


@pytest.fixture(scope="module")
def source(models: object) -> WarpSource:
    return WarpGenerator().prepare(load_portrait(demo_portrait()))


def grin(source: WarpSource, lift_mm: float) -> F32:
    """Landmarks of the crop, with the upper lip lifted."""
    landmarks = source.landmarks.copy()
    landmarks[LIFTED, 1] -= lift_mm * source.mouth.ppm
    return landmarks


def bared_mm(source: WarpSource, lift_mm: float) -> float:
    """How far the biting edge of the upper teeth lies below a lifted lip."""
    local, landmarks = source.local, grin(source, lift_mm)
    up, _ = teeth_shifts(source.mouth, local, landmarks, local.rotation, local.centre, 1.0)
    lip = ((landmarks[UPPER_LIP] - local.centre) @ local.rotation) / local.scale
    edge = source.mouth.upper.corners[[0, 2], 1].mean() + up[1]
    return float((edge - lip[1]) * local.scale / source.mouth.ppm)


def test_upper_teeth_stay_where_they_are_until_their_gum_shows(source: WarpSource):
    assert bared_mm(source, 4) == pytest.approx(bared_mm(source, 0) + 4, abs=0.3)
    assert bared_mm(source, 12) == pytest.approx(BARED_MM, abs=0.1)
    assert bared_mm(source, 25) == pytest.approx(BARED_MM, abs=0.1)


def test_lips_that_go_down_without_the_jaw_bare_few_of_the_lower_teeth(source: WarpSource):
    local, landmarks = source.local, source.landmarks.copy()
    landmarks[LIFTED, 1] += 5 * source.mouth.ppm
    landmarks[LOWERED, 1] += 15 * source.mouth.ppm
    _, low = teeth_shifts(source.mouth, local, landmarks, local.rotation, local.centre, 1.0)
    upper, lower = (((landmarks[[UPPER_LIP, LOWER_LIP]] - local.centre) @ local.rotation) / local.scale)[:, 1]
    edge = source.mouth.lower.corners[[0, 2], 1].mean() + low[1]
    assert float((lower - edge) / (lower - upper)) == pytest.approx(LOWER_SHARE, abs=0.02)


def test_the_tongue_rises_out_of_the_dark(source: WarpSource):
    landmarks = source.landmarks.copy()
    landmarks[LOWERED, 1] += 16 * source.mouth.ppm
    landmarks[LIFTED, 1] += 5 * source.mouth.ppm
    corner = np.array([source.x, source.y, 0], np.float32)
    drive = Drive(landmarks + corner, np.eye(3, dtype=np.float32), source.local.centre + corner, 1.0,
                  np.ones(2, np.float32), Presence.TRACK, Stamp(0, 0).mark("retarget"))
    image = WarpGenerator().generate(source, drive).image.astype(float)
    x = round(float(landmarks[[UPPER_LIP, LOWER_LIP], 0].mean()))
    top, bottom = landmarks[UPPER_LIP, 1], landmarks[LOWER_LIP, 1]
    rows = [round(float(top + share * (bottom - top))) for share in (0.25, 0.6)]
    dark, tongue = (image[row - 1:row + 2, x - 4:x + 5].mean((0, 1)) for row in rows)
    assert tongue.sum() > 1.15 * dark.sum() and tongue[0] > 1.15 * tongue[2], (dark, tongue)


def redness(colour: F32) -> float:
    return float(np.log(colour[..., 0].mean() / colour[..., 1].mean()))


def test_the_darker_the_flesh_the_redder():
    lip = np.array((165, 100, 92), np.float32)
    shares = [redness(mouth.flesh(lip, light)) - redness(lip) for light in (0.15, 0.3, 0.5, 0.7, 1.0)]
    # What photographs show, see REDDER.
    assert shares == pytest.approx([0.65, 0.35, 0.13, 0, -0.17], abs=0.06)
    for light in (0.2, 0.5, 1.0):
        assert luma(mouth.flesh(lip, light)) == pytest.approx(light * luma(lip), rel=0.06)
        grey = mouth.flesh(np.full(3, 120, np.float32), light)
        assert np.ptp(grey) < 0.01, "a black and white picture stays one"


def test_dim_teeth_are_warm_and_not_grey(source: WarpSource):
    """A mouth that opens into the dark, with its teeth as they are and as if only their light faded."""
    local, landmarks = source.local, source.landmarks.copy()
    landmarks[LIFTED, 1] -= 2 * source.mouth.ppm
    landmarks[LOWERED, 1] += 8 * source.mouth.ppm

    def inside(layers: mouth.Mouth) -> F32:
        out = np.full((*source.matte.person.shape[:2], 3), 128, np.uint8)
        layers.draw(out, local, landmarks, local.rotation, local.centre, 1.0)
        x0, y0, x1, y1 = (int(v) for v in (*landmarks[LIPS_OUTER, :2].min(0), *landmarks[LIPS_OUTER, :2].max(0)))
        return out[y0:y1, x0:x1].astype(np.float32)

    bare = dataclasses.replace(source.mouth, own=None, rest=None)
    plain = dataclasses.replace(bare, fading=np.ones(3, np.float32))
    warm, pale = inside(bare), inside(plain)
    changed = np.abs(warm - pale).max(2) > 3
    assert changed.any() and redness(warm[changed]) > redness(pale[changed]) + 0.05
    assert luma(warm[changed]).mean() == pytest.approx(luma(pale[changed]).mean(), rel=0.12)


def test_teeth_stand_on_an_arch():
    plane = np.array([[-1, -0.5, 0], [1, -0.5, 0], [-1, 0.5, 0]], np.float32)
    sprite = Sprite(np.zeros((10, 20, 4), np.float32), plane)
    corners = np.array([[0, 0], [60, 0], [0, 30]], np.float32)

    def seen(away: tuple[float, float]) -> tuple[F32, F32]:
        return along_arch(sprite, sprite, corners, np.array(away, np.float32), 1 / 30, 1.0, (60, 30))

    x, y = seen((0, 0))
    np.testing.assert_allclose(x[3], np.arange(60) / 60, atol=1e-5)
    np.testing.assert_allclose(y[:, 7], np.arange(30) / 30, atol=1e-5)
    # What is behind the front went to the left: the teeth on the left are spread, those on the right come together.
    x, y = seen((-0.3, 0))
    steps = np.diff(x[0]) * 60
    assert steps[30] == pytest.approx(1, abs=0.03) and steps[8] < 0.8 and steps[50] > 1.15
    # A tooth 20 mm from the middle stands 20^2 / 44 mm back.
    assert np.interp(10 / 60, x[0], np.arange(60)) == pytest.approx(10 - 0.3 * 20 ** 2 / 44, abs=0.1)
    # A nod moves the side teeth up and the front ones not.
    _, y = seen((0, -0.3))
    assert y[15, 30] == pytest.approx(0.5, abs=0.01) and y[15, 10] > 0.57 and y[15, 50] > 0.57


def test_teeth_are_lighter_in_a_smile_than_in_a_flat_mouth(source: WarpSource):
    def light(hanging_px: float) -> float:
        x = np.linspace(-25, 25, 11, dtype=np.float32)
        bow = 1 - (x / 25) ** 2
        upper, lower = np.stack([x, (hanging_px - 5) * bow], 1), np.stack([x, (hanging_px + 5) * bow], 1)
        ring = np.concatenate([upper, lower[-2:0:-1]]).astype(np.float32)
        middle = round(hanging_px) + 12
        return float(_shade(ring, -25, -12, 50, 40, 1.0)[middle - 2:middle + 3, 20:30].mean())

    assert light(10) > 1.15 * light(0) and light(0) == pytest.approx(light(-10), rel=0.1)


def test_the_rims_of_the_lips_stand_before_the_teeth():
    x = np.linspace(5, 65, 11, dtype=np.float32)
    bow = (12 * (1 - ((x - 35) / 30) ** 2)).astype(np.float32)
    ring = np.concatenate([np.stack([x, 30 - 0.2 * bow], 1), np.stack([x, 30 + bow], 1)[-2:0:-1]]).astype(np.float32)
    out = np.zeros((60, 70, 3), np.uint8)
    out[:30], out[30:] = (180, 90, 90), (200, 110, 110)
    inside = np.full((30, 70, 3), 230, np.float32)
    _draw_rims(inside, out, ring, (0, 20), 2.0)
    column = inside[:, 35]
    low = 42 - 20
    assert column[low - 1, 0] - column[low - 1, 1] > 60, "no lower lip before the teeth"
    assert (column[12:16] == 230).all(), "the teeth are gone"
    # The lower rim is the deeper one.
    assert (column[:low, 1] < 200).sum() >= 3 and (column[12:low, 1] < 200).sum() > (column[8:12, 1] < 200).sum()
    # Nearly closed lips keep a gap.
    narrow = np.full((30, 70, 3), 230, np.float32)
    flat = np.concatenate([np.stack([x, 30 + 0 * x], 1), np.stack([x, 33 + 0 * x], 1)[-2:0:-1]]).astype(np.float32)
    _draw_rims(narrow, out, flat, (0, 20), 2.0)
    assert narrow[11, 35, 1] == 230


def test_no_hole_opens_between_a_lifted_lip_and_the_teeth(source: WarpSource):
    crop = np.array([source.x, source.y, 0], np.float32)
    landmarks = grin(source, 18)
    drive = Drive(landmarks + crop, np.eye(3, dtype=np.float32), source.local.centre + crop, 1.0,
                  np.ones(2, np.float32), Presence.TRACK, Stamp(0, 0))
    image = WarpGenerator().generate(source, drive).image
    x, y = landmarks[UPPER_LIP, :2]
    below = image[int(y + source.mouth.ppm):int(y + 8 * source.mouth.ppm), int(x)].mean(1)
    assert below.min() > 2 * source.mouth.cavity.image.mean()


@pytest.mark.parametrize("usable", [True, False], ids=["teeth", "too little of them"])
def test_a_parted_mouth_at_rest_shows_what_the_portrait_shows(usable: bool, tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch, models: object):
    """Nothing drawn takes its place before the lips move."""
    if not usable:
        monkeypatch.setattr(mouth, "find_own_teeth", lambda *_: None)
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "astronaut.png")
    source = WarpGenerator().prepare(load_portrait(tmp_path / "astronaut.png"))
    crop = np.array([source.x, source.y, 0], np.float32)

    def inside(moved_mm: float) -> float:
        """How much the middle of the mouth differs from the portrait's."""
        landmarks = source.landmarks.copy()
        landmarks[LOWERED, 1] += moved_mm * source.mouth.ppm
        drive = Drive(landmarks + crop, np.eye(3, dtype=np.float32), source.local.centre + crop, 1.0,
                      np.ones(2, np.float32), Presence.TRACK, Stamp(0, 0))
        patch = WarpGenerator().generate(source, drive)
        x, y = source.landmarks[[13, 14], :2].mean(0)
        box = np.s_[int(y) - 1:int(y) + 2, int(x) - 8:int(x) + 9]
        own = source.portrait.image[source.y:, source.x:]
        return float(np.abs(patch.image[box].astype(int) - own[box]).mean())

    assert source.mouth.rest is not None and (source.mouth.own is not None) is usable
    assert inside(0) < 4 < inside(3)
