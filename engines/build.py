"""Builds TensorRT engines for the card of this machine, or for named targets: `build_engines.py`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .builder import RTX_TARGETS, BuildCancelled, check_targets
from .card import Card, find_card
from .cuda import Cuda
from .engine import EngineFailed
from .flavours import FLAVOURS, RTX, TENSORRT, Flavour
from .golden import BARS_DB, compare
from .ort import open_ort
from .plans import NETWORKS, PRECISIONS, Plan, make_model, make_plan
from .store import Store
from .tensorrt import TrtEngine
from .weights import FOLDER
from .worker import build_apart

Tell = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to build: flavour, targets (none: the card), the card if there is one, networks, precision, threads (None:
    the builder decides), folder of the weights."""

    flavour: Flavour
    targets: tuple[str, ...]
    card: Card | None
    networks: tuple[str, ...]
    precision: str
    threads: int | None = None
    weights: Path = FOLDER


class NothingToDo(Exception):
    """There is no card, or no TensorRT; one plain sentence, and no error: the CPU path works."""


def choose_flavour(backend: str, targets: tuple[str, ...]) -> tuple[Flavour, Card | None]:
    """Return which TensorRT builds, and the card it builds for (None for named targets). Raises NothingToDo, and
    EngineFailed when a backend was named that cannot build."""
    if backend == "none":
        raise NothingToDo("No engine was asked for: the network runs on the CPU.")
    named = FLAVOURS.get(backend)
    if targets:
        check_targets(targets)
        flavour = named or RTX
        if flavour is not RTX:
            raise EngineFailed("TensorRT builds for the card of this machine only; use --backend rtx for targets")
        flavour.load()
        return flavour, None
    try:
        card = find_card()
    except EngineFailed as error:
        raise NothingToDo(f"Nothing to build, the network runs on the CPU: {error}.") from error
    reasons = []
    for flavour in (named,) if named else (TENSORRT, RTX):
        try:
            flavour.load()
            reason = flavour.takes(card)
        except EngineFailed as error:
            reason = str(error)
        if not reason:
            return flavour, card
        reasons.append(reason)
    if named:
        raise EngineFailed("; ".join(reasons))
    raise NothingToDo(f"Nothing to build, the network runs on the CPU: {'; '.join(reasons)}.")


def build_all(wish: Wish, store: Store, tell: Tell) -> int:
    """Build, keep and try what is wished for; return how many failed. Raises EngineFailed and BuildCancelled."""
    failed = 0
    with store.building():
        for network in wish.networks:
            plan = make_plan(network, wish.flavour, wish.precision, wish.targets, wish.card, wish.weights)
            try:
                _build_one(plan, wish, store, tell)
            except BuildCancelled:
                raise
            except EngineFailed as error:
                failed += 1
                tell("failed", title=plan.title, reason=str(error))
    return failed


def _build_one(plan: Plan, wish: Wish, store: Store, tell: Tell) -> None:
    tell("start", title=plan.title, key=plan.key)
    start = time.perf_counter()
    data, cached = store.load(plan.key), True
    if data is None:
        cached = False

        def progress(share: float) -> bool:
            tell("progress", title=plan.title, share=share)
            return True

        data = build_apart(plan, progress, wish.threads)
        store.save(plan.key, data, plan.facts)
    entry = store.find(plan.key)
    verdict = entry.verdict if entry else "untried"
    if wish.card is not None and verdict == "untried":
        verdict = try_engine(plan, data, store, wish.weights)
    tell("done", title=plan.title, key=plan.key, size=len(data), seconds=round(time.perf_counter() - start, 2),
         cached=cached, verdict=verdict)


def try_engine(plan: Plan, data: bytes, store: Store, weights: Path = FOLDER) -> str:
    """Run the golden frame of an engine on this card, keep and return the verdict: "good", or why not."""
    reference = open_ort(plan.network, "fp32", make_model(plan.network, "fp32", weights))
    try:
        engine = TrtEngine(plan.network, plan.flavour.label, plan.flavour.load(), Cuda(), data)
        try:
            found = compare(engine, reference)
        finally:
            engine.close()
        good = found >= BARS_DB[plan.precision]
        verdict = "good" if good else f"wrong numbers: {found:.0f} dB, {BARS_DB[plan.precision]:.0f} are needed"
    except EngineFailed as error:
        verdict = str(error)
    store.judge(plan.key, verdict)
    return verdict


def _as_json(event: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class _AsText:
    """Progress bars and sentences."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def __call__(self, event: str, **fields: Any) -> None:
        if event == "start":
            self.bar = tqdm(total=100, desc=fields["title"], unit="%", bar_format="{desc} |{bar}| {percentage:3.0f} %",
                            leave=False)
        elif event == "progress" and self.bar is not None:
            self.bar.update(100 * fields["share"] - self.bar.n)
        else:
            if self.bar is not None:
                self.bar.close()
                self.bar = None
            sys.stdout.write(_sentence(event, fields) + "\n")


def _sentence(event: str, fields: dict[str, Any]) -> str:
    if event == "done":
        how = "was there already" if fields["cached"] else f"built in {fields['seconds']:.1f} s"
        state = {"good": "checked on this card", "untried": "not run here"}
        verdict = state.get(fields["verdict"], f"NOT used: {fields['verdict']}")
        return f"{fields['title']}: {how}, {fields['size'] / 1e6:.1f} MB, {verdict}"
    if event == "failed":
        return f"{fields['title']}: {fields['reason']}"
    return str(fields.get("reason", ""))


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_engines.py", description="Builds TensorRT engines for this machine's "
                                     "card. Without a card or without TensorRT nothing is done: the CPU path works.")
    parser.add_argument("--backend", choices=("auto", *FLAVOURS, "none"), default="auto")
    parser.add_argument("--target", default="current",
                        help=f"current (this machine's card), or some of {','.join(RTX_TARGETS)} (rtx only)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16")
    parser.add_argument("--network", default=",".join(NETWORKS), help="some of %(default)s")
    parser.add_argument("--jobs", type=int, metavar="N", help="threads of the builder; as many as it likes by default")
    parser.add_argument("--json", action="store_true", help="one JSON object per line, for programs")
    return parser.parse_args(argv)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit code (0: done or nothing to do, 2: failed, 130: cancelled)."""
    args = _parse(argv)
    tell: Tell = _as_json if args.json else _AsText()
    signal.signal(signal.SIGTERM, _interrupt)
    targets = () if args.target == "current" else tuple(args.target.split(","))
    try:
        flavour, card = choose_flavour(args.backend, targets)
        wish = Wish(flavour, targets, card, tuple(args.network.split(",")), args.precision, args.jobs)
        return 2 if build_all(wish, Store(), tell) else 0
    except NothingToDo as reason:
        tell("nothing", reason=str(reason))
        return 0
    except (BuildCancelled, KeyboardInterrupt):
        tell("cancelled", reason="The build was cancelled; nothing was left behind.")
        return 130
    except EngineFailed as error:
        tell("failed", title="engines", reason=str(error))
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
