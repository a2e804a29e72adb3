"""Training of the refiner, region by region: first to restore, then to please a critic as well."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadInput
from .batches import Batch, Loader
from .export import read_weights
from .identity import load_identity
from .loop import (
    Average,
    Clock,
    Log,
    choose_device,
    join_others,
    load_state,
    optimiser_state,
    rate_at,
    restore_optimiser,
    save_state,
    shared,
)
from .losses import critic_loss, feature_l1, fooling_loss, gradient_l1, weighted_l1
from .nets import PatchDiscriminator, Refiner
from .sheets import save_sheet
from .synth import Samples

# So many held-out samples are judged at each report.
TRIAL = 240
# The critic's say grows over this share of the budget.
RAMP = 0.05
TERMS = ("l1", "gradient", "features", "steady", "fooling", "matching", "critic")


@dataclass(frozen=True, slots=True)
class RefinerConfig:
    """region: mouth, eyes or face. minutes: wall-clock budget of this region in all; steps: likewise, 0 for no bound.
    rate, critic_rate: learning rates, the second constant. adversarial_from: share of the budget after which the critic
    has a say; adversarial: how strong its gradient at the picture is against that of the other losses. The weights of
    the other losses follow. report_s: seconds between reports."""

    region: str = "mouth"
    minutes: float = 60.0
    steps: int = 0
    batch: int = 8
    rate: float = 6e-4
    critic_rate: float = 4e-4
    adversarial_from: float = 0.5
    adversarial: float = 0.0
    gradient: float = 1.0
    features: float = 0.3
    matching: float = 0.3
    steady: float = 0.3
    seed: int = 1
    threads: int = 0
    report_s: float = 120.0

    @staticmethod
    def of(values: dict[str, Any]) -> RefinerConfig:
        """Build from a TOML table. Raises BadInput for unknown names."""
        unknown = set(values) - {f.name for f in fields(RefinerConfig)}
        if unknown:
            raise BadInput(f"unknown training setting: {', '.join(sorted(unknown))}")
        return RefinerConfig(**values)


class Trainer:
    """One region's net, its critic, and everything that goes on with them. start: an exported network to begin with,
    where there is no checkpoint in `out`. Raises BadInput."""

    def __init__(self, config: RefinerConfig, samples: list[Samples], trial: list[Samples], out: Path,
                 start: Path | None = None) -> None:
        self.config, self.out = config, out
        self.device = choose_device()
        self.rank, self.world = join_others(self.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.loader = Loader(samples, config.region, self.device, config.seed * 1000 + self.rank)
        self.trial = Loader(trial, config.region, self.device, 0)
        self.net: nn.Module = getattr(Refiner(), config.region).to(self.device)
        self.critic = PatchDiscriminator(self.loader.plain(np.array([0])).x.shape[1] - 3).to(self.device)
        self.encoder = load_identity(out / "identity.safetensors", self.device)
        if start is not None:
            self.net.load_state_dict(read_weights(start, config.region))
        self.average = Average(self.net)
        self.ours = torch.optim.Adam(self.net.parameters(), config.rate, betas=(0.9, 0.99))
        self.theirs = torch.optim.Adam(self.critic.parameters(), config.critic_rate, betas=(0.5, 0.99))
        self.clock = Clock(config.minutes, steps=config.steps)
        if self.path.exists():
            self._resume()
        self._net, self._judged = shared(self.net, self.world), shared(self.critic, self.world)

    @property
    def step(self) -> int:
        return self.clock.done

    @property
    def path(self) -> Path:
        return self.out / f"{self.config.region}.safetensors"

    def _resume(self) -> None:
        parts, facts = load_state(self.path)
        self.net.load_state_dict(parts["net"])
        self.critic.load_state_dict(parts["critic"])
        restore_optimiser(self.ours, parts["ours"])
        restore_optimiser(self.theirs, parts.get("theirs", {}))
        self.average.weights = {n: v.to(self.device) for n, v in parts["average"].items()}
        self.clock.done = self.average.steps = int(str(facts["step"]))
        self.clock.spent_s = float(str(facts["seconds"]))

    def save(self) -> None:
        """Write the checkpoint."""
        if self.rank == 0:
            save_state(self.path, {"net": self.net.state_dict(), "critic": self.critic.state_dict(),
                                   "ours": optimiser_state(self.ours), "theirs": optimiser_state(self.theirs),
                                   "average": self.average.weights},
                       {"step": self.step, "seconds": self.clock.elapsed_s, "config": asdict(self.config)})

    def run(self, report: Callable[[str, float], None]) -> None:
        """Train until the budget is spent; reports, checkpoints and sheets on the way."""
        log = Log(self.out / f"{self.config.region}.csv")
        next_report = self.clock.elapsed_s + self.config.report_s
        while (share := self._share()) < 1:
            terms = self._once(share)
            if self.clock.elapsed_s >= next_report or self._share() >= 1:
                next_report = self.clock.elapsed_s + self.config.report_s
                row = {"step": float(self.step), "seconds": self.clock.elapsed_s,
                       **{name: value.item() for name, value in terms.items()}, **self.judge()}
                if self.rank == 0:
                    log.write(row)
                    report(f"{self.config.region} step {self.step}: held-out L1 {row['drawn']:.4f}, warp "
                           f"{row['warp']:.4f}", share)
                self.save()

    def _share(self) -> float:
        """How much of the budget is spent; all processes agree with the first."""
        share = torch.tensor(self.clock.share, dtype=torch.float64, device=self.device)
        if self.world > 1:
            torch.distributed.broadcast(share, 0)
        return share.item()

    def _once(self, share: float) -> dict[str, Tensor]:
        config = self.config
        # The critic begins to speak softly: it has to learn first.
        say = min(max((share - config.adversarial_from) / RAMP, 0.0), 1.0) * config.adversarial
        for group in self.ours.param_groups:
            group["lr"] = rate_at(share, config.rate)
        batch = self.loader.draw(config.batch)
        half = torch.autocast("cuda", torch.bfloat16) if self.device.type == "cuda" else contextlib.nullcontext()
        with half:
            drawn = batch.warped + self._net(batch.x).float()
            pull, terms = self._pull(batch, drawn.detach(), say)
            loss = (drawn * pull).sum()
            if self.step % 8 == 0:
                terms["steady"] = config.steady * self._unsteadiness(batch, drawn)
                loss = loss + terms["steady"]
        self.ours.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.ours.step()
        self.average.update(self.net)
        if share >= config.adversarial_from and config.adversarial > 0:
            with half:
                terms["critic"] = critic_loss(self._judged, drawn.detach().clamp(0, 1), batch.truth, batch.guide,
                                              batch.focus)
            self.theirs.zero_grad(set_to_none=True)
            terms["critic"].backward()
            self.theirs.step()
        self.clock.done += 1
        return {name: terms.get(name, torch.zeros(())) for name in TERMS}

    def _pull(self, batch: Batch, drawn: Tensor, say: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the gradient at the drawn picture (N, 3, H, W), and the losses it comes from."""
        config, drawn = self.config, drawn.requires_grad_()
        terms = {"l1": weighted_l1(drawn, batch.truth, batch.weight),
                 "gradient": config.gradient * gradient_l1(drawn, batch.truth, batch.weight)}
        if self.step % 2 == 0:
            terms["features"] = 2 * config.features * feature_l1(self.encoder, drawn, batch.truth)
        if say == 0:
            return torch.autograd.grad(torch.stack(list(terms.values())).sum(), drawn)[0], terms
        focus = batch.focus
        fooling, matching = fooling_loss(self.critic, drawn, batch.truth, batch.guide, focus)
        fool = torch.autograd.grad(fooling, drawn, retain_graph=True)[0] * focus
        terms["matching"] = config.matching * matching
        restore = torch.autograd.grad(torch.stack(list(terms.values())).sum(), drawn)[0]
        # As strong as asked for against what restores, in the same place (after Esser et al. 2021).
        strength = say * (restore * focus).norm() / fool.norm().clamp_min(1e-12)
        terms["fooling"] = fooling.detach()
        return restore + strength * fool, terms

    def _unsteadiness(self, batch: Batch, drawn: Tensor) -> Tensor:
        """How much the picture changes beyond a move when the crop moves by a pixel and the camera's noise changes."""
        dx, dy = (int(v) for v in torch.randint(-1, 2, (2,)))
        x = batch.x.roll((dy, dx), (2, 3))
        noisy = torch.cat([x[:, :3] + 0.01 * torch.randn_like(x[:, :3]), x[:, 3:]], 1)
        again = (noisy[:, :3] + 1) / 2 + self.net(noisy).float()
        return F.l1_loss(again[..., 2:-2, 2:-2], drawn.roll((dy, dx), (2, 3))[..., 2:-2, 2:-2])

    @torch.no_grad()
    def judge(self) -> dict[str, float]:
        """Return the mean absolute error of warp and refined picture on people held out, where it matters."""
        kept = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.net.load_state_dict(self.average.weights)
        sums = np.zeros(3)
        shown = np.arange(min(len(self.trial), TRIAL))
        for rows in np.split(shown, range(16, len(shown), 16)):
            batch = self.trial.plain(rows)
            drawn = (batch.warped + self.net(batch.x)).clamp(0, 1)
            focus = batch.weight - 1 if self.config.region != "face" else batch.weight
            sums += [float((focus * (p - batch.truth).abs().mean(1, keepdim=True)).sum())
                     for p in (batch.warped, drawn)] + [float(focus.sum())]
        if self.rank == 0:
            batch = self.trial.plain(shown[:24])
            save_sheet(self.out / f"{self.config.region}.png", batch, (batch.warped + self.net(batch.x)).clamp(0, 1))
        self.net.load_state_dict(kept)
        return {"warp": sums[0] / sums[2], "drawn": sums[1] / sums[2]}
