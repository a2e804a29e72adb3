"""Glasses are found, and stay straight while the face under them moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from didlive.demo import demo_portrait
from didlive.generate.glasses import find_rims, stiffness
from didlive.generate.mesh import pose_mesh
from didlive.generate.warp import WarpGenerator
from didlive.geometry import EYE_CORNERS, SHAPE_INDEX, expression_modes
from didlive.motion import measure, to_motion
from didlive.portrait import load_portrait
from didlive.retarget import Retargeter
from didlive.settings import MotionSettings
from didlive.types import F32, U8, Presence, Stamp

BROWS_UP = [SHAPE_INDEX[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]


def with_glasses(image: U8, landmarks: F32, light: int) -> tuple[U8, list[F32], float]:
    """Return the picture with round glasses drawn on it, their centres (2,) px and their radius px."""
    out = image.copy()
    corners = [landmarks[list(pair), :2] for pair in EYE_CORNERS]
    width = float(np.mean([np.linalg.norm(a - b) for a, b in corners]))
    down = np.array([0, 0.08 * width])
    centres = sorted((pair.mean(0) + down for pair in corners), key=lambda centre: float(centre[0]))
    radius, thick = 0.78 * width, max(2, round(0.08 * width))
    for centre in centres:
        cv2.circle(out, (round(centre[0]), round(centre[1])), round(radius), (light,) * 3, thick, cv2.LINE_AA)
    (x0, y0), (x1, y1) = centres
    cv2.line(out, (round(x0 + radius), round(y0)), (round(x1 - radius), round(y1)), (light,) * 3, thick, cv2.LINE_AA)
    return out, centres, radius


@pytest.mark.parametrize("light", [15, 70], ids=["black", "grey"])
def test_drawn_rims_are_found_where_they_are(astronaut: Path, light: int):
    portrait = load_portrait(astronaut)
    image, centres, radius = with_glasses(portrait.image, portrait.face.landmarks, light)
    rims = find_rims(image, portrait.face.landmarks)
    assert rims is not None
    for centre, rim in zip(centres, sorted(rims, key=lambda rim: float(rim[:, 0].mean())), strict=True):
        off = np.abs(np.linalg.norm(rim - centre, axis=1) - radius)
        assert np.median(off) < 0.15 * radius


def test_the_glasses_of_a_photo_are_found():
    portrait = load_portrait(demo_portrait())
    assert find_rims(portrait.image, portrait.face.landmarks) is not None


def test_a_bare_face_wears_none(astronaut: Path):
    portrait = load_portrait(astronaut)
    assert find_rims(portrait.image, portrait.face.landmarks) is None
    assert not stiffness(None, portrait.face.landmarks).any()


def test_a_drawing_full_of_lines_wears_none(astronaut: Path):
    portrait = load_portrait(astronaut)
    image, rng = portrait.image.copy(), np.random.default_rng(1)
    low, high = portrait.face.landmarks[:, :2].min(0), portrait.face.landmarks[:, :2].max(0)
    for begin in rng.uniform(low, high, (400, 2)).astype(int):
        end = begin + rng.integers(-9, 10, 2)
        cv2.line(image, (int(begin[0]), int(begin[1])), (int(end[0]), int(end[1])), (20, 20, 20), 1, cv2.LINE_AA)
    assert find_rims(image, portrait.face.landmarks) is None


def test_raised_brows_do_not_bend_the_frame():
    portrait = load_portrait(demo_portrait())
    source = WarpGenerator().prepare(portrait)
    neutral = measure(portrait.face)
    rest = to_motion(neutral, neutral, Presence.TRACK, Stamp(0, 0))
    shape = neutral.shape + 0.8 * expression_modes()[BROWS_UP].sum(0)
    blendshapes = neutral.blendshapes.copy()
    blendshapes[BROWS_UP] += 0.8
    raised = replace(rest, now=replace(neutral, shape=shape.astype(np.float32), blendshapes=blendshapes))
    retargeter = Retargeter(portrait.face, MotionSettings())

    def moved(stiff: F32) -> F32:
        mesh = replace(source.mesh, stiff=stiff)
        offset = np.array([source.x, source.y, 0], dtype=np.float32)
        drives = [retargeter.retarget(motion) for motion in (rest, raised)]
        a, b = (pose_mesh(mesh, source.local, drive.landmarks - offset, drive.rotation @ source.local.rotation,
                          drive.centre - offset, drive.scale) for drive in drives)
        return np.linalg.norm((b - a)[:468, :2], axis=1)

    frame = source.mesh.stiff[:, 0] == 1
    assert 40 < frame.sum() < 200
    assert moved(source.mesh.stiff)[frame].max() < 0.01
    assert moved(np.zeros_like(source.mesh.stiff))[frame].max() > 2
