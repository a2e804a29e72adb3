"""Clips as cameras: right colours, right way up, every frame offline, late frames dropped live."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from PIL import Image

from didlive.capture import file as file_module
from didlive.capture import pacing
from didlive.capture import replay as replay_module
from didlive.capture import synthetic as synthetic_module
from didlive.capture.file import FileCamera
from didlive.capture.listing import open_camera
from didlive.capture.opencv import WebCamera
from didlive.capture.replay import MotionCamera
from didlive.capture.synthetic import SyntheticCamera, read_number, test_card
from didlive.errors import BadInput, CameraLost
from didlive.recording import Recording, save_recording
from didlive.settings import CameraSettings
from didlive.types import Frame

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


def quarters(width: int = 96, height: int = 64) -> np.ndarray:
    """Red, green / blue, grey: every turn and flip of it looks different."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, GREY
    return image


def corners(image: np.ndarray) -> list[list[int]]:
    """The four quarters' middles, rounded to 0, 128 or 255: top left, top right, bottom left, bottom right."""
    h, w = image.shape[:2]
    picked = image[[h // 4, h // 4, 3 * h // 4, 3 * h // 4], [w // 4, 3 * w // 4, w // 4, 3 * w // 4]]
    return (np.round(picked / 128) * 128).clip(0, 255).astype(int).tolist()


def write_clip(path: Path, images: list[np.ndarray], pts: list[int] | None = None, colorspace: int = 0,
               tag: int | None = None, aspect: Fraction | None = None) -> Path:  # fmt: skip
    """H.264 at 10 Hz; `pts` in tenths of a second; `colorspace` encodes with that matrix, `tag` says so in the file."""
    height, width = images[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "2", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if tag is not None:
            stream.codec_context.colorspace = tag
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if colorspace:
                frame = frame.reformat(format="yuv420p", dst_colorspace=colorspace)
            frame.pts, frame.time_base = (pts[number] if pts else number), Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_all(camera: Any) -> list[Frame]:
    camera.open()
    frames = []
    while (frame := camera.read()) is not None:
        frames.append(frame)
    camera.close()
    return frames


def cards(count: int) -> list[np.ndarray]:
    return [test_card(number, 192, 128) for number in range(count)]


class Clock:
    """A clock that moves only when somebody sleeps (or a test moves it)."""

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000

    def perf_counter_ns(self) -> int:
        return self.now_ns

    def event(self) -> Any:
        clock, is_set = self, []

        def wait(timeout: float) -> bool:
            clock.now_ns += 0 if is_set else round(timeout * 1e9)
            return bool(is_set)

        return SimpleNamespace(wait=wait, set=lambda: is_set.append(1), is_set=lambda: bool(is_set))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pacing, "threading", SimpleNamespace(Event=made.event))
    for module in (pacing, file_module, replay_module, synthetic_module):
        monkeypatch.setattr(module, "time", made)
    return made


def test_every_frame_offline_with_the_clips_own_time(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", cards(12), pts=[7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 40, 41])
    frames = read_all(FileCamera(path))
    assert [read_number(f.image) for f in frames] == list(range(12))
    assert [f.stamp.sequence for f in frames] == list(range(12))
    times = [round(f.stamp.captured_ns / 1e8) for f in frames]
    assert times == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 33, 34]


def test_looping_goes_on_counting(tmp_path: Path) -> None:
    camera = FileCamera(write_clip(tmp_path / "clip.mp4", cards(4)), loop=True)
    camera.open()
    frames = [camera.read() for _ in range(10)]
    camera.close()
    assert [read_number(f.image) for f in frames if f] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert [f.stamp.sequence for f in frames if f] == list(range(10))
    assert [round(f.stamp.captured_ns / 1e8) for f in frames if f] == list(range(10))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.mov", "clip.avi", "clip with spaces é.mp4"])
def test_containers(name: str, tmp_path: Path) -> None:
    frames = read_all(FileCamera(write_clip(tmp_path / name, [quarters()] * 3)))
    assert len(frames) == 3
    assert corners(frames[0].image) == [list(RED), list(GREEN), list(BLUE), list(GREY)]


@pytest.mark.parametrize(
    ("size", "matrix", "tag"),
    [((96, 64), Colorspace.ITU601, None), ((96, 64), Colorspace.ITU709, 1), ((1280, 720), Colorspace.ITU709, None),
     ((1280, 720), Colorspace.ITU601, 6)],
)  # fmt: skip
def test_skin_keeps_its_colour(size: tuple[int, int], matrix: int, tag: int | None, tmp_path: Path) -> None:
    skin = np.full((size[1], size[0], 3), (224, 172, 105), np.uint8)
    frames = read_all(FileCamera(write_clip(tmp_path / "skin.mp4", [skin], colorspace=matrix, tag=tag)))
    assert frames[0].image[size[1] // 2, size[0] // 2].tolist() == pytest.approx([224, 172, 105], abs=3)


TURNS = {
    "as it is": ((1, 0, 0, 1), [RED, GREEN, BLUE, GREY]),
    "phone upright": ((0, 1, -1, 0), [BLUE, RED, GREY, GREEN]),
    "upside down": ((-1, 0, 0, -1), [GREY, BLUE, GREEN, RED]),
    "the other way": ((0, -1, 1, 0), [GREEN, GREY, RED, BLUE]),
    "mirrored": ((-1, 0, 0, 1), [GREEN, RED, GREY, BLUE]),
    "mirrored upside down": ((1, 0, 0, -1), [BLUE, GREY, RED, GREEN]),
    "transposed": ((0, 1, 1, 0), [RED, BLUE, GREEN, GREY]),
    "transposed the other way": ((0, -1, -1, 0), [GREY, GREEN, BLUE, RED]),
}


@pytest.mark.parametrize("turn", TURNS)
def test_phone_clips_are_upright(turn: str, tmp_path: Path) -> None:
    (a, b, c, d), expected = TURNS[turn]
    path = write_clip(tmp_path / "phone.mp4", [quarters()] * 2)
    data = bytearray(path.read_bytes())
    # The display matrix lies 40 bytes into the track header (ISO 14496-12, 8.3.2).
    at = data.index(b"tkhd") + 44
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    camera = FileCamera(path)
    info = camera.open()
    image = camera.read().image  # type: ignore[union-attr]
    camera.close()
    assert corners(image) == [list(colour) for colour in expected]
    assert image.shape == ((64, 96, 3) if a else (96, 64, 3)) == (info.height, info.width, 3)


def test_pixels_are_square(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "wide.mp4", [quarters()], aspect=Fraction(4, 3))
    camera = FileCamera(path)
    info = camera.open()
    camera.close()
    assert (info.width, info.height) == (128, 64)


def test_what_is_not_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a story " * 100)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(9000))
    (tmp_path / "empty.mp4").write_bytes(b"")
    Image.fromarray(quarters()).save(tmp_path / "still.png")
    Image.fromarray(quarters()).save(tmp_path / "still.jpg")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    for name in ("text.txt", "noise.mp4", "empty.mp4", "still.png", "still.jpg", "sound.wav"):
        with pytest.raises(BadInput, match="is not a video") as caught:
            FileCamera(tmp_path / name).open()
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_playlist_cannot_reach_the_network(tmp_path: Path) -> None:
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(BadInput):
        FileCamera(tmp_path / "list.m3u8").open()


def test_a_clip_without_pictures_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", [quarters()] * 2)
    data = path.read_bytes()
    start = data.index(b"movi") + 4
    path.write_bytes(data[:start])
    with pytest.raises(BadInput, match=r"clip\.avi"):
        FileCamera(path).open()


def test_a_cut_clip_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", cards(20))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    frames = read_all(FileCamera(path))
    assert 0 < len(frames) < 20
    assert all(a.stamp.captured_ns < b.stamp.captured_ns for a, b in pairwise(frames))


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_what_is_missing_is_noticed(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, cards(60))
    camera = FileCamera(path)
    assert len(read_all(camera)) == 60 and camera.damaged == 0
    if name == "clip.mp4":
        with av.open(str(path)) as source, av.open(str(tmp_path / "x.mp4"), "w",
                                                   options={"movflags": "faststart"}) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        path = tmp_path / "x.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    camera = FileCamera(path)
    assert 0 < len(read_all(camera)) < 60 and camera.damaged > 0


def test_paced_gives_every_frame_when_we_keep_up(tmp_path: Path, clock: Clock) -> None:
    start_ns = clock.now_ns
    frames = read_all(FileCamera(write_clip(tmp_path / "clip.mp4", cards(6)), paced=True))
    assert [read_number(f.image) for f in frames] == list(range(6))
    assert [round((f.stamp.captured_ns - start_ns) / 1e8) for f in frames] == list(range(6))


def test_raw_video_in_which_one_cannot_go_back_loops_too(tmp_path: Path) -> None:
    camera = FileCamera(write_clip(tmp_path / "clip.h264", cards(4)), loop=True)
    camera.open()
    frames = [camera.read() for _ in range(10)]
    camera.close()
    assert [read_number(f.image) for f in frames if f] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert all(a.stamp.captured_ns < b.stamp.captured_ns for a, b in pairwise(f for f in frames if f))


def test_paced_drops_what_is_late(tmp_path: Path, clock: Clock) -> None:
    camera = FileCamera(write_clip(tmp_path / "clip.mp4", cards(20)), paced=True)
    camera.open()
    seen = []
    while (frame := camera.read()) is not None:
        seen.append((read_number(frame.image), frame.stamp.sequence))
        clock.now_ns += 350_000_000
    camera.close()
    numbers = [number for number, _ in seen]
    assert numbers[0] == 0 and all(3 <= b - a <= 4 for a, b in pairwise(numbers))
    assert all(number == sequence for number, sequence in seen)


def test_paced_does_not_wait_for_a_hole(tmp_path: Path, clock: Clock) -> None:
    path = write_clip(tmp_path / "clip.mp4", cards(4), pts=[0, 1, 600, 601])
    start_ns = clock.now_ns
    frames = read_all(FileCamera(path, paced=True))
    assert [round((f.stamp.captured_ns - start_ns) / 1e8) for f in frames] == [0, 1, 11, 12]


def test_paced_keeps_to_its_timeout(tmp_path: Path, clock: Clock) -> None:
    camera = FileCamera(write_clip(tmp_path / "clip.mp4", cards(4)), paced=True)
    camera.open()
    assert camera.read(0.01) is not None
    with pytest.raises(CameraLost, match="in time"):
        camera.read(0.01)
    frame = camera.read(1.0)
    camera.close()
    assert frame is not None and read_number(frame.image) == 1


def write_motion(path: Path, count: int = 8) -> Path:
    recording = Recording(
        10.0, (1280, 960), np.arange(count, dtype=np.int64) * 100_000_000 + 7, np.ones(count, np.bool_),
        np.zeros((count, 478, 3), np.float32), np.zeros((count, 52), np.float32), np.zeros((count, 4, 4), np.float32),
    )  # fmt: skip
    save_recording(path, recording)
    return path


def test_motion_camera_sequence_is_the_index(tmp_path: Path, clock: Clock) -> None:
    path = write_motion(tmp_path / "m.npz")
    frames = read_all(MotionCamera(path))
    assert [f.stamp.sequence for f in frames] == list(range(8))
    assert [f.stamp.captured_ns for f in frames] == [n * 100_000_000 for n in range(8)]
    assert frames[0].image.shape == (480, 640, 3) and (frames[0].image == 128).all()

    camera = MotionCamera(path, paced=True, loop=True)
    camera.open()
    sequences = []
    for _ in range(8):
        sequences.append(camera.read().stamp.sequence)  # type: ignore[union-attr]
        clock.now_ns += 250_000_000
    camera.close()
    assert all(2 <= b - a <= 3 for a, b in pairwise(sequences)) and sequences[-1] > 8


def test_synthetic_is_deterministic_and_marked(clock: Clock) -> None:
    marker = (255, 0, 255)
    camera = SyntheticCamera(CameraSettings(width=320, height=240), frames=300, marker=marker)
    frames = read_all(camera)
    assert [read_number(f.image) for f in frames] == list(range(300))
    assert np.array_equal(frames[41].image, read_all(camera)[41].image)
    share = (frames[0].image == marker).all(axis=2).mean()
    assert 0.2 < share < 0.26
    assert not (test_card(0, 320, 240) == marker).all(axis=2).any()

    paced = SyntheticCamera(paced=True)
    paced.open()
    numbers = []
    for _ in range(5):
        numbers.append(read_number(paced.read().image))  # type: ignore[union-attr]
        clock.now_ns += 90_000_000
    paced.close()
    assert numbers[0] == 0 and all(2 <= b - a <= 3 for a, b in pairwise(numbers))


def test_synthetic_shows_pictures_in_turn(clock: Clock) -> None:
    pictures = [np.full((48, 64, 3), level, np.uint8) for level in (10, 20, 30)]
    camera = SyntheticCamera(frames=7, pictures=pictures)
    info = camera.open()
    assert (info.width, info.height, info.live) == (64, 48, False)
    assert [int(frame.image[0, 0, 0]) for frame in read_all(camera)] == [10, 20, 30, 10, 20, 30, 10]


def test_which_camera_a_word_means(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [quarters()])
    motion = write_motion(tmp_path / "motion.npz")
    settings = CameraSettings()
    assert isinstance(open_camera("synthetic", settings, paced=False), SyntheticCamera)
    assert isinstance(open_camera(str(clip), settings, paced=True, loop=True), FileCamera)
    assert isinstance(open_camera(str(motion), settings, paced=False), MotionCamera)
    for name in ("0", "/dev/video0", "Logitech"):
        assert isinstance(open_camera(name, settings, paced=True), WebCamera)
    for name in ("absent.mp4", "absent.npz", str(tmp_path / "nothing")):
        with pytest.raises(BadInput, match="does not exist"):
            open_camera(name, settings, paced=False)
    with pytest.raises(BadInput, match="no camera was named"):
        open_camera(" ", settings, paced=False)
