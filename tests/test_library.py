"""The library: pictures are copied, judged once, named, and never lost with an index."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from didlive.errors import BadInput
from didlive.library import Library, key_of
from didlive.portrait import load_image


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "portraits")


def picture(folder: Path, name: str = "me.png", size: tuple[int, int] = (40, 30), level: int = 80) -> Path:
    path = folder / name
    Image.fromarray(np.full((*size, 3), level, np.uint8)).save(path)
    return path


def test_the_samples_come_first_and_stay(library: Library, tmp_path: Path):
    own = library.add(picture(tmp_path))
    names = [entry.name for entry in library.entries()]
    assert names == ["Grace Hopper", "Eileen Collins", "Anime", "me"]
    sample = library.entries()[0]
    assert sample.builtin and sample.path.is_file() and sample.key == key_of(sample.path.read_bytes())
    with pytest.raises(BadInput, match="comes with didlive"):
        library.remove(sample.key)
    with pytest.raises(BadInput, match="comes with didlive"):
        library.rename(sample.key, "Amazing")
    library.remove(own.key)
    assert len(library.entries()) == 3


def test_a_copy_is_kept_with_its_name(library: Library, tmp_path: Path):
    path = picture(tmp_path, "Zoë 顔.png")
    entry = library.add(path)
    path.unlink()
    assert entry.path.is_file() and entry.name == "Zoë 顔" and len(entry.key) == 16
    library.rename(entry.key, " other \n name ")
    again = Library(library.folder)
    assert again.entry(entry.key).name == "other name"
    with pytest.raises(BadInput, match="needs a name"):
        library.rename(entry.key, "  ")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere names of files are text")
def test_a_picture_whose_name_is_no_text(library: Library, tmp_path: Path):
    entry = library.add(picture(tmp_path, os.fsdecode(b"Zo\xeb.png")))
    assert Library(library.folder).entry(entry.key).name == "Zo?"


def test_the_same_picture_twice_is_one_entry(library: Library, tmp_path: Path):
    path = picture(tmp_path)
    assert library.add(path) == library.add(path)
    assert library.add(library.entries()[0].path).builtin
    assert len(library.entries()) == 4


def test_what_is_no_picture_is_refused(library: Library, tmp_path: Path):
    path = tmp_path / "letter.png"
    path.write_text("dear diary")
    with pytest.raises(BadInput, match="not a picture"):
        library.add(path)
    with pytest.raises(BadInput, match="does not exist"):
        library.add(tmp_path / "nowhere.jpg")
    for wrong in (np.zeros((3, 4), np.uint8), np.zeros((3, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(BadInput, match="not a picture"):
            library.add_image(wrong, "pasted")
    assert len(library.entries()) == 3


def test_a_pasted_picture_keeps_every_bit(library: Library):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    entry = library.add_image(image, "")
    assert entry.name == "portrait" and np.array_equal(load_image(entry.path)[0], image)


def test_a_lost_index_loses_only_names(library: Library, tmp_path: Path):
    entry = library.add(picture(tmp_path))
    (library.folder / "index.toml").write_text("= broken")
    found = Library(library.folder).entry(entry.key)
    assert found.path == entry.path and found.name == entry.key
    with pytest.raises(BadInput, match="not in the library"):
        library.entry("0" * 16)


def test_settings_of_a_portrait(library: Library, tmp_path: Path):
    key = library.add(picture(tmp_path)).key
    assert library.settings(key) == {}
    tree = {"output": {"framing": "bust"}, "motion": {"gains": {"jaw": 1.5}}}
    library.save_settings(key, tree)
    assert Library(library.folder).settings(key) == tree
    with pytest.raises(BadInput, match=r"motion\.gains\.ears"):
        library.save_settings(key, {"motion": {"gains": {"ears": 1.0}}})
    (library.folder / "kept" / f"{key}.toml").write_text("[motion]\nwings = 1\n")
    assert library.settings(key) == {}
    library.remove(key)
    assert not list((library.folder / "kept").iterdir())


def test_a_picture_without_a_face(library: Library, models: Path):
    entry = library.add_image(np.ascontiguousarray(skimage.data.chelsea()), "cat")
    verdict = library.verdict(entry.key)
    assert not verdict.usable and verdict.notes[0].startswith("no face found in cat;")
    assert str(library.folder) not in verdict.notes[0]
    assert library.thumbnail(entry.key).shape == (160, 160, 3)


def test_a_face_is_judged_and_shown_once(library: Library, models: Path, monkeypatch: pytest.MonkeyPatch):
    entry = library.add_image(skimage.data.astronaut(), "astronaut")
    thumbnail = library.thumbnail(entry.key, 96)
    assert thumbnail.shape == (96, 96, 3) and thumbnail.dtype == np.uint8
    verdict = library.verdict(entry.key)
    assert verdict.usable and verdict.faces == 1 and verdict.face_height_px > 80
    monkeypatch.setattr("didlive.library.examine", None)
    again = Library(library.folder)
    assert again.verdict(entry.key) == verdict
    assert np.array_equal(again.thumbnail(entry.key, 96), thumbnail)
    # Cropped around the face: skin in the middle.
    red, green, blue = thumbnail[36:60, 36:60].reshape(-1, 3).mean(axis=0)
    assert red > green > blue


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIDLIVE_DATA", str(tmp_path))
    assert Library().folder == tmp_path / "portraits"
