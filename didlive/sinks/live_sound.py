"""The microphone's sound beside a live picture, in sync by the times at which both were captured."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer

from ..flow import Splice
from ..seams import SOUND_HZ, AudioTap
from ..types import F32

# A block that is off by less follows the one before without a seam: the clocks of sound cards differ a little.
SLACK, PIECE = round(0.015 * SOUND_HZ), SOUND_HZ // 100
# Sound that is not there so long after its picture becomes silence; what comes still later is left out.
LATE_S = 0.5
BIT_RATE = {"mono": 96_000, "stereo": 128_000}


class LiveSound:
    """Writes what `tap` gives as a track of `container`. `begin` says when the picture's time 0 was, then `advance`
    keeps pace with the video, so that the file is interleaved; `finish` trims to the video's length.

    splice: the moments that a pause leaves out. late_s: how long sound may come after its picture. delay_ns: how much
    later than captured everything is heard; it may change at any time.
    """

    def __init__(self, tap: AudioTap, container: OutputContainer, codec: str, splice: Splice, *, layout: str = "mono",
                 late_s: float = LATE_S, mux: Callable[[list[av.Packet]], None] | None = None) -> None:
        self._tap, self._splice, self._late_s, self._layout = tap, splice, late_s, layout
        self._mux = mux or container.mux
        stream = container.add_stream(codec, rate=SOUND_HZ, layout=layout)
        assert isinstance(stream, AudioStream)
        self._stream = stream
        self._stream.bit_rate = BIT_RATE[layout]
        self.delay_ns = 0
        self._zero_ns, self._end = 0, 0
        self._waiting: list[F32] = []
        self._written = 0

    def begin(self, at_ns: int) -> None:
        """Let the track begin at this time of `time.perf_counter_ns`, pauses left out."""
        self._zero_ns = at_ns

    def advance(self, until_s: float) -> None:
        """Write the sound that is there; `until_s`: how far the picture is."""
        self._listen()
        self._fill(int((until_s - self._late_s) * SOUND_HZ))
        self._encode(last=False)

    def finish(self, length_s: float) -> None:
        """Write the rest, exactly to the video's length, and close the track."""
        self._listen()
        length = round(length_s * SOUND_HZ)
        self._fill(length)
        if self._end > length:
            samples = np.concatenate(self._waiting)
            self._waiting = [samples[:max(0, len(samples) - (self._end - length))]]
            self._end = length
        self._encode(last=True)
        self._mux(self._stream.encode(None))

    def close(self) -> None:
        """Nothing is held open."""

    def _listen(self) -> None:
        while (block := self._tap()) is not None:
            samples, at_ns = block
            # In small pieces, since a pause may begin or end within a long one.
            for begin in range(0, len(samples), PIECE):
                self._place(samples[begin:begin + PIECE], at_ns + begin * 1_000_000_000 // SOUND_HZ)

    def _place(self, samples: F32, at_ns: int) -> None:
        placed_ns = self._splice.place(at_ns)
        if placed_ns is None:
            return
        begin = round((placed_ns + self.delay_ns - self._zero_ns) * SOUND_HZ / 1e9)
        if begin > self._end + SLACK:
            self._fill(begin)
        elif begin < self._end - SLACK or begin < 0:
            samples = samples[self._end - begin:]
        self._add(samples)

    def _fill(self, until: int) -> None:
        self._add(np.zeros(max(0, until - self._end), np.float32))

    def _add(self, samples: F32) -> None:
        if len(samples):
            self._waiting.append(samples)
            self._end += len(samples)

    def _encode(self, last: bool) -> None:
        """Encode whole blocks of the encoder's size; `last`: the remainder too."""
        size = self._stream.codec_context.frame_size or 1024
        if not last and self._end - self._written < size:
            return
        samples = np.concatenate(self._waiting) if self._waiting else np.zeros(0, np.float32)
        end = len(samples) if last else len(samples) // size * size
        for begin in range(0, end, size):
            block = samples[begin:min(begin + size, end)]
            shape = np.repeat(block[None], 2 if self._layout == "stereo" else 1, axis=0)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(shape), format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = SOUND_HZ, self._written, Fraction(1, SOUND_HZ)
            self._written += len(block)
            self._mux(self._stream.encode(frame))
        self._waiting = [samples[end:]]
