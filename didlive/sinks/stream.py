"""A live stream to a server: RTMP and RTSP through PyAV, SRT through the ffmpeg program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from ..errors import OutputFailed
from ..flow import Splice
from ..seams import AudioTap, StreamFormat
from ..streaming import FORMATS, masked, parsed, without_secrets
from ..types import U8, Frame
from . import encoders, push
from .film import bt709, even, say_bt709
from .live import LiveSink
from .live_sound import LiveSound

BITRATE_KBPS = 2500
# A server that takes so long to answer, or takes nothing for so long, is lost.
CONNECT_S, PATIENCE_S, FAREWELL_S = 6.0, 3.0, 1.5
KEYFRAME_S = 2.0
# How long the microphone's sound may come after its picture; how quickly a changed delay of the picture is taken on.
SOUND_LATE_S, DELAY_STEP = 0.3, 1 / 16
# What is sent until the server has answered: a neutral card.
CARD = 48
OPTIONS = {"flv": {"flvflags": "no_duration_filesize"}, "rtsp": {"rtsp_transport": "tcp"}}
# What a server means by closing the connection, for people.
CLOSED = "the server closed the connection"
PLAIN = {"Input/output error": "the server refused the stream; check the address and the key", "End of file": CLOSED,
         "Broken pipe": CLOSED, "Connection reset by peer": CLOSED}


class Pusher:
    """A process that passes a stream on to a server: `pipe` takes it in NUT format, `ready` says that the server has
    answered. One that hangs is ended. Raises OutputFailed."""

    def __init__(self, url: str) -> None:
        parts = parsed(url)
        self._name = masked(url)
        self._secrets = (url, parts.path.strip("/"), parts.query, parts.password, *without_secrets(url)[1].values())
        self._said = ""
        self._since_s = 0.0
        self.ready = threading.Event()
        self._process = _ffmpeg(url) if parsed(url).scheme == "srt" else _pusher(url)
        assert self._process.stdin is not None
        self.pipe = self._process.stdin
        self._listener = threading.Thread(target=self._listen, name="didlive-stream-ear", daemon=True)
        self._listener.start()
        threading.Thread(target=self._watch, name="didlive-stream-watch", daemon=True).start()

    def busy(self, on: bool) -> None:
        """Note that something is being handed over, or was taken."""
        self._since_s = time.monotonic() if on else 0.0

    def lost(self) -> OutputFailed:
        """Return why there is nobody any more, in one line without the address's secrets."""
        self._process.kill()
        self._process.wait()
        self._listener.join(1.0)
        text = PLAIN.get(self._said, self._said) or f"the server takes nothing since {PATIENCE_S:g} s"
        for secret in filter(None, self._secrets):
            text = text.replace(secret, "***")
        return OutputFailed(f"{self._name}: {text}")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def end(self, patience_s: float) -> None:
        """Let the process finish what it has, for so long, then end it."""
        with suppress(OSError):
            self.pipe.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(1.0)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                text = line.decode(errors="replace").strip()
                # ffmpeg describes its output as soon as it is connected.
                if text == push.READY or text.startswith("Output #0"):
                    self.ready.set()
                    text = ""
                self._said = text or self._said

    def _watch(self) -> None:
        while self.alive:
            since_s = self._since_s
            if since_s and time.monotonic() - since_s > PATIENCE_S:
                self._said = ""
                self._process.kill()
            time.sleep(0.1)


def _start(command: list[str], *descriptors: int) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C ends the stream through its input, not in the middle of a picture.
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            pass_fds=descriptors, start_new_session=True)


def _pusher(url: str) -> subprocess.Popen[bytes]:
    form = FORMATS[parsed(url).scheme]
    process = _start([sys.executable, "-P", str(Path(push.__file__))])
    assert process.stdin is not None
    order = {"url": url, "format": form, "options": OPTIONS.get(form, {})}
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
    return process


def _ffmpeg(url: str) -> subprocess.Popen[bytes]:
    """Start ffmpeg; the secrets of the address go through a pipe, since arguments can be seen by others."""
    program = shutil.which("ffmpeg")
    if program is None or os.name != "posix":
        raise OutputFailed("SRT needs the program ffmpeg, on Linux or macOS; install it (sudo apt-get install ffmpeg), "
                           "or stream by RTMP")
    public, secret = without_secrets(url)
    reading, writing = os.pipe()
    try:
        process = _start([program, "-hide_banner", "-nostats", "-probesize", "20000", "-analyzeduration", "0", "-f",
                          "nut", "-i", "pipe:0", "-c", "copy", "-fpre", f"/dev/fd/{reading}", "-f", "mpegts", public],
                         reading)
        os.write(writing, "".join(f"{name}={value}\n" for name, value in secret.items()).encode())
    finally:
        os.close(reading)
        os.close(writing)
    return process


def _nothing() -> None:
    """Be a microphone that hears nothing."""


