"""Animated pictures for the web: GIF and WebP, both looping for ever."""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
from av.container import OutputContainer
from av.error import BlockingIOError, EOFError, FFmpegError
from av.filter import Graph
from av.filter.context import FilterContext

from ..errors import OutputFailed
from ..seams import StreamFormat
from ..types import Frame
from .files import FileSink, as_url


class Thinned(FileSink):
    """Base of both: keeps every n-th picture so that the rate stays at or below `highest_hz`, at an even pace.

    `written` counts the pictures taken, kept or not. real_time: the pictures' capture times count, and after
    `longest_s` seconds, when such a file is as large as it should be, it is finished and `write` raises OutputFailed.
    """

    carries_alpha: ClassVar[bool] = True
    faults = (OSError, FFmpegError)
    highest_hz, longest_s = 25.0, 20.0

    def __init__(self, path: Path | str, *, real_time: bool = False) -> None:
        super().__init__(path)
        self.real_time = real_time

    def write(self, frame: Frame) -> None:
        """Add one picture of the opened size."""
        super().write(frame)
        if self.real_time and self._slot >= self.longest_s * self._rate:
            self.close()
            self._failure = (f"{self.path}: the recording was stopped after {self.longest_s:g} s, the most for this "
                             "kind of file; what was recorded until then is complete")
            raise OutputFailed(self._failure)

    def _set_rate(self, stream: StreamFormat) -> None:
        self._every = max(1, math.ceil(stream.rate_hz / self.highest_hz - 1e-6))
        self._rate = Fraction(stream.rate_hz / self._every).limit_denominator(1001)
        self._alpha = stream.alpha
        self._first_ns, self._slot = 0, -1

    def _picture(self, frame: Frame) -> av.VideoFrame | None:
        """Return the frame for the encoder, or None when it is thinned out."""
        if not self._is_due(frame):
            return None
        # Without declared transparency a fourth channel is dropped; with it, a missing one means opaque.
        channels = frame.image.shape[2]
        if self._alpha and channels == 3:
            image = np.dstack([frame.image, np.full(frame.image.shape[:2], 255, np.uint8)])
        else:
            image = np.ascontiguousarray(frame.image[:, :, :4 if self._alpha else 3])
        picture = av.VideoFrame.from_ndarray(image, format="rgba" if self._alpha else "rgb24")
        picture.pts, picture.time_base = self._slot, 1 / self._rate
        return picture

    def _is_due(self, frame: Frame) -> bool:
        """Whether this picture is kept; `_slot` is then its time in pictures of the file's own rate."""
        if self.real_time:
            self._first_ns = self._first_ns if self._slot >= 0 else frame.stamp.captured_ns
            slot = round((frame.stamp.captured_ns - self._first_ns) * self._rate / 1_000_000_000)
        else:
            slot, rest = divmod(self.written, self._every)
            if rest:
                return False
        due = slot > self._slot
        self._slot = max(slot, self._slot)
        return due


