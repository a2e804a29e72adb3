"""`didlive models`: list, fetch and verify the models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import BadInput
from ..models import ModelSpec, ensure_model, find_spec, list_models, verify_models
from .options import to_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="which models there are, with size, licence and sources")
    fetch = actions.add_parser("fetch", help="get the models that are missing")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="only these models")
    fetch.add_argument("--from", dest="folder", type=to_path, metavar="DIR",
                       help="take the files from this folder first")
    fetch.add_argument("--offline", action="store_true", help="use the folder only")
    actions.add_parser("verify", help="check the SHA-256 of every model")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action; verify exits with 1 when a model is missing or altered."""
    if args.action == "list":
        return _list()
    if args.action == "verify":
        return _verify()
    if args.folder is not None and not args.folder.is_dir():
        raise BadInput(f"--from {args.folder}: there is no such folder")
    specs = [find_spec(name) for name in args.names] or list_models()
    for spec in specs:
        path = _fetch(spec, args.folder, args.offline)
        print(f"{spec.name}: {path}")
    return 0


def _list() -> int:
    states = {found.spec.name: found.state for found in verify_models()}
    for spec in list_models():
        print(f"{spec.name}  {spec.size / 1e6:.2f} MB  {spec.licence}  {states[spec.name]}")
        print(f"    {spec.purpose}")
        print(f"    sha256 {spec.sha256}")
        for source in spec.sources:
            print(f"    from {source}")
    return 0


def _verify() -> int:
    states = verify_models()
    for found in states:
        print(f"{found.state:8}  {found.spec.name}  {found.path}")
    if all(found.state == "ok" for found in states):
        return 0
    print("didlive: some models are missing or altered; run: didlive models fetch", file=sys.stderr)
    return 1


def _fetch(spec: ModelSpec, folder: Path | None, offline: bool) -> Path:
    from tqdm import tqdm

    def say(text: str) -> None:
        tqdm.write(f"didlive: {text}", file=sys.stderr)

    with tqdm(total=spec.size, desc=spec.name, unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return ensure_model(spec, progress, offline, folder=folder, say=say)