class StreamSink(LiveSink):
    """Sends H.264 (BT.709 limited range, key frame every 2 s) and the microphone as AAC, as late as the picture is; to
    RTMP servers, which want sound, silence where there is no microphone.

    audio: the microphone. encoder: see `Mp4Sink`.
    url: rtmp(s)://, rtsp(s):// or srt:// with its key; `place` and errors name the server only. bitrate_kbps: of the
    video. Until the server answers, it gets a grey card. Time is real time: what comes late is left out, not delayed.
    """

    kind = "stream"

    def __init__(self, url: str, *, bitrate_kbps: int = BITRATE_KBPS, audio: AudioTap | None = None,
                 encoder: str = "processor") -> None:
        super().__init__()
        self._url, self._bitrate_kbps = url.strip(), bitrate_kbps
        self.audio, self._encoder = audio, encoder
        self._captured_ns, self._delay_ns = -1, 0.0
        self.place = masked(url)
        self._pusher: Pusher | None = None
        self._container: OutputContainer | None = None

    def _begin(self, stream: StreamFormat) -> None:
        self._pusher = pusher = Pusher(self._url)
        self._encode_into(pusher, stream)
        card = np.full((stream.height, stream.width, 3), CARD, np.uint8)
        end_s = time.monotonic() + CONNECT_S
        while not pusher.ready.wait(1 / stream.rate_hz):
            if time.monotonic() > end_s:
                raise OutputFailed(f"{self.place}: the server does not answer")
            self._show(card)

    def _encode_into(self, pusher: Pusher, stream: StreamFormat) -> None:
        self._rate = rate = Fraction(stream.rate_hz).limit_denominator(1001)
        kbps = self._bitrate_kbps
        container = av.open(pusher.pipe, "w", format="nut", options={"flush_packets": "1"})
        size = stream.width + stream.width % 2, stream.height + stream.height % 2
        encoder = encoders.chosen(self._encoder, size)
        video = container.add_stream(encoder, rate=rate, options={
            **encoders.PROMPT[encoder], "maxrate": f"{kbps}k", "bufsize": f"{kbps}k"})
        assert isinstance(video, av.VideoStream)
        video.width, video.height = size
        video.pix_fmt, video.bit_rate = "yuv420p", kbps * 1000
        video.codec_context.gop_size = max(1, round(KEYFRAME_S * rate))
        video.codec_context.thread_count = 2
        say_bt709(video.codec_context)
        video.codec_context.time_base = 1 / rate
        self._packets: list[av.Packet] = []
        self._sound: LiveSound | None = None
        if self.audio is not None or FORMATS[parsed(self._url).scheme] == "flv":
            self._sound = LiveSound(self.audio or _nothing, container, "aac", Splice(0), layout="stereo",
                                    late_s=SOUND_LATE_S if self.audio is not None else 0.0, mux=self._packets.extend)
        self._container, self._video = container, video
        self._reformat = VideoReformatter().reformat
        self._begun_ns, self._pts = time.perf_counter_ns(), -1
        if self._sound is not None:
            self._sound.begin(self._begun_ns)

    def write(self, frame: Frame) -> None:
        """Show one picture of the opened size."""
        captured_ns = frame.stamp.captured_ns
        if captured_ns != self._captured_ns:
            # A picture that is repeated is not later than it was.
            delay_ns = min(1e9, max(0.0, time.perf_counter_ns() - captured_ns))
            self._delay_ns += (delay_ns - self._delay_ns) * (DELAY_STEP if self._captured_ns >= 0 else 1.0)
            self._captured_ns = captured_ns
        super().write(frame)

    def _show(self, image: U8) -> None:
        pusher, container = self._pusher, self._container
        assert pusher is not None and container is not None
        if not pusher.alive:
            raise pusher.lost()
        self._pts = max(self._pts + 1, round((time.perf_counter_ns() - self._begun_ns) * self._rate / 1_000_000_000))
        picture = bt709(np.ascontiguousarray(even(image[:, :, :3])), self._reformat)
        picture.pts, picture.time_base = self._pts, 1 / self._rate
        try:
            packets = self._video.encode(picture)
            if self._sound is not None:
                self._sound.delay_ns = round(self._delay_ns)
                self._sound.advance(float(self._pts / self._rate))
                packets += self._packets
                self._packets.clear()
        except (OSError, ValueError, FFmpegError) as error:
            # A graphics card may take no more encoders, or not these options; encoders open with the first picture.
            why = getattr(error, "strerror", None) or type(error).__name__
            raise OutputFailed(f"{self.place}: {self._video.codec_context.name} does not encode ({why}); choose the "
                               "processor as encoder") from error
        pusher.busy(True)
        try:
            container.mux(packets)
            pusher.pipe.flush()
        except (OSError, ValueError, FFmpegError):
            # The child knows why; what is known here is only that its pipe broke.
            raise pusher.lost() from None
        finally:
            pusher.busy(False)

    def _release(self) -> None:
        pusher, container = self._pusher, self._container
        self._pusher = self._container = None
        if pusher is None:
            return
        pusher.busy(True)
        if container is not None:
            with suppress(OSError, ValueError, FFmpegError):
                container.close()
        pusher.busy(False)
        pusher.end(FAREWELL_S if pusher.ready.is_set() else 0.0)
