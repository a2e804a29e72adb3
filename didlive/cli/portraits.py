"""`didlive portraits`: is this picture a good portrait, and what would make it a better one."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from .options import to_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="judge pictures: exit code 0 if all can be used, else 2")
    check.add_argument("pictures", nargs="+", type=to_path, metavar="IMG", help="pictures to judge")
    check.add_argument("--face", type=int, metavar="N", help="which face of the picture, 1 = largest")
    check.add_argument("--kind", choices=("auto", "photo", "drawn"), default="auto",
                       help="what the face is; auto: the picture says")
    check.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Judge each picture."""
    from ..portrait import check_portrait

    verdicts = [(path, check_portrait(path, args.face, args.kind)) for path in args.pictures]
    if args.json:
        print(json.dumps([{"picture": str(path), **dataclasses.asdict(v)} for path, v in verdicts], indent=2,
                         ensure_ascii=False))
    else:
        for path, verdict in verdicts:
            _show(path, verdict)
    return 0 if all(v.usable for _, v in verdicts) else 2


def _show(path: Path, verdict: object) -> None:
    from ..portrait import Verdict

    assert isinstance(verdict, Verdict)
    if not verdict.usable:
        print(f"{path}: cannot be used")
    else:
        faces = ("1 face" if verdict.faces == 1 else f"{verdict.faces} faces") + ", drawn" * verdict.drawn
        word = "good" if not verdict.notes else "usable"
        print(f"{path}: {word} ({faces}, {verdict.face_height_px:.0f} px high, turned {verdict.yaw_deg:z.0f} degrees, "
              f"tilted {verdict.pitch_deg:z.0f} degrees)")
    for note in verdict.notes:
        print(f"  - {note}")
