"""All settings in one tree of frozen dataclasses. Ranges, units and help live beside each value, so that the command
line and the window are generated from them. On disk they are TOML (see `load` and `dump`)."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BadInput, reason
from .wording import storable

VERSION = 1


def setting(default: Any, help: str, low: float | None = None, high: float | None = None, unit: str = "",
            choices: tuple[str, ...] = (), kind: str = "") -> Any:
    """Declare one setting: its default, a sentence for people, its range and unit, or its choices.

    kind: what a text stands for: `color` (#rrggbb) or `picture` (a file; may be empty); else "".
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "unit": unit, "choices": choices,
                                            "kind": kind})


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

    yaw_deg: float = setting(34.0, "largest head turn", 5.0, 45.0, "degrees")
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
    seed: int = setting(7, "seed of the idle motion", 0, 2**31 - 1)


@dataclass(frozen=True)
class MotionSettings:
    """From tracking to the portrait's landmarks."""

    strength: float = setting(1.0, "expression strength: brows, lips, mouth opening and, in part, lids", 0.0, 2.0)
    gains: Gains = field(default_factory=Gains)
    limits: Limits = field(default_factory=Limits)
    smoothing: Smoothing = field(default_factory=Smoothing)
    idle: Idle = field(default_factory=Idle)
    relative: bool = setting(True, "move relative to the performer's neutral face; off copies the pose absolutely")
    auto_neutral: bool = setting(True, "search for a better neutral face while running")
    mirror: bool = setting(False, "swap left and right")
    look_at_camera: float = setting(0.0, "how much the eyes look straight at the viewer instead of following", 0.0, 1.0)
    blink: str = setting("performer", "performer: blinks follow you; automatic: the portrait blinks by itself; open: "
                         "the eyes stay open", choices=("performer", "automatic", "open"))
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


CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")


@dataclass(frozen=True)
class OutputSettings:
    """The picture that leaves."""

    size: str = setting("512", "512, 720p, 1080p, WIDTHxHEIGHT, source (the portrait's own pixels), or auto (the same, "
                                "within 512 to 1080 px for a head)")
    framing: str = setting("head", "head: crop around the head; bust: head and shoulders; full: the whole portrait",
                           choices=("head", "bust", "full"))
    rate_hz: float = setting(30.0, "frames per second", 1.0, 120.0, "Hz")
    background: str = setting("picture", "what is behind the person: picture (as it is), blur, color, green (for "
                              "keying), image (of your own), or transparent where the output can (else the color)",
                              choices=("picture", "blur", "color", "green", "image", "transparent"))
    background_color: str = setting("#303034", "colour behind the person, as #rrggbb", kind="color")
    background_image: str = setting("", "picture file shown behind the person", kind="picture")
    mirror: bool = setting(False, "flip the picture that goes out")
    virtual_camera: bool = setting(False, "be a camera that video calls, browsers and OBS can pick (didlive run)")
    badge: bool = setting(True, "show a small label in the picture; in the EU and elsewhere synthetic media must be "
                          "labelled: turning it off is your responsibility")
    badge_text: str = setting("", "what the label says; empty: AI portrait, in the window's language")
    badge_corner: str = setting("bottom-right", "where the label is", choices=CORNERS)
    watermark: bool = setting(True, "hide a faint mark in the picture by which it can be recognised (didlive verify)")
    credentials: bool = setting(True, "sign recordings and snapshots with Content Credentials: made with AI, by whom, "
                                "unchanged since")
    record_as: str = setting("mp4", "what a recording becomes: mp4 (video with sound), webm (video that may be "
                             "transparent, for editors), or gif and webp (animated pictures, silent)",
                             choices=("mp4", "webm", "gif", "webp"))
    encoder: str = setting("auto", "what makes H.264 for recordings and streams: auto (the graphics card where it can, "
                           "else the processor), or processor", choices=("auto", "processor"))
    take: bool = setting(True, "keep the performance beside each recording, as numbers (.take), to draw it again "
                         "later: better, or with another portrait (didlive render)")
    kind: str = setting("auto", "whether the portrait's face is a photo's (or painted like one) or drawn, as in anime "
                         "and cartoons; auto finds out", choices=("auto", "photo", "drawn"))


