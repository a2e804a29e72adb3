"""Settings of the window: undo, what a portrait has for itself, and saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from didlive.errors import BadInput
from didlive.profiles import PRESETS, Store
from didlive.settings import Settings
from ui.tuning import Tuning


class Kept:
    """What was saved last."""

    def __init__(self) -> None:
        self.common, self.key, self.own = Settings(), "", {}

    def __call__(self, common: Settings, key: str, own: dict[str, Any]) -> None:
        self.common, self.key, self.own = common, key, own


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def tuning(qtbot, tmp_path: Path, kept: Kept) -> Tuning:
    return Tuning(Store(tmp_path), kept)


def test_changes_can_be_taken_back_and_made_again(tuning: Tuning):
    tuning.change({"motion.gains.mouth": 1.5})
    tuning.change({"motion.gains.mouth": 1.8})
    tuning.undo()
    assert tuning.settings.motion.gains.mouth == 1.5 and tuning.can_redo
    tuning.undo()
    assert tuning.settings == Settings() and not tuning.can_undo
    tuning.redo()
    tuning.redo()
    assert tuning.settings.motion.gains.mouth == 1.8 and not tuning.can_redo
    tuning.undo()
    tuning.change({"motion.gains.jaw": 0.5})
    assert not tuning.can_redo


def test_dragging_a_slider_is_one_step(tuning: Tuning):
    for value in (1.1, 1.2, 1.3):
        tuning.change({"motion.gains.mouth": value}, merge=True)
    tuning.undo()
    assert tuning.settings.motion.gains.mouth == 1.0


def test_a_preset_is_one_step(tuning: Tuning):
    tuning.apply(PRESETS["Cartoon"])
    assert tuning.settings.motion.strength == 1.4
    tuning.undo()
    assert tuning.settings == Settings() and not tuning.can_undo


def test_a_value_out_of_range_changes_nothing(tuning: Tuning):
    with pytest.raises(BadInput, match=r"motion\.gains\.mouth"):
        tuning.change({"motion.gains.jaw": 1.5, "motion.gains.mouth": 99.0})
    assert tuning.settings == Settings() and not tuning.can_undo


def test_a_portrait_has_its_style_framing_and_background_for_itself(tuning: Tuning, kept: Kept):
    tuning.wear("a", {})
    tuning.change({"output.background": "green", "output.kind": "drawn"})
    tuning.change({"motion.look_at_camera": 0.5})
    tuning.flush()
    assert kept.key == "a" and kept.own == {"output": {"background": "green", "kind": "drawn"}}
    assert kept.common.motion.look_at_camera == 0.5 and kept.common.output.background == "picture"
    tuning.wear("b", {"motion": {"gains": {"mouth": 0.5}}})
    assert tuning.settings.output.background == "picture" and tuning.settings.output.kind == "auto"
    assert tuning.settings.motion.gains.mouth == 0.5 and tuning.settings.motion.look_at_camera == 0.5
    assert tuning.settings.window.portrait == "b"
    tuning.wear("a", kept.own)
    assert tuning.settings.output.background == "green" and tuning.settings.motion.gains.mouth == 1.0


def test_undo_leaves_the_portrait_alone_that_plays_now(tuning: Tuning):
    tuning.wear("ada", {})
    tuning.change({"motion.gains.mouth": 1.5, "motion.look_at_camera": 0.5})
    tuning.change({"output.framing": "full"})
    tuning.wear("bea", {"motion": {"gains": {"mouth": 0.7}}})
    tuning.undo()
    assert not tuning.can_undo
    assert (tuning.settings.motion.look_at_camera, tuning.settings.motion.gains.mouth) == (0.0, 0.7)


@pytest.mark.parametrize("name", PRESETS)
def test_a_style_is_one_portraits_as_a_whole(tuning: Tuning, kept: Kept, name: str):
    tuning.wear("ada", {})
    tuning.apply(PRESETS[name])
    styled = tuning.settings.motion
    tuning.flush()
    own = kept.own
    assert kept.common.motion == Settings().motion
    tuning.wear("bea", {})
    assert tuning.settings.motion == Settings().motion and not tuning.can_undo
    tuning.wear("ada", own)
    assert tuning.settings.motion == styled


def test_saving_comes_by_itself_a_moment_after_the_last_change(qtbot, tuning: Tuning, kept: Kept):
    tuning.change({"motion.strength": 1.3})
    assert kept.common.motion.strength == 1.0
    qtbot.waitUntil(lambda: kept.common.motion.strength == 1.3)
