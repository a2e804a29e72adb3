"""What the user keeps: read back as written; what is broken is set aside and said."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from didlive.calibration import dump_performer, load_performer
from didlive.demo import demo_motion
from didlive.errors import BadInput, OutputFailed
from didlive.motion import measure
from didlive.profiles import PRESETS, Store, check_name
from didlive.recording import load_recording
from didlive.settings import Settings, changed, overlay, walk
from didlive.types import Face, Performer, Ranges


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "deep" / "config")


@pytest.fixture(scope="module")
def performer() -> Performer:
    recording = load_recording(demo_motion())
    face = Face(recording.landmarks[0], recording.blendshapes[0], recording.transforms[0])
    return Performer("Zoë 顔", measure(face), Ranges(jaw=0.4, turn_deg=35.0))


def test_settings_are_defaults_then_what_was_saved(store: Store):
    assert store.load() == Settings() and store.note == ""
    settings = changed(Settings(), "window.language", "zh_CN")
    store.save(settings)
    assert store.load() == settings and [p.name for p in store.folder.iterdir()] == ["settings.toml"]


@pytest.mark.parametrize("text", ["motion = [", "[motion]\nstrength = 9.0\n", "version = 99\n"])
def test_broken_settings_are_set_aside(store: Store, text: str):
    store.folder.mkdir(parents=True)
    path = store.folder / "settings.toml"
    path.write_text(text)
    assert store.load() == Settings()
    assert "settings.toml.broken" in store.note and "\n" not in store.note
    assert not path.exists() and path.with_name("settings.toml.broken").read_text() == text
    assert store.load() == Settings() and store.note == ""


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFailed, match="was not written"):
        Store(tmp_path / "file" / "config").save(Settings())


def test_of_two_windows_one_saves_settings(store: Store):
    store.claim()
    second = Store(store.folder)
    second.claim()
    assert store.note == "" and "another didlive window is open" in second.note and "\n" not in second.note
    second.save(changed(Settings(), "window.language", "zh_CN"))
    assert store.load() == Settings()
    store.release()
    store.release()
    third = Store(store.folder)
    third.claim()
    third.save(changed(Settings(), "window.theme", "light"))
    assert third.note == "" and store.load().window.theme == "light"
    third.release()


def test_profiles(store: Store):
    assert store.profiles() == ()
    tree = {"motion": {"gains": {"jaw": 1.5}, "blink": "open"}}
    store.save_profile("Ömer's", tree)
    store.save_profile("a b", {"motion": {"strength": 0.5}})
    assert store.profiles() == ("a b", "Ömer's") and store.profile("Ömer's") == tree
    with pytest.raises(BadInput, match=r"motion\.ears"):
        store.save_profile("bad", {"motion": {"ears": 1}})
    store.delete_profile("a b")
    store.delete_profile("a b")
    assert store.profiles() == ("Ömer's",)
    with pytest.raises(BadInput, match="cannot be read"):
        store.profile("a b")


@pytest.mark.parametrize("name", ["", "  ", "../up", "a/b", "a\\b", "x" * 61, ".hidden", "dot.", "CON", "a\nb", "w?"])
def test_names_that_are_no_file_names_are_refused(name: str, store: Store):
    with pytest.raises(BadInput):
        check_name(name)
    with pytest.raises(BadInput):
        store.save_profile(name, {})


def test_performers_are_numbers_only(store: Store, performer: Performer):
    store.save_performer(performer)
    assert store.performers() == (performer.name,)
    found = store.performer(performer.name)
    for f in dataclasses.fields(performer.neutral):
        assert np.array_equal(getattr(found.neutral, f.name), getattr(performer.neutral, f.name))
    assert found.ranges.jaw == pytest.approx(0.4) and found.ranges.turn_deg == 35.0
    assert np.array_equal(found.ranges.lids, Ranges().lids)
    store.delete_performer(performer.name)
    assert store.performers() == ()
    with pytest.raises(BadInput, match="calibrate again"):
        store.performer(performer.name)


def test_a_damaged_performer_is_refused(tmp_path: Path, performer: Performer):
    path = tmp_path / "me.npz"
    whole = dump_performer(performer)
    for data in (b"", b"nothing", whole[:len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(BadInput, match="performer me cannot be used: the file is damaged"):
            load_performer(path)
    shape = performer.neutral.shape.copy()
    shape[3] = np.nan
    path.write_bytes(dump_performer(dataclasses.replace(performer, neutral=dataclasses.replace(performer.neutral,
                                                                                               shape=shape))))
    with pytest.raises(BadInput, match="neutral_shape is damaged"):
        load_performer(path)


def test_hotkeys(store: Store):
    assert store.hotkeys() == {}
    store.save_hotkeys({"panic": "Ctrl+Esc", "snapshot": ""})
    assert store.hotkeys() == {"panic": "Ctrl+Esc", "snapshot": ""}
    (store.folder / "hotkeys.toml").write_text("= ?")
    assert store.hotkeys() == {} and "hotkeys.toml.broken" in store.note


def test_presets_change_the_same_things_so_that_none_lingers():
    names = {name: [path for path, _, _ in walk(overlay(Settings(), tree))] for name, tree in PRESETS.items()}
    assert list(names) == ["Natural", "Lively", "Calm", "Cartoon"]
    for before in PRESETS.values():
        for name, tree in PRESETS.items():
            assert overlay(overlay(Settings(), before), tree) == overlay(Settings(), tree), name
    assert overlay(Settings(), PRESETS["Natural"]) == Settings()


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIDLIVE_CONFIG", str(tmp_path))
    assert Store().folder == tmp_path


def test_settings_are_read_without_loading_anything_heavy():
    code = ("import sys; from didlive.profiles import Store; Store().load();"
            "print([m for m in ('numpy', 'cv2', 'PIL', 'numba') if m in sys.modules])")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
