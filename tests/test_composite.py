"""The final picture: exact at the patch's border, framed, filled, and never anything but portrait and patch."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from stage import bare

from didlive.composite import Compositor, Scale, lay_out, parse_size
from didlive.errors import BadInput
from didlive.types import U8, Face, Frame, Patch, Portrait, Stamp

STAMP = Stamp(3, 5)


def portrait(width: int, height: int, alpha: U8 | None = None, box: float = 0.3) -> Portrait:
    """The astronaut at any size, with a landmark box of `box` of the shorter side around her face."""
    image = cv2.resize(skimage.data.astronaut(), (width, height), interpolation=cv2.INTER_CUBIC)
    side = box * min(width, height)
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[:] = (0.44 * width, 0.23 * height, 0)
    landmarks[0, :2] -= (0.4 * side, side / 2)
    landmarks[1, :2] += (0.4 * side, side / 2)
    face = Face(landmarks, np.zeros(52, np.float32), np.eye(4, dtype=np.float32))
    return Portrait(image, alpha, face, 1, "astronaut")


def patch_of(picture: Portrait, part: tuple[float, float, float, float]) -> Patch:
    """Mirror and invert a rectangle (fractions of the picture): as unlike the portrait as can be."""
    height, width = picture.image.shape[:2]
    x0, y0, x1, y1 = int(part[0] * width), int(part[1] * height), int(part[2] * width), int(part[3] * height)
    return Patch(np.ascontiguousarray(255 - picture.image[y0:y1, x0:x1][:, ::-1]), x0, y0, STAMP)


def pasted(picture: Portrait, patch: Patch) -> Portrait:
    image = picture.image.copy()
    height, width = patch.image.shape[:2]
    image[patch.y:patch.y + height, patch.x:patch.x + width] = patch.image
    return Portrait(image, picture.alpha, picture.face, 1, picture.name)


@pytest.mark.parametrize("framing", ["head", "full"])
@pytest.mark.parametrize("size", ["512", "720p", "1080p", "source", "300x222"])
@pytest.mark.parametrize("shape", [(512, 512), (601, 903), (1280, 1600), (2200, 1300), (97, 131)])
def test_patch_equals_pasting_into_the_whole_portrait_and_scaling_all_of_it(shape, size, framing):
    picture = portrait(*shape)
    for part in ((0.2, 0.1, 0.7, 0.6), (0, 0, 1, 1), (0.31, 0.22, 0.35, 0.23), (0.5, 0.5, 1, 1)):
        patch = patch_of(picture, part)
        settings = bare(size, framing)
        compositor = Compositor(picture, settings)
        got = compositor.compose(patch, STAMP).image
        whole = Compositor(pasted(picture, patch), settings)
        expected = whole.compose(None, STAMP).image
        place = whole._layout
        inner = np.s_[place.y:place.y + place.height, place.x:place.x + place.width]
        assert got.shape == expected.shape == (compositor.size[1], compositor.size[0], 3)
        assert np.abs(got[inner].astype(int) - expected[inner]).max() <= 2


def test_neutral_patch_leaves_no_seam():
    picture = portrait(900, 1100)
    compositor = Compositor(picture, bare("512", "head"))
    same = Patch(np.ascontiguousarray(picture.image[101:707, 203:801]), 203, 101, STAMP)
    still = compositor.compose(None, STAMP).image
    assert np.abs(compositor.compose(same, STAMP).image.astype(int) - still).max() <= 1


def test_scaled_picture_is_as_good_as_area_and_cubic_scaling():
    picture = portrait(1280, 1280)
    for size, method in (("512x512", cv2.INTER_AREA), ("1920x1920", cv2.INTER_CUBIC)):
        got = Compositor(picture, bare(size, "full")).compose(None, STAMP).image
        expected = cv2.resize(picture.image, (got.shape[1], got.shape[0]), interpolation=method)
        assert np.mean((got.astype(float) - expected) ** 2) < 255 ** 2 / 10 ** 3.6  # 36 dB


def test_patch_that_covers_an_unscaled_crop_is_only_sliced():
    picture = portrait(700, 800)
    compositor = Compositor(picture, bare("source", "head"))
    patch = patch_of(picture, (0, 0, 1, 1))
    left, top, right, bottom = compositor.crop_box
    frame = compositor.compose(patch, STAMP)
    assert np.array_equal(frame.image, patch.image[top:bottom, left:right])
    assert frame.image.flags.c_contiguous


def test_frames_are_fresh_and_marked():
    picture = portrait(600, 600)
    compositor = Compositor(picture, bare("512", "head"))
    first = compositor.compose(patch_of(picture, (0.2, 0.1, 0.6, 0.6)), STAMP)
    kept = first.image.copy()
    compositor.compose(patch_of(picture, (0.3, 0.2, 0.9, 0.9)), STAMP)
    assert isinstance(first, Frame) and np.array_equal(first.image, kept)
    assert [name for name, _ in first.stamp.marks] == ["composite"]
    assert (first.stamp.sequence, first.stamp.captured_ns) == (3, 5)


def test_patch_outside_the_crop_changes_nothing():
    picture = portrait(1200, 1200, box=0.1)
    compositor = Compositor(picture, bare("512", "head"))
    frame = compositor.compose(patch_of(picture, (0.9, 0.9, 1, 1)), STAMP)
    assert np.array_equal(frame.image, compositor.compose(None, STAMP).image)


def test_head_framing_is_a_square_around_the_head_inside_the_picture():
    picture = portrait(1200, 1200, box=0.15)
    left, top, right, bottom = Compositor(picture, bare("512", "head")).crop_box
    assert abs((right - left) - 2.4 * 180) <= 8 and abs((bottom - top) - 2.4 * 180) <= 8
    assert abs((left + right) / 2 - 0.44 * 1200) <= 2
    assert abs((top + bottom) / 2 - (0.23 * 1200 - 0.06 * 180)) <= 2
    high = portrait(1200, 1200, box=0.4)
    assert Compositor(high, bare("512", "head")).crop_box[1] == 0


@pytest.mark.parametrize(("box", "fills"), [(0.70, True), (0.80, False)])
def test_a_head_that_nearly_fits_gets_no_thin_bands(box: float, fills: bool):
    """A crop of one and a half faces is padded where the picture is narrower, but not by a strip."""
    layout = lay_out((600, 800), portrait(600, 800, box=box).face.landmarks, bare("600x600", "head"))
    assert (layout.width == 600) is fills and layout.width <= 600


def test_bust_framing_is_wider_and_shows_what_is_below():
    picture = portrait(1200, 1200, box=0.15)
    head, bust = (Compositor(picture, bare("512", f)).crop_box for f in ("head", "bust"))
    assert abs((bust[2] - bust[0]) - 3.7 * 180) <= 12
    assert abs(bust[1] - head[1]) <= 12 and bust[3] - head[3] > 180
    # No more than the picture has.
    assert Compositor(portrait(600, 600, box=0.4), bare("600x600", "bust")).crop_box == (0, 0, 600, 600)


def test_mirrored_frames_are_the_others_flipped():
    picture = portrait(700, 900)
    plain, flipped = (Compositor(picture, bare("512", "head", mirror=m)) for m in (False, True))
    for patch in (None, patch_of(picture, (0.2, 0.1, 0.7, 0.6)), patch_of(picture, (0.99, 0.99, 1, 1))):
        frame = flipped.compose(patch, STAMP)
        assert np.array_equal(frame.image, plain.compose(patch, STAMP).image[:, ::-1])
        assert frame.image.flags.c_contiguous


def test_bands_can_be_filled():
    fill = np.full((720, 1280, 3), (10, 200, 30), np.uint8)
    compositor = Compositor(portrait(600, 1200), bare("720p", "full"), fill=fill)
    frame = compositor.compose(None, STAMP)
    assert (frame.image[:, :300] == (10, 200, 30)).all() and not (frame.image[:, 640] == (10, 200, 30)).all()


def test_wide_output_shows_more_of_the_real_picture_first():
    picture = portrait(2400, 1200, box=0.3)
    compositor = Compositor(picture, bare("720p", "head"))
    left, top, right, bottom = compositor.crop_box
    assert (right - left) / (bottom - top) == pytest.approx(16 / 9, rel=0.02)
    assert (compositor._layout.width, compositor._layout.height) == (1280, 720)


def test_bands_are_a_dark_blur_of_the_portrait_not_black():
    picture = portrait(600, 1200)
    frame = Compositor(picture, bare("720p", "full")).compose(None, STAMP)
    band = frame.image[:, :300]
    assert 5 < band.mean() < 0.7 * picture.image.mean()
    assert np.abs(np.diff(band.astype(int), axis=0)).max() <= 6


def test_small_picture_of_a_large_face_is_padded():
    picture = portrait(300, 400, box=1.1)
    compositor = Compositor(picture, bare("512", "head"))
    assert compositor.compose(None, STAMP).image.shape == (512, 512, 3)
    assert compositor._layout.width < 512


def test_alpha_comes_from_patch_then_portrait_then_opaque():
    cover = np.zeros((800, 600), np.uint8)
    cover[:, 200:400] = 255
    picture = portrait(600, 800, alpha=cover)
    settings = bare("720p", "full")
    still = Compositor(picture, settings, alpha=True).compose(None, STAMP).image
    assert still.shape == (720, 1280, 4)
    assert still[360, 640, 3] == 255 and still[360, 380, 3] == 0 and still[360, 5, 3] == 0
    plain = patch_of(picture, (0.1, 0.1, 0.9, 0.9))
    covered = Patch(plain.image, plain.x, plain.y, STAMP, np.full(plain.image.shape[:2], 128, np.uint8))
    compositor = Compositor(picture, settings, alpha=True)
    assert compositor.compose(covered, STAMP).image[360, 640, 3] == 128
    assert compositor.compose(plain, STAMP).image[360, 640, 3] == 255
    opaque = Compositor(portrait(600, 800), settings, alpha=True).compose(None, STAMP).image
    assert opaque[:, :, 3].min() == 255


def test_sizes():
    assert parse_size("512") == (512, 512) and parse_size("720p") == (1280, 720)
    assert parse_size("640x360") == (640, 360) and parse_size("source") is None
    for bad in ("big", "513x512", "10x10", "9000x9000", "-2x4", "512x"):
        with pytest.raises(BadInput):
            parse_size(bad)
    assert Compositor(portrait(601, 403), bare("source", "full")).size == (600, 402)


@pytest.mark.parametrize("ideal", [0.07, 0.33, 0.99, 1.0, 1.41, 2.0, 2.6035, 7.3])
def test_scale_is_close_and_never_leaves_a_band(ideal):
    scale = Scale.near(ideal)
    assert scale.value <= ideal + 1e-9
    assert scale.value == pytest.approx(ideal, rel=0.04)
    assert scale.output <= 32
