"""What tests of file outputs share: pictures to write, and reading back what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from didlive import registry
from didlive.seams import Sink, StreamFormat
from didlive.types import U8, Frame, Stamp

WIDTH, HEIGHT, RATE_HZ = 96, 64, 20.0
FILMS = ("mp4", "webm")
FILE_NAMES = {"mp4": "out.mp4", "webm": "out.webm", "gif": "out.gif", "webp": "out.webp", "png": "out"}


def picture(number: int, channels: int = 3) -> U8:
    """Smooth colours and a bar that moves with the frame number."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    image = np.stack([x * 2, y * 3, 200 - x - y], axis=2)
    image[:, 8 * number:8 * number + 8] = (230, 30, 40)
    image = np.clip(image, 0, 255).astype(np.uint8)
    if channels == 4:
        image = np.dstack([image, np.where(x < WIDTH // 2, 255, 0).astype(np.uint8)])
    return np.ascontiguousarray(image)


def frames(count: int, channels: int = 3) -> list[Frame]:
    return [Frame(picture(i, channels), Stamp(i, int(i * 1e9 / RATE_HZ))) for i in range(count)]


def noise(count: int) -> list[Frame]:
    """Frames that no encoder can make small, to fill a disk."""
    random = np.random.default_rng(0)
    return [Frame(random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), Stamp(i, int(i * 5e7)))
            for i in range(count)]


def make(name: str, folder: Path) -> Any:
    cls = registry.load(registry.SINKS, name)
    return cls() if name == "memory" else cls(folder / FILE_NAMES[name])


def read_back(name: str, sink: Any, mode: str = "RGB") -> list[U8]:
    """Decode a finished output with another library than the one that wrote it, where there is one."""
    if name == "memory":
        return [frame.image for frame in sink.frames]
    if name == "png":
        files = sorted(sink.path.iterdir())
        assert [file.name for file in files] == [f"{i:06d}.png" for i in range(len(files))]
        return [np.asarray(Image.open(file).convert(mode)) for file in files]
    if name in FILMS:
        return film_of(sink.path, mode)
    with Image.open(sink.path) as animation:
        result = []
        for number in range(animation.n_frames):
            animation.seek(number)
            result.append(np.asarray(animation.convert(mode)))
        return result


def film_of(path: Path, mode: str) -> list[U8]:
    """Decode a video; FFmpeg's own VP9 decoder knows no transparency, libvpx does."""
    with av.open(str(path)) as container:
        if mode == "RGB" or path.suffix == ".mp4":
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        assert isinstance(decoder, VideoCodecContext)
        packets = list(container.demux(video=0))
        return [frame.to_ndarray(format="rgba") for packet in packets for frame in decoder.decode(packet)]


def stream(channels: int = 3) -> StreamFormat:
    return StreamFormat(WIDTH, HEIGHT, RATE_HZ, alpha=channels == 4)


def run(sink: Sink, items: list[Frame], channels: int = 3) -> None:
    sink.open(stream(channels))
    for item in items:
        sink.write(item)
    sink.close()
