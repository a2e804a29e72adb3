"""Training of the identity encoder: views of one person together, people apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .batches import Batch, Loader
from .corpus import Corpus
from .loop import Clock, Log, choose_device, load_state, rate_at, save_state
from .losses import contrastive
from .nets import IdentityEncoder
from .synth import Samples

REPORT_EVERY = 50


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """minutes: wall-clock budget; steps: likewise, 0 for no bound; batch: people in a batch; threads: of the CPU, 0 for
    torch's choice."""

    minutes: float = 8.0
    steps: int = 0
    batch: int = 48
    rate: float = 5e-4
    seed: int = 1
    threads: int = 0


def train_identity(corpus: Corpus, samples: list[Samples], out: Path, config: IdentityConfig,
                   report: Callable[[str, float], None]) -> None:
    """Train on faces and on enlarged mouths and eyes, and write identity.safetensors into `out`."""
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    device = choose_device()
    net = IdentityEncoder().to(device)
    optimiser = torch.optim.AdamW(net.parameters(), config.rate, weight_decay=1e-4)
    loaders = {name: Loader(samples, name, device, config.seed) for name in ("face", "mouth", "eyes")}
    people = _rows_by_person(corpus, samples)
    clock, log = Clock(config.minutes, steps=config.steps), Log(out / "identity.csv")
    out.mkdir(parents=True, exist_ok=True)
    while clock.share < 1:
        names = rng.choice(len(people), min(config.batch, len(people)), replace=False)
        rows = np.array([people[i][int(rng.integers(len(people[i])))] for i in names])
        region = ("face", "face", "mouth", "eyes")[clock.done % 4]
        a, b = _two_views(loaders[region].plain(rows), region, len(rows))
        for group in optimiser.param_groups:
            group["lr"] = rate_at(clock.share, config.rate)
        loss = contrastive(net(_augment(a)), net(_augment(b)))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        clock.done += 1
        if clock.done % REPORT_EVERY == 0:
            log.write({"step": clock.done, "seconds": clock.elapsed_s, "loss": loss.item()})
            report(f"identity encoder, step {clock.done}, loss {loss.item():.3f}", clock.share)
    save_state(out / "identity.safetensors", {"net": net.state_dict()}, {"steps": clock.done})


def load_identity(path: Path, device: torch.device) -> IdentityEncoder:
    """Load the encoder, frozen."""
    net = IdentityEncoder()
    net.load_state_dict(load_state(path)[0]["net"])
    return net.to(device).eval().requires_grad_(False)


def _rows_by_person(corpus: Corpus, samples: list[Samples]) -> list[list[int]]:
    people: dict[str, list[int]] = {}
    for row, source in enumerate(np.concatenate([s.source for s in samples])):
        people.setdefault(corpus.items[source].identity, []).append(row)
    return list(people.values())


def _two_views(batch: Batch, region: str, people: int) -> tuple[Tensor, Tensor]:
    """Return the source's own crop and the true or warped one, each (people, 3, 64, 64), -1..1."""
    stride = len(batch.x) // people
    side = int(torch.randint(stride, ()))
    a = batch.source[side::stride]
    pick = torch.rand(people, 1, 1, 1, device=a.device) < 0.5
    b = torch.where(pick, batch.truth[side::stride], batch.warped[side::stride])
    if region == "mouth":
        a, b = (F.interpolate(v, (64, 64), mode="bilinear", antialias=True) for v in (a, b))
    return 2 * a - 1, 2 * b - 1


def _augment(x: Tensor) -> Tensor:
    """Change colour, light, size and side of (N, 3, 64, 64), differently for each."""
    n, device = len(x), x.device

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.rand(n, channels, 1, 1, device=device) * (high - low) + low

    x = x * uniform(0.75, 1.25) * uniform(0.9, 1.1, 3) + uniform(-0.15, 0.15)
    theta = torch.zeros(n, 2, 3, device=device)
    zoom, angle = uniform(0.85, 1.1)[:, 0, 0, 0], uniform(-0.15, 0.15)[:, 0, 0, 0]
    side = torch.where(torch.rand(n, device=device) < 0.5, -1.0, 1.0)
    theta[:, 0, 0], theta[:, 0, 1] = zoom * torch.cos(angle) * side, -zoom * torch.sin(angle)
    theta[:, 1, 0], theta[:, 1, 1] = zoom * torch.sin(angle) * side, zoom * torch.cos(angle)
    theta[:, :, 2] = uniform(-0.06, 0.06, 2)[:, :, 0, 0]
    grid = F.affine_grid(theta, [n, 3, *x.shape[2:]], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
