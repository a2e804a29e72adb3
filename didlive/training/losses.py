"""What a good refinement is, as losses over crops. Pictures are 0..1 RGB (N, 3, H, W), weights (N, 1, H, W)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .nets import IdentityEncoder, PatchDiscriminator


def weighted_l1(drawn: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference, heavier where it matters."""
    return ((drawn - truth).abs() * weight).mean() / weight.mean()


def gradient_l1(drawn: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """The same of the differences of neighbouring pixels: edges in the right place count as much as colours."""
    delta = drawn - truth
    across = (delta[..., 1:] - delta[..., :-1]).abs() * weight[..., 1:]
    down = (delta[..., 1:, :] - delta[..., :-1, :]).abs() * weight[..., 1:, :]
    return (across.mean() + down.mean()) / weight.mean()


def feature_l1(encoder: IdentityEncoder, drawn: Tensor, truth: Tensor, where: Tensor | None = None) -> Tensor:
    """Distance in the identity encoder's features, each layer in units of the truth's own size; within `where` (N, 1,
    H, W) 0..1 if given."""
    total = drawn.new_zeros(())
    for a, b in zip(encoder.features(2 * drawn - 1), encoder.features(2 * truth - 1), strict=True):
        here = 1.0 if where is None else F.adaptive_avg_pool2d(where, (a.shape[2], a.shape[3]))
        wanted = b.detach()
        total = total + ((a - wanted).abs() * here).mean() / (wanted.abs() * here).mean().clamp_min(1e-4)
    return total / len(encoder.layers)


def critic_loss(critic: nn.Module, drawn: Tensor, truth: Tensor, guide: Tensor, focus: Tensor) -> Tensor:
    """Hinge loss of a PatchDiscriminator (Lim & Ye 2017) over patches where `focus` (N, 1, H, W) lies; both pictures
    come with their guide."""
    # In one pass: DistributedDataParallel allows no second one before the gradients are there.
    both = torch.cat([2 * torch.cat([truth, drawn.detach()]) - 1, torch.cat([guide, guide])], 1)
    real, fake = critic(both)[0].chunk(2)
    return _patch_mean(F.relu(1 - real) + F.relu(1 + fake), focus)


def fooling_loss(critic: PatchDiscriminator, drawn: Tensor, truth: Tensor, guide: Tensor, focus: Tensor
                 ) -> tuple[Tensor, Tensor]:
    """Return the adversarial loss of the refiner and its feature matching loss (Wang et al. 2018)."""
    fake, seen = critic(torch.cat([2 * drawn - 1, guide], 1))
    with torch.no_grad():
        _, wanted = critic(torch.cat([2 * truth - 1, guide], 1))
    matching = torch.stack([F.l1_loss(a, b) for a, b in zip(seen, wanted, strict=True)]).mean()
    return _patch_mean(-fake, focus), matching


def _patch_mean(values: Tensor, focus: Tensor) -> Tensor:
    weight = F.adaptive_avg_pool2d(focus, (values.shape[2], values.shape[3]))
    return (values * weight).sum() / weight.sum().clamp_min(1e-3)


def contrastive(a: Tensor, b: Tensor, temperature: float = 0.1) -> Tensor:
    """NT-Xent (Chen et al. 2020) over unit vectors (N, D): row i of `a` and of `b` are one person, all others not."""
    logits = a @ b.T / temperature
    wanted = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2
