"""The process that builds one engine: `python -m engines.worker REQUEST`, REQUEST as JSON.

It writes JSON lines: {"progress": 0..1}, at last {"done": true} or {"failed": "why"}. The end of its input cancels, so
that it also ends with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from .builder import BuildCancelled, build
from .engine import EngineFailed
from .flavours import FLAVOURS
from .plans import Plan

END_TIMEOUT_S = 10.0


def say(**fields: object) -> None:
    """Write one JSON line to the parent."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def main(argument: str) -> int:
    """Build what the request says; return the exit code."""
    request = json.loads(argument)
    cancelled = threading.Event()
    # Ctrl+C reaches the parent too, which closes our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=lambda: (sys.stdin.read(), cancelled.set()), daemon=True).start()

    def progress(share: float) -> bool:
        say(progress=round(share, 4))
        return not cancelled.is_set()

    try:
        trt = FLAVOURS[request["flavour"]].load()
        data = build(trt, Path(request["model"]).read_bytes(), request["targets"], progress, request["threads"])
        Path(request["engine"]).write_bytes(data)
    except EngineFailed as error:
        say(failed=str(error))
        return 1
    say(done=True)
    return 0


def build_apart(plan: Plan, progress: Callable[[float], bool], threads: int | None = None) -> bytes:
    """Build a plan's engine in a child process and return it; `progress` is called with 0..1 and cancels with False.
    Raises EngineFailed, also when the child crashes, and BuildCancelled."""
    with tempfile.TemporaryDirectory(prefix="didlive-engine-") as folder:
        model, engine = Path(folder, "model.onnx"), Path(folder, "model.engine")
        model.write_bytes(plan.model)
        request = {"flavour": plan.flavour.name, "model": str(model), "engine": str(engine),
                   "targets": plan.targets, "threads": threads}
        parent = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(p for p in (parent, os.environ.get("PYTHONPATH", "")) if p)
        with open(Path(folder, "words"), "w+", encoding="utf-8") as words:
            child = subprocess.Popen([sys.executable, "-m", "engines.worker", json.dumps(request)], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words,
                                     env={**os.environ, "PYTHONPATH": path})
            try:
                failed, cancelled = _listen(child, progress)
            finally:
                # Also when the parent is interrupted: nothing is left running.
                _end(child)
            words.seek(0)
            last = (words.read().strip().splitlines() or ["it said nothing"])[-1][:200]
        if cancelled:
            raise BuildCancelled("the build was cancelled")
        if failed:
            raise EngineFailed(failed)
        if child.returncode or not engine.exists():
            raise EngineFailed(f"the builder crashed (exit code {child.returncode}: {last})")
        return engine.read_bytes()


def _end(child: subprocess.Popen[str]) -> None:
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    try:
        child.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _listen(child: subprocess.Popen[str], progress: Callable[[float], bool]) -> tuple[str, bool]:
    """Return why the child failed (or nothing) and whether it was told to stop."""
    failed, cancelled, done = "", False, False
    for line in child.stdout or ():
        # Native code writes to the same stream.
        if not line.startswith("{"):
            continue
        message = json.loads(line)
        failed = message.get("failed", "")
        done = done or message.get("done", False)
        if not done and not cancelled and not progress(message.get("progress", 0.0)):
            cancelled = True
            if child.stdin is not None:
                child.stdin.close()
    return failed, cancelled and not done


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
