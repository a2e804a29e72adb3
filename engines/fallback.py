"""An engine that outlives its device: when one is lost in the middle of a show, the next takes over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from .engine import Array, Engine, EngineFailed, EngineLost, Feeds

Opener = Callable[[], Engine]
log = logging.getLogger(__name__)


class Fallback:
    """Runs the first engine; see `engines.engine.Engine`.

    The call of `run` in which the device is lost answers with the next engine's result, so a caller that shows the
    last picture until it has a new one holds it meanwhile. The spare engine is opened beforehand: building a session
    in a show would hold the interpreter. tell: called with a line for people at each change. Raises EngineLost when
    none is left.
    """

    def __init__(self, first: Engine, spares: Sequence[Opener], tell: Callable[[str], None] = log.warning):
        self._engine, self._tell = first, tell
        self._spares = list(spares)
        self._ready = self._open_next()
        self._feeds = Feeds(first.inputs, first.dtypes)
        self.name, self.inputs, self.outputs, self.dtypes = first.name, first.inputs, first.outputs, first.dtypes

    @property
    def provider(self) -> str:
        """Return what really runs the network now."""
        return self._engine.provider

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run the network on the engine in use, or on the next that works."""
        values = self._feeds.update(feeds)
        try:
            return self._engine.run(feeds)
        except EngineLost as error:
            reason: EngineFailed = error
        while self._ready is not None:
            lost, self._engine, self._ready = self._engine, self._ready, None
            lost.close()
            self._tell(f"{lost.provider} was lost ({reason}); {self._engine.provider} goes on")
            try:
                # All inputs: the constants were given to the engine that is gone.
                result = self._engine.run(values)
            except EngineFailed as error:
                reason = error
                self._ready = self._open_next()
                continue
            self._ready = self._open_next()
            return result
        raise EngineLost(f"{self.name}: every engine was lost, at last {self._engine.provider}: {reason}")

    def close(self) -> None:
        """Close the engine and its spare."""
        self._engine.close()
        if self._ready is not None:
            self._ready.close()
            self._ready = None

    def _open_next(self) -> Engine | None:
        while self._spares:
            opener = self._spares.pop(0)
            try:
                spare = opener()
            except EngineFailed as error:
                log.info("no spare engine: %s", error)
                continue
            return spare
        return None
