"""Which engine runs a network on this machine: the fastest of those that compute what the CPU computes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from .backends import BUILT, open_candidate
from .card import find_card
from .engine import Engine, EngineFailed
from .fallback import Fallback
from .golden import BARS_DB, compare, make_frame
from .graph import SIZES
from .ort import default_threads, open_ort
from .store import Store
from .weights import FOLDER, catalogue, find, read

PACKAGES = ("onnxruntime", "onnxruntime-ep-openvino", "onnxruntime-gpu", "tensorrt-rtx-cu13", "tensorrt-cu13")
TRIES = 25


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate: backend and precision, what really ran (or nothing), median time of a run in ms, PSNR in dB of its
    golden frame against float32 on the CPU, and why it is not used (empty for the one that is)."""

    backend: str
    precision: str
    provider: str = ""
    ms: float = 0.0
    psnr_db: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine chosen (last opened), and all attempts."""

    engine: Engine
    attempts: tuple[Attempt, ...]


def candidates(name: str, backend: str = "auto", folder: Path = FOLDER) -> list[tuple[str, str]]:
    """Return (backend, precision) pairs to try for a network, the likely fastest first."""
    has = catalogue(folder).get(name, {})
    cpu = [p for p in ("int8", "fp32") if p in has]
    everything = [*((b, p) for b in BUILT for p in ("fp16", "int8", "fp32")), ("cuda", "fp32"),
                  *([("coreml", "fp32")] if sys.platform == "darwin" else []),
                  *(("openvino", p) for p in cpu), *(("ort", p) for p in cpu)]
    return [pair for pair in everything if backend in ("auto", pair[0])]


def choose(name: str, backend: str = "auto", threads: int | None = None, folder: Path = FOLDER,
           store: Store | None = None) -> Choice:
    """Try all candidates of a network and open the fastest that computes what the CPU does. Takes some seconds. Raises
    EngineFailed when none works."""
    store = store or Store()
    reference = open_ort(name, "fp32", read(find(name, "fp32", folder)), threads)
    attempts: list[Attempt] = []
    best: tuple[float, Engine] | None = None
    for kind, precision in candidates(name, backend, folder):
        try:
            engine = open_candidate(name, kind, precision, threads, folder, store)
        except EngineFailed as error:
            attempts.append(Attempt(kind, precision, reason=str(error)))
            continue
        attempt = _try(engine, reference, kind, precision)
        attempts.append(attempt)
        if attempt.reason or (best is not None and best[0] <= attempt.ms):
            engine.close()
            continue
        if best is not None:
            best[1].close()
        best = attempt.ms, engine
    reference.close()
    if best is None:
        reasons = "; ".join(dict.fromkeys(f"{a.backend}: {a.reason}" for a in attempts))
        raise EngineFailed(f"{name} runs on no engine here: {reasons or f'nothing is called {backend}'}")
    won = best[1].provider
    told = tuple(a if a.reason or a.provider == won else replace(a, reason=f"slower than {won}") for a in attempts)
    if backend == "auto":
        _remember(name, machine_key(name, threads, folder, store), told, store)
    return Choice(best[1], told)


def _try(engine: Engine, reference: Engine, backend: str, precision: str) -> Attempt:
    """Run the golden frame, then measure."""
    try:
        psnr = compare(engine, reference)
        bar = BARS_DB[precision]
        if psnr < bar:
            return Attempt(backend, precision, engine.provider, 0.0, psnr,
                           f"computes something else than the CPU: {psnr:.0f} dB, {bar:.0f} are needed")
        return Attempt(backend, precision, engine.provider, median_ms(engine), psnr)
    except EngineFailed as error:
        return Attempt(backend, precision, engine.provider, reason=str(error))


def median_ms(engine: Engine, tries: int = TRIES) -> float:
    """Return the median time of a run in ms."""
    feeds = make_frame(engine.inputs, engine.dtypes)
    times = []
    for _ in range(tries):
        start = time.perf_counter_ns()
        engine.run(feeds)
        times.append((time.perf_counter_ns() - start) / 1e6)
    return statistics.median(times[tries // 5:])


def machine_key(name: str, threads: int | None, folder: Path, store: Store) -> str:
    """Return what a remembered choice depends on: the weights, the libraries, the card, the engines built, threads."""
    parts = [f"{w.precision} {w.sha256}" for w in catalogue(folder)[name].values()]
    for package in PACKAGES:
        try:
            parts.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    try:
        parts.append(str(find_card()))
    except EngineFailed as error:
        parts.append(str(error))
    parts += [f"{entry.key} {entry.verdict}" for entry in store.entries() if "network" in entry.facts]
    parts.append(str(threads or default_threads()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def open_auto(name: str, threads: int | None = None, folder: Path = FOLDER, store: Store | None = None,
              tell: Callable[[str], None] | None = None) -> Engine:
    """Open the engine that an earlier start chose on this machine, or choose now. When it is not on the CPU, the CPU
    stands by for the day its device is lost; `tell` is then called with a line for people. Raises EngineFailed."""
    find(name, "fp32", folder)
    store = store or Store()
    engine = _open_remembered(name, threads, folder, store)
    if engine is None:
        engine = choose(name, "auto", threads, folder, store).engine
    if " CPU" in engine.provider:
        return engine
    spare = partial(open_candidate, name, "ort", "fp32", threads, folder)
    return Fallback(engine, [spare], tell) if tell else Fallback(engine, [spare])


def report(name: str, threads: int | None = None, folder: Path = FOLDER, store: Store | None = None) -> list[Attempt]:
    """Return what was tried for a network on this machine and why all but one are not used; what an earlier start found
    out is not tried again. Raises EngineFailed."""
    store = store or Store()
    found = _recall(name, machine_key(name, threads, folder, store), store)
    if found:
        return found
    choice = choose(name, "auto", threads, folder, store)
    choice.engine.close()
    return list(choice.attempts)


def _open_remembered(name: str, threads: int | None, folder: Path, store: Store) -> Engine | None:
    for attempt in _recall(name, machine_key(name, threads, folder, store), store):
        if attempt.reason:
            continue
        try:
            engine = open_candidate(name, attempt.backend, attempt.precision, threads, folder, store)
            # Drivers change under a library that keeps its version.
            reference = open_ort(name, "fp32", read(find(name, "fp32", folder)), threads)
            if compare(engine, reference) >= BARS_DB[attempt.precision]:
                return engine
            engine.close()
        except EngineFailed:
            continue
    return None


def _recall(name: str, key: str, store: Store) -> list[Attempt]:
    try:
        text = (store.folder / f"choice-{name}.txt").read_text(encoding="utf-8")
        told: dict[str, Any] = json.loads(text)
        return [Attempt(**attempt) for attempt in told["attempts"]] if told["key"] == key else []
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _remember(name: str, key: str, attempts: tuple[Attempt, ...], store: Store) -> None:
    told = json.dumps({"key": key, "attempts": [asdict(attempt) for attempt in attempts]}, indent=1)
    store.note(f"choice-{name}.txt", told)


def open_whole(folder: Path = FOLDER, store: Store | None = None) -> dict[int, Engine]:
    """Return the engines of `engines.open_generators`: those that were built for this machine and found good."""
    store = store or Store()
    good = {entry.facts.get("network") for entry in store.entries() if entry.verdict == "good"}
    found: dict[int, Engine] = {}
    for size in SIZES:
        for backend in BUILT if f"generator-{size}" in good else ():
            with contextlib.suppress(EngineFailed):
                found[size] = open_candidate(f"generator-{size}", backend, "fp16", None, folder, store)
                break
    return found
