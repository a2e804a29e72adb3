"""What expressions do to the light on the skin is learned from pictures of people with and without them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from didlive.cli import main
from didlive.demo import demo_portrait
from didlive.errors import BadInput
from didlive.generate.warp import WarpGenerator
from didlive.generate.wrinkles import MOVES
from didlive.geometry import SHAPE_INDEX, expression_modes, head_local, head_rotation, portrait_landmarks
from didlive.portrait import load_portrait
from didlive.training import wrinkles
from didlive.training.corpus import Corpus, held_out
from didlive.training.wrinkles import SIZE, Lesson, cross_validate, layout_of, learn, read_lessons, skin_of
from didlive.types import F32
from tests.stage import pictured, turned_head

SMILE = [SHAPE_INDEX["mouthSmileLeft"], SHAPE_INDEX["mouthSmileRight"]]


@pytest.fixture
def weak_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few people teach in these tests."""
    monkeypatch.setattr(wrinkles, "RIDGE", 0.01)


def flat_layout() -> F32:
    """The layout of a single face."""
    face = load_portrait(demo_portrait()).face
    return layout_of([head_local(portrait_landmarks(face), head_rotation(face))])


def test_what_lessons_have_in_common_is_found_again(models: object, weak_ridge: None):
    layout, rng = flat_layout(), np.random.default_rng(4)
    skin = skin_of(layout)
    assert 0.3 < (skin > 0.5).mean() < 0.7 and skin[0].max() < 0.01
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    left = np.exp(-((x - 0.3) ** 2 + (y - 0.6) ** 2) / 0.01).astype(np.float32)
    lessons = []
    for k in range(30):
        # A smile (moves 2 and 3), and the light of a turn, which is not an expression.
        both = rng.normal(0, 0.1, (1, MOVES + 2)).astype(np.float32)
        both[:, 3], both[:, 1] = both[:, 2], both[:, 0]
        change = -1.5 * (both[0, 2] * left + both[0, 3] * left[:, ::-1]) + both[0, -1] * x
        noise = rng.normal(0, 0.02, (SIZE, SIZE))
        lessons.append(Lesson(f"person {k}", both, (change + noise).astype(np.float32)[None]))
    maps = learn(layout, lessons)
    at = int(0.6 * SIZE), int(0.3 * SIZE)
    assert maps.maps[2][at] == pytest.approx(-1.5, abs=0.3) and abs(maps.maps[3][at]) < 0.1
    np.testing.assert_allclose(maps.maps[3], maps.maps[2][:, ::-1], atol=1e-6)
    assert np.abs(maps.maps[2][skin == 0]).max() == 0
    score = cross_validate(layout, lessons)
    assert score.pictures == 15 and score.left < score.change and score.explained > 0.2


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, models: object, astronaut: Path) -> Path:
    """A prepared corpus of two people, at rest and smiling, drawn by the warp with its own folds."""
    folder = tmp_path_factory.mktemp("people")
    pictures = folder / "pictures"
    pictures.mkdir()
    names = itertools.islice((f"person {i}" for i in itertools.count() if not held_out(f"person {i}")), 2)
    warp, rows = WarpGenerator(), []
    for name, path in zip(names, (demo_portrait(), astronaut), strict=True):
        portrait = load_portrait(path)
        source = warp.prepare(portrait)
        for much in (0.0, 0.5, 0.9):
            shape = source.local.shape + much * expression_modes()[SMILE].sum(0)
            corner = np.array([source.x, source.y, 0], np.float32)
            landmarks = (shape @ source.local.rotation.T) * source.local.scale + source.local.centre + corner
            drive = replace(turned_head(portrait), landmarks=landmarks.astype(np.float32))
            image = cv2.resize(pictured(portrait, warp.generate(source, drive)), None, fx=2, fy=2,
                               interpolation=cv2.INTER_CUBIC)
            file = f"pictures/{path.stem} {much}.png"
            cv2.imwrite(str(folder / file), image[:, :, ::-1])
            rows.append(f"{file},{name},A,CC0-1.0\n")
    (folder / "manifest.csv").write_text("file,identity,tier,licence\n" + "".join(rows), encoding="utf-8")
    assert main(["train", "prepare", str(pictures), "--out", str(folder / "corpus")]) == 0
    return folder / "corpus"


def test_the_command_learns_the_folds_of_a_smile(people: Path, weak_ridge: None, tmp_path: Path,
                                                 capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "wrinkles.npz"
    assert main(["train", "wrinkles", str(people), "--out", str(out)]) == 0
    assert "2 people" in capsys.readouterr().out
    with np.load(out) as data:
        assert data["maps"].dtype == np.int8 and data["maps"].shape == (MOVES, SIZE, SIZE)
        layout, reach = data["layout"], data["reach"]
        asked = np.where(np.arange(MOVES) == 2, reach, 0) * data["unit"]
        fold = np.tensordot(-asked, data["maps"].astype(np.float32), 1)
    assert reach[2] > 0.02 and layout.shape == (468, 2)
    # The corner of the mouth goes up: beside it the skin changes, the forehead does not.
    x, y = np.round(layout[206]).astype(int)
    beside, forehead = np.abs(fold[y - 12:y + 13, x - 12:x + 13]).mean(), np.abs(fold[20:50, 80:112]).mean()
    assert beside > 0.004 and beside > 2 * forehead


def test_a_place_that_cannot_be_written_is_an_error(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "wrinkles", str(people), "--out", str(tmp_path / "no" / "where.npz")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_nobody_with_two_pictures_is_an_error(corpus: Corpus):
    stills = replace(corpus, items=tuple(replace(i, identity=str(k)) for k, i in enumerate(corpus.items)))
    with pytest.raises(BadInput, match="two pictures"):
        read_lessons(stills, lambda done, total: None)
