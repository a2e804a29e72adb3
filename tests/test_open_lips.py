"""An open mouth's lips: the dark of its corners goes when they come together, and comes back with the smile."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from didlive.generate.open_lips import paint_lips
from didlive.generate.warp import WarpGenerator, WarpSource
from didlive.geometry import LIPS_INNER
from didlive.portrait import load_portrait
from didlive.types import F32, U8, Drive, Portrait, Presence, Stamp

CORNERS = (61, 291)


@pytest.fixture(scope="module")
def smiling(models: object, tmp_path_factory: pytest.TempPathFactory) -> Portrait:
    """Somebody with parted lips, twice as large, and a dark spot beside each corner of the mouth."""
    path = tmp_path_factory.mktemp("open") / "open.png"
    Image.fromarray(skimage.data.astronaut()).resize((1024, 1024)).save(path)
    found = load_portrait(path)
    return replace(found, image=spotted(found.image, found.face.landmarks))


def spotted(image: U8, landmarks: F32, at: float = 0.0) -> U8:
    """Dark spots that touch the corners of the mouth, or lie `at` so many mouth widths farther out."""
    out = image.copy()
    for corner, inner in zip(CORNERS, (LIPS_INNER[0], LIPS_INNER[10]), strict=True):
        away = landmarks[corner, :2] - landmarks[CORNERS[1] if corner == CORNERS[0] else CORNERS[0], :2]
        start, end = (landmarks[inner, :2] + share * away for share in (at, at + 0.05))
        cv2.line(out, np.round(start).astype(int).tolist(), np.round(end).astype(int).tolist(), (12, 8, 8), 3)
    return out


def beside(image: U8, landmarks: F32) -> F32:
    """The light of both spots."""
    width = landmarks[CORNERS[1], :2] - landmarks[CORNERS[0], :2]
    places = landmarks[LIPS_INNER[0], :2] - 0.04 * width, landmarks[LIPS_INNER[10], :2] + 0.04 * width
    return np.array([image[round(float(y)), round(float(x)), :3].mean() for x, y in places], np.float32)


def test_the_dark_of_the_corners_is_painted_out(smiling: Portrait):
    painted, corners = paint_lips(smiling.image, smiling.face.landmarks)
    before, after = (beside(picture, smiling.face.landmarks) for picture in (smiling.image, painted))
    assert corners is not None and (after > 2 * before).all() and after.min() > 60


def test_only_what_hangs_together_with_the_mouth_is(smiling: Portrait):
    plain = load_plain(smiling)
    far = spotted(plain, smiling.face.landmarks, at=0.07)
    there = (far != plain).any(2)
    painted, _ = paint_lips(far, smiling.face.landmarks)
    assert there.sum() > 10 and (painted[there].mean(1) < 40).mean() > 0.6


def load_plain(smiling: Portrait) -> U8:
    """The picture without spots."""
    return np.asarray(Image.fromarray(skimage.data.astronaut()).resize((1024, 1024)))


def test_closed_lips_have_none(models: object, demo: Portrait):
    assert paint_lips(demo.image, demo.face.landmarks) == (demo.image, None)


@pytest.fixture(scope="module")
def demo(models: object) -> Portrait:
    from didlive.demo import demo_portrait

    return load_portrait(demo_portrait())


def test_it_comes_back_with_the_smile_and_goes_with_it(smiling: Portrait):
    source = WarpGenerator().prepare(smiling)
    crop = np.array([source.x, source.y, 0], np.float32)

    def lit(narrower: float) -> tuple[float, float]:
        """The light beside the corners, with the dark that comes back and without."""
        target = source.landmarks.copy()
        middle = target[list(CORNERS)].mean(0)
        target[:, 0] = middle[0] + (target[:, 0] - middle[0]) * narrower
        drive = Drive(target + crop, np.eye(3, dtype=np.float32), source.local.centre + crop, 1.0,
                      np.ones(2, np.float32), Presence.TRACK, Stamp(0, 0))
        seen = (beside(WarpGenerator().generate(s, drive).image, target) for s in (source, without(source)))
        return tuple(float(light.mean()) for light in seen)  # type: ignore[return-value]

    shown, plain = lit(1.0)
    assert shown < 0.6 * plain
    assert lit(0.84)[0] == lit(0.84)[1]


def without(source: WarpSource) -> WarpSource:
    return replace(source, corners=None)
