"""`didlive train voice`: makes the speech, trains, writes the network and says how good it is."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ..errors import BadInput
from .voice import VoiceTraining, export, speech_in, train
from .voice_batches import Mixer, RealClip
from .voice_clips import read_clips, split_clips
from .voice_network import VoiceNetwork
from .voice_score import confusion, score_clip, score_noise, score_speech

SAVE_S = 60


def read_config(file: Path | None) -> VoiceTraining:
    """Return the training that a TOML file describes (None: the usual one). Raises BadInput."""
    if file is None:
        return VoiceTraining()
    try:
        return replace(VoiceTraining(), **tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise BadInput(f"{file} cannot be used: {error}; known: {', '.join(VoiceTraining.__annotations__)}") from error


def make_voice(out: Path, work: Path, config: VoiceTraining, corpus: Path | None, minutes: float | None,
               resume: Path | None, say: Callable[[str], None]) -> Path:
    """Train and write `out`; what was made on the way is kept in `work`, also the weights once a minute."""
    utterances, _ = speech_in(work, config)
    clips: list[RealClip] = [] if corpus is None else split_clips(read_clips(corpus, work / "clips"))[0]
    network, saved_s, weights = VoiceNetwork(), time.monotonic(), work / "voice.safetensors"
    torch.manual_seed(config.seed)
    if resume is not None:
        network.load_state_dict(load_file(resume))

    def tell(step: int, loss: float) -> None:
        nonlocal saved_s
        if time.monotonic() - saved_s > SAVE_S:
            saved_s = time.monotonic()
            save_file(network.state_dict(), weights)
        say(f"step {step} of {config.steps}, loss {loss:.3f}")

    train(network, utterances, clips, config, minutes, tell)
    save_file(network.state_dict(), weights)
    export(network, out)
    return out


def score(work: Path, config: VoiceTraining, corpus: Path | None) -> str:
    """Return in lines how good the shipped network is, on voices and people that it never heard."""
    _, held_out = speech_in(work, config)
    people = [u for u in held_out if u.voice.startswith("flite")]
    synthetic = [u for u in held_out if not u.voice.startswith("flite")]
    mixer = Mixer([], [], config.seed)
    lines = [str(score_speech(part, name, through)) for name, part in (("espeak-ng", synthetic), ("flite", people))
             for through in (None, mixer)]
    lines += [confusion(synthetic), "open mouths: " + str(score_noise(60, config.seed + 100))]
    if corpus is not None:
        unheard = split_clips(read_clips(corpus, work / "clips"))[1] + read_clips(corpus, work / "clips", "B")
        lines += [str(score_clip(clip)) for clip in unheard]
    return "\n".join(lines)
