"""All settings in one tree of frozen dataclasses. Ranges, units and help live beside each value, so that the command
line and the window are generated from them. On disk they are TOML (see `load` and `dump`)."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BadInput

VERSION = 1


def setting(default: Any, help: str, low: float | None = None, high: float | None = None, unit: str = "",
            choices: tuple[str, ...] = ()) -> Any:
    """Declare one setting: its default, a sentence for people, its range and unit, or its choices."""
    return field(default=default, metadata={"help": help, "low": low, "high": high, "unit": unit, "choices": choices})


@dataclass(frozen=True)
class Gains:
    """How strongly each part of the face follows the performer (1 = as measured, 0 = stays still)."""

    brows: float = setting(1.0, "eyebrows", 0.0, 2.0)
    lids: float = setting(1.0, "eyelids: how far a half-closed eye follows; a full blink always closes", 0.0, 2.0)
    gaze: float = setting(1.0, "eyes looking around", 0.0, 2.0)
    mouth: float = setting(1.0, "lips and cheeks", 0.0, 2.0)
    jaw: float = setting(1.0, "mouth opening", 0.0, 2.0)
    pitch: float = setting(1.0, "head nod", 0.0, 2.0)
    yaw: float = setting(1.0, "head turn", 0.0, 2.0)
    roll: float = setting(1.0, "head tilt", 0.0, 2.0)
    translation: float = setting(1.0, "head moving sideways, up and down", 0.0, 2.0)
    zoom: float = setting(1.0, "head moving nearer and farther", 0.0, 2.0)


REGIONS = {
    "all": (),
    "mouth": ("mouth", "jaw"),
    "lips": ("mouth", "jaw"),
    "eyes": ("lids", "gaze"),
    "expression": ("brows", "lids", "gaze", "mouth", "jaw"),
    "pose": ("pitch", "yaw", "roll", "translation", "zoom"),
}


def restrict(gains: Gains, region: str) -> Gains:
    """Return the gains with every part outside `region` at 0; `all` keeps them as they are."""
    parts = REGIONS[region]
    still = {f.name: 0.0 for f in dataclasses.fields(Gains) if parts and f.name not in parts}
    return dataclasses.replace(gains, **still)


@dataclass(frozen=True)
class Limits:
    """Soft limits: beyond them the portrait eases and holds instead of melting."""

    yaw_deg: float = setting(28.0, "largest head turn", 5.0, 45.0, "degrees")
    pitch_deg: float = setting(22.0, "largest nod", 5.0, 40.0, "degrees")
    roll_deg: float = setting(35.0, "largest tilt", 5.0, 60.0, "degrees")
    translation: float = setting(0.35, "largest move, in head sizes", 0.0, 1.0)
    zoom: float = setting(0.25, "largest change of size", 0.0, 0.5)


@dataclass(frozen=True)
class Smoothing:
    """One-Euro filter (Casiez 2012): strong at rest, quick in motion."""

    rest_hz: float = setting(1.5, "cut-off frequency at rest; lower is calmer", 0.2, 10.0, "Hz")
    quick: float = setting(1.0, "how fast the filter opens in motion", 0.0, 5.0)


@dataclass(frozen=True)
class Idle:
    """What the portrait does when nobody is seen."""

    enabled: bool = setting(True, "breathe and blink when the face is lost")
    hold_s: float = setting(0.3, "hold the last pose this long", 0.0, 5.0, "s")
    ease_s: float = setting(0.7, "then ease to neutral in this time", 0.1, 5.0, "s")
    seed: int = setting(7, "seed of the idle motion")


@dataclass(frozen=True)
class MotionSettings:
    """From tracking to the portrait's landmarks."""

    gains: Gains = field(default_factory=Gains)
    limits: Limits = field(default_factory=Limits)
    smoothing: Smoothing = field(default_factory=Smoothing)
    idle: Idle = field(default_factory=Idle)
    relative: bool = setting(True, "move relative to the performer's neutral face; off copies the pose absolutely")
    auto_neutral: bool = setting(True, "search for a better neutral face while running")
    mirror: bool = setting(False, "swap left and right")
    region: str = setting("all", "the parts that follow the performer: all, mouth (lips is the same), eyes (lids and "
                          "look), expression (the face without the head), or pose (the head without the face)",
                          choices=tuple(REGIONS))


