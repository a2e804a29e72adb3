"""What can be built: which network, in which precision, for which flavour and cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .card import Card
from .engine import EngineFailed
from .flavours import Flavour
from .graph import SIZES, generator
from .store import engine_key
from .weights import FOLDER, find, read

# The refiner alone, for a picture that the CPU warps, and the whole generator for each size.
NETWORKS = ("refiner", *(f"generator-{size}" for size in SIZES))
PRECISIONS = ("fp16", "fp32", "int8")


@dataclass(frozen=True, slots=True)
class Plan:
    """One engine to be: network, its ONNX bytes, flavour, precision, targets (none: the card), key and facts."""

    network: str
    model: bytes
    flavour: Flavour
    precision: str
    targets: tuple[str, ...]
    key: str
    facts: dict[str, Any]

    @property
    def title(self) -> str:
        """Return one line for people."""
        where = ", ".join(self.targets) or self.facts.get("card", "this card")
        return f"{self.network} {self.precision} for {where} ({self.flavour.label})"


def make_model(network: str, precision: str, folder: Path = FOLDER) -> bytes:
    """Return the ONNX file of a network as TensorRT shall see it. Raises EngineFailed."""
    from .quantise import halve

    if network not in NETWORKS:
        # Networks that are small enough for any CPU have no engines.
        raise EngineFailed(f"no engine is built of {network!r}; choose among: {', '.join(NETWORKS)}")
    source = read(find("refiner", "s8" if precision == "int8" else "fp32", folder))
    inner = halve(source) if precision == "fp16" else source
    return inner if network == "refiner" else generator(inner, int(network.removeprefix("generator-")))


def make_plan(network: str, flavour: Flavour, precision: str, targets: Sequence[str], card: Card | None,
              folder: Path = FOLDER) -> Plan:
    """Return the plan of one engine. targets: none means `card`. Raises EngineFailed."""
    trt = flavour.load()
    if not targets and card is None:
        raise EngineFailed("there is no card to build for; name a target")
    if flavour.name == "rtx" and not targets and card is not None:
        targets = (card.target,)
    model = make_model(network, precision, folder)
    facts = flavour.facts(trt, precision, targets, card) | {"network": network}
    return Plan(network, model, flavour, precision, tuple(targets), engine_key(model, facts), facts)
