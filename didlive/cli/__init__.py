"""The `didlive` command. Each subcommand is one module with `configure(parser)` and `run(args) -> int`, imported only
when it is asked for, so that `didlive --help` is instant."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
from importlib import import_module
from typing import NoReturn

from .. import __version__
from ..errors import Cancelled, DidliveError
from .native import quiet_native

COMMANDS = {
    "run": "open the window: portraits, camera, motion, outputs",
    "animate": "animate a portrait from a clip or a recorded motion, into a file",
    "live": "animate a portrait live from a camera, a clip or a recorded motion",
    "render": "draw a take (made beside a recording) again: better, or with another portrait",
    "record-motion": "track a clip or camera and store the motion as numbers",
    "verify": "say whether a picture or clip was made by AI: its signature and didlive's hidden mark",
    "consent": "keep, list, export and revoke who agreed to the use of a portrait",
    "portraits": "check whether a picture makes a good portrait",
    "cameras": "list the cameras",
    "models": "list, fetch and verify the models",
    "doctor": "say what works on this machine, what is missing and how to get it",
    "bench": "measure speed on this machine",
    "evaluate": "measure quality on pairs of portraits and clips",
    "train": "make the networks that ship with didlive",
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, as every other error is said."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"didlive: {message}; see {self.prog} --help\n")


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the argument parser; only `command`'s own options are loaded."""
    parser = _Parser(prog="didlive", description="One still portrait becomes a live performer.")
    parser.add_argument("--version", action="version", version=f"didlive {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == command:
            module = import_module(f".{name.replace('-', '_')}", __name__)
            module.configure(sub)
            sub.set_defaults(run=module.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit code (2: bad input or environment, 130: interrupted)."""
    try:
        arguments = sys.argv[1:] if argv is None else argv
        if argv is None:
            # Ended from outside, a command still finishes or removes what it was writing.
            signal.signal(signal.SIGTERM, _as_interrupt)
            if isinstance(sys.stdout, io.TextIOWrapper):
                # Names of files that the terminal's encoding does not have are no reason to end.
                sys.stdout.reconfigure(errors="backslashreplace")
        command = next((a for a in arguments if a in COMMANDS), None)
        args = build_parser(command).parse_args(arguments)
        with quiet_native():
            code = _run(args)
        if argv is None:
            _leave_the_busy(code)
        return code
    except KeyboardInterrupt:  # Before the command itself began, while its modules were loaded.
        return _stopped()


def _leave_the_busy(code: int) -> None:
    """End the process here if one of our threads is still at work: it was given time to end, all is saved, and native
    code that is torn down under a thread (a portrait in preparation) aborts."""
    if any(t.name.startswith("didlive-") for t in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _stopped() -> int:
    print("didlive: stopped", file=sys.stderr)
    return 130


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(args: argparse.Namespace) -> int:
    try:
        return args.run(args) or 0
    except Cancelled as error:
        print(f"didlive: {error}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        return _stopped()
    except DidliveError as error:
        print(f"didlive: {error}", file=sys.stderr)
        return 2
