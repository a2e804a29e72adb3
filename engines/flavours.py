"""The two TensorRTs: one for RTX cards, which comes from PyPI and builds anywhere, and one for every NVIDIA card."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .builder import RTX_TARGETS
from .card import Card
from .engine import EngineFailed


@dataclass(frozen=True, slots=True)
class Flavour:
    """name: as on the command line, and the extra that installs it. module: what is imported. label: for people."""

    name: str
    module: str
    label: str

    def load(self) -> Any:
        """Return the module. Raises EngineFailed when it is absent or broken."""
        try:
            return import_module(self.module)
        except ModuleNotFoundError as error:
            if error.name == self.module:
                raise EngineFailed(f'{self.label} is not installed (pip install "didlive[{self.name}]")') from error
            raise EngineFailed(f"{self.label} is broken: {error}") from error
        except (ImportError, OSError, RuntimeError) as error:
            raise EngineFailed(f"{self.label} is broken: {' '.join(str(error).split())[:200]}") from error

    def takes(self, card: Card) -> str:
        """Return why this flavour cannot run on a card, or nothing."""
        if self.name == "rtx" and card.target not in RTX_TARGETS:
            return f"{card.name} is no RTX card ({card.target}); it needs TensorRT"
        return ""

    def facts(self, trt: Any, precision: str, targets: Sequence[str], card: Card | None) -> dict[str, Any]:
        """Return all that an engine depends on beside its ONNX file. card: None for an engine of named targets."""
        facts: dict[str, Any] = {"backend": self.module, "version": trt.__version__, "precision": precision}
        if self.name == "rtx":
            # Its engines move between systems and cards of their targets.
            return facts | {"targets": sorted(targets)}
        if card is None:
            raise EngineFailed("TensorRT builds on the card that will run the engine, and none was found")
        return facts | {"card": card.name, "sm": card.sm, "memory_mb": card.memory_mb, "driver": card.driver,
                        "system": f"{sys.platform} {platform.machine()}"}


RTX = Flavour("rtx", "tensorrt_rtx", "TensorRT-RTX")
TENSORRT = Flavour("tensorrt", "tensorrt", "TensorRT")
FLAVOURS = {flavour.name: flavour for flavour in (RTX, TENSORRT)}
