"""Recordings of a show: real capture times in every kind of file, sound in sync with the picture, and what survives."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from didlive.errors import OutputFailed
from didlive.flow import Splice
from didlive.seams import SOUND_HZ, StreamFormat
from didlive.sinks import encoders, sink_for
from didlive.sinks.files import FileSink
from didlive.sinks.recorder import QueuedSink
from didlive.sinks.video import Mp4Sink
from didlive.types import F32, U8, Frame, Stamp

SIZE = 64
START_NS = 7_000_000_000
FILMS = ("mp4", "webm")
IN_SYNC_S = 0.04


def flat(level: int) -> U8:
    return np.full((SIZE, SIZE, 3), level, np.uint8)


def frame(number: int, at_ms: float, level: int | None = None) -> Frame:
    return Frame(flat(number * 9 % 256 if level is None else level), Stamp(number, START_NS + round(at_ms * 1e6)))


def durations_ms(path: Path) -> list[int]:
    """How long each picture of an animation shows."""
    with Image.open(path) as animation:
        result = []
        for number in range(getattr(animation, "n_frames", 1)):
            animation.seek(number)
            # WebP's are known after the picture was read.
            animation.load()
            result.append(animation.info["duration"])
        return result


def test_a_webm_keeps_capture_times(tmp_path: Path):
    times_ms = [0, 33, 70, 170, 171, 300, 1000]
    sink = sink_for(tmp_path / "live.webm", real_time=True)
    sink.open(StreamFormat(SIZE, SIZE, 30.0))
    for number, at_ms in enumerate(times_ms):
        sink.write(frame(number, at_ms))
    sink.close()
    with av.open(str(tmp_path / "live.webm")) as container:
        got = [float(picture.pts * picture.time_base) * 1000 for picture in container.decode(video=0)]
    assert got == pytest.approx(times_ms, abs=1)


@pytest.mark.parametrize("real_time", [False, True])
def test_a_transparent_webm_says_so(real_time: bool, tmp_path: Path):
    """Without its mark players show the picture that is hidden under the transparency."""
    sink = sink_for(tmp_path / "clear.webm", real_time=real_time)
    sink.open(StreamFormat(SIZE, SIZE, 30.0, alpha=True))
    for number in range(4):
        sink.write(replace(frame(number, number * 33), image=np.full((SIZE, SIZE, 4), 90, np.uint8)))
    sink.close()
    # The track's AlphaMode (0x53C0) of the WebM guidelines, one byte long: 1.
    assert b"\x53\xc0\x81\x01" in (tmp_path / "clear.webm").read_bytes()


@pytest.mark.parametrize(("kind", "step_ms"), [("gif", 1000 / 15), ("webp", 1000 / 30)])
def test_animated_pictures_keep_pace_with_what_was_captured(kind: str, step_ms: float, tmp_path: Path):
    sink = sink_for(tmp_path / f"live.{kind}", real_time=True)
    sink.open(StreamFormat(SIZE, SIZE, 30.0))
    # Thirty pictures in a second, a pause of a second in which none came, thirty again.
    times_ms = [n * 1000 / 30 for n in range(30)] + [2000 + n * 1000 / 30 for n in range(30)]
    for number, at_ms in enumerate(times_ms):
        sink.write(frame(number, at_ms))
    sink.close()
    shown = durations_ms(tmp_path / f"live.{kind}")
    assert sum(shown) == pytest.approx(3000, abs=1.5 * step_ms), "as long as it took"
    assert max(shown) == pytest.approx(1000, abs=1.5 * step_ms), "the pause is one long picture"
    assert np.median(shown) == pytest.approx(step_ms, abs=5)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animated_pictures_end_before_they_are_too_large(kind: str, tmp_path: Path):
    sink = sink_for(tmp_path / f"live.{kind}", real_time=True)
    sink.open(StreamFormat(SIZE, SIZE, 5.0))
    with pytest.raises(OutputFailed, match=r"was stopped after \d+ s.*is complete"):
        for number in range(1000):
            sink.write(frame(number, number * 200))
    assert [entry.name for entry in tmp_path.iterdir()] == [f"live.{kind}"]
    length_s = sum(durations_ms(tmp_path / f"live.{kind}")) / 1000
    assert length_s == pytest.approx(20 if kind == "gif" else 60, abs=0.5)


CHILD = textwrap.dedent("""
    import sys
    import numpy as np
    from didlive.seams import StreamFormat
    from didlive.sinks import sink_for
    from didlive.types import Frame, Stamp
    sink = sink_for(sys.argv[1], real_time=True)
    sink.open(StreamFormat(64, 64, 25.0))
    for number in range(400):
        image = np.full((64, 64, 3), number % 256, np.uint8)
        sink.write(Frame(image, Stamp(number, number * 40_000_000)))
    print("enough", flush=True)
    sys.stdin.read()
