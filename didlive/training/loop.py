"""What every training run shares: the clock, checkpoints without pickle, the log, and several machines."""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import BadInput


@dataclass(slots=True)
class Clock:
    """A budget of wall-clock time, and of steps if `steps` is not 0, that survives being resumed: `share` runs from 0
    to 1. `done`: steps so far."""

    minutes: float
    spent_s: float = 0.0
    steps: int = 0
    done: int = 0
    _since: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        return self.spent_s + time.monotonic() - self._since

    @property
    def share(self) -> float:
        return min(1.0, max(self.elapsed_s / (60 * self.minutes), self.done / self.steps if self.steps else 0.0))


def rate_at(share: float, top: float, warm: float = 0.01) -> float:
    """Return the learning rate: a short warm-up, then half a cosine down to 2 %."""
    if share < warm:
        return top * max(share / warm, 0.02)
    return top * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (share - warm) / (1 - warm))))


class Average:
    """Exponential moving average of a network's weights: what is judged and shipped."""

    def __init__(self, net: nn.Module, decay: float = 0.999) -> None:
        self.decay, self.steps = decay, 0
        self.weights = {name: value.detach().clone() for name, value in net.state_dict().items()}

    def update(self, net: nn.Module) -> None:
        """Take the net's weights in; quicker at the beginning."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in net.state_dict().items():
            self.weights[name].lerp_(value.detach().to(self.weights[name].dtype), 1 - decay)


def choose_device(name: str = "auto") -> torch.device:
    """Return this process's device: its own GPU where there is one."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def join_others(device: torch.device) -> tuple[int, int]:
    """Join the processes that torchrun started; return (rank, how many). Alone: (0, 1)."""
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        return 0, 1
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def shared(net: nn.Module, world: int) -> nn.Module:
    """Return the net wrapped so that gradients are averaged over all processes."""
    return nn.parallel.DistributedDataParallel(net) if world > 1 else net


def save_state(path: Path, parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, object]) -> None:
    """Write nets and optimisers as safetensors with plain facts beside; written aside and renamed."""
    tensors = {f"{part}/{name}": value.detach().cpu().contiguous() for part, values in parts.items()
               for name, value in values.items()}
    aside = path.with_suffix(".part")
    save_file(tensors, aside, {"facts": json.dumps(facts)})
    os.replace(aside, path)


def load_state(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, object]]:
    """Read what `save_state` wrote. Raises BadInput."""
    from safetensors import SafetensorError, safe_open

    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as stream:
            facts = json.loads((stream.metadata() or {}).get("facts", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise BadInput(f"{path} is no checkpoint of this training: {error}") from error
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        part, rest = name.split("/", 1)
        parts.setdefault(part, {})[rest] = value
    return parts, facts


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return Adam's moments as flat named tensors."""
    return {f"{i}.{name}": torch.as_tensor(value, dtype=torch.float32) for i, state in
            optimiser.state_dict()["state"].items() for name, value in state.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_state` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    whole = optimiser.state_dict()
    whole["state"] = state
    optimiser.load_state_dict(whole)


class Log:
    """A CSV file, one row per report; columns are fixed by the first row of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, row: Mapping[str, float]) -> None:
        """Append a row; the first one writes the header."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(row))
            if new:
                writer.writeheader()
            writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
