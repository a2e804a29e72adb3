"""ONNX to an engine, for TensorRT-RTX and TensorRT alike: written against the module object `trt`, whichever it is.

Runs in a process of its own (`engines.worker`): a fault in native code must not take the window along.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from .engine import EngineFailed

# What TensorRT-RTX builds for; other cards (data centres, before Turing) are TensorRT's.
RTX_TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
_ONE_AT_A_TIME = threading.Lock()
_SINGLE: dict[str, tuple[Any, Any]] = {}


class BuildCancelled(EngineFailed):
    """A build was stopped before it ended."""


def build(trt: Any, model: bytes, targets: Sequence[str] = (), progress: Callable[[float], bool] | None = None,
          threads: int | None = None) -> bytes:
    """Return the serialised engine of an ONNX model.

    trt: the module `tensorrt_rtx` or `tensorrt`. targets: names of RTX_TARGETS (TensorRT-RTX only); none: the card of
    this machine. progress: called with 0..1 from the builder's threads, False cancels. Raises EngineFailed with the
    parser's or builder's own words, BuildCancelled.
    """
    with _ONE_AT_A_TIME:
        logger, errors = _singletons(trt)
        logger.lines.clear()
        errors.clear()
        builder = trt.Builder(logger)
        if threads:
            builder.max_threads = threads
        network = builder.create_network(0)
        parser = trt.OnnxParser(network, logger)
        if not parser.parse(model):
            raise EngineFailed(_parser_errors(parser))
        # Set only now: a network made after it would hold the recorder and crash when it is freed (TensorRT-RTX 1.7.1).
        builder.error_recorder = errors
        config = builder.create_builder_config()
        if targets:
            _set_targets(trt, config, targets)
        monitor = _monitor(trt, progress or (lambda _: True))
        config.progress_monitor = monitor
        blob = builder.build_serialized_network(network, config)
        if monitor.cancelled:
            raise BuildCancelled("the build was cancelled")
        if blob is None:
            words = [text for _, text in errors.entries] or logger.lines
            raise EngineFailed(f"the builder gave no engine: {'; '.join(_line(w) for w in words[:3]) or 'no reason'}")
        return bytes(blob)


def check_targets(targets: Sequence[str]) -> None:
    """Raise EngineFailed with the known names when one is unknown."""
    unknown = [name for name in targets if name not in RTX_TARGETS]
    if unknown:
        raise EngineFailed(f"unknown target {', '.join(unknown)}; choose among: {', '.join(RTX_TARGETS)}")


def _set_targets(trt: Any, config: Any, targets: Sequence[str]) -> None:
    if not hasattr(trt, "ComputeCapability"):
        raise EngineFailed("TensorRT builds for the card of this machine only; TensorRT-RTX can build for others")
    check_targets(targets)
    config.num_compute_capabilities = len(targets)
    for index, name in enumerate(targets):
        config.set_compute_capability(getattr(trt.ComputeCapability, name.upper()), index)


def _parser_errors(parser: Any) -> str:
    found = [parser.get_error(i) for i in range(parser.num_errors)]
    lines = [f"{e.node_name() or e.node_operator() or 'the file'}: {_line(e.desc())}" for e in found[:3]]
    return f"the network was refused: {'; '.join(lines) or 'no reason given'}"


def _line(text: str) -> str:
    return " ".join(text.split())[:200]


def _singletons(trt: Any) -> tuple[Any, Any]:
    """One logger and one recorder per process: TensorRT keeps the first logger and ignores later ones."""
    if trt.__name__ not in _SINGLE:

        class Log(trt.ILogger):
            def __init__(self) -> None:
                super().__init__()
                self.lines: list[str] = []

            def log(self, severity: Any, msg: str) -> None:
                if severity <= trt.ILogger.Severity.WARNING:
                    self.lines.append(msg)

        class Errors(trt.IErrorRecorder):
            def __init__(self) -> None:
                super().__init__()
                self.entries: list[tuple[Any, str]] = []

            def num_errors(self) -> int:
                return len(self.entries)

            def get_error_code(self, arg0: int) -> Any:
                return self.entries[arg0][0]

            def get_error_desc(self, arg0: int) -> str:
                return self.entries[arg0][1]

            def has_overflowed(self) -> bool:
                return False

            def report_error(self, arg0: Any, arg1: str) -> bool:
                self.entries.append((arg0, arg1))
                return True

            def clear(self) -> None:
                self.entries.clear()

        _SINGLE[trt.__name__] = Log(), Errors()
    return _SINGLE[trt.__name__]


def logger(trt: Any) -> Any:
    """Return the process's logger, with its last `lines`."""
    return _singletons(trt)[0]


def _monitor(trt: Any, tell: Callable[[float], bool]) -> Any:
    class Monitor(trt.IProgressMonitor):
        """The share of steps done, phases nested in the steps of their parents; never goes back."""

        def __init__(self) -> None:
            super().__init__()
            self.phases: dict[str, tuple[str | None, int, int]] = {}
            self.share, self.cancelled = 0.0, False

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.phases[phase_name] = (parent_phase, 0, max(num_steps, 1))

        def step_complete(self, phase_name: str, step: int) -> bool:
            parent, _, steps = self.phases.get(phase_name, (None, 0, 1))
            self.phases[phase_name] = (parent, step + 1, steps)
            share = 0.0
            name: str | None = phase_name
            while name in self.phases:
                parent, done, steps = self.phases[name]
                share = min(1.0, (done + share) / steps)
                name = parent
            self.share = max(self.share, share)
            self.cancelled = self.cancelled or not tell(self.share)
            return not self.cancelled

        def phase_finish(self, phase_name: str) -> None:
            self.phases.pop(phase_name, None)

    return Monitor()