""")


def test_a_killed_webm_plays_up_to_the_last_second(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "live.webm")], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"enough\n"
        child.kill()
    assert [entry.name for entry in tmp_path.iterdir()] == ["live.recording.webm"]
    with av.open(str(tmp_path / "live.recording.webm")) as container:
        pictures = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    assert len(pictures) >= 375
    assert all(abs(int(picture.mean()) - number % 256) <= 3 for number, picture in enumerate(pictures))


class Claps:
    """A camera and a microphone at one scene: each second a white flash and a click, to the millisecond.

    drift: how much faster the sound card's clock runs than it says. lost_s: from when to when no sound comes.
    """

    def __init__(self, drift: float = 0.0, lost_s: tuple[float, float] = (0.0, 0.0)) -> None:
        self.now_s, self._next, self._drift, self._lost_s = 0.0, 0, drift, lost_s

    def all_at_once(self) -> tuple[F32, int] | None:
        """All the sound since the last call in one block, as some microphones give it."""
        blocks = list(iter(self.tap, None))
        return (np.concatenate([samples for samples, _ in blocks]), blocks[0][1]) if blocks else None

    def tap(self) -> tuple[F32, int] | None:
        """The next 10 ms of sound that were heard by now."""
        begin_s = self._next * 480 / SOUND_HZ
        while self._lost_s[0] <= begin_s < self._lost_s[1]:
            self._next += 1
            begin_s = self._next * 480 / SOUND_HZ
        if begin_s + 0.010 > self.now_s:
            return None
        count = round(480 * (1 + self._drift))
        times_s = begin_s + np.arange(count) * 0.010 / count
        self._next += 1
        since_s = times_s % 1.0 - 0.5
        click = np.where((since_s >= 0) & (since_s < 0.004), np.sin(2 * np.pi * 1000 * since_s), 0.0)
        return click.astype(np.float32), START_NS + round(begin_s * 1e9)

    @staticmethod
    def picture(number: int, at_s: float) -> Frame:
        """What the camera sees: a flash that lasts 50 ms."""
        return frame(number, at_s * 1000, 235 if 0 <= at_s % 1.0 - 0.5 < 0.05 else 20)


def perform(recorder: QueuedSink, claps: Claps, seconds: float, paused_s: tuple[float, float] = (0.0, 0.0)) -> None:
    """Record a scene: each picture arrives 30 ms after it was captured, at 30 a second with some unevenness."""
    recorder.open(StreamFormat(SIZE, SIZE, 30.0))
    random = np.random.default_rng(3)
    for number in range(round(seconds * 30)):
        at_s = number / 30 + random.uniform(-0.004, 0.004)
        claps.now_s = at_s + 0.03
        recorder.pause(paused_s[0] <= at_s < paused_s[1])
        recorder.write(claps.picture(number, at_s))
    recorder.close()
    assert recorder.error is None and recorder.dropped == 0


def flashes_and_clicks(path: Path) -> tuple[list[float], list[float]]:
    """When a recording flashes and when it clicks, in seconds."""
    flashes: list[float] = []
    with av.open(str(path)) as container:
        bright = False
        for picture in container.decode(video=0):
            level = picture.to_ndarray(format="gray").mean()
            if level > 120 and not bright:
                flashes.append(float(picture.pts * picture.time_base))
            bright = level > 120
    clicks: list[float] = []
    with av.open(str(path)) as container:
        for block in container.decode(audio=0):
            for at in np.flatnonzero(np.abs(block.to_ndarray().astype(np.float32)[0]) > 0.25):
                at_s = float(block.pts * block.time_base) + at / block.sample_rate
                if not clicks or at_s - clicks[-1] > 0.3:
                    clicks.append(at_s)
    return flashes, clicks


def furthest_apart(path: Path, least: int) -> float:
    flashes, clicks = flashes_and_clicks(path)
    assert len(flashes) >= least and len(clicks) == len(flashes)
    # A flash is seen by the first picture after it: up to a thirtieth of a second late.
    return max(abs(flash - 1 / 60 - click) for flash, click in zip(flashes, clicks, strict=True))


@pytest.mark.parametrize("kind", FILMS)
def test_sound_is_in_sync(kind: str, tmp_path: Path):
    claps = Claps(drift=0.003)
    out = tmp_path / f"live.{kind}"
    perform(QueuedSink(sink_for(out, real_time=True, audio=claps.tap), depth=1000), claps, 12.0)
    assert furthest_apart(out, 12) < IN_SYNC_S
    with av.open(str(out)) as container:
        streams = [*container.streams.video, *container.streams.audio]
        assert {stream.codec_context.name for stream in streams} <= {"h264", "aac", "vp9", "opus", "libopus"}
        assert container.duration == pytest.approx(12_000_000, abs=80_000)


def test_long_blocks_of_sound_are_in_sync_too(tmp_path: Path):
    claps, out = Claps(), tmp_path / "live.mp4"
    perform(QueuedSink(sink_for(out, real_time=True, audio=claps.all_at_once), depth=1000), claps, 9.0,
            paused_s=(2.7, 4.2))
    assert furthest_apart(out, 8) < IN_SYNC_S


@pytest.mark.parametrize("kind", FILMS)
def test_sound_stays_in_sync_through_a_pause_and_a_lost_microphone(kind: str, tmp_path: Path):
    claps = Claps(lost_s=(6.6, 7.3))
    out = tmp_path / f"live.{kind}"
    perform(QueuedSink(sink_for(out, real_time=True, audio=claps.tap), depth=1000), claps, 12.0, paused_s=(2.7, 4.2))
    # The click of 3.5 s fell into the pause, like its flash.
    assert furthest_apart(out, 11) < IN_SYNC_S


def test_a_microphone_that_says_nothing_becomes_silence(tmp_path: Path):
    recorder = QueuedSink(sink_for(tmp_path / "live.mp4", real_time=True, audio=lambda: None), depth=1000)
    perform(recorder, Claps(), 3.0)
    with av.open(str(tmp_path / "live.mp4")) as container:
        samples = np.concatenate([block.to_ndarray()[0] for block in container.decode(audio=0)])
    assert len(samples) == pytest.approx(3.0 * SOUND_HZ, abs=2048) and not np.abs(samples).max() > 1e-4


def test_moments_that_a_pause_leaves_out():
    splice = Splice(10)
    assert [splice(at) for at in (100, 110, 120)] == [100, 110, 120]
    splice.paused = True
    assert splice(130) is None
    # Nobody knows yet how long the pause will be, but what was heard in it is left out already.
    assert [splice.place(at) for at in (95, 125, 130, 199)] == [95, 125, None, None]
    splice.paused = False
    assert splice(200) == 130 and splice(210) == 140
    assert [splice.place(at) for at in (95, 125, 130, 199, 200, 205)] == [95, 125, None, None, 130, 135]


def test_the_encoder_is_one_that_really_works(tmp_path: Path):
    sink = Mp4Sink(tmp_path / "live.mp4", real_time=True, encoder="auto")
    sink.open(StreamFormat(256, 256, 30.0))
    for number in range(10):
        sink.write(Frame(np.full((256, 256, 3), 90, np.uint8), Stamp(number, number * 33_000_000)))
    sink.close()
    assert sink.used in (*encoders.HARDWARE, encoders.SOFTWARE) and not encoders.why_not(sink.used, (256, 256))
    with av.open(str(tmp_path / "live.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10


def test_a_graphics_card_that_is_not_there_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encoders, "_hardware", lambda: "h264_nothing")
    assert encoders.why_not("h264_nothing")
    assert encoders.chosen("auto", (64, 64)) == encoders.chosen("processor", (64, 64)) == encoders.SOFTWARE


def test_how_large_a_recording_is_so_far(tmp_path: Path):
    for kind in (*FILMS, "gif"):
        sink = sink_for(tmp_path / f"live.{kind}", real_time=True)
        assert isinstance(sink, FileSink)
        sink.open(StreamFormat(SIZE, SIZE, 30.0))
        for number in range(100):
            noise = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            sink.write(Frame(noise, Stamp(number, number * 33_000_000)))
        assert sink.size_bytes > 30_000
        sink.close()
        assert sink.size_bytes == (tmp_path / f"live.{kind}").stat().st_size
