"""`didlive evaluate`: quality in numbers and pictures."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..settings import OutputSettings, Settings
from .options import check_consent, to_path

COLUMNS = ("identity", "exp_l1", "exp_corr", "gaze_corr", "blink_corr", "pose_deg", "sharp", "jitter", "lost")
SELF_COLUMNS = ("psnr", "ssim", "landmarks", "mouth_psnr", "mouth_ssim", "mouth_landmarks", "eyes_psnr", "eyes_ssim",
                "eyes_landmarks", "lost")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--portrait", type=to_path, nargs="+", default=[], metavar="IMG", help="portraits to animate")
    parser.add_argument("--driving", type=to_path, nargs="+", default=[], metavar="CLIP",
                        help="clips that drive every portrait")
    parser.add_argument("--pairs", type=to_path, metavar="FILE.toml", help="chosen pairs: [[pair]] portrait, driving")
    parser.add_argument("--self", type=to_path, nargs="+", default=[], dest="clips", metavar="CLIP",
                        help="clips whose first frame is driven by the rest, compared with the clip itself")
    parser.add_argument("--max-frames", type=int, default=300, metavar="N", help="frames per clip (default 300)")
    parser.add_argument("--out", type=to_path, metavar="DIR", help="folder for report.json, sheet.png and videos")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Evaluate and report."""
    from ..evaluate.run import Pair, evaluate, read_pairs
    from ..evaluate.sheet import new_folder, save_text

    if bool(args.portrait) != bool(args.driving):
        raise BadInput("give both --portrait and --driving")
    if args.max_frames < 5:
        raise BadInput("--max-frames must be at least 5")
    pairs = [Pair(portrait, driving) for portrait in args.portrait for driving in args.driving]
    pairs += read_pairs(args.pairs) if args.pairs else []
    if not pairs and not args.clips:
        raise BadInput("nothing to evaluate; give --portrait and --driving, --pairs, or --self")
    for pair in pairs:
        check_consent(pair.portrait)
    # As `didlive animate` does: at the portrait's own resolution.
    settings = Settings(output=OutputSettings(size="auto"))
    with new_folder(args.out) if args.out is not None else nullcontext():
        report = evaluate(pairs, args.clips, settings, max_frames=args.max_frames, out=args.out,
                          progress=lambda text: print(text, file=sys.stderr))
        text = json.dumps(report, indent=2, ensure_ascii=False)
        if args.out is not None:
            save_text(text + "\n", args.out / "report.json")
    if args.json:
        print(text)
    else:
        print_table("driver -> portrait", [(f"{Path(row['portrait']).name} < {Path(row['driving']).name}", row)
                                           for row in report["pairs"]], report["mean"], COLUMNS)
        print_table("clip -> itself", [(Path(row["clip"]).name, row) for row in report["self"]], report["self_mean"],
                    SELF_COLUMNS)
    return 0


def print_table(title: str, rows: list[tuple[str, dict[str, Any]]], mean: dict[str, Any],
                columns: tuple[str, ...]) -> None:
    """Print one table with its mean and the reasons for what is missing."""
    if not rows:
        return
    width = max(len(title), *(len(name) for name, _ in rows))
    heads = [f"{name.replace('landmarks', 'lmk%'):>11}" for name in columns]
    print(f"{title:<{width}}{''.join(heads)}")
    for name, row in [*rows, ("mean", mean)]:
        cells = (row.get(column) for column in columns)
        print(f"{name:<{width}}" + "".join(f"{'-' if cell is None else format(cell, '.3f'):>11}" for cell in cells))
    for note in sorted({note for _, row in rows for note in row.get("notes", {}).values()}):
        print(f"note: {note}")
