"""File outputs of one kind each: folders of pictures, animations, which name makes which, what is never replaced."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from filming import HEIGHT, WIDTH, frames, make, picture, run, stream
from PIL import Image

from didlive import registry
from didlive.disk import explain
from didlive.errors import OutputFailed
from didlive.seams import StreamFormat
from didlive.sinks import sink_for


@pytest.mark.parametrize("name", ["holiday.png", "000000.png"])
def test_png_folder_refuses_other_peoples_things(name: str, tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_text("mine")
    with pytest.raises(OutputFailed, match="not empty"):
        make("png", tmp_path).open(stream())
    assert (folder / name).read_text() == "mine"


def test_things_that_come_late_stay(tmp_path: Path):
    sink = make("png", tmp_path)
    sink.path.mkdir()
    sink.open(stream())
    sink.write(frames(1)[0])
    (sink.path / "000000.png").write_text("mine")
    with pytest.raises(OutputFailed, match="not empty"):
        sink.close()
    assert list(tmp_path.iterdir()) == [sink.path] and (sink.path / "000000.png").read_text() == "mine"


def test_sources_are_never_replaced(tmp_path: Path):
    (tmp_path / "album" / "deep").mkdir(parents=True)
    source = tmp_path / "album" / "deep" / "me.webp"
    source.write_text("mine")
    (tmp_path / "link.webp").symlink_to(source)
    (tmp_path / "twin.webp").hardlink_to(source)
    replaced, around = "would replace the input", "is a folder that holds the input"
    for out, why in (("album/deep/me.webp", replaced), ("album/deep/../deep/me.webp", replaced),
                     ("link.webp", replaced), ("twin.webp", replaced), ("album/", around), ("album/deep", around)):
        with pytest.raises(OutputFailed, match=why):
            sink_for(f"{tmp_path}/{out}", sources=(tmp_path / "absent.mp4", source))
    sink_for(tmp_path / "album" / "deep" / "other.webp", sources=(source,))


def test_gif_is_thinned_to_an_even_pace_and_loops(tmp_path: Path):
    sink = make("gif", tmp_path)
    sink.open(StreamFormat(WIDTH, HEIGHT, 30.0))
    for item in frames(9):
        sink.write(item)
    sink.close()
    with Image.open(sink.path) as gif:
        assert gif.info["loop"] == 0 and gif.n_frames == 5
        durations = []
        for number in range(gif.n_frames):
            gif.seek(number)
            durations.append(gif.info["duration"])
        assert set(durations) <= {60, 70}


def test_webp_loops_for_ever_at_the_given_rate(tmp_path: Path):
    sink = make("webp", tmp_path)
    run(sink, frames(4))
    with Image.open(sink.path) as webp:
        webp.seek(3)
        webp.load()
        assert webp.info["loop"] == 0 and webp.info["duration"] == 50 and webp.info["timestamp"] == 150


def test_sink_for_chooses_by_name(tmp_path: Path):
    (tmp_path / "folder.x").mkdir()
    for text, name in (("a.mp4", "mp4"), ("a.MP4", "mp4"), ("b.gif", "gif"), ("c.webp", "webp"), ("d", "png"),
                       ("e.mp4/", "png"), ("folder.x", "png")):
        assert isinstance(sink_for(f"{tmp_path}/{text}"), registry.load(registry.SINKS, name))
    for text, hint in (("a.avi", r"\.avi.*\.mp4"), ("a.png", "end the name with /")):
        with pytest.raises(OutputFailed, match=hint):
            sink_for(tmp_path / text)


@pytest.mark.parametrize(("code", "text"), [(errno.ENOSPC, "full"), (errno.EROFS, "permission"), (errno.EIO, "error")])
def test_messages_are_one_line(code: int, text: str):
    message = str(explain(OSError(code, os.strerror(code)), Path("x/out.mp4")))
    assert text in message and "out.mp4" in message and "\n" not in message


def test_opencv_reads_the_pngs_in_the_same_colours(tmp_path: Path):
    sink = make("png", tmp_path)
    run(sink, frames(1))
    assert np.array_equal(cv2.imread(str(sink.path / "000000.png"))[:, :, ::-1], picture(0))
