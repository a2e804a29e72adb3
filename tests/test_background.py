"""Another background: nothing of the old one is left, the person stays, and nothing is drawn when it cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from stage import Painter, bare, make_actor, portrait

from didlive.actor import Actor, prepare_actor, recomposed
from didlive.animate import clip_motions, track_clip
from didlive.background import NOT_FOUND, Cutout, cut_out_person, make_backdrop, staged
from didlive.composite import parse_size
from didlive.demo import demo_motion
from didlive.errors import BadInput
from didlive.pipeline import Renderer
from didlive.settings import Settings
from didlive.types import U8, Motion, Portrait, Stamp

GREEN = np.array((0, 177, 64))
STAMP = Stamp(0, 0)


@pytest.fixture(scope="module")
def bust(models: Path, astronaut: Path) -> Actor:
    settings = Settings(output=bare(size="384x256", framing="bust"))
    return prepare_actor(astronaut, settings, calibrate=False)


@pytest.fixture(scope="module")
def moved() -> Motion:
    """The demo where the head is turned most."""
    motions = [m for m in clip_motions(track_clip(demo_motion()), Settings().motion, None) if m is not None]
    return max(motions, key=lambda m: abs(float(m.now.rotvec[1] - m.neutral.rotvec[1])))


def behind(kind: str, **more: object) -> Settings:
    return Settings(output=bare(size="256x256", background=kind, **more))


def rendered(actor: Actor, motion: Motion | None = None) -> U8:
    return Renderer(Settings().motion, actor).render(motion, STAMP).image


def test_all_around_the_person_is_green_also_while_the_head_turns(bust: Actor, moved: Motion):
    actor = recomposed(bust, behind("green"))
    still, turned = rendered(actor), rendered(actor, moved)
    assert actor.compositor.size == bust.compositor.size == (384, 256) and not np.array_equal(still, turned)
    for image in (still, turned):
        near = (np.abs(image - GREEN).max(axis=2) < 3)
        assert near[:60, :100].all() and near[:60, -60:].all(), "both sides, the bands too"
        assert 0.25 < near.mean() < 0.75
        # The light wall behind her had little colour; her hair has more, her suit is far away.
        wall = (np.ptp(image[:100].astype(int), axis=2) < 18) & (image[:100].mean(axis=2) > 170)
        assert wall.mean() < 0.012
    # The face is what it was.
    plain = rendered(bust)
    skin = np.s_[70:90, 175:195]
    assert np.abs(plain[skin].astype(int) - still[skin]).max() <= 2


def test_back_to_the_picture_is_the_picture(bust: Actor, moved: Motion):
    there = recomposed(bust, behind("blur"))
    back = recomposed(there, behind("picture"))
    assert not np.array_equal(rendered(there, moved), rendered(bust, moved))
    for motion in (None, moved):
        assert np.array_equal(rendered(back, motion), rendered(bust, motion))
    assert there.original is not None and back.original is not None
    assert back.original.cutout is there.original.cutout is not None, "the person is cut out once"


def test_the_drawn_picture_at_rest_is_the_still_picture(bust: Actor, moved: Motion):
    at_rest = replace(moved, now=moved.neutral, lids=np.ones(2, np.float32))
    actor = recomposed(bust, behind("color", background_color="#101418"))
    difference = np.abs(rendered(actor, at_rest).astype(int) - rendered(actor)).max(axis=2)
    assert (difference > 24).mean() < 0.01


def test_transparent_where_frames_can_be_else_the_colour(bust: Actor, moved: Motion, astronaut: Path):
    actor = recomposed(bust, behind("transparent"))
    image = rendered(actor, moved)
    assert actor.compositor.alpha and image.shape == (256, 384, 4)
    assert (image[:50, :100, 3] == 0).all() and (image[70:90, 175:195, 3] == 255).all()
    settings = behind("transparent", background_color="#102030")
    assert prepare_actor(astronaut, settings, calibrate=False).compositor.alpha
    opaque = rendered(prepare_actor(astronaut, settings, calibrate=False, alpha=False))
    assert opaque.shape == (256, 256, 3) and (opaque[:20, :20] == (0x10, 0x20, 0x30)).all()


def test_transparent_frames_over_any_colour_are_frames_on_that_colour(bust: Actor, moved: Motion):
    clear = rendered(recomposed(bust, behind("transparent")), moved).astype(np.float32)
    over = clear[:, :, :3] * (clear[:, :, 3:] / 255) + GREEN * (1 - clear[:, :, 3:] / 255)
    expected = rendered(recomposed(bust, behind("color", background_color="#00b140")), moved)
    assert np.abs(over - expected).max(axis=2).mean() < 1.5


def test_a_picture_behind_fills_the_whole_output(bust: Actor, tmp_path: Path):
    path = tmp_path / "wall.png"
    ramp = np.zeros((100, 300, 3), np.uint8)
    ramp[:, :, 2] = np.arange(300) // 2
    Image.fromarray(ramp).save(path)
    image = rendered(recomposed(bust, behind("image", background_image=str(path))))
    top = image[:6].astype(int)
    assert (np.diff(top[3, :, 2]) >= -1).all() and top[3, -1, 2] - top[3, 0, 2] > 60
    for bad, message in (("", "no background picture"), (str(tmp_path / "gone.png"), "does not exist")):
        with pytest.raises(BadInput, match=message):
            recomposed(bust, behind("image", background_image=bad))


def test_blur_is_soft_and_shows_no_side_of_the_picture(bust: Actor):
    image = rendered(recomposed(bust, behind("blur"))).astype(int)
    assert np.abs(np.diff(image[:40], axis=1))[:, :90].max() < 14


def test_own_transparency_is_the_cutout():
    given = portrait()
    cover = np.zeros((128, 128), np.uint8)
    cover[32:96, 32:96] = 255
    clear = replace(given, alpha=cover)
    actor = prepare_actor(clear, Settings(output=bare("source", "full", background="green")),
                          generator=Painter(), calibrate=False)
    image = actor.compositor.compose(None, STAMP).image
    assert (image[:30] == GREEN).all() and np.array_equal(image[40:90, 40:90], given.image[40:90, 40:90])


def test_an_actor_that_cannot_be_recomposed():
    with pytest.raises(BadInput, match="choose it again"):
        recomposed(make_actor(), behind("green"))


def disc(size: int = 240) -> tuple[Portrait, np.ndarray]:
    """A brown disc on a light wall with a soft edge, and its true coverage."""
    ys, xs = np.mgrid[0:size, 0:size] - (size - 1) / 2
    cover = np.clip(size / 3 - np.hypot(xs, ys) + 0.5, 0, 1)[:, :, None]
    wall = np.full((size, size, 3), (205, 210, 220), float)
    image = cover * (110, 70, 50) + (1 - cover) * wall
    face = portrait(size).face
    return Portrait(np.ascontiguousarray(image.round().astype(np.uint8)), None, face, 1, "disc"), cover[:, :, 0]


@pytest.mark.parametrize("too_wide_px", [0, 2])
def test_no_rim_of_the_old_background_remains(monkeypatch: pytest.MonkeyPatch, too_wide_px: int):
    picture, cover = disc()
    mask = cv2.dilate(cover.astype(np.float32), np.ones((2 * too_wide_px + 1,) * 2, np.uint8))

    def segmented(given: Portrait, x: int, y: int, crop: U8, landmarks: np.ndarray) -> np.ndarray:
        return mask[y:y + crop.shape[0], x:x + crop.shape[1]].copy()

    monkeypatch.setattr("didlive.background.person_coverage", segmented)
    cutout = cut_out_person(picture)
    output = bare(size="source", framing="full", background="color", background_color="#000000")
    shown = staged(picture, cutout, make_backdrop(cutout, picture, output, False)).image.astype(float)
    assert shown.max() <= 115, "nothing as light as the wall"
    assert np.abs(shown - cover[:, :, None] * (110, 70, 50)).mean() < 1.0
    assert cutout.found


def test_where_nobody_is_found_the_picture_stays(monkeypatch: pytest.MonkeyPatch):
    picture, _ = disc()
    monkeypatch.setattr("didlive.background.person_coverage",
                        lambda given, x, y, crop, landmarks: np.ones(crop.shape[:2], np.float32))
    cutout: Cutout = cut_out_person(picture)
    stage = staged(picture, cutout, make_backdrop(cutout, picture, bare("source", "full", background="green"),
                                                  False))
    assert np.array_equal(stage.image, picture.image) and stage.warnings == (NOT_FOUND,)


def test_a_small_face_in_a_large_picture(models: Path):
    wide = np.full((700, 1000, 3), 200, np.uint8)
    wide[188:, 250:762] = skimage.data.astronaut()
    settings = Settings(output=bare(size="500x350", framing="full", background="green"))
    given = prepare_actor(Portrait(wide, None, _face(wide), 1, "wide"), settings, calibrate=False)
    image = rendered(given)
    assert parse_size(settings.output.size) == (image.shape[1], image.shape[0])
    assert (np.abs(image[:60].astype(int) - GREEN).max(axis=2) < 3).mean() > 0.95


def _face(picture: U8):
    from didlive.portrait import find_faces

    return find_faces(picture)[0]
