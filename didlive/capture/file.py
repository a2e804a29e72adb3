"""A video file as a camera: every frame when working offline, at its own speed when playing live."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import Colorspace

from ..errors import BadInput, CameraLost, reason
from ..seams import CameraInfo
from ..types import U8, Frame, Stamp
from .pacing import Pacer

COLORSPACE_UNSPECIFIED = 2
ATTACHED_PICTURE = 0x400
# FFmpeg also "plays" text files and single pictures.
NOT_VIDEO = {"tty", "image2"}
SUCH_AS = "give a clip such as .mp4, .mov, .webm or .mkv"
MOST_DAMAGED = 1000
# A clip may end this much before its announced end; with more, a part is missing.
SHORT_S = 0.3
# A clip with fewer than this share of the pictures that it announces is incomplete.
MOST_PICTURES = 0.9


def upright(image: U8, matrix: tuple[int, int, int, int]) -> U8:
    """Return `image` (H, W, 3) as a player shows it. `matrix` holds the signs (a, b, c, d) of the display matrix:
    x' = a x + c y, y' = b x + d y (ISO 14496-12, 6.2.2). Angles that are no multiple of 90 degrees are ignored."""
    a, b, c, d = matrix
    if a == d == 0 and b and c:
        image = image.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    elif b == c == 0 and a and d:
        flip_x, flip_y = a < 0, d < 0
    else:
        return image
    image = image[:, ::-1] if flip_x else image
    image = image[::-1] if flip_y else image
    return np.ascontiguousarray(image)


def _display_signs(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    entries: Any = frame.side_data
    side = next((s for s in entries if s.type == SideData.DISPLAYMATRIX), None)
    if side is None:
        return 1, 0, 0, 1
    m = np.frombuffer(bytes(side), np.int32)[:9]
    a, b, c, d = (int(np.sign(round(m[i] / 65536))) for i in (0, 1, 3, 4))
    return a, b, c, d


def to_rgb(frame: av.VideoFrame, pixel_aspect: Fraction | None = None) -> U8:
    """Return the decoded frame as (H, W, 3) RGB uint8, upright and with square pixels."""
    options: dict[str, Any] = {}
    # Untagged HD is BT.709 by custom; FFmpeg would take BT.601 for it, and skin would turn orange.
    if frame.colorspace == COLORSPACE_UNSPECIFIED and frame.height >= 720:
        options["src_colorspace"] = Colorspace.ITU709
    if pixel_aspect and pixel_aspect != 1 and Fraction(1, 4) < pixel_aspect < 4:
        options["width"] = max(2, round(frame.width * pixel_aspect))
        options["height"] = frame.height
    image = frame.reformat(format="rgb24", **options).to_ndarray()
    return upright(np.ascontiguousarray(image, np.uint8), _display_signs(frame))


class FileCamera:
    """A video file as a camera.

    paced=True plays in real time: late frames are skipped, `captured_ns` is the time of delivery. paced=False delivers
    every frame at once and `captured_ns` is the clip's own time from 0, so that filters see the clip's rate. `loop`
    starts again at the end, with time and sequence going on. `damaged` counts packets that are damaged
    and, at the end, whether the clip stops earlier than it announces.
    """

    def __init__(self, path: str | Path, *, paced: bool = False, loop: bool = False) -> None:
        self._path, self._paced, self._loop = Path(path), paced, loop
        self._lock = threading.Lock()
        self._container: Any = None
        self._frames: Iterator[tuple[av.VideoFrame, int]] = iter(())
        self._next: tuple[av.VideoFrame, int] | None = None
        self._pacer: Pacer | None = None
        self._aspect: Fraction | None = None
        self._sequence = 0
        self.rate_hz = 0.0
        self.damaged = 0

    def open(self) -> CameraInfo:
        """Open the file and decode its first frame. Raises BadInput for anything that is not a playable video."""
        self.close()
        with self._lock:
            self._container, stream = _open_video(self._path)
            rate = stream.average_rate or stream.guessed_rate
            self.rate_hz = float(rate) if rate else 30.0
            self._aspect = stream.sample_aspect_ratio
            self._pacer, self._sequence, self.damaged = Pacer(), 0, 0
            self._frames = self._decode(stream)
            self._next = next(self._frames, None)
            if self._next is not None:
                height, width = to_rgb(self._next[0], self._aspect).shape[:2]
                pixel_format = stream.codec_context.pix_fmt or "unknown"
                return CameraInfo(self._path.name, width, height, self.rate_hz, pixel_format, live=False)
        self.close()
        raise BadInput(f"{self._path} has no picture that can be decoded; is the file complete?")

    def read(self, timeout_s: float = 2.0) -> Frame | None:
        """Return the next frame or None at the end. Raises CameraLost when closed or when the time runs out."""
        with self._lock:
            pacer = self._pacer
            if pacer is None:
                raise CameraLost(f"{self._path.name} is closed; open it first")
            if self._paced:
                self._skip_late(pacer)
            if self._next is None:
                return None
            picture, time_ns = self._next
            if self._paced and not pacer.wait(time_ns, timeout_s):
                raise CameraLost(f"{self._path.name} gave no frame in time")
            captured_ns = time.perf_counter_ns() if self._paced else time_ns
            frame = Frame(to_rgb(picture, self._aspect), Stamp(self._sequence, captured_ns))
            self._advance()
            return frame

    def close(self) -> None:
        """Stop and release the file; wakes a waiting `read`."""
        pacer = self._pacer
        if pacer is not None:
            pacer.stop()
        with self._lock:
            container, self._container = self._container, None
            self._pacer, self._frames, self._next = None, iter(()), None
            if container is not None:
                container.close()

    def _advance(self) -> None:
        self._next = next(self._frames, None)
        self._sequence += 1

    def _skip_late(self, pacer: Pacer) -> None:
        interval_ns = round(1e9 / self.rate_hz)
        for _ in range(max(1, round(self.rate_hz))):
            if self._next is None or pacer.stopped or pacer.late_ns(self._next[1]) <= interval_ns:
                return
            self._advance()
        # A second of frames was decoded and all were late: this machine is too slow, so play slower than real time.
        if self._next is not None:
            pacer.restart(self._next[1])

    def _decode(self, stream: Any) -> Iterator[tuple[av.VideoFrame, int]]:
        """Yield decoded pictures with their time in ns: from 0, strictly increasing, going on when looping."""
        interval_ns = round(1e9 / self.rate_hz)
        time_ns, base_ns = -1, 0
        while True:
            first_ns: int | None = None
            count = 0
            for picture in self._pictures(stream):
                count += 1
                if picture.pts is None or picture.time_base is None:
                    own_ns = time_ns + interval_ns if time_ns >= 0 else 0
                else:
                    own_ns = round(picture.pts * picture.time_base * 1_000_000_000) + base_ns
                first_ns = own_ns - base_ns if first_ns is None else first_ns
                time_ns = max(time_ns + 1, own_ns - first_ns)
                yield picture, time_ns
            if not self._loop or first_ns is None:
                self.damaged += first_ns is not None and self._stops_early(stream, count, time_ns * 1e-9)
                return
            base_ns = time_ns + interval_ns
            try:
                self._container.seek(0, stream=stream)
            except FFmpegError:
                # In raw video there are no places to go to.
                self._container.close()
                self._container, stream = _open_video(self._path)

    def _stops_early(self, stream: Any, count: int, last_s: float) -> bool:
        """Whether there are clearly fewer pictures than the file announces, or the last one, at `last_s`, lies well
        before the end that it announces for them."""
        container = self._container
        match = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))
        if match:
            announced_s = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
        elif stream.frames:
            return count < MOST_PICTURES * stream.frames - 3  # An edit list may leave out some.
        elif container.duration and len(container.streams) == 1:
            announced_s = container.duration * 1e-6
        else:
            return False  # Sound may well go on after the last picture.
        return last_s + 1 / self.rate_hz < announced_s - max(SHORT_S, 3 / self.rate_hz)

    def _pictures(self, stream: Any) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(stream)
        while True:
            # Damage in the middle of a clip costs some frames, not the whole clip.
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                self.damaged += packet.is_corrupt
                pictures = packet.decode()
            except EOFError:
                return
            except FFmpegError:
                self.damaged += 1
                if self.damaged > MOST_DAMAGED:
                    return
                continue
            yield from pictures


def _open_video(path: Path) -> tuple[Any, Any]:
    """Return the opened container and its first video stream. Raises BadInput."""
    if not path.exists():
        raise BadInput(f"{path} does not exist; check the name")
    if path.is_dir():
        raise BadInput(f"{path} is a folder; give a video file")
    try:
        # "file:" and the whitelist keep a playlist inside the file from reaching the network.
        container = av.open(f"file:{path.resolve()}", options={"protocol_whitelist": "file"})
    except (OSError, ValueError, FFmpegError) as error:
        raise BadInput(f"{path} is not a video that can be read ({reason(error)}); {SUCH_AS}") from error
    name = container.format.name
    streams = [s for s in container.streams.video if not int(s.disposition) & ATTACHED_PICTURE]
    if not streams or name in NOT_VIDEO or name.endswith("_pipe"):
        container.close()
        raise BadInput(f"{path} is not a video; {SUCH_AS}")
    streams[0].thread_type = "AUTO"
    return container, streams[0]