@dataclass(frozen=True)
class StreamSettings:
    """Where the picture can be watched while it runs."""

    page: bool = setting(False, "show the picture on a web page of this machine, for a browser source of OBS")
    page_port: int = setting(8590, "port of the picture page, for OBS and browsers on this machine", 1024, 65535)
    url: str = setting("", "server to stream to, without the key: rtmp://, rtmps://, rtsp://, rtsps:// or srt://")
    bitrate_kbps: int = setting(2500, "bit rate of the stream's video", 200, 50_000, "kbit/s")


@dataclass(frozen=True)
class VoiceSettings:
    """The microphone, and how the voice moves the face."""

    enabled: bool = setting(False, "listen to the microphone and let the voice move the mouth")
    microphone: str = setting("", "(part of the) name of the microphone; empty: the system's own choice")
    muted: bool = setting(False, "hear nothing")
    push_to_talk: bool = setting(False, "hear only while the talk button is held")
    alone: bool = setting(False, "camera off: your voice alone moves the mouth; head and eyes move by themselves")
    mouth: str = setting("auto", "auto: the voice moves the mouth while the camera does not see it well; always: "
                         "whenever somebody speaks", choices=("auto", "always"))
    strength: float = setting(1.0, "how far the voice opens the mouth", 0.0, 2.0)
    liveliness: float = setting(1.0, "how much brows, nods and blinks follow the voice where no face is seen", 0.0, 2.0)
    align: bool = setting(True, "measure how much later the camera's picture comes than the sound, and delay the sound "
                          "of recordings and streams by it")
    offset_ms: float = setting(0.0, "delay the sound by so much more (or less) than was measured", -300.0, 300.0, "ms")


@dataclass(frozen=True)
class MotionOutSettings:
    """The performer's motion as numbers for other programs, so that an avatar moves beside the portrait."""

    enabled: bool = setting(False, "send the motion to other programs, for an avatar beside the portrait")
    protocol: str = setting("vmc", "how: vmc (OSC, for VSeeFace, Warudo, VNyan, Blender, Unity), or vtube (VTube "
                            "Studio's tracking parameters as JSON)", choices=("vmc", "vtube"))
    host: str = setting("127.0.0.1", "where it goes; 127.0.0.1 is this machine")
    port: int = setting(39539, "UDP port of the program that listens", 1, 65535)


@dataclass(frozen=True)
class WindowSettings:
    """The desktop window; nothing here changes what goes out."""

    language: str = setting("system", "language of the window", choices=("system", "en", "zh_CN"))
    theme: str = setting("system", "colours of the window", choices=("system", "dark", "light"))
    mirror_preview: bool = setting(False, "show the preview mirrored; what goes out stays as it is")
    kiosk_seconds: float = setting(20.0, "time until the next portrait in kiosk mode", 1.0, 3600.0, "s")
    portrait: str = setting("", "the portrait played last, by its key in the library")
    performer: str = setting("", "the performer's profile in use; empty: calibrated at each start")


ENGINES = ("auto", "exact", "ort", "openvino", "coreml", "cuda", "tensorrt_rtx", "tensorrt")


