"""A closed eye looks closed: what the generator draws is shown to the tracker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import stage
from PIL import Image

from didlive.actor import watching
from didlive.demo import demo_portrait
from didlive.generate import lids
from didlive.generate.eyes import _under_lashes, prepare_eye
from didlive.generate.lids import edge_above, paint_out
from didlive.generate.raster import polygon_mask
from didlive.generate.warp import WarpGenerator
from didlive.geometry import BROWS, EYE_LOWER, EYE_RINGS, EYE_UPPER, SHAPE_INDEX
from didlive.motion import measure, to_motion
from didlive.portrait import load_portrait
from didlive.retarget import Retargeter, distance
from didlive.settings import MotionSettings
from didlive.types import U8, Drive, Portrait, Presence, Stamp

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


def test_a_lid_turns_into_the_shadow_above_it(portrait: Portrait):
    """Light skin below the eyes, dark skin above: the drawn lid goes from one to the other."""
    landmarks = portrait.face.landmarks
    image = np.full_like(portrait.image, 200)
    for ring in EYE_RINGS:
        middle = landmarks[ring[4], :2]
        image[:int(middle[1])] = 110
    painted = paint_out(image, landmarks, None).astype(int)
    for side, ring in enumerate(EYE_RINGS):
        x, y = landmarks[ring[4], :2]
        reach = edge_above(landmarks, side, None) * distance(landmarks[:, :2], int(ring[0]), int(ring[8]))
        top, middle, edge = (painted[int(y - share * reach), int(x), 0] for share in (0.9, 0.45, 0.0))
        assert abs(top - 110) < 15 and top < middle < edge and edge > 155


def test_a_lid_has_the_skin_below_the_eye_but_redder(portrait: Portrait):
    """As light whether or not the fold above is in shadow; grey skin stays grey."""
    landmarks = portrait.face.landmarks
    for colour in ((200, 150, 120), (140, 140, 140)):
        for shadow in (1.0, 0.6):
            image = np.full_like(portrait.image, 0)
            image[:] = colour
            for ring in EYE_RINGS:
                image[:int(landmarks[ring[4], 1])] = (shadow * np.array(colour)).astype(np.uint8)
            painted = paint_out(image, landmarks, None).astype(float)
            for ring in EYE_RINGS:
                x, y = landmarks[ring[4], :2].astype(int)
                share = painted[y - 1:y + 2, x - 1:x + 2].mean((0, 1)) / colour
                assert 0.8 < share[0] < 0.95 and (share[2] < share[1] - 0.01) == (colour[0] != colour[2])
                assert share[1] < share[0] - 0.01 or colour[0] == colour[1]


def test_a_hard_side_light_paints_no_holes(portrait: Portrait):
    """Where a channel is cut off at 0 on one side of the eye, the line through it goes below."""
    landmarks = portrait.face.landmarks
    columns = np.arange(portrait.image.shape[1], dtype=float)
    for ring in EYE_RINGS:
        middle, width = landmarks[ring, 0].mean(), np.ptp(landmarks[ring, 0])
        ramp = np.clip(240 * (columns - middle) / width + 20, 0, 255)
        image = np.empty_like(portrait.image)
        image[:] = np.stack([np.full_like(ramp, 200), ramp * 0.5 + 70, ramp], 1).astype(np.uint8)
        with np.errstate(all="raise"):
            painted = paint_out(image, landmarks, None).astype(int)
        rows = slice(int(landmarks[ring, 1].min()), int(landmarks[ring, 1].max()))
        place = np.s_[rows, int(middle - 0.4 * width):int(middle + 0.4 * width), 0]
        assert painted[place].min() > 100


def test_a_shut_eye_shows_its_lashes_from_corner_to_corner():
    """Dark along the lids, soft below, nothing on the lid above; in the skin's own colour, and grey skin stays grey."""
    ring = np.array([[20 + 5 * k, 30] for k in range(9)] + [[60 - 5 * k, 30.1] for k in range(1, 8)], np.float32)
    for colour in ((200, 150, 120), (140, 140, 140)):
        skin = np.full((60, 80, 3), colour, np.float32)
        share = (_under_lashes(skin, ring, np.ones((60, 80), np.float32)) / skin).astype(np.float64)
        line, below, far, above = (share[y, 24:57, 0] for y in (30, 33, 55, 24))
        assert line.max() < 0.72 and (line < below).all() and (below < far).all() and far.min() > 0.98
        assert above.min() > 0.98 and share[30, 5, 0] == share[30, 75, 0] == 1
        assert (share[30, 40, 0] > share[30, 40, 2]) == (colour[0] != colour[2])
    unseen = _under_lashes(skin, ring, np.zeros((60, 80), np.float32))
    np.testing.assert_array_equal(unseen, skin)


def test_brows_are_never_painted_out(portrait: Portrait):
    points = portrait.face.landmarks[BROWS, :2].astype(int)
    painted = paint_out(portrait.image, portrait.face.landmarks, None)
    assert np.array_equal(painted[points[:, 1], points[:, 0]], portrait.image[points[:, 1], points[:, 0]])


