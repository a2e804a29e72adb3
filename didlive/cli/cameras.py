"""`didlive cameras`: list the cameras, or open one and say what it really delivers."""

from __future__ import annotations

import argparse
import dataclasses
import json

from ..capture.listing import list_cameras, open_camera


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--try", dest="spec", metavar="CAMERA", help="open this one (index, name or file)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the cameras, or what one of them delivers."""
    if args.spec is not None:
        return _try(args.spec, args.json)
    cameras = list_cameras()
    if args.json:
        print(json.dumps([dataclasses.asdict(c) for c in cameras], indent=2))
        return 0
    for camera in cameras:
        print(f"{camera.index:>3}  {camera.name}  {camera.path}")
    if not cameras:
        print("no camera is connected; a video file, a motion file (.npz) or `synthetic` can stand in for one")
    return 0


def _try(spec: str, as_json: bool) -> int:
    camera = open_camera(spec, paced=False)
    try:
        info = camera.open()
        camera.read()
    finally:
        camera.close()
    if as_json:
        print(json.dumps(dataclasses.asdict(info), indent=2))
    else:
        rate = f"{info.rate_hz:g} Hz" if info.rate_hz else "unknown rate"
        print(f"{info.name}: {info.width}x{info.height} px, {rate}, {info.pixel_format}")
    return 0
