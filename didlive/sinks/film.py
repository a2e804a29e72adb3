"""What video files share, made from a clip or live: real capture times, sound, and a recording that survives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Protocol

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter

from ..disk import free_bytes, sync
from ..errors import OutputFailed
from ..flow import Splice
from ..seams import AudioTap, StreamFormat
from ..types import U8, Frame
from .files import FileSink, as_url
from .live_sound import LiveSound
from .sound import ClipSound

# A recording ends before the disk is full: what else runs on this machine needs some, too.
RESERVE_MB = 200


def even(image: U8) -> U8:
    """Repeat the last column or row where the size is odd: 4:2:0 video has only even sizes."""
    height, width = image.shape[:2]
    if width % 2 == 0 and height % 2 == 0:
        return image
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def bt709(image: U8, reformat: Callable[..., av.VideoFrame]) -> av.VideoFrame:
    """Return an RGB or RGBA picture of even size as 4:2:0 video (with an alpha plane), BT.709, limited range;
    `reformat` is a reformatter's method of that name, which keeps what it worked out for the next picture."""
    alpha = image.shape[2] == 4
    return reformat(
        av.VideoFrame.from_ndarray(image, format="rgba" if alpha else "rgb24"),
        format="yuva420p" if alpha else "yuv420p",
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND, threads=1,
        src_color_range=ColorRange.JPEG, dst_color_range=ColorRange.MPEG, dst_colorspace=Colorspace.ITU709,
        dst_color_trc=ColorTrc.BT709, dst_color_primaries=ColorPrimaries.BT709)


def say_bt709(context: VideoCodecContext) -> None:
    """Write into the stream what `bt709` made of the colours."""
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG


class Sound(Protocol):
    """A sound track that keeps pace with the video; see `ClipSound` and `LiveSound`."""

    def advance(self, until_s: float) -> None: ...
    def finish(self, length_s: float) -> None: ...
    def close(self) -> None: ...


