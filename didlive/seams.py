"""The five seams. Each is a short contract; tests/contract runs one suite over every registered implementation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .types import F32, Drive, Frame, Patch, Portrait, Tracking

SOUND_HZ = 48_000
# Sound for one reader, which calls it again and again and never waits: the next block that it has not had, (n,) float32
# mono at SOUND_HZ within -1..1, with the `perf_counter_ns` of its first sample; None: nothing new yet.
AudioTap = Callable[[], tuple[F32, int] | None]


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """What a camera really delivers: name for people, size px, rate in frames per second (0 = unknown), pixel format,
    and whether it is a live device (False for a file or a recording)."""

    name: str
    width: int
    height: int
    rate_hz: float
    pixel_format: str
    live: bool


class Camera(Protocol):
    """A source of frames. `open` raises CameraLost (device) or BadInput (file). `read` blocks at most `timeout_s` and
    returns the next frame, or None at the end of a file. It raises CameraLost when the device fails or the time runs
    out. `close` may be called twice. A camera may be opened again after `close`."""

    def open(self) -> CameraInfo: ...
    def read(self, timeout_s: float = 2.0) -> Frame | None: ...
    def close(self) -> None: ...


class Tracker(Protocol):
    """Frame to face. Frames come in order of capture time; `reset` forgets the past; `close` may be called twice."""

    def track(self, frame: Frame) -> Tracking: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


class Source(Protocol):
    """A portrait prepared by one generator; it belongs to that generator only."""

    @property
    def portrait(self) -> Portrait: ...


class Generator(Protocol):
    """Draws a portrait in motion. `prepare` does all the slow work once; `generate` is pure: same source and drive,
    same pixels. The patch of a neutral drive equals the portrait. `provider` says what draws, and on what."""

    @property
    def provider(self) -> str: ...
    def prepare(self, portrait: Portrait) -> Source: ...
    def generate(self, source: Source, drive: Drive) -> Patch: ...


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What a sink will receive: size px, nominal rate in Hz, whether frames carry alpha."""

    width: int
    height: int
    rate_hz: float
    alpha: bool = False


class Sink(Protocol):
    """Takes finished frames. `open` raises OutputFailed. `write` takes frames of the opened size in order of time and
    raises OutputFailed when the output is lost. A sink that can show transparency says `carries_alpha = True`; others
    get opaque frames in a show. `close` finishes the output; `abort` drops it and leaves nothing behind. Both may be
    called twice."""

    def open(self, stream: StreamFormat) -> None: ...
    def write(self, frame: Frame) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
