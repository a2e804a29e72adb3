"""H.264 video in an MP4 file, from a clip (repeatable to the byte) or live (survives a crash)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
from av.container import OutputContainer

from ..disk import free_bytes
from ..seams import AudioTap, StreamFormat
from . import encoders
from .film import Film

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


class Mp4Sink(Film):
    """Writes H.264 (4:2:0, BT.709 limited range) and sound as AAC; see `Film`. Transparency is dropped: the colour
    under it stays.

    preset, crf: x264's speed and quality (default `medium`, or `veryfast` in real time; 18 is visually lossless).
    encoder: `auto` lets the graphics card encode where it can, and is meant for live video; `used` says what did it.
    """

    kind, options, clock_hz, sound_codec = "mp4", (FINAL, FRAGMENTED), CLOCK_HZ, "aac"

    def __init__(self, path: Path | str, *, audio_from: Path | str | None = None, audio: AudioTap | None = None,
                 preset: str | None = None, crf: int = 18, real_time: bool = False, encoder: str = "processor",
                 free_bytes: Callable[[Path], int] = free_bytes) -> None:
        super().__init__(path, audio_from=audio_from, audio=audio, real_time=real_time, free_bytes=free_bytes)
        self.preset = preset or ("veryfast" if real_time else "medium")
        self.crf, self._encoder, self.used = crf, encoder, encoders.SOFTWARE

    def _add_video(self, container: OutputContainer, stream: StreamFormat) -> av.VideoStream:
        self.used = encoders.chosen(self._encoder, (stream.width + stream.width % 2, stream.height + stream.height % 2))
        if self.used == encoders.SOFTWARE:
            options = {"preset": self.preset, "crf": str(self.crf)}
            options |= {"rc-lookahead": str(LIVE_LOOKAHEAD)} if self.real_time else {}
        else:
            options = encoders.HARDWARE[self.used][1]
        video = container.add_stream(self.used, rate=self._rate, options=options)
        assert isinstance(video, av.VideoStream)
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = THREADS
        return video

    def _cut(self, path: Path) -> int:
        return cut_to_whole_fragments(path)
