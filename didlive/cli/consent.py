"""`didlive consent`: the ledger of who agreed to the use of a portrait. It stays on this computer."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..consent import KINDS, VALID, Ledger, hash_of
from .options import to_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show all consents")
    listing.add_argument("--json", action="store_true", help="as JSON")
    add = actions.add_parser("add", help="write down whose a portrait is")
    add.add_argument("portrait", type=to_path, metavar="IMG", help="picture of the person")
    kinds = "; ".join(f"{kind}: {text}" for kind, text in KINDS.items())
    add.add_argument("--kind", required=True, choices=tuple(KINDS), help=kinds)
    add.add_argument("--who", default="", metavar="NAME", help="who agreed (needed for agreed)")
    add.add_argument("--scope", default="", metavar="TEXT", help="what the portrait may be used for")
    add.add_argument("--expires", default="", metavar="YYYY-MM-DD", help="last day on which it may be used")
    revoke = actions.add_parser("revoke", help="take a consent back: the portrait does not go live any more")
    revoke.add_argument("which", metavar="IMG|NUMBER", help="the picture, the number of the consent, or the beginning "
                        "of the picture's SHA-256")
    export = actions.add_parser("export", help="write all consents with their signatures into a file")
    export.add_argument("out", type=to_path, metavar="FILE.json", help="file to write")


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    ledger = Ledger()
    if args.action == "list":
        _list(ledger, args.json)
    elif args.action == "add":
        consent = ledger.record(args.portrait, args.kind, who=args.who, scope=args.scope, expires=args.expires)
        print(f"{args.portrait}: consent {consent.number} recorded")
    elif args.action == "revoke":
        path = Path(args.which)
        consent = ledger.revoke(hash_of(path) if path.is_file() else args.which)
        other = ledger.find(consent.sha256)
        print(f"{consent.name}: consent {consent.number} is revoked; the portrait " + (
            "does not go live any more" if other is None or other.state != VALID else
            f"still goes live by consent {other.number} (didlive consent revoke {other.number} takes it back, too)"))
    else:
        print(f"{args.out}: consents written: {ledger.export(args.out)}")
    if ledger.note:
        print(f"didlive: {ledger.note}", file=sys.stderr)
    return 0


def _list(ledger: Ledger, as_json: bool) -> None:
    entries = ledger.entries()
    if as_json:
        print(json.dumps([asdict(c) | {"state": c.state} for c in entries], indent=2, ensure_ascii=False))
        return
    if not entries:
        print("nothing is on record; didlive consent add IMG --kind ... records whose a portrait is")
    for c in entries:
        details = (("", KINDS.get(c.kind, c.kind)), ("by ", c.who), ("for ", c.scope), ("until ", c.expires))
        said = ", ".join(f"{word}{value}" for word, value in details if value)
        print(f"{c.number}  {c.state:<8} {c.made}  {c.sha256[:16]}  {c.name}: {said}")