class Film(FileSink):
    """Base of the video files. A subclass gives `kind` (FFmpeg's name of the container, and the end of file names),
    `options` (of the container: finished, and live), `clock_hz` (live), `_add_video`, and `_cut`.

    An odd width or height grows by one repeated pixel.

    path: the file; it appears on `close`, ready for streaming (index first).
    audio_from: clip whose sound is kept, timed from its first picture and trimmed to the video's length.
    audio: microphone to record beside a live video; `splice` says which moments were left out of it.
    real_time: time each picture by its `Stamp.captured_ns` (variable rate) instead of the constant
        `StreamFormat.rate_hz`, and record into `NAME.recording.KIND` beside `path`, which plays even if the program or
        the machine dies or the disk runs full (then it is kept, and the error names it). When less than 200 MB are
        left on the disk, the recording is finished and `write` raises; with less it does not begin.
    free_bytes: tells how much is left in a folder.
    Raises OutputFailed.
    """

    faults = (OSError, FFmpegError)
    kind: ClassVar[str]
    options: ClassVar[tuple[dict[str, str], dict[str, str]]]
    clock_hz: ClassVar[int]
    sound_codec: ClassVar[str]

    def __init__(self, path: Path | str, *, audio_from: Path | str | None = None, audio: AudioTap | None = None,
                 real_time: bool = False, free_bytes: Callable[[Path], int] = free_bytes) -> None:
        super().__init__(path)
        self._free_bytes = free_bytes
        self.audio_from = Path(audio_from) if audio_from is not None else None
        self.audio, self.real_time = audio, real_time
        self.splice = Splice(0)
        self._container: OutputContainer | None = None
        self._sound: Sound | None = None

    def write(self, frame: Frame) -> None:
        """Add one picture of the opened size."""
        super().write(frame)
        if not self.real_time or self._pts < self._next_look:
            return
        self._next_look = self._pts + self.clock_hz
        with self._guarded():
            sync(self._part)
            nearly_full = self._nearly_full(0)
        if nearly_full:
            self.close()
            self._failure = (f"{self.path}: the recording was stopped, because less than {RESERVE_MB} MB are left on "
                             "the disk; what was recorded until then is complete")
            raise OutputFailed(self._failure)

    def _nearly_full(self, more: int) -> bool:
        """Whether too little would be left after so many bytes more."""
        return self._free_bytes(self.path.absolute().parent) - more < RESERVE_MB << 20

    def _check_place(self) -> None:
        super()._check_place()
        if self.real_time and self._nearly_full(0):
            raise OutputFailed(f"{self.path} was not written: less than {RESERVE_MB} MB are left on the disk; "
                               "make room")
        if self.audio_from is not None and self.path.exists() and self.audio_from.exists() \
                and self.path.samefile(self.audio_from):
            raise OutputFailed(f"{self.path} was not written: it would replace the driving clip; give another name")

    def _begin(self, stream: StreamFormat) -> None:
        self._part = self._recording() if self.real_time else self._aside()
        container = self._container = av.open(as_url(self._part), "w", format=self.kind,
                                              options=self.options[self.real_time])
        self._rate = Fraction(stream.rate_hz).limit_denominator(1001)
        self._alpha = stream.alpha
        video = self._add_video(container, stream)
        video.width, video.height = stream.width + stream.width % 2, stream.height + stream.height % 2
        context = video.codec_context
        context.gop_size = max(1, round(2 * self._rate))
        context.time_base = Fraction(1, self.clock_hz) if self.real_time else 1 / self._rate
        say_bt709(context)
        self._video = video
        self._reformat = VideoReformatter().reformat
        self._first_ns, self._pts, self._next_look = 0, -1, 0
        self._sound = None
        if self.audio_from is not None:
            self._sound = ClipSound(self.audio_from, container, self.sound_codec)
        elif self.audio is not None:
            self._sound = LiveSound(self.audio, container, self.sound_codec, self.splice)
        container.start_encoding()

    def _add_video(self, container: OutputContainer, stream: StreamFormat) -> av.VideoStream:
        """Return a new stream with its encoder's own options and pixel format."""
        raise NotImplementedError

    def _shown(self, image: U8) -> U8:
        """Return the channels that are kept."""
        return image[:, :, :3]

    def _add(self, frame: Frame) -> None:
        assert self._container is not None
        picture = bt709(np.ascontiguousarray(even(self._shown(frame.image))), self._reformat)
        if self._pts < 0 and isinstance(self._sound, LiveSound):
            self._sound.begin(frame.stamp.captured_ns)
        picture.pts, picture.time_base = self._next_pts(frame), self._video.codec_context.time_base
        self._container.mux(self._video.encode(picture))
        if self._sound is not None:
            self._sound.advance(float(self._pts * picture.time_base))

    def _next_pts(self, frame: Frame) -> int:
        if not self.real_time:
            self._pts += 1
            return self._pts
        if self._pts < 0:
            self._first_ns = frame.stamp.captured_ns
        elapsed = round((frame.stamp.captured_ns - self._first_ns) * self.clock_hz / 1e9)
        # A repeated picture has the capture time of its first showing; time must still move on.
        self._pts = max(elapsed, self._pts + 1)
        return self._pts

    def _finish(self) -> Path:
        assert self._container is not None
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.finish(float(self._pts * self._video.codec_context.time_base + 1 / self._rate))
            self._sound.close()
        self._container.close()
        return self._with_index_first() if self.real_time else self._part

    def _release(self) -> None:
        if self._sound is not None:
            self._sound.close()
        if self._container is not None:
            # Closing writes the end of the file, which fails again when the disk is full.
            with suppress(OSError, FFmpegError):
                self._container.close()
        self._container = self._sound = None

    def _recording(self) -> Path:
        """Create the visible file that a crash leaves behind, beside older ones of that kind."""
        for number in range(1000):
            path = self.path.with_name(f"{self.path.stem}.recording{f'-{number}' if number else ''}.{self.kind}")
            with suppress(FileExistsError):
                path.touch(exist_ok=False)
                self._asides.append(path)
                return path
        raise OutputFailed(f"{self.path} was not written: too many unfinished recordings lie beside it")

    def _fail(self, error: OutputFailed) -> None:
        self._release()
        if self.real_time and self.written and self._part in self._asides:
            # What was recorded cannot be repeated: it stays, although the disk is full.
            with suppress(OSError):
                if self._cut(self._part):
                    self._asides.remove(self._part)
                    error.args = (f"{error}; what was recorded until then is in {self._part}",)
        super()._fail(error)

    def _cut(self, path: Path) -> int:
        """Take off what of a broken recording does not play; return the bytes that are left. Raises OSError."""
        return path.stat().st_size

    def _with_index_first(self) -> Path:
        """Copy the recording into one plain file. If that fails, or needs more room than there is, the first one, which
        is complete, will do."""
        sync(self._part)
        if self._nearly_full(self._part.stat().st_size):
            return self._part
        try:
            final = self._aside()
            with av.open(as_url(self._part)) as source, \
                    av.open(as_url(final), "w", format=self.kind, options=self.options[0]) as target:
                streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
                for stream in source.streams.video:
                    # A template forgets it, and without it no browser sees that a WebM is transparent.
                    if "alpha_mode" in stream.metadata:
                        streams[stream.index].metadata["alpha_mode"] = stream.metadata["alpha_mode"]
                for packet in source.demux():
                    if packet.dts is not None:
                        packet.stream = streams[packet.stream.index]
                        target.mux(packet)
        except self.faults:
            return self._part
        return final
