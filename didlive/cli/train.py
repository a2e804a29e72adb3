"""`didlive train`: makes the networks that ship with didlive. Needs the extra `train`."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec

from ..errors import BadInput

# Name -> what has `help`, `configure(parser)` and `run(args) -> int`. Adding one is one line.
TRAININGS = {
    "prepare": "didlive.cli.training:PREPARE",
    "samples": "didlive.cli.training:SAMPLES",
    "identity": "didlive.cli.training:IDENTITY",
    "refiner": "didlive.cli.training:REFINER",
    "export": "didlive.cli.training:EXPORT",
    "judge": "didlive.cli.training:JUDGE",
    "wrinkles": "didlive.cli.training:WRINKLES",
    "voice": "didlive.cli.train_voice:VOICE",
    "marks": "didlive.cli.train_marks:MARKS",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand per training."""
    commands = parser.add_subparsers(dest="training", metavar="WHAT", required=True)
    for name, place in TRAININGS.items():
        module, attribute = place.split(":")
        training = getattr(import_module(module), attribute)
        text = training.help
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        training.configure(sub)
        sub.set_defaults(training_run=training.run)


def run(args: argparse.Namespace) -> int:
    """Run the training chosen. Raises BadInput when torch is missing."""
    if find_spec("torch") is None:
        raise BadInput("training needs torch, which is not installed; install it by: pip install 'didlive[train]'")
    return args.training_run(args)
