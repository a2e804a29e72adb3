"""`didlive bench`: speed on this machine, in one run."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..errors import BadInput
from ..settings import Settings
from .options import to_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--portrait", type=to_path, metavar="IMG", help="portrait to animate (default: a built-in one)")
    parser.add_argument("--camera", type=to_path, metavar="CLIP", help="clip that stands in for the camera")
    parser.add_argument("--size", default="512", help="output size: 512, 720p, 1080p, WIDTHxHEIGHT (default 512)")
    parser.add_argument("--generator", choices=("refine", "warp"), default="refine", help="what draws (default refine)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="length of the live run (default 10)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and report."""
    from ..bench import measure

    if not 0 < args.seconds <= 86400:
        raise BadInput("--seconds must be above 0 and at most 86400")
    report = measure(args.portrait, args.camera, args.size, args.seconds,
                     Settings(generator=args.generator))
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)
    return 0


def show(report: dict[str, Any]) -> None:
    """Print the report for people."""
    live, portrait = report["live"], report["portrait"]
    print(f"drawn by            {report['provider']}")
    print(f"import didlive      {report['import_ms']:8.1f} ms")
    print(f"portrait            {portrait['load_ms']:8.1f} ms load, {portrait['prepare_ms']:.1f} ms prepare")
    print(f"switch portrait     {report['switch_ms']:8.3f} ms")
    for name, times in report["stages"].items():
        print(f"{name:<18}  {times['p50_ms']:8.2f} ms p50 {times['p95_ms']:8.2f} ms p95")
    delay = live["capture_to_sink"]
    print(f"capture to sink     {delay['p50_ms']:8.2f} ms p50 {delay['p95_ms']:8.2f} ms p95")
    drawn = "" if live["provider"] == report["provider"] else f", at the end by {live['provider']}"
    print(f"live                {live['frames_per_s']:8.2f} frames/s of {live['camera_hz']:g} offered, "
          f"{live['dropped']} dropped in {live['seconds']:g} s, {live['python_threads']} Python threads{drawn}")
    memory = live["memory"]
    slope = "-" if memory["slope_mb_per_min"] is None else f"{memory['slope_mb_per_min']:+.2f}"
    print(f"memory              {memory['peak_mb']:8.1f} MB peak, {slope} MB/min")
