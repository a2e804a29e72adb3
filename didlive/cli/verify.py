"""`didlive verify`: whether a picture or clip says that AI made it, by whom, and whether it was changed since."""

from __future__ import annotations

import argparse
import dataclasses
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from .options import to_path

if TYPE_CHECKING:
    from ..credentials import Credentials
    from ..mark import Sighting
    from ..types import U8

# Four seconds of a usual clip: more adds little.
MOST_PICTURES = 120
# What Pillow raises for damaged pictures.
BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", type=to_path, metavar="FILE", help="picture or clip")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.epilog = ("Exit code: 0 the file says that it is synthetic, 1 nothing of that kind was found, 2 it cannot "
                     "be read. Nothing found does not prove that a picture is real: marks can be removed.")


def run(args: argparse.Namespace) -> int:
    """Look and tell."""
    from ..credentials import read
    from ..mark import look_for

    if not args.file.is_file():
        raise BadInput(f"{args.file} does not exist or is no file; name a picture or a clip")
    mark = look_for(islice(pictures(args.file), MOST_PICTURES))
    if not mark.pictures:
        raise BadInput(f"{args.file} has no picture of 64 px or more")
    signed = read(args.file)
    marked = mark.present or (signed is not None and signed.synthetic)
    if args.json:
        print(json.dumps({"file": str(args.file), "marked": marked, "mark": dataclasses.asdict(mark),
                          "credentials": None if signed is None else dataclasses.asdict(signed)}, indent=2))
    else:
        print(f"{args.file}:")
        for line in (*of_credentials(signed), of_mark(mark)):
            print(f"  {line}")
    return 0 if marked else 1


def pictures(path: Path) -> Iterator[U8]:
    """Yield the pictures of a file as RGB. Raises BadInput when it cannot be read."""
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        opened = Image.open(path)
    except UnidentifiedImageError:
        yield from _of_clip(path)
        return
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    with opened:
        with _told(path):
            count = getattr(opened, "n_frames", 1)
        for number in range(count):
            with _told(path):
                opened.seek(number)
                picture = ImageOps.exif_transpose(opened).convert("RGB")
            yield np.asarray(picture, np.uint8)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise BadInput(f"{path} is a broken picture ({error})") from error


def _of_clip(path: Path) -> Iterator[U8]:
    from ..capture.file import FileCamera

    camera = FileCamera(path)
    try:
        camera.open()
        while (frame := camera.read()) is not None:
            yield frame.image
    finally:
        camera.close()


def of_credentials(found: Credentials | None) -> Iterator[str]:
    """Yield what the Content Credentials say, in lines for people."""
    from ..credentials import missing

    if found is None:
        problem = missing()
        yield f"Content Credentials: not looked for, {problem}" if problem else "Content Credentials: none"
        return
    if not found.signer:
        yield f"Content Credentials: {found.problem}"
        return
    where = "on this computer" if found.own else "whose identity nobody vouches for here"
    state = "nothing was changed since" if found.intact else f"but {found.problem}: do not rely on it"
    yield f"Content Credentials: signed by {found.signer}, {where}, with {found.tool}; {state}"
    yield f"  it says: {'made by AI' if found.synthetic else 'nothing about AI'}"
    for used in found.portraits:
        consent = f"consent {used.consent}" if used.consent else "no consent on record"
        yield f"  portrait {used.sha256[:16]} ({consent})"


def of_mark(found: Sighting) -> str:
    """Return what the hidden mark says, in one line for people."""
    looked = "1 picture" if found.pictures == 1 else f"{found.pictures} pictures"
    if not found.present:
        return f"didlive's mark: not found in {looked}"
    return f"didlive's mark: found in {looked}, {found.bits} of 32 bits right (certainty {found.score:.0f} sigma)"
