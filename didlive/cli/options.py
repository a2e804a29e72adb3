"""The options that several commands share, built from the settings tree: names, help, choices and ranges live there."""

from __future__ import annotations

import argparse
import dataclasses
import os
import tomllib
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..settings import Gains, MotionSettings, OutputSettings, Settings, from_dict, load, read_toml


def to_name(text: str) -> str:
    """Return the name that an option gives; `~` is the home folder, also in `--out=~/a.mp4`, where no shell says so."""
    if not text.strip():
        raise argparse.ArgumentTypeError("nothing is named")
    return os.path.expanduser(text)


def to_path(text: str) -> Path:
    """Return the path that an option gives, see `to_name`; nothing at all is not the present folder."""
    return Path(to_name(text))


def check_consent(portrait: Path) -> None:
    """Raise BadInput when the consent to this portrait was revoked or has expired; nobody is asked for one here."""
    from ..consent import Ledger, hash_of

    # What cannot be read is named better by who loads it.
    if portrait.is_file():
        Ledger().refuse(hash_of(portrait))


def _meta(kind: type, name: str) -> Any:
    return next(f.metadata for f in dataclasses.fields(kind) if f.name == name)


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that change settings; `read_settings` turns them into a `Settings`."""
    output, motion = parser.add_argument_group("picture"), parser.add_argument_group("motion")
    output.add_argument("--size", help=f"size of the picture: {_meta(OutputSettings, 'size')['help']} "
                                       "(default: animate and render auto, else 512)")
    framing = _meta(OutputSettings, "framing")
    output.add_argument("--crop", choices=framing["choices"], help=f"{framing['help']} (default head)")
    kind = _meta(OutputSettings, "kind")
    output.add_argument("--kind", choices=kind["choices"], help=kind["help"])
    law = _meta(OutputSettings, "badge")["help"].partition("; ")[2]
    output.add_argument("--no-badge", action="store_true", help=f"no label in the picture; {law}")
    region = _meta(MotionSettings, "region")
    motion.add_argument("--region", choices=region["choices"], help=region["help"])
    parts = ", ".join(f"{f.name} ({f.metadata['help'].split(':')[0]})" for f in dataclasses.fields(Gains))
    motion.add_argument("--gain", action="append", default=[], metavar="PART=X,...",
                        help=f"how strongly a part follows, 0 to 2, for example mouth=1.2,yaw=0.5; parts: {parts}")
    way = motion.add_mutually_exclusive_group()
    way.add_argument("--relative", action="store_true", default=None, help=_meta(MotionSettings, "relative")["help"])
    way.add_argument("--absolute", dest="relative", action="store_false", default=None,
                     help="copy the performer's head pose and look as they are")
    motion.add_argument("--mirror", action="store_true", default=None, help=_meta(MotionSettings, "mirror")["help"])
    other = parser.add_argument_group("settings")
    other.add_argument("--settings", type=to_path, metavar="FILE.toml",
                       help="settings file; the options above go first")
    other.add_argument("--set", action="append", default=[], dest="assignments", metavar="NAME=VALUE",
                       help="any setting by its name in the file, for example motion.limits.yaw_deg=20")


def read_settings(args: argparse.Namespace, size: str | None = None, base: Settings | None = None) -> Settings:
    """Return the settings file's values (or `base`, or the defaults), changed by the options. Raises BadInput.

    size: the default size of this command, for a settings file that names none.
    """
    from ..composite import parse_size

    base = load(args.settings) if args.settings is not None else base or Settings()
    tree = dataclasses.asdict(base)
    if size is not None and (args.settings is None or "size" not in read_toml(args.settings, "").get("output", {})):
        _put(tree, "output.size", size)
    for text in args.assignments:
        name, value = _split(text, "--set", "motion.limits.yaw_deg=20")
        _put(tree, name, _value(value))
    for text in (part for item in args.gain for part in item.split(",") if part.strip()):
        name, value = _split(text, "--gain", "mouth=1.2")
        _put(tree, f"motion.gains.{name}", _number(value, f"--gain {name}"))
    named = {"output.size": args.size, "output.framing": args.crop, "output.rate_hz": getattr(args, "fps", None),
             "output.kind": args.kind,
             "motion.region": args.region, "motion.relative": args.relative, "motion.mirror": args.mirror,
             "output.badge": False if args.no_badge else None}
    for name, value in named.items():
        if value is not None:
            _put(tree, name, value)
    settings: Settings = from_dict(Settings, tree)
    parse_size(settings.output.size)
    return settings


def _split(text: str, option: str, example: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise BadInput(f"{option} {text}: write it as {example}")
    return name.strip(), value.strip()


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(f"{what} = {text!r} is not a number") from error


def _value(text: str) -> Any:
    """Read a value as TOML; what is no TOML (512, but also a name without quotes) is taken as text."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    """Set a dotted name in nested dictionaries; what is unknown is left for `from_dict` to name."""
    *path, last = name.split(".")
    for part in path:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise BadInput(f"unknown setting {name}")
    # "512" is both a size and a number; the setting's type decides.
    tree[last] = str(value) if isinstance(tree.get(last), str) else value
