"""H.264 video in an MP4 file, from a clip (repeatable to the byte) or live (survives a crash)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter

from ..disk import free_bytes, sync
from ..errors import OutputFailed
from ..seams import StreamFormat
from ..types import U8, Frame
from .files import FileSink, as_url
from .sound import ClipSound

CLOCK_HZ = 90_000
# x264's result depends on its number of threads: a fixed one gives the same bytes on every machine of one kind.
THREADS = 4
# bitexact: no version strings of the muxer in the file.
FINAL = {"movflags": "faststart", "fflags": "+bitexact"}
# Fragments make a half-written file playable; the delayed header can still describe B-frames and the AAC lead-in.
# A short one loses little: with what the encoder holds back, a crash costs less than a second.
FRAGMENTED = {"movflags": "frag_keyframe+delay_moov+default_base_moof", "frag_duration": "250000", "flush_packets": "1",
              "fflags": "+bitexact"}
LIVE_LOOKAHEAD = 5
# A recording ends before the disk is full: what else runs on this machine needs some, too.
RESERVE_MB = 200


def even(image: U8) -> U8:
    """Repeat the last column or row where the size is odd: 4:2:0 video has only even sizes."""
    height, width = image.shape[:2]
    if width % 2 == 0 and height % 2 == 0:
        return image
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def bt709(image: U8, reformat: Callable[..., av.VideoFrame]) -> av.VideoFrame:
    """Return an RGB picture of even size as 4:2:0 video, BT.709, limited range; `reformat` is a reformatter's method
    of that name, which keeps what it worked out for the next picture."""
    return reformat(
        av.VideoFrame.from_ndarray(image, format="rgb24"), format="yuv420p",
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND, threads=1,
        src_color_range=ColorRange.JPEG, dst_color_range=ColorRange.MPEG, dst_colorspace=Colorspace.ITU709,
        dst_color_trc=ColorTrc.BT709, dst_color_primaries=ColorPrimaries.BT709)


def say_bt709(context: VideoCodecContext) -> None:
    """Write into the stream what `bt709` made of the colours."""
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG


def cut_to_whole_fragments(path: Path) -> int:
    """Shorten a fragmented MP4 to its last complete fragment (a torn one makes players report a damaged file); return
    the bytes that are left. Raises OSError."""
    with open(path, "r+b") as file:
        length, at, whole = path.stat().st_size, 0, 0
        while len(head := file.read(8)) == 8:
            at += max(8, int.from_bytes(head[:4], "big"))
            if at > length:
                break
            if head[4:] == b"mdat":
                whole = at
            file.seek(at)
        file.truncate(whole)
    return whole


class Mp4Sink(FileSink):
    """Writes H.264 (4:2:0, BT.709 limited range) and, when asked, the sound of a clip as AAC.

    An odd width or height grows by one repeated pixel. Transparency is dropped: the colour under it stays.

    path: the `.mp4` file; it appears on `close`, ready for streaming (index first).
    audio_from: clip whose sound is kept, timed from its first picture and trimmed to the video's length.
    preset, crf: x264's speed and quality (default `medium`, or `veryfast` in real time; 18 is visually lossless).
    real_time: time each picture by its `Stamp.captured_ns` (90 kHz clock, variable rate) instead of the constant
        `StreamFormat.rate_hz`, and record into `NAME.recording.mp4` beside `path`, which plays even if the program or
        the machine dies or the disk runs full (then it is kept, and the error names it). When less than 200 MB are
        left on the disk, the recording is finished and `write` raises; with less it does not begin.
    free_bytes: tells how much is left in a folder.
    Raises OutputFailed.
    """

    faults = (OSError, FFmpegError)

    def __init__(self, path: Path | str, *, audio_from: Path | str | None = None, preset: str | None = None,
                 crf: int = 18, real_time: bool = False, free_bytes: Callable[[Path], int] = free_bytes) -> None:
        super().__init__(path)
        self._free_bytes = free_bytes
        self.audio_from = Path(audio_from) if audio_from is not None else None
        self.preset = preset or ("veryfast" if real_time else "medium")
        self.crf, self.real_time = crf, real_time
        self._container: OutputContainer | None = None
        self._sound: ClipSound | None = None

    def write(self, frame: Frame) -> None:
        """Add one picture of the opened size."""
        super().write(frame)
        if not self.real_time or self._pts < self._next_look:
            return
        self._next_look = self._pts + CLOCK_HZ
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
            raise OutputFailed(f"{self.path} was not written: less than {RESERVE_MB} MB are left on the disk; make "
                               "room, or record to another folder")
        if self.audio_from is not None and self.path.exists() and self.audio_from.exists() \
                and self.path.samefile(self.audio_from):
            raise OutputFailed(f"{self.path} was not written: it would replace the driving clip; give another name")

    def _begin(self, stream: StreamFormat) -> None:
        self._part = self._recording() if self.real_time else self._aside()
        options = FRAGMENTED if self.real_time else FINAL
        self._container = av.open(as_url(self._part), "w", format="mp4", options=options)
        rate = Fraction(stream.rate_hz).limit_denominator(1001)
        quality = {"preset": self.preset, "crf": str(self.crf)}
        live = {"rc-lookahead": str(LIVE_LOOKAHEAD)} if self.real_time else {}
        video = self._container.add_stream("libx264", rate=rate, options=quality | live)
        video.width, video.height = stream.width + stream.width % 2, stream.height + stream.height % 2
        video.pix_fmt = "yuv420p"
        context = video.codec_context
        context.thread_count = THREADS
        context.gop_size = max(1, round(2 * rate))
        context.time_base = Fraction(1, CLOCK_HZ) if self.real_time else 1 / rate
        say_bt709(context)
        self._video, self._rate = video, rate
        self._reformat = VideoReformatter().reformat
        self._first_ns, self._pts, self._next_look = 0, -1, 0
        self._sound = ClipSound(self.audio_from, self._container) if self.audio_from is not None else None
        self._container.start_encoding()

    def _add(self, frame: Frame) -> None:
        assert self._container is not None
        image = np.ascontiguousarray(even(frame.image[:, :, :3]))
        picture = bt709(image, self._reformat)
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
        elapsed = round((frame.stamp.captured_ns - self._first_ns) * CLOCK_HZ / 1e9)
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
            path = self.path.with_name(f"{self.path.stem}.recording{f'-{number}' if number else ''}.mp4")
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
                if cut_to_whole_fragments(self._part):
                    self._asides.remove(self._part)
                    error.args = (f"{error}; what was recorded until then is in {self._part}",)
        super()._fail(error)

    def _with_index_first(self) -> Path:
        """Copy the fragments into one plain file. If that fails, or needs more room than there is, the fragmented one,
        which is complete, will do."""
        sync(self._part)
        if self._nearly_full(self._part.stat().st_size):
            return self._part
        try:
            final = self._aside()
            with av.open(as_url(self._part)) as source, \
                    av.open(as_url(final), "w", format="mp4", options=FINAL) as target:
                streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
                for packet in source.demux():
                    if packet.dts is not None:
                        packet.stream = streams[packet.stream.index]
                        target.mux(packet)
        except self.faults:
            return self._part
        return final
