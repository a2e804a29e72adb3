"""The faint mark: all its bits come back from what calls and uploads leave, and nobody else's pictures have it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data

from didlive import mark
from didlive.actor import Actor
from didlive.animate import render_performance, track_clip
from didlive.cli import main
from didlive.composite import Compositor
from didlive.demo import demo_motion
from didlive.mark import LumaMark, look_for
from didlive.settings import OutputSettings, Settings
from didlive.types import U8, Stamp


@pytest.fixture(scope="module")
def clip(actor: Actor) -> list[U8]:
    """Three seconds of the moving astronaut at 512 px, not marked."""
    performance = track_clip(demo_motion(), max_frames=90)
    return [np.asarray(cv2.resize(f.image, (512, 512), interpolation=cv2.INTER_CUBIC), np.uint8)
            for f in render_performance(actor, performance, Settings())]


@pytest.fixture(scope="module")
def marked(clip: list[U8]) -> list[U8]:
    stamp = LumaMark(512, 512)
    return [stamp.put_on(picture) for picture in clip]


def h264(pictures: list[U8], crf: int, side: int = 512) -> io.BytesIO:
    """A clip as a video call or an upload leaves it."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=30, options={"crf": str(crf), "preset": "veryfast"})
        video.width = video.height = side
        video.pix_fmt = "yuv420p"
        for picture in pictures:
            scaled = np.ascontiguousarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(scaled, format="rgb24")))
        container.mux(video.encode(None))
    file.seek(0)
    return file


def through_h264(pictures: list[U8], crf: int, side: int = 512) -> list[U8]:
    """What is left of the pictures of a clip."""
    with av.open(h264(pictures, crf, side)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_it_is_faint_and_the_same_in_every_version(clip: list[U8], marked: list[U8]):
    assert cv2.PSNR(clip[0], marked[0]) > 44.5
    rise = marked[0].astype(int) - clip[0]
    inside = ((clip[0] > 10) & (clip[0] < 245)).all(axis=2)
    assert (rise[inside].max(axis=1) == rise[inside].min(axis=1)).all(), "luma only"
    # Pictures marked today must be recognised for ever.
    assert mark.WORD == 0xD1D1E045
    assert hashlib.sha256(mark._pattern(128, 128).astype(np.int8).tobytes()).hexdigest()[:16] == "7f720dfc98e4c876"


@pytest.mark.parametrize(("crf", "side"), [(20, 512), (28, 512), (23, 360), (28, 720)])
def test_all_bits_come_back_from_a_clip(marked: list[U8], crf: int, side: int):
    seen = look_for(through_h264(marked, crf, side))
    assert seen.present and seen.bits == 32 and seen.pictures == 90 and seen.score > 10


def test_verify_reads_all_bits_from_three_seconds_of_a_call(marked: list[U8], tmp_path: Path,
                                                            capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "call.mp4"
    file.write_bytes(h264(marked, 28).getvalue())
    assert main(["verify", str(file)]) == 0
    assert "found in 90 pictures, 32 of 32 bits right" in capsys.readouterr().out


def test_all_bits_come_back_from_one_picture(marked: list[U8]):
    for way in ([], [cv2.IMWRITE_JPEG_QUALITY, 50]):
        data = cv2.imencode(".jpg" if way else ".png", cv2.cvtColor(marked[5], cv2.COLOR_RGB2BGR), way)[1]
        picture = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        seen = look_for([np.asarray(picture, np.uint8)])
        assert seen.present and seen.bits == 32


@pytest.mark.parametrize("size", [(1280, 720), (360, 640), (333, 1001), (128, 128)])
def test_any_shape(size: tuple[int, int]):
    picture = np.asarray(cv2.resize(skimage.data.coffee(), size, interpolation=cv2.INTER_AREA), np.uint8)
    assert not look_for([picture]).present
    seen = look_for([LumaMark(*size).put_on(picture)])
    assert seen.present and seen.bits == 32


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_other_pictures_have_none(name: str):
    picture = getattr(skimage.data, name)()
    assert not look_for([picture]).present
    assert not look_for([np.ascontiguousarray(picture[::-1]), np.ascontiguousarray(picture[:, ::-1])]).present


def test_an_unmarked_clip_has_none(clip: list[U8]):
    seen = look_for(through_h264(clip, 28))
    assert not seen.present and abs(seen.score) < 4


def test_nothing_to_look_at():
    assert look_for([]).pictures == look_for([np.zeros((8, 80, 3), np.uint8)]).pictures == 0
    assert not look_for([np.zeros((128, 128, 3), np.uint8)]).present


def test_transparency_is_not_marked():
    clear = np.full((128, 128, 4), 128, np.uint8)
    out = LumaMark(128, 128, 4).put_on(clear)
    assert (out[:, :, 3] == 128).all() and look_for([out]).present


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_every_frame_that_goes_out_is_marked_also_the_still_one(actor: Actor, alpha: bool, mirror: bool):
    from didlive.pipeline import Renderer

    compositor = Compositor(actor.portrait, OutputSettings(size="256x256", mirror=mirror), alpha)
    shown = Actor(actor.portrait, actor.generator, actor.source, actor.response, compositor)
    renderer = Renderer(Settings().motion, shown)
    motions = [renderer.render(None, Stamp(0, 0)).image]
    motions += [f.image for f in render_performance(shown, track_clip(demo_motion(), max_frames=3), Settings())]
    assert all(look_for([image]).bits >= 31 for image in motions)
    assert len({image.tobytes() for image in motions}) == len(motions)
    again = renderer.render(None, Stamp(0, 0)).image
    assert np.array_equal(again, motions[0]), "the still picture is marked once, not once per frame"


def test_quality_is_measured_without_it(astronaut: Path, driving: Path):
    from didlive.evaluate.run import driven

    settings = Settings(output=OutputSettings(size="256x256"), generator="still")
    _, output = next(driven(astronaut, driving, settings, 1))
    assert not look_for([output.image]).present


def test_the_command_line_can_leave_the_label_out():
    from didlive.cli import build_parser
    from didlive.cli.options import read_settings

    arguments = ["animate", "--demo", "--no-badge", "--set", "output.watermark=false"]
    output = read_settings(build_parser("animate").parse_args(arguments)).output
    assert not output.badge and not output.watermark