class GifSink(Thinned):
    """Writes a GIF with one palette made for all its pictures and error-diffusion dithering, at most 25 pictures/s.

    The palette is only known at the end, so the pictures wait in a lossless file beside the result: memory stays
    small, whatever the length. Transparency becomes on or off at one half.
    """

    # A picture of 512 px takes a tenth of a second.
    finish_s: ClassVar[float] = 120.0

    def _begin(self, stream: StreamFormat) -> None:
        self._set_rate(stream)
        self._container: OutputContainer | None = None
        self._size = (stream.width, stream.height)
        self._slots: list[int] = []
        self._spool_path, self._part = self._aside("spool"), self._aside()
        self._spool = av.open(as_url(self._spool_path), "w", format="nut")
        self._pixels = "bgra" if self._alpha else "bgr0"
        video = self._spool.add_stream("ffv1", rate=self._rate, options={"level": "3", "slices": "4"})
        video.width, video.height, video.pix_fmt = stream.width, stream.height, self._pixels
        video.codec_context.thread_count = 1
        self._video = video
        self._palette = Graph()
        self._palette_in = self._entry(self._palette)
        maker = self._palette.add("palettegen", f"stats_mode=full:reserve_transparent={int(self._alpha)}")
        sink = self._palette.add("buffersink")
        self._palette_in.link_to(maker)
        maker.link_to(sink)
        self._palette.configure()

    def _entry(self, graph: Graph, pixels: str = "") -> FilterContext:
        return graph.add_buffer(width=self._size[0], height=self._size[1],
                                format=av.VideoFormat(pixels or self._pixels), time_base=1 / self._rate)

    def _add(self, frame: Frame) -> None:
        picture = self._picture(frame)
        if picture is not None:
            self._slots.append(self._slot)
            picture = picture.reformat(format=self._pixels)
            self._palette_in.push(picture)
            self._spool.mux(self._video.encode(picture))

    def _finish(self) -> Path:
        self._spool.mux(self._video.encode(None))
        self._spool.close()
        self._palette_in.push(None)
        palette = self._palette.pull()
        graph = Graph()
        pictures = self._entry(graph)
        colours = graph.add_buffer(width=16, height=16, format=av.VideoFormat("bgra"), time_base=1 / self._rate)
        use = graph.add("paletteuse", "dither=sierra2_4a:alpha_threshold=128")
        sink = graph.add("buffersink")
        pictures.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        colours.push(palette)
        colours.push(None)
        self._container = av.open(as_url(self._part), "w", format="gif", options={"loop": "0"})
        video = self._container.add_stream("gif", rate=self._rate)
        video.width, video.height, video.pix_fmt = *self._size, "pal8"
        video.codec_context.time_base = Fraction(1, 100)
        with av.open(as_url(self._spool_path)) as spool:
            for slot, picture in zip(self._slots, spool.decode(video=0), strict=True):
                picture.pts, picture.time_base = slot, 1 / self._rate
                pictures.push(picture)
                self._drain(sink, video)
        pictures.push(None)
        self._drain(sink, video)
        self._container.mux(video.encode(None))
        self._container.close()
        return self._part

    def _drain(self, sink: FilterContext, video: av.VideoStream) -> None:
        assert self._container is not None
        while True:
            try:
                picture = sink.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(picture, av.VideoFrame) and picture.pts is not None and picture.time_base is not None
            # GIF counts in hundredths of a second: rounding each time, not each duration, keeps the pace.
            picture.pts = round(picture.pts * picture.time_base * 100)
            picture.time_base = Fraction(1, 100)
            self._container.mux(video.encode(picture))

    def _release(self) -> None:
        for container in (getattr(self, "_spool", None), getattr(self, "_container", None)):
            if container is not None:
                with suppress(OSError, FFmpegError):
                    container.close()


class WebpSink(Thinned):
    """Writes an animated WebP, lossy at quality 80, at most 30 pictures/s; transparency is kept."""

    highest_hz, longest_s = 30.0, 60.0
    quality = 80

    def _begin(self, stream: StreamFormat) -> None:
        self._set_rate(stream)
        self._part = self._aside()
        self._container: OutputContainer | None = av.open(as_url(self._part), "w", format="webp",
                                                          options={"loop": "0"})
        video = self._container.add_stream("libwebp_anim", rate=self._rate, options={"quality": str(self.quality)})
        video.width, video.height, video.pix_fmt = stream.width, stream.height, "bgra"
        self._video = video
        self._container.start_encoding()

    def _add(self, frame: Frame) -> None:
        picture = self._picture(frame)
        if picture is not None:
            assert self._container is not None
            self._container.mux(self._video.encode(picture.reformat(format="bgra")))

    def _finish(self) -> Path:
        assert self._container is not None
        self._container.mux(self._video.encode(None))
        self._container.close()
        if self._alpha:
            # The encoder cuts transparent borders off and then, finding none inside, forgets to say that there are
            # some (bit 4 of the VP8X chunk's flags); readers would show them white.
            with open(self._part, "r+b") as file:
                head = file.read(21)
                if head[12:16] == b"VP8X":
                    file.seek(20)
                    file.write(bytes([head[20] | 0x10]))
        return self._part

    def _release(self) -> None:
        container, self._container = getattr(self, "_container", None), None
        if container is not None:
            with suppress(OSError, FFmpegError):
                container.close()
