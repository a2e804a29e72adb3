"""The sound of a clip, re-encoded beside the video that was made from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError, InvalidDataError
from av.stream import Disposition

from ..errors import OutputFailed
from ..types import F32
from .files import as_url

AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# Time stamps in real files jitter by a few milliseconds; a larger hole is a real pause and becomes silence.
GAP_S = 0.02


def heard_blocks(clip: InputContainer, layout: str, rate_hz: int) -> Iterator[F32]:
    """Yield the first sound track of an open file as blocks (channels, n) float32 at `rate_hz` that follow each other
    without a gap from the first picture on, or from the track's own begin where there is no picture."""
    source = clip.streams.audio[0]
    first = next((v for v in clip.streams.video if not v.disposition & Disposition.attached_pic), source)
    start_s = float((first.start_time or 0) * (first.time_base or 0))
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate_hz)
    position = 0
    for frame in _resampled(clip, source, resampler):
        samples = frame.to_ndarray().astype(np.float32, copy=False)
        if frame.pts is not None and frame.time_base:
            begin = round((float(frame.pts * frame.time_base) - start_s) * rate_hz)
            if begin > position + (GAP_S * rate_hz if position else 0):
                yield np.zeros((samples.shape[0], begin - position), np.float32)
                position = begin
            elif begin < 0:
                samples = samples[:, -begin:]
        if samples.shape[1]:
            yield samples
            position += samples.shape[1]


def _resampled(clip: InputContainer, source: AudioStream, resampler: av.AudioResampler) -> Iterator[av.AudioFrame]:
    some = False
    for packet in clip.demux(source):
        try:
            frames = packet.decode()
        except InvalidDataError:
            continue  # A damaged packet becomes silence, by its neighbours' time stamps.
        for frame in frames:
            some = True
            yield from resampler.resample(frame)
    if some:
        yield from resampler.resample(None)


class ClipSound:
    """Reads the first sound track of `clip` and writes it into `container`, timed from the clip's first picture.

    `advance` keeps pace with the video, so that the file is interleaved; `finish` trims to the video's length. A clip
    without sound adds no track (`present` is False). Raises OutputFailed when the clip cannot be read.
    """

    def __init__(self, clip: Path, container: OutputContainer, codec: str = "aac") -> None:
        try:
            # The whitelist keeps a playlist inside the file from reaching the network.
            self._clip = av.open(as_url(clip), options={"protocol_whitelist": "file"})
        except (OSError, FFmpegError) as error:
            raise OutputFailed(f"the sound of {clip} cannot be read: {error}") from error
        self._container = container
        self._stream: AudioStream | None = None
        self._position = 0
        self._kept: list[F32] = []
        if not self._clip.streams.audio:
            return
        source = self._clip.streams.audio[0]
        self._rate_hz = source.rate if codec == "aac" and source.rate in AAC_RATES_HZ else 48000
        self._layout = "mono" if source.channels == 1 else "stereo"
        self._samples = heard_blocks(self._clip, self._layout, self._rate_hz)
        stream = container.add_stream(codec, rate=self._rate_hz, layout=self._layout)
        assert isinstance(stream, AudioStream)
        self._stream = stream
        self._stream.bit_rate = 96_000 if self._layout == "mono" else 160_000

    @property
    def present(self) -> bool:
        """Whether the clip has sound."""
        return self._stream is not None

    def advance(self, until_s: float) -> None:
        """Write the sound up to `until_s` seconds of the video."""
        if self.present:
            self._write_until(int(until_s * self._rate_hz), last=False)

    def finish(self, length_s: float) -> None:
        """Write the rest, no longer than the video's `length_s` seconds, and close the track."""
        if self._stream is not None:
            self._write_until(round(length_s * self._rate_hz), last=True)
            self._container.mux(self._stream.encode(None))

    def close(self) -> None:
        """Close the clip; may be called twice."""
        with suppress(OSError, FFmpegError):
            self._clip.close()

    def _write_until(self, target: int, last: bool) -> None:
        """Encode whole blocks of the encoder's size up to `target` samples; `last`: the remainder too, trimmed."""
        assert self._stream is not None
        size = self._stream.codec_context.frame_size or 1024
        have = sum(block.shape[1] for block in self._kept)
        for block in self._samples:
            self._kept.append(block)
            have += block.shape[1]
            if self._position + have >= target:
                break
        samples = np.concatenate(self._kept, axis=1) if self._kept else np.zeros((1, 0), np.float32)
        end = max(0, min(samples.shape[1], target - self._position))
        if not last:
            end = end // size * size
        for begin in range(0, end, size):
            self._encode(samples[:, begin:min(begin + size, end)])
        self._kept = [samples[:, end:]]

    def _encode(self, samples: F32) -> None:
        assert self._stream is not None
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts = self._rate_hz, self._position
        frame.time_base = Fraction(1, self._rate_hz)
        self._position += samples.shape[1]
        self._container.mux(self._stream.encode(frame))