@dataclass(frozen=True)
class CameraSettings:
    """The camera to open and what to ask it for; it may answer with something else, which is reported."""

    name: str = setting("0", "index, part of the name, or a file")
    width: int = setting(640, "asked width", 160, 3840, "px")
    height: int = setting(480, "asked height", 120, 2160, "px")
    rate_hz: float = setting(30.0, "asked frame rate", 5.0, 120.0, "Hz")


@dataclass(frozen=True)
class OutputSettings:
    """The picture that leaves."""

    size: str = setting("512", "512, 720p, 1080p, WIDTHxHEIGHT, source (the portrait's own pixels), or auto (the same, "
                                "within 512 to 1080 px for a head)")
    framing: str = setting("head", "head: crop around the head; full: the whole portrait", choices=("head", "full"))
    rate_hz: float = setting(30.0, "frames per second", 1.0, 120.0, "Hz")


@dataclass(frozen=True)
class Settings:
    """Everything."""

    motion: MotionSettings = field(default_factory=MotionSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    generator: str = setting("warp", "how the portrait is drawn", choices=("warp", "still"))


def check(value: Any, meta: Any, name: str) -> Any:
    """Return `value` if it lies in the declared range, else raise BadInput naming setting and range."""
    low, high, choices = meta.get("low"), meta.get("high"), meta.get("choices")
    if low is not None and not low <= value <= high:
        unit = f" {meta['unit']}" if meta.get("unit") else ""
        raise BadInput(f"{name} = {value} is out of range; use {low} to {high}{unit}")
    if choices and value not in choices:
        raise BadInput(f"{name} = {value!r} is unknown; use one of: {', '.join(choices)}")
    return value


def from_dict(kind: type, data: dict[str, Any], path: str = "") -> Any:
    """Build a settings dataclass from nested dictionaries. Raises BadInput for an unknown name, wrong type or range."""
    known = {f.name: f for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in data.items():
        full = f"{path}{name}"
        if name not in known:
            raise BadInput(f"unknown setting {full}; known here: {', '.join(sorted(known))}")
        default = getattr(kind(), name)
        if dataclasses.is_dataclass(default):
            if not isinstance(value, dict):
                raise BadInput(f"{full} must be a table, not {value!r}")
            values[name] = from_dict(type(default), value, f"{full}.")
            continue
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(default):
            raise BadInput(f"{full} must be of type {type(default).__name__}, not {value!r}")
        values[name] = check(value, known[name].metadata, full)
    return kind(**values)


def load(path: Path) -> Settings:
    """Read settings from a TOML file. Raises BadInput when it cannot be read or used."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"settings file {path} cannot be read: {error}") from error
    version = data.pop("version", VERSION)
    if version != VERSION:
        raise BadInput(f"settings file {path} has version {version}; this didlive reads version {VERSION}")
    return from_dict(Settings, data)


def dump(settings: Settings) -> str:
    """Return the settings as TOML text that `load` reads back."""
    lines = [f"version = {VERSION}"]

    def literal(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            # JSON's escapes are TOML's too, but for the one control character that JSON lets through.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        return repr(value)

    def table(node: Any, path: str) -> None:
        plain = [f for f in dataclasses.fields(node) if not dataclasses.is_dataclass(getattr(node, f.name))]
        nested = [f for f in dataclasses.fields(node) if dataclasses.is_dataclass(getattr(node, f.name))]
        if path and plain:
            lines.append(f"\n[{path}]")
        lines.extend(f"{f.name} = {literal(getattr(node, f.name))}" for f in plain)
        for f in nested:
            table(getattr(node, f.name), f"{path}.{f.name}" if path else f.name)

    table(settings, "")
    return "\n".join(lines) + "\n"
