"""Settings: what is written is read back, and what cannot be used is refused with its name."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

from didlive.cli import build_parser
from didlive.cli.options import read_settings
from didlive.errors import BadInput
from didlive.settings import (
    VERSION,
    Gains,
    Settings,
    changed,
    difference,
    dump,
    from_dict,
    get,
    load,
    nested,
    overlay,
    to_toml,
    walk,
)

LEAVES = [(path, default, field.metadata) for path, field, default in walk(Settings())]


def other(default: Any, meta: Any) -> Any:
    """Return a valid value that is not the default."""
    if isinstance(default, bool):
        return not default
    if meta["choices"]:
        return next(c for c in meta["choices"] if c != default)
    if meta["kind"] == "color":
        return "#00fF7a"
    if isinstance(default, str):
        return 'C:\\clips\\"Zoë" 顔 😀\n\ttab, bell \a, delete \x7f'
    if meta["low"] is None:
        return default + 3
    return type(default)(meta["low"] if meta["low"] != default else meta["high"])


def save(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_the_defaults_survive_a_round_trip(tmp_path: Path) -> None:
    assert load(save(tmp_path, dump(Settings()))) == Settings()


@pytest.mark.parametrize(("name", "default", "meta"), LEAVES, ids=[leaf[0] for leaf in LEAVES])
def test_every_setting_survives_a_round_trip(tmp_path: Path, name: str, default: Any, meta: Any) -> None:
    new = from_dict(Settings, nested(name, other(default, meta)))
    assert new != Settings()
    assert load(save(tmp_path, dump(new))) == new


@pytest.mark.parametrize(("name", "default", "meta"), LEAVES, ids=[leaf[0] for leaf in LEAVES])
def test_every_setting_says_what_it_does_and_its_default_is_valid(name: str, default: Any, meta: Any) -> None:
    assert meta["help"]
    assert from_dict(Settings, nested(name, default)) == Settings()
    if isinstance(default, float):
        assert meta["low"] is not None, "a number that people may turn has a range"


@pytest.mark.parametrize(("name", "default", "meta"), LEAVES, ids=[leaf[0] for leaf in LEAVES])
def test_what_is_out_of_range_or_of_the_wrong_type_is_refused_by_name(name: str, default: Any, meta: Any) -> None:
    wrong: list[Any] = [{}, [default], None]
    wrong += [1] if isinstance(default, str | bool) else ["1", True]
    if meta["low"] is not None:
        step = type(default)(1)
        wrong += [meta["low"] - step, meta["high"] + step]
    if isinstance(default, float):
        wrong += [float("nan"), float("inf")]
    if meta["choices"]:
        wrong.append("no such choice")
    if meta["kind"] == "color":
        wrong += ["", "red", "#12345", "#1234567", "303034"]
    for value in wrong:
        with pytest.raises(BadInput, match=name.replace(".", r"\.")):
            from_dict(Settings, nested(name, value))


def test_the_message_names_the_range_and_the_unit() -> None:
    with pytest.raises(BadInput, match=r"motion\.limits\.yaw_deg = 90\.0 is out of range; use 5\.0 to 45\.0 degrees"):
        from_dict(Settings, nested("motion.limits.yaw_deg", 90))


def test_a_whole_number_is_taken_for_a_decimal_one() -> None:
    assert from_dict(Settings, nested("motion.gains.brows", 2)).motion.gains.brows == 2.0


@pytest.mark.parametrize("name", ["colour", "motion.gains.ears", "output.fps"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"unknown setting {name}; known here: "):
        from_dict(Settings, nested(name, 1))


def test_a_value_where_a_table_belongs_is_refused() -> None:
    with pytest.raises(BadInput, match=r"motion\.gains must be a table, not 1"):
        from_dict(Settings, nested("motion.gains", 1))


def test_a_file_may_name_a_few_settings_only(tmp_path: Path) -> None:
    settings = load(save(tmp_path, "[motion.gains]\njaw = 1.5\n"))
    assert settings.motion.gains.jaw == 1.5
    assert dataclasses.replace(settings, motion=Settings().motion) == Settings()


def test_the_file_says_its_version(tmp_path: Path) -> None:
    assert tomllib.loads(dump(Settings()))["version"] == VERSION
    with pytest.raises(BadInput, match=f"has version {VERSION + 1}; this didlive reads version {VERSION}"):
        load(save(tmp_path, f"version = {VERSION + 1}\n"))


@pytest.mark.parametrize("content", [b"motion = [", b"\xff\xfe\x00", None], ids=["no TOML", "no UTF-8", "no file"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "settings.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read") as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("name", "default", "meta"), LEAVES, ids=[leaf[0] for leaf in LEAVES])
def test_one_value_is_changed_and_found_as_the_difference(name: str, default: Any, meta: Any) -> None:
    value = other(default, meta)
    settings = changed(Settings(), name, value)
    assert get(settings, name) == value and get(Settings(), name) == default
    assert difference(settings, Settings()) == nested(name, value)
    assert overlay(Settings(), difference(settings, Settings())) == settings
    assert changed(settings, name, default) == Settings()


def test_the_same_settings_do_not_differ() -> None:
    assert difference(Settings(), Settings()) == {}
    assert overlay(Settings(), {}) == Settings()


def test_an_overlay_keeps_what_it_does_not_name() -> None:
    base = changed(Settings(), "motion.gains.jaw", 1.5)
    laid = overlay(base, {"motion": {"gains": {"mouth": 2}}})
    assert laid.motion.gains == Gains(jaw=1.5, mouth=2.0)


@pytest.mark.parametrize("name", ["", "motion.", "motion.ears", "motion.strength.x", "motion..gains"])
def test_an_unknown_name_cannot_be_read_or_changed(name: str) -> None:
    with pytest.raises(BadInput, match=r"unknown setting|must be"):
        get(Settings(), name)
    with pytest.raises(BadInput, match=r"unknown setting|must be"):
        changed(Settings(), name, 1)


def test_a_group_can_be_read() -> None:
    assert get(Settings(), "motion.gains") == Gains()


def test_any_name_can_be_a_key_in_toml() -> None:
    tree = {"plain": 1, 'with "quotes" and spaces': True, "顔": {"a.b": "x", "deeper": {"y": 0.5}}}
    assert tomllib.loads(to_toml(tree)) == tree
    assert to_toml({}) == "\n"


@pytest.mark.parametrize(("text", "size"), [("[motion.gains]\nmouth = 1.2\n", "auto"),
                                            ("[output]\nsize = '256x256'\n", "256x256")])
def test_a_settings_file_changes_what_it_names(tmp_path: Path, text: str, size: str) -> None:
    """`animate` has a default size of its own."""
    (tmp_path / "some.toml").write_text(text)
    args = build_parser("animate").parse_args(["animate", "--demo", "--settings", str(tmp_path / "some.toml")])
    assert read_settings(args, size="auto").output.size == size
