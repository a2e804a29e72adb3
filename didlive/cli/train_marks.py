"""`didlive train marks`: the network that finds the features of drawn faces. torch is loaded only when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import to_path
from .training import Command


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=to_path, default=Path("marks.onnx"), metavar="FILE.onnx", help="the network")
    parser.add_argument("--count", type=int, default=48_000, help="faces to draw (5 to 8 minutes on two cores)")
    parser.add_argument("--minutes", type=float, default=28.0, help="how long to train")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw, and threads that train")
    parser.add_argument("--sheet", type=to_path, metavar="FILE.png", help="write drawings with the marks found on them")


def _run(args: argparse.Namespace) -> int:
    from ..training.marks import make_marks

    print(make_marks(args.out, args.count, args.minutes, args.seed, args.workers, args.sheet, print))
    return 0


MARKS = Command("make the network that finds the features of drawn faces", _options, _run)
