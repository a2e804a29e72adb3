"""`didlive animate`: what goes in, what comes out, the same every time; and what happens to bad input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from command import contents, run
from PIL import Image
from stage import bare

from didlive.animate import Performance, animate, animate_frames, at_constant_rate, clip_motions, track_clip
from didlive.demo import demo_motion
from didlive.errors import Cancelled
from didlive.settings import OutputSettings, Settings
from didlive.types import Presence

ROOT = Path(__file__).resolve().parents[1]
SMALL = Settings(output=OutputSettings(size="128x128"))
FRAMES = 8


pytestmark = pytest.mark.usefixtures("models")


# What comes out.


@pytest.mark.parametrize("name", ["a.mp4", "a.webp", "a.gif", "pictures/"])
def test_the_same_input_gives_the_same_bytes(name: str, astronaut: Path, driving: Path, folder: Path):
    made = []
    for turn in ("first", "second"):
        (folder / turn).mkdir()
        out = folder / turn / name
        report = animate(astronaut, driving, f"{folder / turn}/{name}", SMALL, max_frames=FRAMES)
        assert report.frames == FRAMES and report.size == (128, 128) and report.lost == 0 and report.undrawn == 0
        files = sorted(out.iterdir()) if out.is_dir() else [out]
        made.append([path.read_bytes() for path in files])
        assert contents(folder / turn) == [name.rstrip("/")]
    assert made[0] == made[1] and all(made[0])


def test_the_portrait_moves_and_the_sound_stays(astronaut: Path, driving: Path, folder: Path):
    animate(astronaut, driving, folder / "a.mp4", SMALL)
    with av.open(str(folder / "a.mp4")) as container:
        assert [s.type for s in container.streams] == ["video", "audio"]
        pictures = [f.to_ndarray(format="rgb24").astype(int) for f in container.decode(video=0)]
    assert len(pictures) == 30
    assert np.abs(pictures[20] - pictures[0]).max() > 30
    animate(astronaut, driving, folder / "b.mp4", SMALL, audio="none", max_frames=3)
    with av.open(str(folder / "b.mp4")) as container:
        assert [s.type for s in container.streams] == ["video"]


def test_a_motion_file_drives_too(astronaut: Path, folder: Path):
    report = animate(astronaut, demo_motion(), folder / "a.mp4", SMALL, max_frames=FRAMES)
    assert report.frames == FRAMES and report.rate_hz == 30


def test_a_recorded_clip_drives_as_the_clip_itself(astronaut: Path, driving: Path, folder: Path,
                                                   capsys: pytest.CaptureFixture[str]):
    code, out, err = run(["record-motion", driving, folder / "m.npz"], capsys)
    assert (code, err) == (0, "") and "30 frames" in out
    animate(astronaut, driving, folder / "a.mp4", SMALL, audio="none")
    animate(astronaut, folder / "m.npz", folder / "b.mp4", SMALL)
    assert (folder / "a.mp4").read_bytes() == (folder / "b.mp4").read_bytes()


def test_transparency_is_kept_where_the_output_can(astronaut: Path, driving: Path, folder: Path):
    picture = cv2.imread(str(astronaut))
    alpha = np.zeros(picture.shape[:2], np.uint8)
    cv2.ellipse(alpha, (225, 160), (150, 170), 0, 0, 360, (255,), -1)
    cv2.imwrite(str(folder / "cut.png"), np.dstack([picture, alpha]))
    animate(folder / "cut.png", driving, folder / "pictures", SMALL, max_frames=2)
    written = cv2.imread(str(folder / "pictures" / "000001.png"), cv2.IMREAD_UNCHANGED)
    assert written.shape == (128, 128, 4) and written[:, :, 3].min() == 0 and written[:, :, 3].max() == 255
    animate(folder / "cut.png", driving, folder / "a.webp", SMALL, max_frames=2)
    assert Image.open(folder / "a.webp").convert("RGBA").getchannel("A").getextrema() == (0, 255)
    animate(folder / "cut.png", driving, folder / "a.mp4", SMALL, max_frames=2)


def test_frames_come_with_their_drivers(astronaut: Path, driving: Path):
    pairs = list(animate_frames(astronaut, driving, settings=SMALL, max_frames=4))
    assert len(pairs) == 4
    for number, (frame, driver) in enumerate(pairs):
        assert driver is not None and driver.image.shape == (256, 256, 3) and driver.stamp.sequence == number
        assert frame.image.shape == (128, 128, 3) and frame.stamp.sequence == number
    assert all(driver is None for _, driver in animate_frames(astronaut, demo_motion(), settings=SMALL, max_frames=2))


def test_source_size_keeps_the_portraits_own_pixels(astronaut: Path, driving: Path):
    settings = Settings(output=bare(size="source", framing="full"))
    frame, _ = next(iter(animate_frames(astronaut, driving, settings=settings, max_frames=1, neutral=0)))
    original = cv2.cvtColor(cv2.imread(str(astronaut)), cv2.COLOR_BGR2RGB)
    assert frame.image.shape == original.shape
    assert np.abs(frame.image[-30:].astype(int) - original[-30:]).max() == 0, "far from the head nothing moves"


def test_progress_is_told(astronaut: Path, driving: Path, folder: Path):
    told: list[tuple[str, int, int]] = []
    animate(astronaut, driving, folder / "a.mp4", SMALL, max_frames=3, progress=lambda *what: told.append(what))
    assert told == [("track", n, 0) for n in (1, 2, 3)] + [("draw", n, 3) for n in (1, 2, 3)]


# Time.


def test_constant_rate_is_played_frame_by_frame():
    times = [round(i * 1e9 / 29.97) for i in range(100)]
    rate_hz, order = at_constant_rate(times, 29.97)
    assert rate_hz == 29.97 and order == tuple(range(100))


def test_variable_rate_keeps_its_time():
    # One second at 30 Hz, one at 10 Hz.
    times = [round(i * 1e9 / 30) for i in range(30)] + [round(1e9 + i * 1e8) for i in range(11)]
    rate_hz, order = at_constant_rate(times, 20.0)
    assert rate_hz == 20.0 and len(order) == 41 and list(order) == sorted(order)
    shown_s = np.array(times)[list(order)] * 1e-9
    assert np.abs(shown_s - np.arange(41) / 20).max() <= 0.051


def test_a_rate_that_the_times_contradict_is_not_believed():
    rate_hz, order = at_constant_rate([round(i * 1e9 / 25) for i in range(50)], 1000.0)
    assert rate_hz == pytest.approx(25.0) and len(order) == 50


def test_one_hole_does_not_slow_the_clip():
    times = [round(i * 1e9 / 30) for i in range(60)]
    times += [times[-1] + round(60e9 + i * 1e9 / 30) for i in range(60)]
    rate_hz, order = at_constant_rate(times, len(times) / (times[-1] * 1e-9))
    assert rate_hz == pytest.approx(30.0)
    # A second of the hole is shown: half of it the frame before, half of it the one after.
    assert len(order) == 119 + 30 and sorted(set(order)) == list(range(120))
    assert at_constant_rate(times, 30.0) == (30.0, order)


def test_frames_in_bursts_and_slow_clips_keep_their_time():
    bursts = [t for i in range(30) for t in (i * 66_666_667, i * 66_666_667 + 1)]
    rate_hz, order = at_constant_rate(bursts, 1000.0)
    assert rate_hz == pytest.approx(30.0, rel=0.05) and len(order) == pytest.approx(58, abs=3)
    rate_hz, order = at_constant_rate([i * 2_000_000_000 for i in range(5)], 0.5)
    assert rate_hz == 1.0 and len(order) == 9


def test_a_clip_of_variable_rate_stays_as_long_as_its_sound(astronaut: Path, driving: Path, folder: Path):
    times_ms = [0, 33, 66, 100, 133, 400, 433, 466, 800, 833]
    with av.open(str(driving)) as container:
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    with av.open(str(folder / "vfr.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 256, 256, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        for at, image in zip(times_ms, pictures, strict=False):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = at, Fraction(1, 1000)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    report = animate(astronaut, folder / "vfr.mp4", folder / "a.mp4", SMALL)
    assert report.frames / report.rate_hz == pytest.approx(0.833, abs=2 / report.rate_hz)
    performance = track_clip(folder / "vfr.mp4")
    shown_ms = [times_ms[i] for i in performance.order]
    wanted_ms = np.arange(len(performance.order)) / performance.rate_hz * 1000
    gaps_ms = np.diff(times_ms).max()
    assert np.abs(np.array(shown_ms) - wanted_ms).max() <= gaps_ms / 2 + 1


def test_half_a_download_is_named(astronaut: Path, driving: Path, folder: Path):
    """An MP4 says at its beginning how long its pictures go on; its sound does not count."""
    with av.open(str(driving)) as source, av.open(str(folder / "half.mp4"), "w",
                                                  options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("aac", rate=48_000, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 48_000
        target.mux(sound.encode(silence))
        target.mux(sound.encode(None))
    whole = (folder / "half.mp4").read_bytes()
    assert track_clip(folder / "half.mp4").notes == ()
    with av.open(str(folder / "half.mp4")) as source:
        places = [packet.pos for packet in source.demux(video=0) if packet.pos is not None]
    (folder / "half.mp4").write_bytes(whole[:places[12]])
    seen = track_clip(folder / "half.mp4")
    assert any(note.startswith("the clip is damaged or incomplete") for note in seen.notes)


def test_a_damaged_clip_is_named(astronaut: Path, driving: Path, folder: Path):
    with av.open(str(driving)) as source, av.open(str(folder / "cut.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    whole = (folder / "cut.mkv").read_bytes()
    report = animate(astronaut, folder / "cut.mkv", folder / "a.mp4", SMALL, max_frames=2)
    assert not any("damaged" in note for note in report.notes)
    with av.open(str(folder / "cut.mkv")) as source:
        places = [packet.pos for packet in source.demux(video=0) if packet.pos is not None]
    (folder / "cut.mkv").write_bytes(whole[:places[12]])
    report = animate(astronaut, folder / "cut.mkv", folder / "a.mp4", SMALL)
    assert 0 < report.frames < 30
    assert f"the clip is damaged or incomplete; {report.frames} frames could be read" in report.notes


def test_one_frame():
    assert at_constant_rate([5], 30.0) == (30.0, (0,))


def test_frames_without_a_face_hold_ease_and_idle():
    full = track_clip(demo_motion(), max_frames=120)
    trackings = [replace(t, face=None) if 40 <= i < 100 or i < 5 else t for i, t in enumerate(full.trackings)]
    motions = clip_motions(Performance(tuple(trackings), 30.0, tuple(range(120))), SMALL.motion)
    assert motions[:5] == [None] * 5
    seen = [m.presence for m in motions if m is not None]
    assert seen[0] is Presence.TRACK and seen[-1] is Presence.TRACK
    assert {motions[44].presence, motions[60].presence, motions[90].presence} == \
        {Presence.HOLD, Presence.EASE, Presence.IDLE}  # pyright: ignore[reportOptionalMemberAccess]


# Cancelling.


def test_cancelled_leaves_nothing(astronaut: Path, driving: Path, folder: Path):
    for limit in (0, 3, 12):
        asked = iter(range(10_000))
        with pytest.raises(Cancelled):
            animate(astronaut, driving, folder / "a.mp4", SMALL, max_frames=FRAMES,
                    cancelled=lambda limit=limit, asked=asked: next(asked) >= limit)
        assert contents(folder) == []


def test_an_older_result_survives_a_cancelled_run(astronaut: Path, driving: Path, folder: Path):
    (folder / "a.mp4").write_bytes(b"older")
    with pytest.raises(Cancelled):
        animate(astronaut, driving, folder / "a.mp4", SMALL, max_frames=FRAMES, cancelled=lambda: True)
    assert contents(folder) == ["a.mp4"] and (folder / "a.mp4").read_bytes() == b"older"


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_with_130(how: signal.Signals, folder: Path):
    process = subprocess.Popen([sys.executable, "-m", "didlive", "animate", "--demo", "--out", str(folder / "a.mp4")],
                               cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while process.poll() is None and not any(name.endswith(".part") for name in contents(folder)):
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err and len(err.splitlines()) == 1
    assert contents(folder) == []


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    """Relative paths in these tests must not touch the working folder."""
    before = contents(Path.cwd())
    yield
    assert contents(Path.cwd()) == before