def test_around_open_eyes_nothing_is_left_of_the_lids_drawn(portrait: Portrait):
    """No line where painted skin ends, none where the eyeball begins."""
    generator = WarpGenerator()
    source = generator.prepare(portrait)
    offset = np.array([source.x, source.y, 0], dtype=np.float32)
    drive = Drive((source.landmarks + offset).astype(np.float32), np.eye(3, dtype=np.float32),
                  source.local.centre + offset, 1.0, np.ones(2, np.float32), Presence.TRACK, Stamp(0, 0))
    patch = generator.generate(source, drive)
    height, width = patch.image.shape[:2]
    own = portrait.image[patch.y:patch.y + height, patch.x:patch.x + width]
    wrong = np.abs(patch.image.astype(int) - own).max(2)
    for ring in EYE_RINGS:
        points = source.landmarks[ring, :2]
        ball = polygon_mask(points, 0, 0, width, height)
        reach = round(0.5 * distance(points, 0, 8))
        near = cv2.dilate(ball, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
        assert float(wrong[(near > 0) & (ball == 0)].mean()) < 0.6


def test_a_portrait_with_shut_eyes_can_be_prepared(portrait: Portrait):
    landmarks = portrait.face.landmarks.copy()
    for upper, lower in zip(EYE_UPPER, EYE_LOWER, strict=True):
        landmarks[upper] = landmarks[lower]
    painted = paint_out(portrait.image, landmarks, None)
    for side in (0, 1):
        eye = prepare_eye(portrait.image, painted, landmarks, side, None)
        assert np.isfinite(eye.lash).all() and np.isfinite(eye.iris).all()


def test_a_painted_lid_has_the_grain_of_the_skin():
    made = stage.portrait(size=480)
    landmarks = made.face.landmarks
    noise = np.random.default_rng(4).normal(0, 9, made.image.shape[:2])[:, :, None]
    grainy = np.clip(150 + noise, 0, 255).repeat(3, axis=2).astype(np.uint8)

    def grain(image: U8) -> float:
        fine = image.astype(np.float32) - cv2.GaussianBlur(image, (0, 0), 2).astype(np.float32)
        found = []
        for ring in EYE_RINGS:
            low, high = landmarks[ring, :2].min(0).astype(int) + 3, landmarks[ring, :2].max(0).astype(int) - 2
            found.append(fine[low[1]:high[1], low[0]:high[0]].std())
        return float(np.mean(found))

    assert 0.3 * grain(grainy) < grain(paint_out(grainy, landmarks, None)) < grain(grainy)
    flat = np.full_like(grainy, 150)
    # What little there is is the shape of the lid.
    assert grain(paint_out(flat, landmarks, None)) < 2.5


def test_skin_that_shines_gives_no_pale_lid(portrait: Portrait):
    """Light mirrored below the eyes is not the colour of the lids; it stays where skin has hardly a colour."""
    landmarks = portrait.face.landmarks
    skin = np.array((187, 116, 48))
    image = np.empty_like(portrait.image)
    for colour, shine in ((skin, (234, 185, 150)), (np.array((150, 148, 146)), (220, 220, 220))):
        image[:] = colour
        for ring in EYE_RINGS:
            width = distance(landmarks[:, :2], int(ring[0]), int(ring[8]))
            x, y = landmarks[ring[12], :2].astype(int)
            reach = round(0.6 * width)
            image[y:y + reach, x - reach:x + reach] = shine
        painted = paint_out(image, landmarks, None).astype(float)
        for ring in EYE_RINGS:
            x, y = landmarks[ring[4], :2].astype(int)
            lid = painted[y - 1:y + 2, x - 1:x + 2].mean((0, 1))
            if colour is skin:
                assert 1 - lid.min() / lid.max() > 0.6 * (1 - skin.min() / skin.max()) and lid.max() > 0.75 * skin.max()
            else:
                assert lid.min() > 0.8 * 220


def test_make_up_beside_the_eye_goes_on_into_the_lid(portrait: Portrait, monkeypatch: pytest.MonkeyPatch):
    """Painted lids end at no straight edge."""
    landmarks = portrait.face.landmarks
    image = np.full_like(portrait.image, 180)
    for ring in EYE_RINGS:
        width = distance(landmarks[:, :2], int(ring[0]), int(ring[8]))
        for corner, way in ((ring[0], -1), (ring[8], 1)):
            x, y = landmarks[corner, :2].astype(int)
            low, high = sorted((x, x + way * round(0.3 * width)))
            image[y - round(0.3 * width):y + 3, low:high] = 40

    def steepest() -> list[float]:
        painted, found = paint_out(image, landmarks, None).astype(float), []
        for ring in EYE_RINGS:
            width = distance(landmarks[:, :2], int(ring[0]), int(ring[8]))
            x0, x1 = landmarks[ring, 0].min() - 0.2 * width, landmarks[ring, 0].max() + 0.2 * width
            row = painted[int(landmarks[ring[4], 1]), int(x0):int(x1), 0]
            assert row.min() < 60 and row.max() > 140, "from make-up to skin"
            found.append(float(np.abs(np.diff(row)).max()))
        return found

    soft = steepest()
    monkeypatch.setattr(lids, "_beside", lambda *_: np.float32(0))
    assert all(now < 0.9 * before for now, before in zip(soft, steepest(), strict=True))
