"""What goes out of a show: finished frames to every output, or the still portrait to all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from .actor import Actor
from .errors import BadInput, OutputFailed
from .flow import Latest
from .pipeline import Renderer
from .seams import Sink, StreamFormat
from .settings import Settings
from .sinks.outputs import Outputs, OutputState
from .sinks.png import save_png
from .status import Meters
from .types import Frame, Stamp


class Broadcast:
    """The outputs of one session and the gate before them; `preview` holds the newest frame for a window.

    While `_stilled` nothing but the still portrait gets out. `_running`: the outputs are open. `_stopped`: the show is
    over.
    """

    def __init__(self, settings: Settings, actor: Actor, sinks: Sequence[Sink]) -> None:
        self._renderer = Renderer(settings.motion, actor)
        self.preview: Latest[Frame] = Latest()
        width, height = actor.compositor.size
        self._outputs = Outputs(sinks, StreamFormat(width, height, settings.output.rate_hz, actor.compositor.alpha))
        self._outputs.color = actor.output.background_color
        # Held while a frame goes out, so that after `panic` returns no moving frame follows.
        self._gate = threading.Lock()
        self._last: Frame | None = None
        self._running = self._stopped = False
        self._meters = Meters()

    @property
    def over(self) -> bool:
        """Whether the show has ended."""
        return self._stopped

    @property
    def outputs(self) -> Outputs:
        """The outputs and their problems."""
        return self._outputs

    def add_sink(self, name: str, sink: Sink) -> None:
        """Add an output, which begins with the last frame. It is opened here, which may take a moment, and closed by
        the session. Raises OutputFailed when it cannot be opened, BadInput when there is one of that name or the
        session is over."""
        if self._stopped:
            raise BadInput("the show is over; start it again before you add an output")
        self._outputs.prepare(name, sink, self._running)
        with self._gate:
            if not self._stopped:
                self._outputs.add(name, sink, self._last)
                return
        sink.abort()

    def remove_sink(self, name: str) -> str:
        """Finish and forget an output, which may take a moment; one that is not there is fine. Return what went wrong
        with it in one line, or an empty string."""
        with self._gate:
            output = self._outputs.take_out(name)
        if output is None:
            return ""
        output.close()
        return output.problem

    def output_states(self) -> tuple[OutputState, ...]:
        """Return how each output stands, in the order in which they came."""
        return self._outputs.states()

    def snapshot(self, path: Path) -> None:
        """Write what goes out now as PNG, whole or not at all. Raises OutputFailed."""
        with self._gate:
            frame = self._last
        if frame is None:
            raise OutputFailed(f"{path} was not written: nothing has gone out yet")
        save_png(path, frame)

    def _stilled(self) -> bool:
        raise NotImplementedError

    def _open_outputs(self) -> None:
        """Open the outputs, which show the still portrait at once. Raises OutputFailed."""
        self._outputs.open()
        self._running = True
        self._send_still()

    def _close_outputs(self) -> None:
        with self._gate:
            # Whoever is just adding an output is done with it, or sees that the show is over.
            last = self._still() if self._running else None
        self._outputs.close(last)

    def _reopen_lost(self) -> None:
        with self._gate:
            last = self._last
        self._outputs.reopen_lost(last)

    def _send(self, frame: Frame, live: bool) -> None:
        with self._gate:
            if self._stilled():
                frame, live = self._still(), False
            self._outputs.write(frame)
            self._last = frame
        self.preview.put(frame)
        self._meters.measure(frame, live)

    def _send_still(self) -> None:
        with self._gate:
            frame = self._still()
            self._outputs.write(frame)
            self._last = frame
        self.preview.put(frame)

    def _still(self) -> Frame:
        return self._renderer.render(None, Stamp(0, time.perf_counter_ns()))
