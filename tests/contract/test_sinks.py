"""One suite over every registered sink: what goes in comes out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from filming import FILMS, HEIGHT, RATE_HZ, WIDTH, frames, make, picture, read_back, run, stream

from didlive import registry
from didlive.errors import OutputFailed
from didlive.seams import StreamFormat
from didlive.types import Frame, Stamp

LARGEST_ERROR = {"mp4": 6, "webm": 6, "gif": 6, "webp": 6, "png": 0, "memory": 0}


@pytest.fixture(params=sorted(registry.SINKS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_size_count_order_and_colours_are_kept(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    run(sink, frames(10))
    result = read_back(name, sink)
    assert len(result) == 10
    for number, image in enumerate(result):
        assert image.shape == (HEIGHT, WIDTH, 3)
        error = np.abs(image.astype(int) - picture(number)).mean()
        others = [np.abs(image.astype(int) - picture(other)).mean() for other in range(10) if other != number]
        assert error <= LARGEST_ERROR[name] and error < min(others, default=255) / 1.5
    assert sink.written == 10


def test_flat_colour_is_right(name: str, tmp_path: Path):
    colour = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    colour[:] = (200, 30, 90)
    sink = make(name, tmp_path)
    run(sink, [Frame(colour, Stamp(i, i * 50_000_000)) for i in range(3)])
    last = read_back(name, sink)[-1]
    assert np.abs(last.astype(int) - colour).max() <= 4


def test_transparency(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    run(sink, frames(4, channels=4), channels=4)
    result = read_back(name, sink, "RGBA")
    assert len(result) == 4
    if name == "mp4":
        return  # H.264 has none; the frames must just be accepted.
    for image in result:
        assert (image[:, :WIDTH // 2 - 8, 3] == 255).all() and (image[:, WIDTH // 2 + 8:, 3] == 0).all()


def test_alpha_frames_into_an_opaque_stream(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    run(sink, frames(3, channels=4))
    assert len(read_back(name, sink)) == 3


def test_odd_sizes(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    sink.open(StreamFormat(WIDTH - 1, HEIGHT - 1, RATE_HZ))
    for item in frames(3):
        sink.write(Frame(np.ascontiguousarray(item.image[:-1, :-1]), item.stamp))
    sink.close()
    grown = 1 if name in FILMS else 0
    assert read_back(name, sink)[0].shape == (HEIGHT - 1 + grown, WIDTH - 1 + grown, 3)


def test_close_and_abort_twice_and_open_again(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    sink.close()
    sink.abort()
    run(sink, frames(3))
    sink.close()
    assert len(read_back(name, sink)) == 3
    # A folder of pictures is never replaced, so this one makes room.
    make_room = (lambda: shutil.rmtree(sink.path)) if name == "png" else (lambda: None)
    make_room()
    run(sink, frames(5))
    assert len(read_back(name, sink)) == 5
    make_room()
    sink.open(stream())
    sink.abort()
    sink.abort()
    sink.close()


def test_write_without_open(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    with pytest.raises(OutputFailed):
        sink.write(frames(1)[0])
    run(sink, frames(2))
    with pytest.raises(OutputFailed):
        sink.write(frames(1)[0])


def test_wrong_size_is_refused(name: str, tmp_path: Path):
    sink = make(name, tmp_path)
    sink.open(stream())
    sink.write(frames(1)[0])
    with pytest.raises(OutputFailed, match="10x12"):
        sink.write(Frame(np.zeros((12, 10, 3), np.uint8), Stamp(1, 1)))
    with pytest.raises(OutputFailed):
        sink.write(frames(1)[0])
    sink.close()
    assert list(tmp_path.iterdir()) == []
