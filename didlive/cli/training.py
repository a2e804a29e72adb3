"""The commands of `didlive train` that make the refiner, in the order in which they are run."""

from __future__ import annotations

import argparse
import json
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from ..errors import BadInput


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand: a line of help, its options, and what it does (returns the exit code)."""

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class _Bar:
    """A progress bar fed with (done, total) or (sentence, share)."""

    def __init__(self, title: str) -> None:
        self._bar = tqdm(desc=title, total=1.0, bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}")

    def count(self, done: int, total: int) -> None:
        self._bar.n = done / max(total, 1)
        self._bar.refresh()

    def say(self, text: str, share: float) -> None:
        self._bar.write(text)
        self._bar.n = share
        self._bar.refresh()


def _prepare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="portraits and clips")
    parser.add_argument("--out", type=Path, required=True, help="folder of the prepared corpus")


def _prepare(args: argparse.Namespace) -> int:
    from ..training.corpus import prepare

    for folder in args.folders:
        if not folder.is_dir():
            raise BadInput(f"{folder} is no folder")
    count = prepare(args.folders, args.out, _Bar("tracking").count)
    print(f"{count} faces in {args.out}")
    return 0


def _samples_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", type=Path, help="what `prepare` made")
    parser.add_argument("--out", type=Path, required=True, help="folder of the samples")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--held-out", action="store_true", help="of the people who are never trained on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))


def _samples(args: argparse.Namespace) -> int:
    from ..training.synth import synthesise

    if args.count < 1:
        raise BadInput("--count must be at least 1")
    synthesise(args.corpus, args.out, args.count, not args.held_out, args.seed, args.workers, _Bar("samples").count)
    return 0


def _training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--samples", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints, logs and sheets")
    parser.add_argument("--minutes", type=float, help="wall-clock budget; a run that was stopped goes on")
    parser.add_argument("--steps", type=int, default=0, help="end after so many steps even if there is time left")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: as many as there are)")
    parser.add_argument("--seed", type=int, default=1)


def _identity_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", type=Path)
    _training_options(parser)


def _identity(args: argparse.Namespace) -> int:
    from ..training.corpus import load_corpus
    from ..training.identity import IdentityConfig, train_identity
    from ..training.synth import load_samples

    config = IdentityConfig(minutes=args.minutes or IdentityConfig().minutes, seed=args.seed, threads=args.threads,
                            steps=args.steps)
    train_identity(load_corpus(args.corpus), load_samples(args.samples), args.out, config, _Bar("identity").say)
    return 0


def _refiner_options(parser: argparse.ArgumentParser) -> None:
    _training_options(parser)
    parser.add_argument("--held-out", type=Path, required=True, metavar="FOLDER", help="samples to report on")
    parser.add_argument("--region", choices=("mouth", "eyes", "face"), default="mouth")
    parser.add_argument("--start", type=Path, metavar="FILE.onnx",
                        help="begin with an exported network, for example engines/weights/refiner.onnx")
    parser.add_argument("--config", type=Path, help="TOML with a table per region; options override it")


def _refiner(args: argparse.Namespace) -> int:
    from ..training.refiner import RefinerConfig, Trainer
    from ..training.synth import load_samples

    table: dict[str, object] = {}
    if args.config:
        try:
            table = tomllib.loads(args.config.read_text(encoding="utf-8")).get(args.region, {})
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"{args.config} cannot be read: {error}") from error
    config = replace(RefinerConfig.of(table), region=args.region, seed=args.seed, threads=args.threads,
                     steps=args.steps)
    if args.minutes:
        config = replace(config, minutes=args.minutes)
    Trainer(config, load_samples(args.samples), load_samples([args.held_out]), args.out,
            args.start).run(_Bar(args.region).say)
    return 0


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoints", type=Path, help="folder of checkpoints")
    parser.add_argument("--out", type=Path, default=Path("refiner.onnx"))
    parser.add_argument("--samples", type=Path, help="also write int8 files, their ranges measured on these")
    parser.add_argument("--held-out", type=Path, help="samples on which int8 is compared with float32")


def _export(args: argparse.Namespace) -> int:
    from ..training.export import export_quantised, export_refiner, manifest_line
    from ..training.synth import load_samples

    if bool(args.samples) != bool(args.held_out):
        raise BadInput("int8 needs both --samples and --held-out")
    export_refiner(args.checkpoints, args.out)
    lines = [manifest_line("fp32", args.out)]
    if args.samples:
        found = export_quantised(args.out, load_samples([args.samples])[0], load_samples([args.held_out])[0])
        lines += [f"{manifest_line(name, args.out.with_suffix(f'.{name}.onnx'))}  # {psnr:.1f} dB"
                  for name, psnr in found.items()]
    print("\n".join(lines))
    return 0


def _judge_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--identity", type=Path, required=True, help="identity.safetensors, for cosine and features")
    parser.add_argument("--count", type=int, default=300, help="pairs of pictures")
    parser.add_argument("--people", choices=("held-out", "tier-b"), default="held-out",
                        help="people of tier A that were held out, or all of tier B (never trained on)")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet (PNG)")
    parser.add_argument("--rating", type=Path, help="write a page on which people compare blindly (HTML)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _judge(args: argparse.Namespace) -> int:
    from ..training.corpus import Item, load_corpus
    from ..training.judge import judge_all

    def choose(item: Item) -> bool:
        return item.held_out and item.tier == "A" if args.people == "held-out" else item.tier == "B"

    result = judge_all(load_corpus(args.corpus), choose, args.identity, args.count, _Bar("judging").count,
                       args.sheet, args.rating)
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        for name, row in result.items():
            print(f"{name:20} warp {row['warp']:8.4f}   refine {row['refine']:8.4f}   {100 * row['change']:+6.1f} %")
    return 0


def _wrinkles_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", type=Path, help="what `prepare` made")
    parser.add_argument("--out", type=Path, default=Path("wrinkles.npz"))


def _wrinkles(args: argparse.Namespace) -> int:
    from ..training.corpus import load_corpus
    from ..training.wrinkles import cross_validate, learn, read_lessons, save

    layout, lessons = read_lessons(load_corpus(args.corpus), _Bar("pictures").count)
    score = cross_validate(layout, lessons)
    save(learn(layout, lessons), args.out)
    print(f"{args.out}: {len(lessons)} people. {score.pictures} pictures of people left out: the skin's brightness "
          f"changes by {100 * score.change:.2f} %, {100 * score.left:.2f} % without what was foretold; "
          f"{100 * score.explained:.0f} % of the variance")
    return 0


PREPARE = Command("track and cut out the portraits and clips of a corpus", _prepare_options, _prepare)
SAMPLES = Command("make training samples out of a prepared corpus", _samples_options, _samples)
IDENTITY = Command("train the identity encoder", _identity_options, _identity)
REFINER = Command("train one region of the refiner", _refiner_options, _refiner)
EXPORT = Command("write the trained refiner as ONNX", _export_options, _export)
WRINKLES = Command("learn what expressions do to the light on the skin", _wrinkles_options, _wrinkles)
JUDGE = Command("compare refiner and plain warp on people never trained on", _judge_options, _judge)
