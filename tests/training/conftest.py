"""A corpus of two people: their pictures, and a clip of one of them, drawn by the warp."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import cv2
import pytest
from skimage import data

from didlive.animate import animate
from didlive.demo import demo_motion, demo_portrait
from didlive.settings import Settings
from didlive.training.corpus import Corpus, held_out, load_corpus, prepare
from tests.stage import bare


def name_of(out: bool) -> str:
    """A person's name that the split puts on the wanted side."""
    return next(f"person {i}" for i in itertools.count() if held_out(f"person {i}") == out)


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory, models: object) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    pictures = folder / "pictures"
    pictures.mkdir()
    shutil.copy(demo_portrait(), pictures / "hopper.jpg")
    cv2.imwrite(str(pictures / "astronaut.png"), cv2.resize(data.astronaut()[:300, :, ::-1], None, fx=2, fy=2))
    animate(demo_portrait(), demo_motion(), pictures / "hopper.mp4", max_frames=36,
            settings=Settings(generator="warp", output=bare(size="512x512")))
    (pictures / "nobody.png").write_bytes(cv2.imencode(".png", data.coffee())[1].tobytes())
    rows = [("pictures/hopper.jpg", name_of(False)), ("pictures/hopper.mp4", name_of(False)),
            ("pictures/astronaut.png", name_of(True))]
    (folder / "manifest.csv").write_text("file,identity,tier,licence\n" + "".join(
        f"{file},{who},A,CC0-1.0\n" for file, who in rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def prepared(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare([raw / "pictures"], out, lambda done, total: None)
    return out


@pytest.fixture(scope="session")
def corpus(prepared: Path) -> Corpus:
    return load_corpus(prepared)
