"""The backends by name, and how a network is opened on one of them."""

from __future__ import annotations

import contextlib
import hashlib
from importlib import import_module
from pathlib import Path

from .card import find_card
from .engine import Engine, EngineFailed
from .store import Store
from .weights import FOLDER, find, read

# Backend -> what opens it: (name, precision, model, threads) -> Engine. Adding one is one file and one line.
BACKENDS = {
    "ort": "engines.ort:open_ort",
    "openvino": "engines.openvino:open_openvino",
    "cuda": "engines.ort:open_cuda",
    "coreml": "engines.ort:open_coreml",
    "null": "engines.null:open_null",
}
# Backends that run engines built on this machine: name -> the flavour that built them.
BUILT = {"tensorrt": "tensorrt", "tensorrt_rtx": "rtx"}


def open_candidate(name: str, backend: str, precision: str, threads: int | None, folder: Path = FOLDER,
                   store: Store | None = None) -> Engine:
    """Open a network on one backend in one precision. Raises EngineFailed."""
    if backend in BUILT:
        return _open_built(name, backend, precision, folder, store or Store())
    if backend not in BACKENDS:
        raise EngineFailed(f"no engine is called {backend!r}; choose one of: auto, {', '.join((*BUILT, *BACKENDS))}")
    module, attribute = BACKENDS[backend].split(":")
    return getattr(import_module(module), attribute)(name, precision, read(find(name, precision, folder)), threads)


def _open_built(name: str, backend: str, precision: str, folder: Path, store: Store) -> Engine:
    from .cuda import Cuda
    from .flavours import FLAVOURS
    from .plans import make_plan
    from .tensorrt import TrtEngine

    flavour = FLAVOURS[BUILT[backend]]
    flavour.load()
    card = find_card()
    if reason := flavour.takes(card):
        raise EngineFailed(reason)
    plan = make_plan(name, flavour, precision, (), card, folder)
    entry, data = store.find(plan.key), store.load(plan.key)
    if entry is None or data is None:
        raise EngineFailed(f"no {precision} engine was built yet (build_engines.py --precision {precision})")
    if entry.verdict != "good":
        raise EngineFailed(f"the engine built for it is not used: {entry.verdict}")
    compiled = hashlib.sha256(f"{plan.key} {card}".encode()).hexdigest()[:32]
    return TrtEngine(name, f"{flavour.label} {precision} on {card.name}", flavour.load(), Cuda(), data,
                     store.load(compiled) or b"", lambda cache: _keep(store, compiled, cache, plan.title))


def _keep(store: Store, key: str, cache: bytes, title: str) -> None:
    # It only makes the next start quicker: a full or write-protected disk is no reason not to run.
    with contextlib.suppress(EngineFailed):
        if store.load(key) != cache:
            store.save(key, cache, {"compiled": title})
