"""The visible label: in its corner, readable on anything, never in the way of a show."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from stage import make_actor, portrait

from didlive.badge import make_badge
from didlive.composite import Compositor
from didlive.errors import BadInput
from didlive.settings import CORNERS, OutputSettings, Settings, changed
from didlive.types import U8, Stamp

LEVELS = (0, 60, 128, 200, 255)


def labelled(level: int, size: tuple[int, int] = (512, 512), text: str = "AI portrait",
             corner: str = "bottom-right") -> tuple[U8, np.ndarray]:
    """A grey picture with the label, and where they differ."""
    plain = np.full((size[1], size[0], 3), level, np.uint8)
    badge = make_badge(size, text, corner)
    assert badge is not None
    image = plain.copy()
    badge.draw_on(image)
    return image, (image != plain).any(axis=2)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("size", [(512, 512), (1280, 720), (1080, 1920), (128, 128)])
def test_it_is_small_and_in_its_corner(corner: str, size: tuple[int, int]):
    _, where = labelled(128, size, corner=corner)
    rows, columns = np.nonzero(where)
    top, left = rows.mean() < size[1] / 2, columns.mean() < size[0] / 2
    assert corner == f"{'top' if top else 'bottom'}-{'left' if left else 'right'}"
    assert min(rows.min(), columns.min(), size[1] - 1 - rows.max(), size[0] - 1 - columns.max()) >= 2, "not cut off"
    assert size[0] < 200 or where.mean() < 0.02


@pytest.mark.parametrize("level", LEVELS)
def test_letters_stand_out_on_any_background(level: int):
    image, where = labelled(level)
    grey = image[:, :, 0][where].astype(float)
    letters, behind = np.percentile(grey, 95), np.percentile(grey, 30)

    def luminance(value: float) -> float:
        return (value / 255) ** 2.2

    # Large text of the web's accessibility rules: 3 to 1.
    assert (luminance(letters) + 0.05) / (luminance(behind) + 0.05) > 3


@pytest.mark.parametrize("text", ["AI portrait", "a rather long text for such a small picture"])
def test_a_small_picture_stays_a_picture(text: str):
    _, where = labelled(128, (64, 64), text)
    rows, columns = np.nonzero(where)
    assert 0.02 < where.mean() < 0.09 and np.ptp(columns) < 32 and np.ptp(rows) < 20


def test_any_text_fits_or_is_left_out():
    assert make_badge((512, 512), "  ", "top-left") is None
    assert make_badge((20, 20), "AI", "top-left") is None
    long, short = make_badge((512, 512), "made with artificial intelligence " * 2, "top-left"), \
        make_badge((512, 512), "AI", "top-left")
    assert long is not None and short is not None
    assert short.opacity.shape[1] < long.opacity.shape[1] < 512
    _, chinese = labelled(128, text="AI 生成")
    _, latin = labelled(128, text="AI")
    assert chinese.sum() > latin.sum()


def test_on_transparent_pictures_it_is_opaque_enough():
    badge = make_badge((256, 256), "AI portrait", "top-left")
    assert badge is not None
    clear = np.zeros((256, 256, 4), np.uint8)
    badge.draw_on(clear)
    assert clear[:, :, 3].max() == 255 and (clear[100:] == 0).all()
    solid, plain = np.full((256, 256, 4), 255, np.uint8), np.full((256, 256, 3), 255, np.uint8)
    badge.draw_on(solid)
    badge.draw_on(plain)
    assert (solid[:, :, 3] == 255).all()
    assert np.abs(solid[:, :, :3].astype(int) - plain).max() <= 1


def test_the_output_has_it_unless_turned_off_and_it_is_never_mirrored():
    def still(**more: object) -> U8:
        output = OutputSettings("512x512", "full", watermark=False, **more)  # pyright: ignore[reportArgumentType]
        return Compositor(portrait(512), output).compose(None, Stamp(0, 0)).image

    off = still(badge=False)
    on, mirrored = still(), cv2.flip(still(mirror=True), 1)
    assert (on != off).any() and (on[:, :256] == off[:, :256]).all()
    assert (mirrored[:, :256] != off[:, :256]).any(), "the label stays in its corner while the portrait is flipped"
    assert (still(mirror=True)[400:, 300:] == still()[400:, 300:]).all(), "and its letters are not"


def test_frames_do_not_add_up():
    actor = make_actor()
    first = actor.compositor.compose(None, Stamp(0, 0)).image.copy()
    for _ in range(3):
        actor.compositor.compose(None, Stamp(0, 0))
    assert np.array_equal(actor.compositor.compose(None, Stamp(0, 0)).image, first)


def test_settings():
    assert Settings().output.badge and Settings().output.watermark
    assert changed(Settings(), "output.badge_text", "AI 生成").output.badge_text == "AI 生成"
    with pytest.raises(BadInput, match="top-left, top-right"):
        changed(Settings(), "output.badge_corner", "middle")
