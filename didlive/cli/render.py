"""`didlive render`: a take, the performance kept beside a recording, is drawn again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from .animate import told
from .options import add_settings_options, check_consent, read_settings, to_name, to_path

if TYPE_CHECKING:
    from ..take import Take


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("take", type=to_path, metavar="TAKE", help="the .take file beside a recording")
    parser.add_argument("--portrait", type=to_path, metavar="IMG",
                        help="picture of one face (default: the one that was recorded, if it is in the library)")
    parser.add_argument("--out", type=to_name, metavar="FILE", required=True,
                        help="what to write: .mp4, .webm, .gif, .webp, or a folder name for numbered PNG pictures")
    parser.add_argument("--face", type=int, metavar="N", help="which face of the portrait, 1 = largest (default 1)")
    parser.add_argument("--sign", action="store_true",
                        help="sign the file with Content Credentials (then its bytes are others each time)")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Draw it and say what was written."""
    from ..animate import animate
    from ..take import load_take

    take = load_take(args.take)
    portrait = args.portrait or _recorded(take)
    settings = read_settings(args, size="auto", base=take.settings)
    check_consent(portrait)
    told(lambda bar: animate(portrait, take, args.out, settings, face=args.face, signed=args.sign, progress=bar))
    return 0


def _recorded(take: Take) -> Path:
    """Return the portrait that was recorded. Raises BadInput when it is not in the library."""
    from ..library import KEY_LETTERS, Library

    key = take.portrait_sha256[:KEY_LETTERS]
    for entry in Library().entries():
        if key and entry.key == key:
            return entry.path
    raise BadInput(f"the portrait {take.portrait!r} of this take is not in the library; give it with --portrait IMG")
