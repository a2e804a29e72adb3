"""An expression changes the light on the skin: folds beside the mouth, lines between the brows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from stage import pictured, turned_head

from didlive.generate import raster
from didlive.generate.raster import shade
from didlive.generate.warp import WarpGenerator, WarpSource
from didlive.generate.wrinkles import GRID, MOVES, flatten, learned, moves
from didlive.geometry import OVAL, SHAPE_INDEX, expression_modes, mirror_index
from didlive.portrait import load_portrait
from didlive.types import F32, U8, Drive, Portrait

WARP = WarpGenerator()
SMILE = ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight")
FROWN = ("browDownLeft", "browDownRight")
# Halfway between the wing of the nose and the corner of the mouth, out to the cheek; between the brows; the chin.
FOLDS, BETWEEN_BROWS, CHIN = ((206, 203), (426, 423)), (9, 8, 168), (199, 200)


@pytest.fixture(scope="module")
def source(astronaut: Path, models: object) -> WarpSource:
    return WARP.prepare(load_portrait(astronaut))


def made(source: WarpSource, names: tuple[str, ...], much: float = 0.8) -> F32:
    """The head-local landmarks of the portrait with an expression."""
    modes = expression_modes()[[SHAPE_INDEX[name] for name in names]]
    return (source.local.shape + much * modes.sum(0)).astype(np.float32)


def change(source: WarpSource, shape: F32, points: tuple[int, ...]) -> float:
    """By how much the skin at some landmarks gets brighter."""
    assert source.wrinkles is not None
    light = source.wrinkles.light(shape)
    assert light is not None
    at = np.round(source.landmarks[list(points), :2] - light.first).astype(int)
    return float(np.mean([light.fine[y - 2:y + 3, x - 2:x + 3].mean() for x, y in at]))


def driven(source: WarpSource, shape: F32) -> Drive:
    """The drive that gives a still head such landmarks."""
    drive, local = turned_head(source.portrait), source.local
    corner = np.array([source.x, source.y, 0], np.float32)
    landmarks = (shape @ local.rotation.T) * local.scale + local.centre + corner
    return replace(drive, landmarks=landmarks.astype(np.float32))


def drawn(source: WarpSource, shape: F32) -> U8:
    return pictured(source.portrait, WARP.generate(source, driven(source, shape)))


def test_a_smile_cuts_folds_beside_the_mouth_and_leaves_the_brows(source: WarpSource):
    smile = made(source, SMILE)
    left, right = (change(source, smile, points) for points in FOLDS)
    assert left < -0.04 and right < -0.04 and abs(left - right) < 0.05
    assert abs(change(source, smile, BETWEEN_BROWS)) < 0.03


def test_a_smile_of_one_half_folds_that_half(source: WarpSource):
    # "Right" is the performer's right, the left of the picture.
    for name, own, other in (("mouthSmileRight", 0, 1), ("mouthSmileLeft", 1, 0)):
        smirk = made(source, (name,))
        assert change(source, smirk, FOLDS[own]) < 1.4 * change(source, smirk, FOLDS[other]) < 0


def test_a_frown_darkens_the_skin_between_the_brows(source: WarpSource):
    assert change(source, made(source, FROWN), BETWEEN_BROWS) < -0.01


def test_a_portrait_that_smiles_less_loses_its_folds(source: WarpSource):
    assert min(change(source, made(source, SMILE, -0.6), points) for points in FOLDS) > 0.02


def test_at_rest_nothing_changes(source: WarpSource):
    assert source.wrinkles is not None and source.wrinkles.light(source.local.shape) is None
    without = replace(source, wrinkles=None)
    np.testing.assert_array_equal(drawn(source, source.local.shape), drawn(without, source.local.shape))


def test_they_are_in_the_picture_and_on_the_skin_alone(source: WarpSource):
    smile = made(source, SMILE)
    seen, without = (drawn(s, smile).astype(int) for s in (source, replace(source, wrinkles=None)))
    differs = np.abs(seen - without).max(2) > 2
    assert differs.sum() > 300
    oval = np.round(driven(source, smile).landmarks[OVAL, :2]).astype(np.int32)
    face = cv2.dilate(cv2.fillPoly(np.zeros(differs.shape, np.uint8), [oval], 1), np.ones((7, 7), np.uint8))
    assert not differs[face == 0].any()


def test_a_face_that_is_painted_flat_gets_none(source: WarpSource):
    portrait = source.portrait
    oval = cv2.fillPoly(np.zeros(portrait.image.shape[:2], np.uint8),
                        [np.round(portrait.face.landmarks[OVAL, :2]).astype(np.int32)], 1)
    flat = portrait.image.copy()
    flat[oval == 1] = (224, 180, 150)
    painted = WARP.prepare(replace(portrait, image=flat))
    assert painted.wrinkles is None and source.wrinkles is not None
    WARP.generate(painted, driven(painted, made(painted, SMILE)))


def test_maps_are_mixed_and_bent():
    maps = np.random.default_rng(2).normal(0, 0.3, (3, 8, 8)).astype(np.float32)
    out = np.empty((8, 8), np.float32)
    shares = np.array([0.5, 0.0, -1.0], np.float32)
    most = raster.mix_maps(shares, maps, 0.6, out)
    total = np.tensordot(shares, maps, 1)
    assert most == pytest.approx(np.abs(total).max(), rel=1e-5)
    bent = total / np.sqrt(1 + (total / 0.6) ** 2)
    np.testing.assert_allclose(out, np.expm1(bent), atol=0.004)
    assert (out > -0.46).all()


def test_black_and_white_stays_so_and_colour_deepens():
    layer = np.full((8, 8, 4), 255, np.uint8)
    layer[:4, :, :3], layer[4:, :, :3] = 120, (200, 150, 100)
    at_x, at_y = np.meshgrid(np.arange(8, dtype=np.float32), np.arange(8, dtype=np.float32))
    shade(layer, np.full((8, 8), -0.3, np.float32), at_x, at_y, (0.0, 0.0), (0, 8, 0, 8))
    assert (layer[:4, :, :3] == 84).all() and (layer[..., 3] == 255).all()
    red, green, blue = layer[4, 0, :3] / np.array([200, 150, 100])
    assert red == pytest.approx(0.7, abs=0.01) and red > green > blue > 0.6


def test_bright_skin_is_not_burnt_out_and_edges_stay_premultiplied():
    layer = np.zeros((3, 8, 4), np.uint8)
    layer[0], layer[1], layer[2] = (250, 240, 230, 255), (100, 90, 80, 255), (60, 60, 60, 60)
    before = layer.copy()
    at_x, at_y = np.meshgrid(np.arange(8, dtype=np.float32), np.arange(3, dtype=np.float32))
    shade(layer, np.full((3, 8), 0.3, np.float32), at_x, at_y, (0.0, 0.0), (0, 3, 0, 8))
    assert (layer[0, 0, :3] <= [254, 244, 234]).all() and (layer[0] >= before[0]).all()
    assert layer[1, 0, 0] == 130
    assert (layer[2] == before[2]).all()
    shade(layer, np.full((3, 8), 0.3, np.float32), at_x + 100, at_y, (0.0, 0.0), (0, 3, 0, 8))
    assert layer[1, 0, 0] == 130, "what comes from outside the face was lit"


def test_moves_of_a_mirrored_face_change_sides(source: WarpSource):
    shape = made(source, ("mouthSmileLeft", "browDownRight", "jawOpen"))
    mirrored = shape[mirror_index()] * np.array([-1, 1, 1], np.float32)
    seen, there = moves(shape), moves(mirrored)
    sides = np.arange(MOVES)
    sides[:16] ^= 1
    np.testing.assert_allclose(there, seen[sides], atol=1e-5)
    known = learned()
    assert known.maps.shape[0] == MOVES == len(known.reach)
    # Both halves learned the same.
    np.testing.assert_allclose(known.maps[::2][:8], known.maps[1::2][:8, :, ::-1], atol=0.15)


def test_a_face_is_laid_out_flat_where_the_maps_have_it(source: WarpSource):
    known = learned()
    portrait = source.portrait
    marked = portrait.image.copy()
    x, y = np.round(portrait.face.landmarks[205, :2]).astype(int)
    marked[y - 3:y + 4, x - 3:x + 4] = 0
    points = portrait.face.landmarks[:468, :2]
    size = known.maps.shape[1]
    darker = flatten(portrait.image, points, known.layout, size) - flatten(marked, points, known.layout, size)
    spot = np.unravel_index(int(cv2.GaussianBlur(darker, (0, 0), 2).argmax()), darker.shape)
    assert np.linalg.norm(np.array(spot)[::-1] - known.layout[205]) < 4


def test_nothing_is_compiled_in_a_show(actor):
    portrait: Portrait = actor.portrait
    source = WARP.prepare(portrait)
    loops = raster.shade, raster.mix_maps, raster.plain_edges
    known = [len(loop.signatures) for loop in loops]
    drawn(source, made(source, SMILE))
    assert min(known) > 0 and [len(loop.signatures) for loop in loops] == known
    assert source.wrinkles is not None
    folds = 0 if source.wrinkles.folds is None else 2
    assert source.wrinkles.maps.shape == (MOVES + folds, GRID, GRID)


def smiling(source: WarpSource, smile: float) -> WarpSource:
    """The portrait with a dark line on its left cheek, where smiles cut a fold, and this much of a smile."""
    image, face = source.portrait.image, source.portrait.face
    line = np.round(face.landmarks[[129, 203, 206, 216], :2] * 16).astype(np.int32)
    fold = cv2.polylines(np.zeros(image.shape[:2], np.float32), [line], False, 1, 2, cv2.LINE_8, 4)
    image = (image * (1 - 0.4 * cv2.GaussianBlur(fold, (0, 0), 1)[:, :, None])).astype(np.uint8)
    blendshapes = face.blendshapes.copy()
    blendshapes[[SHAPE_INDEX[name] for name in SMILE[:2]]] = smile
    return WARP.prepare(replace(source.portrait, image=image, face=replace(face, blendshapes=blendshapes)))


def on_the_line(source: WarpSource, gone: float) -> float:
    """How bright the line is in a face whose smile is gone by this share."""
    modes = expression_modes()[[SHAPE_INDEX[name] for name in SMILE[:2]]]
    drive = driven(source, (source.local.shape - gone * 0.8 * modes.sum(0)).astype(np.float32))
    image = pictured(source.portrait, WARP.generate(source, drive))
    points = np.round(drive.landmarks[[203, 206], :2]).astype(int)
    return float(np.mean([image[y - 1:y + 2, x - 1:x + 2].mean() for x, y in points]))


def test_folds_of_a_portraits_own_smile_go_with_it(source: WarpSource):
    smile, straight = smiling(source, 0.8), smiling(source, 0.0)
    assert smile.wrinkles is not None and smile.wrinkles.folds is not None
    assert straight.wrinkles is not None and straight.wrinkles.folds is None
    lighter = [on_the_line(smile, gone) / on_the_line(straight, gone) for gone in (-0.5, 0.0, 0.4, 0.9)]
    # A face at rest keeps its folds, and one that smiles more does; only a smile that goes takes them along.
    assert lighter[:2] == pytest.approx([1, 1], abs=0.01)
    assert lighter[3] > lighter[2] + 0.02 > 1.04


def test_folds_of_a_smile_stay_while_the_jaw_opens_or_an_eye_shuts(source: WarpSource):
    smile = smiling(source, 0.8)
    assert smile.wrinkles is not None and smile.wrinkles.folds is not None
    for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight"):
        moved = moves(made(source, (name,), 0.6)) - smile.wrinkles.rest
        assert smile.wrinkles.folds.gone(moved).max() < 0.05, name
    laugh = moves(made(source, (*SMILE[:2], "jawOpen"), 0.3)) - smile.wrinkles.rest
    assert smile.wrinkles.folds.gone(laugh).max() < 0.05
