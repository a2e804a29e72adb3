"""Drawn faces: found, fitted, and moved as animators move them. The pictures are drawn anew by what the network learned
from, but by seeds that it never saw."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from didlive.actor import prepare_actor
from didlive.cli import main
from didlive.demo import demo_portrait, sample_portraits
from didlive.drawn import eye_ring, find_drawn, fit_face, tracked_marks
from didlive.errors import BadInput
from didlive.generate.drawn import DrawnMouth
from didlive.generate.matte import before_flat
from didlive.generate.refine import RefineGenerator
from didlive.generate.warp import WarpGenerator
from didlive.geometry import (
    EYE_LOWER,
    EYE_RINGS,
    EYE_UPPER,
    IRISES,
    OVAL,
    SHAPE_INDEX,
    euler_deg,
    expression_modes,
    head_rotation,
    portrait_landmarks,
    tessellation,
)
from didlive.marks import CHIN, MarkFinder, cut_square, mirrored_marks, shading
from didlive.motion import measure
from didlive.portrait import check_portrait, load_portrait
from didlive.retarget import Retargeter
from didlive.settings import MotionSettings, OutputSettings, Settings
from didlive.training.drawings import draw_face
from didlive.types import F32, U8, Drive, Face, Measure, Motion, Portrait, Presence, Stamp
from engines import EngineFailed, open_engine
from tests.stage import RECORDING, pictured

STYLES = (102, 104, 111, 118, 132, 135)
CLEAN = (102, 104, 118, 132, 135)
STAMP = Stamp(0, 0)


@cache
def drawing(seed: int, size: int = 512, close: bool = True) -> tuple[U8, F32]:
    picture, marks = draw_face(np.random.default_rng(seed), size, close)
    return np.ascontiguousarray(picture), marks


@cache
def drawn_portrait(seed: int) -> Portrait:
    picture, marks = drawing(seed)
    return Portrait(picture, np.full(picture.shape[:2], 255, np.uint8), fit_face(marks), 1, "drawn", drawn=True)


def neutral_measure() -> Measure:
    """A performer of ours at rest."""
    return measure(Face(RECORDING.landmarks[0], RECORDING.blendshapes[0], RECORDING.transforms[0]))


def face_width(marks: F32) -> float:
    return float(np.linalg.norm(marks[35] - marks[34]))


def still(portrait: Portrait, lids: float = 1.0, moved: F32 | None = None) -> Drive:
    """The portrait itself, its lids opened so far, its landmarks moved by (478, 3) px."""
    landmarks = portrait_landmarks(portrait.face)
    for upper, lower in zip(EYE_UPPER, EYE_LOWER, strict=True):
        landmarks[upper] = landmarks[lower] + lids * (landmarks[upper] - landmarks[lower])
    if moved is not None:
        landmarks = landmarks + moved
    centre = Retargeter(portrait.face, MotionSettings())._local.centre
    return Drive(landmarks.astype(np.float32), np.eye(3, dtype=np.float32), centre, 1.0,
                 np.full(2, lids, np.float32), Presence.TRACK, STAMP)


@pytest.mark.parametrize("close", [True, False])
def test_marks_of_new_drawings_are_found(models: Path, close: bool):
    finder = MarkFinder(open_engine("marks", "ort", threads=1))
    away = []
    for seed in range(9000, 9012):
        picture, marks = drawing(seed, 512, close)
        found, _ = finder.find(picture)
        away.append(np.linalg.norm(found - marks, axis=1).mean() / face_width(marks))
    finder.close()
    assert np.median(away) < 0.03
    assert np.mean(np.array(away) < 0.08) >= 0.75, "hair may hide a face wholly, but not many"


@pytest.mark.parametrize("seed", STYLES)
def test_a_drawing_is_loaded_as_one(models: Path, tmp_path: Path, seed: int):
    picture, marks = drawing(seed)
    Image.fromarray(picture).save(tmp_path / "face.png")
    portrait = load_portrait(tmp_path / "face.png", kind="drawn")
    assert portrait.drawn
    eyes = np.stack([portrait.face.landmarks[ring, :2].mean(0) for ring in EYE_RINGS])
    true = np.stack([marks[0:4].mean(0), marks[10:14].mean(0)])
    assert np.linalg.norm(eyes - true, axis=1).max() < 0.06 * face_width(marks)


def test_flat_colours_are_recognised_and_photographs_too(models: Path, tmp_path: Path, capsys):
    # The tracker sees no face in three of them. Others are drawn with noise, as if scanned: there the user says so.
    for seed in CLEAN:
        Image.fromarray(drawing(seed)[0]).save(tmp_path / f"{seed}.png")
        assert load_portrait(tmp_path / f"{seed}.png").drawn
    *photos, anime = (path for _, path in sample_portraits())
    assert load_portrait(anime).drawn and check_portrait(anime).notes == ()
    for path in photos:
        assert not load_portrait(path).drawn
        assert load_portrait(path, kind="drawn").drawn, "the user knows better"
    assert main(["portraits", "check", str(anime)]) == 0
    assert "1 face, drawn" in capsys.readouterr().out
    assert main(["portraits", "check", "--kind", "photo", str(photos[0])]) == 0
    assert "drawn" not in capsys.readouterr().out


def test_an_open_mouth_is_said(models: Path, tmp_path: Path):
    Image.fromarray(drawing(104)[0]).save(tmp_path / "open.png")
    assert any("the mouth is open" in note for note in check_portrait(tmp_path / "open.png", kind="drawn").notes)


def test_a_chosen_face_is_not_exchanged_for_another(models: Path):
    picture, _ = drawing(118)
    two = np.full((512, 1024, 3), 255, np.uint8)
    two[:, 512:] = picture
    aside = drawn_portrait(118).face
    assert find_drawn(two, aside, True, True) is None, "there is nothing on the left"
    found = find_drawn(two, aside, True)
    assert found is not None and found.landmarks[:, 0].min() > 500


def test_without_its_network_photographs_go_on(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise EngineFailed("the file is damaged")

    monkeypatch.setattr("didlive.drawn.open_engine", broken)
    assert not load_portrait(demo_portrait()).drawn
    with pytest.raises(BadInput, match="the file is damaged"):
        load_portrait(demo_portrait(), kind="drawn")
    Image.new("RGB", (300, 300), (240, 200, 180)).save(tmp_path / "flat.png")
    with pytest.raises(BadInput, match="no face found"):
        load_portrait(tmp_path / "flat.png")


def test_who_says_drawn_is_told_when_it_is_not(models: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.portrait.find_drawn", lambda *_: None)
    portrait = load_portrait(demo_portrait(), kind="drawn")
    assert not portrait.drawn and portrait.warnings[0] == "no drawn face was found; the face is taken for a photo's"


@pytest.mark.parametrize("picture", ["coffee", "page", "coins", "logo", "rocket"])
def test_what_is_no_face_is_none(models: Path, picture: str):
    image = np.asarray(getattr(skimage.data, picture)())
    rgb = np.ascontiguousarray(np.stack([image] * 3, 2) if image.ndim == 2 else image[:, :, :3]).astype(np.uint8)
    assert find_drawn(rgb, None) is None
    if picture in ("coffee", "rocket"):
        assert find_drawn(rgb, None, True) is None, "nor because somebody says so"


def test_a_long_thin_picture_is_soon_done(models: Path):
    finder = MarkFinder(open_engine("marks", "ort", threads=1))
    looks = []
    finder.look = lambda rgb, middle, side: looks.append(side) or (np.zeros((36, 2), np.float32), 0.0)
    finder.find(np.zeros((20, 4096, 3), np.uint8))
    finder.close()
    assert len(looks) < 80


def test_flat_colour_alone_is_no_face(models: Path, tmp_path: Path):
    Image.new("RGB", (400, 400), (240, 200, 180)).save(tmp_path / "flat.png")
    with pytest.raises(BadInput, match="no face found"):
        load_portrait(tmp_path / "flat.png")
    with pytest.raises(BadInput, match="no face found"):
        load_portrait(tmp_path / "flat.png", kind="drawn")


def test_skin_is_not_flat_colour(astronaut: Path):
    face = load_portrait(astronaut)
    picture, true = drawing(118)
    assert shading(face.image, tracked_marks(face.face)) > 2 * shading(picture, true)


@pytest.mark.parametrize("middle", [(30.0, 20.0), (2.0, 3.0), (58.0, 39.0), (-20.0, 60.0)])
def test_a_square_goes_on_beyond_the_picture(middle: tuple[float, float]):
    rgb = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    crop, first, side = cut_square(rgb, np.array(middle, np.float32), 24.4, 24)
    assert crop.shape == (24, 24, 3) and side == 24 and np.array_equal(first, np.array(middle) - 12)
    x, y = np.clip(np.arange(24) + int(first[0]), 0, 59), np.clip(np.arange(24) + int(first[1]), 0, 39)
    assert np.array_equal(crop, rgb[y[:, None], x])
    assert cut_square(rgb, np.array(middle, np.float32), 300.0, 32)[0].shape == (32, 32, 3)


def test_mirroring_twice_changes_nothing():
    _, marks = drawing(118)
    assert np.allclose(mirrored_marks(mirrored_marks(marks, 512), 512), marks)
    mirrored = mirrored_marks(marks, 512)
    assert np.allclose(mirrored[[0, 27, 34], 0], 512 - marks[[10, 28, 35], 0])


@pytest.mark.parametrize("seed", STYLES)
def test_the_mesh_fits_the_marks(seed: int):
    _, marks = drawing(seed)
    face, width = fit_face(marks), face_width(marks)
    points = face.landmarks[:, :2]
    fitted = {33: 0, 133: 1, 159: 2, 145: 3, 468: 4, 263: 10, 362: 11, 386: 12, 374: 13, 473: 14, 61: 27, 291: 28,
              13: 29, 14: 30}
    for landmark, mark in fitted.items():
        assert np.linalg.norm(points[landmark] - marks[mark]) < 0.02 * width, landmark
    assert np.linalg.norm(points[152] - marks[CHIN]) < 0.05 * width
    # No triangle of the face is turned over but slivers beside its outline.
    a, b, c = (points[tessellation()[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    turned = np.sign(area) != np.sign(np.median(area))
    assert np.abs(area[turned]).sum() < 0.04 * np.abs(area).sum()


def test_a_turned_head_is_fitted_as_turned():
    """What its transform says is what is seen of the turn, with the sign that tracked faces have."""
    turns = []
    for seed in range(9000, 9060):
        _, marks = drawing(seed)
        middle = (marks[34, 0] + marks[35, 0]) / 2
        turns.append((float(marks[26, 0] - middle) / face_width(marks), euler_deg(head_rotation(fit_face(marks)))[1]))
    shift, yaw = np.array(turns).T
    assert np.corrcoef(shift, yaw)[0, 1] < -0.8


def test_an_eye_ring_runs_like_the_trackers():
    _, marks = drawing(118)
    for side, eye in enumerate((marks[0:10], marks[10:20])):
        ring = eye_ring(eye, side)
        area = float((ring[:, 0] * np.roll(ring[:, 1], -1) - ring[:, 1] * np.roll(ring[:, 0], -1)).sum())
        assert area > 0, "clockwise on the screen"
        assert ring[4, 1] < ring[0, 1] < ring[12, 1]
        width = float(np.linalg.norm(eye[0] - eye[1]))
        line = np.concatenate([np.linspace(a, b, 20) for a, b in zip(ring, np.roll(ring, -1, 0), strict=True)])
        for halfway in eye[6:10]:
            assert np.linalg.norm(line - halfway, axis=1).min() < 0.05 * width


@pytest.mark.parametrize("seed", STYLES)
def test_at_rest_it_is_the_picture(models: Path, seed: int):
    portrait = drawn_portrait(seed)
    generator = WarpGenerator()
    drawn = pictured(portrait, generator.generate(generator.prepare(portrait), still(portrait)))
    assert np.abs(drawn.astype(int) - portrait.image).mean() < 1.5
    assert (np.abs(drawn.astype(int) - portrait.image).max(2) > 40).mean() < 0.004


@pytest.mark.parametrize("seed", [102, 118, 135])
def test_shut_lids_are_skin_with_a_line_and_hair_stays(models: Path, seed: int):
    portrait, (_, marks) = drawn_portrait(seed), drawing(seed)
    generator = WarpGenerator()
    source = generator.prepare(portrait)
    rest = pictured(portrait, generator.generate(source, still(portrait))).astype(int)
    shut = pictured(portrait, generator.generate(source, still(portrait, 0.0))).astype(int)
    for side, eye in enumerate((marks[0:10], marks[10:20])):
        x, y = np.round(eye[4]).astype(int)
        skin = np.median(rest[int(eye[3, 1]) + 8:int(eye[3, 1]) + 16, x - 4:x + 5].reshape(-1, 3), 0)
        assert np.abs(shut[y, x] - skin).max() < 45, "where the iris was is skin"
        assert np.abs(rest[y, x] - skin).max() > 60
        ring = portrait.face.landmarks[EYE_RINGS[side], :2]
        x, y = np.round(ring[12]).astype(int)
        line = shut[y - 4:y + 5, x - 2:x + 3].min(axis=(0, 2)).min()
        assert line < 0.6 * skin.max(), "lids meet in a line"
        # High above the lids nothing moves.
        top = int(ring[4, 1] - 0.6 * np.ptp(ring[:, 0]))
        band = np.abs(shut - rest)[max(top - 12, 0):top, int(ring[:, 0].min()):int(ring[:, 0].max())]
        assert band.max() < 12


def test_a_mouth_opens_with_an_outline_and_closes_again(models: Path):
    portrait = drawn_portrait(118)
    generator = WarpGenerator()
    source = generator.prepare(portrait)
    assert isinstance(source.mouth, DrawnMouth) and not source.mouth.own
    opened = expression_modes()[SHAPE_INDEX["jawOpen"]] * source.local.scale * 0.5
    inner = (portrait.face.landmarks[[13, 14], :2] + opened[[13, 14], :2]).astype(float)
    x, y = np.round(0.35 * inner[0] + 0.65 * inner[1]).astype(int)
    rest, wide = (pictured(portrait, generator.generate(source, still(portrait, 1.0, moved)))
                  for moved in (None, opened))
    # Below the teeth, at the tongue.
    here = slice(y - 1, y + 2), slice(x - 2, x + 3)
    assert min(np.abs(wide[here].astype(int) - c).mean() for c in (source.mouth.cavity, source.mouth.tongue)) < 30
    assert np.abs(rest[here].astype(int) - wide[here]).mean() > 40


def test_nothing_is_refined_and_nothing_shaded(models: Path):
    portrait = drawn_portrait(118)
    refine, warp = RefineGenerator(), WarpGenerator()
    prepared = refine.prepare(portrait)
    assert prepared.reference is None and prepared.warp.wrinkles is None and prepared.warp.far is None
    drive = still(portrait, 0.4)
    assert np.array_equal(refine.generate(prepared, drive).image, warp.generate(prepared.warp, drive).image)


def test_a_drawn_face_stands_before_another_background(models: Path):
    anime = dict(sample_portraits())["Anime"]
    settings = Settings(output=OutputSettings(size="256x256", background="green", badge=False, watermark=False),
                        generator="warp")
    actor = prepare_actor(anime, settings)
    drive = still(actor.portrait, 0.0)
    drawn = pictured(actor.portrait, actor.generator.generate(actor.source, drive))
    height, width = drawn.shape[:2]
    assert actor.portrait.drawn and np.ptp(drawn[2, :width // 8].astype(int), axis=0).max() < 12, "one colour"
    x, y = np.round(actor.portrait.face.landmarks[IRISES[0][0], :2]).astype(int)
    skin = drawn[y + round(0.2 * height):y + round(0.2 * height) + 4, x]
    assert np.abs(drawn[y, x].astype(int) - skin.mean(0)).max() < 50, "its eyes are shut there, too"


def test_the_outline_of_a_drawn_face_holds_while_it_speaks():
    portrait = drawn_portrait(118)
    neutral = neutral_measure()
    modes = expression_modes()
    now = dataclasses.replace(neutral, shape=neutral.shape + 0.7 * modes[SHAPE_INDEX["jawOpen"]])
    moves = []
    for drawn in (True, False):
        retargeter = Retargeter(portrait.face, MotionSettings(), drawn=drawn)
        rest, opened = (retargeter.retarget(Motion(m, neutral, np.ones(2, np.float32), Presence.TRACK, STAMP)).landmarks
                        for m in (neutral, now))
        moves.append((np.abs(opened - rest)[OVAL].max(), np.abs(opened - rest)[14, 1]))
    (held, lip), (loose, _) = moves
    assert held < 0.5 and loose > 3 and lip > 3


def test_the_kind_is_a_setting(models: Path, tmp_path: Path):
    settings = Settings(output=OutputSettings(size="128x128", kind="drawn"), generator="warp")
    actor = prepare_actor(demo_portrait(), settings)
    assert actor.portrait.drawn and actor.response.yaw == 1, "the tracker is not asked how drawn eyes answer"
    iris = actor.portrait.face.landmarks[IRISES[0][0], :2]
    assert ((iris > 0) & (iris < actor.portrait.image.shape[1])).all()
    out = tmp_path / "out.gif"
    assert main(["animate", "--demo", "--kind", "drawn", "--max-frames", "3", "--size", "128", "--out", str(out)]) == 0
    assert out.stat().st_size > 1000


def test_a_figure_before_a_flat_wall_is_cut_out_whole(models: Path):
    """The built-in drawing: hair and white sleeves against a pale slope of colour."""
    portrait = load_portrait(sample_portraits()[-1][1])
    source = WarpGenerator().prepare(portrait)
    height, width = portrait.image.shape[:2]
    cover = np.zeros((height, width), np.float32)
    person = source.matte.person[source.matte.above:, :, 3].astype(np.float32) / 255
    cover[source.y:source.y + person.shape[0], source.x:source.x + person.shape[1]] = person
    dark = portrait.image.max(2) < 150
    low = portrait.face.landmarks[:, 1].max()
    beside = np.arange(height)[:, None] < low
    assert cover[dark & beside].mean() > 0.97, "all of the hair"
    assert cover[:int(0.05 * height)].mean() < 0.02, "none of the wall"
    # In the last rows, between the outermost lines of the figure, there is no hole.
    row = cover[height - 12]
    inside = np.flatnonzero(portrait.image[height - 12].max(1) < 120)
    assert row[inside.min():inside.max()].min() > 0.9


def test_a_wall_that_is_not_flat_is_left_to_the_segmenter():
    rng = np.random.default_rng(2)
    head = np.zeros((120, 120), np.uint8)
    head[40:80, 40:80] = 255
    flat = np.full((120, 120, 3), 200, np.uint8)
    flat[30:100, 30:90] = 40
    found = before_flat(flat, head)
    assert found is not None and found[60, 60] > 0.99 and found[10, 10] < 0.01
    rough = np.kron(rng.integers(0, 255, (15, 15, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    assert before_flat(rough, head) is None
    assert before_flat(np.full((120, 120, 3), 200, np.uint8), head) is None, "the wall goes on into the head"
