"""`didlive run`: the window for streaming and calls, or a full screen of portraits for a stand."""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path

from ..errors import BadInput
from .options import to_path
from .screen import check_screen

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--portrait", type=to_path, metavar="IMG|DIR",
                        help="picture of one face, or a folder of them; they are added to the library")
    parser.add_argument("--camera", type=os.path.expanduser, metavar="CAMERA",
                        help="index or (part of a) name of a camera, or a video or motion file that plays again and "
                        "again; empty for the built-in motion (default: as chosen in the window)")
    parser.add_argument("--kiosk", action="store_true",
                        help="full screen, the portraits one after the other; Esc twice or Ctrl+Q ends it")
    parser.add_argument("--every", type=float, metavar="S", help="seconds per portrait with --kiosk (default 20)")
    parser.add_argument("--language", choices=("en", "zh_CN"), help="language of the window (default: the system's)")


def run(args: argparse.Namespace) -> int:
    """Show the window until it is closed."""
    if args.every is not None and not args.every > 0:
        raise BadInput("--every must be above 0")
    if args.every is not None and not args.kiosk:
        raise BadInput("--every needs --kiosk")
    portraits = pictures(args.portrait) if args.portrait is not None else ()
    check_screen("; didlive animate makes a file without one")
    # Imported by name: the library knows no window, only this command does.
    app = import_module("ui.app")
    return app.run(app.Options(portraits, args.camera, args.kiosk, args.every, args.language))


def pictures(path: Path) -> tuple[Path, ...]:
    """Return the picture files that a file or folder stands for. Raises BadInput when there are none."""
    if path.is_dir():
        found = tuple(sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES and p.is_file()))
        if not found:
            raise BadInput(f"{path} has no pictures in it; put JPEG, PNG or WebP files there")
        return found
    if not path.is_file():
        raise BadInput(f"{path} does not exist; check the name")
    return (path,)
