"""Portraits: transparency keeps its edges, readiness says what to fix, enlarging keeps the face in place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from didlive.actor import prepare_actor
from didlive.demo import demo_portrait, sample_portraits
from didlive.errors import BadInput
from didlive.geometry import euler_deg, from_euler_deg, head_local, head_rotation, portrait_landmarks
from didlive.portrait import (
    BACKDROP,
    check_portrait,
    find_faces,
    flattened,
    load_image,
    load_portrait,
    readiness,
    scaled,
)
from didlive.settings import OutputSettings, Settings
from didlive.types import Drive, Portrait, Presence, Stamp


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return load_portrait(demo_portrait())


@pytest.fixture(scope="module")
def cut_out(portrait: Portrait, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portrait in a soft ellipse, with a colour nobody wants to see hidden around it."""
    height, width = portrait.image.shape[:2]
    alpha = np.zeros((height, width), np.uint8)
    cv2.ellipse(alpha, (width // 2, height // 2), (width // 3, height // 2 - 20), 0, 0, 360, 255, -1)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 6))
    image = portrait.image.copy()
    image[alpha == 0] = (255, 0, 255)
    path = tmp_path_factory.mktemp("cut") / "cut.png"
    Image.fromarray(np.dstack([image, alpha])).save(path)
    return path


def test_hidden_colours_never_show(cut_out: Path):
    image, alpha = load_image(cut_out)
    assert alpha is not None
    magenta = (image[:, :, 0] > 240) & (image[:, :, 1] < 20) & (image[:, :, 2] > 240)
    assert not magenta.any()


def test_edges_keep_their_colour_and_their_transparency(cut_out: Path):
    settings = Settings(output=OutputSettings(size="source", framing="full"))
    actor = prepare_actor(cut_out, settings, calibrate=False, alpha=True)
    face = actor.portrait.face
    local = head_local(portrait_landmarks(face), head_rotation(face))
    drive = Drive(portrait_landmarks(face), np.eye(3, dtype=np.float32), local.centre, 1.0, np.ones(2, np.float32),
                  Presence.TRACK, Stamp(0, 0))
    frame = actor.compositor.compose(actor.generator.generate(actor.source, drive), drive.stamp)
    source = np.asarray(Image.open(cut_out))
    soft = (source[:, :, 3] > 60) & (source[:, :, 3] < 200)
    assert np.abs(frame.image[:, :, 3].astype(int) - source[:, :, 3])[soft].max() <= 2
    assert np.abs(frame.image[:, :, :3].astype(int) - source[:, :, :3])[soft].max() <= 6


def test_where_nothing_can_be_transparent_the_backdrop_shows(cut_out: Path):
    flat = flattened(load_portrait(cut_out))
    assert (flat.image[0, 0] == BACKDROP).all() and flat.alpha is not None
    opaque = load_portrait(demo_portrait())
    assert flattened(opaque) is opaque


def test_a_leaning_head_is_noticed(portrait: Portrait):
    transform = portrait.face.transform.copy()
    transform[:3, :3] = from_euler_deg(0, 0, -80) @ transform[:3, :3]
    notes = readiness(replace(portrait.face, transform=transform), portrait.image.shape[1])
    assert any("leans" in note and "rotate" in note for note in notes)
    assert not any("leans" in note for note in readiness(portrait.face, portrait.image.shape[1]))


@pytest.mark.parametrize(("turns", "told"), [
    (1, r"rotate the picture clockwise|turned counter-clockwise: rotate it"),
    (2, "upside down: rotate it"),
    (3, r"rotate the picture counter-clockwise|turned clockwise: rotate it")])
def test_a_picture_that_lies_on_its_side_or_its_head_is_refused(portrait: Portrait, tmp_path: Path, turns: int,
                                                                 told: str):
    Image.fromarray(np.rot90(portrait.image, turns)).save(tmp_path / "turned.png")
    with pytest.raises(BadInput, match=told):
        load_portrait(tmp_path / "turned.png")


def test_a_cup_is_no_face_that_lies_on_its_side(tmp_path: Path):
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "thing.png")
    with pytest.raises(BadInput) as caught:
        load_portrait(tmp_path / "thing.png")
    assert "no face found" in str(caught.value) and "turned" not in str(caught.value)


@pytest.mark.parametrize(("turns", "told"), [
    (1, "turned counter-clockwise"), (2, "upside down"), (3, "turned clockwise")])
def test_a_drawing_that_was_turned_says_so(tmp_path: Path, turns: int, told: str):
    drawing = load_portrait(dict(sample_portraits())["Anime"]).image
    Image.fromarray(np.rot90(drawing, turns)).save(tmp_path / "turned.png")
    with pytest.raises(BadInput, match=f"seems to be {told}: rotate it"):
        load_portrait(tmp_path / "turned.png")


def test_an_upright_mesh_laid_into_a_face_that_stands_on_its_head_is_noticed(tmp_path: Path):
    picture = np.ascontiguousarray(skimage.data.astronaut()[::-1, ::-1])
    assert abs(euler_deg(head_rotation(find_faces(picture)[0]))[2]) < 60, "the tracker sees nothing wrong here"
    Image.fromarray(picture).save(tmp_path / "over.png")
    with pytest.raises(BadInput, match="upside down: rotate it"):
        load_portrait(tmp_path / "over.png")


def test_a_face_that_cannot_be_seen_is_refused(portrait: Portrait, tmp_path: Path):
    clear = np.dstack([portrait.image, np.zeros(portrait.image.shape[:2], np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    with pytest.raises(BadInput, match="the face is transparent; use a picture where it is opaque"):
        load_portrait(tmp_path / "clear.png")


def test_a_head_at_the_border_is_noticed(portrait: Portrait, tmp_path: Path):
    top = int(portrait.face.landmarks[:, 1].min())
    Image.fromarray(portrait.image[top - 4:]).save(tmp_path / "cropped.png")
    verdict = check_portrait(tmp_path / "cropped.png")
    assert verdict.usable and any("border" in note for note in verdict.notes)


@pytest.mark.parametrize("factor", [0.5, 1.01, 2.0, 9.0])
def test_scaling_takes_the_face_along(portrait: Portrait, factor: float):
    other = scaled(portrait, factor)
    grown = other.image.shape[1] / portrait.image.shape[1]
    assert grown == pytest.approx(1.0 if factor == 1.01 else min(factor, 3.0), rel=0.01)
    assert other.face.landmarks == pytest.approx(portrait.face.landmarks * grown, rel=0.01)
