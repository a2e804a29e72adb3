"""`didlive doctor`: what works on this machine, what is missing, and the command that gets it."""

from __future__ import annotations

import argparse
import json

from ..doctor import Report, examine


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the report; exit with 0 when a portrait can be animated here, else 1."""
    report = examine()
    print(json.dumps(report.as_dict(), indent=2) if args.json else _text(report))
    return 0 if report.ready else 1


def _text(report: Report) -> str:
    lines: list[str] = []
    area = ""
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        if check.area != area:
            area = check.area
            lines.append(f"{area}")
        mark = "ok     " if check.ok else "MISSING" if check.needed else "no     "
        lines.append(f"  {mark}  {check.name:{width}}  {check.detail}")
        if check.fix and not check.ok:
            lines.append(f"           get it: {check.fix}")
    missing = [check.name for check in report.checks if check.needed and not check.ok]
    ready = "Ready: a portrait can be animated on this machine."
    lines.append(f"Not ready, missing: {', '.join(missing)}." if missing else ready)
    return "\n".join(lines)
