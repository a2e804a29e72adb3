"""Trains the voice network: `didlive train voice`. Same seed and number of steps, same weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .loop import Average
from .voice_batches import Batch, Mixer, RealClip, targets
from .voice_network import VoiceNetwork, export
from .voice_speech import Utterance, load_speech, make_speech

VISEME_COUNT = 15
# Share of the sequences that begin with the memory of another sound: live, it never begins anew.
CARRIED = 0.5
# How much it counts that the jaws of people move at the right time, beside how wide they open; said in so many frames
# at least.
IN_STEP, FEWEST = 0.15, 40


@dataclass(frozen=True)
class VoiceTraining:
    """How to train. steps: weight updates; average: how slowly the mean of the weights, which is the result, follows
    them; utterances: labelled sentences to make; threads: of the CPU."""

    steps: int = 3000
    size: int = 32
    rate: float = 3e-3
    average: float = 0.998
    utterances: int = 3600
    seed: int = 1
    threads: int = 1


def loss_of(out: Tensor, batch: Batch) -> Tensor:
    """Return the loss of (n, frames, OUT) logits; what a real clip does not tell is left out."""
    shapes = torch.from_numpy(batch.visemes)
    known = (shapes >= 0).float()
    closed, voiced = (torch.from_numpy(t) for t in targets(batch.visemes))
    jaw = torch.from_numpy(batch.jaw)
    cross = nn.functional.cross_entropy(out[..., :VISEME_COUNT].transpose(1, 2), shapes, ignore_index=-1)
    plain = nn.functional.binary_cross_entropy_with_logits
    lips = plain(out[..., VISEME_COUNT], closed, weight=known * (1 + 3 * closed))
    speech = plain(out[..., VISEME_COUNT + 2], voiced, weight=known)
    heard, weight = torch.sigmoid(out[..., VISEME_COUNT + 1]), torch.from_numpy(batch.weight)
    opening = (weight * (heard - jaw).square()).mean()
    people = (shapes < 0).any(dim=1)
    if bool(people.any()):
        # How wide somebody opens the mouth is a habit that cannot be heard; when he does it can.
        opening = opening + IN_STEP * _out_of_step(heard[people], jaw[people], weight[people] > 0).sum() / len(people)
    return cross + lips + 0.5 * speech + 20 * opening


def _out_of_step(heard: Tensor, seen: Tensor, among: Tensor) -> Tensor:
    """Return (n,) one minus the correlation of (n, frames) jaws at the frames `among`; 0 where these are few."""
    count = among.sum(1, keepdim=True).clamp_min(1)

    def centred(jaw: Tensor) -> Tensor:
        return (jaw - (jaw * among).sum(1, keepdim=True) / count) * among

    a, b = centred(heard), centred(seen)
    correlation = (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1) + 1e-4).sqrt()
    return (1 - correlation) * (count[:, 0] > FEWEST)


def train(network: VoiceNetwork, utterances: Sequence[Utterance], clips: Sequence[RealClip], config: VoiceTraining,
          minutes: float | None = None, tell: Callable[[int, float], None] = lambda step, loss: None) -> None:
    """Train the network. minutes: end by then at the latest (then the result depends on the machine)."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    mixer = Mixer(utterances, clips, config.seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=1e-4)
    mean = Average(network, config.average)
    begin_s, state, average = time.monotonic(), None, 0.0
    for step in range(config.steps):
        done = step / config.steps
        if minutes is not None:
            done = max(done, (time.monotonic() - begin_s) / 60 / minutes)
            if done >= 1:
                break
        for group in optimizer.param_groups:
            # Warm up, then down along a cosine.
            group["lr"] = config.rate * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * float(np.cos(np.pi * done)))
        batch = mixer.batch(config.size)
        mel = torch.from_numpy(batch.mel)
        out, after = network(mel, None if state is None else _mixed(state))
        loss = loss_of(out, batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        mean.update(network)
        state = after.detach()
        average += (float(loss.detach()) - average) * (0.02 if step else 1)
        tell(step + 1, average)
    network.load_state_dict(mean.weights)
    network.eval()


def _mixed(state: Tensor) -> Tensor:
    """Return the memories of the batch before in another order, some of them empty."""
    keep = (torch.rand(1, state.shape[1], 1) < CARRIED).float()
    return (state[:, torch.randperm(state.shape[1])] * keep).contiguous()


def speech_in(folder: Path, config: VoiceTraining) -> tuple[list[Utterance], list[Utterance]]:
    """Return training and held-out utterances, made in `folder` the first time."""
    make_speech(folder, config.utterances, config.seed)
    return load_speech(folder / "train.npz"), load_speech(folder / "held_out.npz")


__all__ = ["VoiceTraining", "export", "speech_in", "train"]