@dataclass(frozen=True)
class Settings:
    """Everything."""

    motion: MotionSettings = field(default_factory=MotionSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    stream: StreamSettings = field(default_factory=StreamSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    motion_out: MotionOutSettings = field(default_factory=MotionOutSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    generator: str = setting("refine", "how the portrait is drawn", choices=("refine", "warp", "still"))
    engine: str = setting("auto", "what runs the refiner's network; auto: the fastest here, exact: the same pixels "
                          "everywhere", choices=ENGINES)


def check(value: Any, meta: Any, name: str) -> Any:
    """Return `value` if it lies in the declared range, else raise BadInput naming setting and range."""
    low, high, choices = meta.get("low"), meta.get("high"), meta.get("choices")
    if low is not None and not low <= value <= high:
        unit = f" {meta['unit']}" if meta.get("unit") else ""
        raise BadInput(f"{name} = {value} is out of range; use {low} to {high}{unit}")
    if choices and value not in choices:
        raise BadInput(f"{name} = {value!r} is unknown; use one of: {', '.join(choices)}")
    if meta.get("kind") == "color" and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise BadInput(f"{name} = {value!r} is no colour; write it as #rrggbb, for example #303034")
    return value


def overlay(node: Any, tree: dict[str, Any], path: str = "") -> Any:
    """Return the settings `node` (all, or a part whose dotted name is `path` and ends in a dot) with the values of the
    nested dictionaries laid over it. Raises BadInput for an unknown name, wrong type or range."""
    known = {f.name: f for f in dataclasses.fields(node)}
    values: dict[str, Any] = {}
    for name, value in tree.items():
        full = f"{path}{name}"
        if name not in known:
            raise BadInput(f"unknown setting {full}; known here: {', '.join(sorted(known))}")
        present = getattr(node, name)
        if dataclasses.is_dataclass(present):
            if not isinstance(value, dict):
                raise BadInput(f"{full} must be a table, not {value!r}")
            values[name] = overlay(present, value, f"{full}.")
            continue
        if isinstance(present, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(present):
            raise BadInput(f"{full} must be of type {type(present).__name__}, not {value!r}")
        values[name] = check(value, known[name].metadata, full)
    return dataclasses.replace(node, **values)


def from_dict(kind: type, data: dict[str, Any]) -> Any:
    """Build a settings dataclass from nested dictionaries. Raises BadInput for an unknown name, wrong type or range."""
    return overlay(kind(), data)


def walk(node: Any, path: str = "") -> Iterator[tuple[str, dataclasses.Field[Any], Any]]:
    """Yield dotted name, field and value of every single setting, in the order of the tree."""
    for f in dataclasses.fields(node):
        value = getattr(node, f.name)
        if dataclasses.is_dataclass(value):
            yield from walk(value, f"{path}{f.name}.")
        else:
            yield f"{path}{f.name}", f, value


def get(settings: Any, path: str) -> Any:
    """Return the value, or the group of values, with the dotted name `path`. Raises BadInput for an unknown name."""
    node, before = settings, ""
    for part in path.split("."):
        known = [f.name for f in dataclasses.fields(node)] if dataclasses.is_dataclass(node) else []
        if part not in known:
            raise BadInput(f"unknown setting {before}{part}; known here: {', '.join(sorted(known))}")
        node, before = getattr(node, part), f"{before}{part}."
    return node


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return nested dictionaries that hold only `value` at the dotted name `path`."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


def changed(settings: Settings, path: str, value: Any) -> Settings:
    """Return the settings with one value changed. Raises BadInput for an unknown name, wrong type or range."""
    return overlay(settings, nested(path, value))


def difference(settings: Any, base: Any) -> dict[str, Any]:
    """Return as nested dictionaries what differs from `base`: overlay(base, difference(settings, base)) == settings."""
    tree: dict[str, Any] = {}
    for f in dataclasses.fields(settings):
        value, before = getattr(settings, f.name), getattr(base, f.name)
        if value != before:
            tree[f.name] = difference(value, before) if dataclasses.is_dataclass(value) else value
    return tree


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file. Raises BadInput, calling it `what`, when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{what} {path} cannot be read: {reason(error)}") from error


def load(path: Path) -> Settings:
    """Read settings from a TOML file. Raises BadInput when it cannot be read or used."""
    data = read_toml(path, "settings file")
    version = data.pop("version", VERSION)
    if version != VERSION:
        raise BadInput(f"settings file {path} has version {version}; this didlive reads version {VERSION}")
    return from_dict(Settings, data)


def dump(settings: Settings) -> str:
    """Return the settings as TOML text that `load` reads back."""
    return to_toml({"version": VERSION, **dataclasses.asdict(settings)})


def to_toml(tree: dict[str, Any]) -> str:
    """Return nested dictionaries of texts, numbers and truth values as TOML text."""
    lines: list[str] = []

    def text(value: str) -> str:
        # JSON's escapes are TOML's too, but for the one control character that JSON lets through.
        return json.dumps(storable(value), ensure_ascii=False).replace("\x7f", "\\u007f")

    def key(name: str) -> str:
        return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else text(name)

    def literal(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else text(value) if isinstance(value, str) else repr(value)

    def table(node: dict[str, Any], path: str) -> None:
        plain = {name: value for name, value in node.items() if not isinstance(value, dict)}
        if path and plain:
            lines.append(f"\n[{path}]")
        lines.extend(f"{key(name)} = {literal(value)}" for name, value in plain.items())
        for name, value in node.items():
            if isinstance(value, dict):
                table(value, f"{path}.{key(name)}" if path else key(name))

    table(tree, "")
    return "\n".join(lines).lstrip("\n") + "\n"
