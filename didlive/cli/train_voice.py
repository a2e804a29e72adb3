"""`didlive train voice`: the network that reads lips from sound. torch is loaded only when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import to_path
from .training import Command


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=to_path, default=Path("voice.onnx"), metavar="FILE.onnx", help="the network")
    parser.add_argument("--work", type=to_path, default=Path("voice-training"), metavar="FOLDER",
                        help="where the speech that is made (400 MB) and the weights are kept")
    parser.add_argument("--config", type=to_path, metavar="FILE.toml", help="steps, size, rate, utterances, seed, "
                        "threads")
    parser.add_argument("--corpus", type=to_path, metavar="FOLDER", help="recorded clips of people who speak, with a "
                        "manifest.csv; the tracked jaw is learned from those of tier A")
    parser.add_argument("--minutes", type=float, metavar="M", help="end by then at the latest")
    parser.add_argument("--resume", type=to_path, metavar="FILE.safetensors", help="begin with these weights")
    parser.add_argument("--score", action="store_true", help="train nothing: score the network that ships")


def _run(args: argparse.Namespace) -> int:
    from ..training.voice_command import make_voice, read_config, score

    config = read_config(args.config)
    if args.score:
        print(score(args.work, config, args.corpus))
    else:
        made = make_voice(args.out, args.work, config, args.corpus, args.minutes, args.resume,
                          lambda text: print(f"\r{text}", end="", flush=True))
        print(f"\n{made}")
    return 0


VOICE = Command("make the network that reads lips from sound (needs espeak-ng and flite)", _options, _run)
