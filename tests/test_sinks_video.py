"""MP4 in particular: the same bytes every time, sound in sync, real capture times, and surviving a crash."""

from __future__ import annotations

import errno
import os
import resource
import signal
import struct
import subprocess
import sys
import textwrap
import time
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from didlive.errors import OutputFailed
from didlive.seams import StreamFormat
from didlive.sinks import sink_for
from didlive.sinks.video import Mp4Sink
from didlive.types import F32, Frame, Stamp
from didlive.voice.sound import read_sound

SIZE, RATE_HZ, SOUND_HZ = 64, 25.0, 16000


def frame(number: int, captured_ns: int | None = None) -> Frame:
    image = np.full((SIZE, SIZE, 3), (number * 9) % 256, np.uint8)
    image[:, number % SIZE] = (255, 0, 0)
    return Frame(image, Stamp(number, int(number * 1e9 / RATE_HZ) if captured_ns is None else captured_ns))


def record(sink: Mp4Sink, count: int) -> None:
    sink.open(StreamFormat(SIZE, SIZE, RATE_HZ))
    for number in range(count):
        sink.write(frame(number))
    sink.close()


def boxes(path: Path) -> list[str]:
    """Names of the top-level boxes of an MP4 file."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        names.append(name.decode())
        at += size
    return names


def clip_with_clicks(path: Path, seconds: float, clicks_s: tuple[float, ...], start_s: float = 0.0,
                     sound_start_s: float = 0.0) -> None:
    """Make a clip: pictures from `start_s`, sound from `sound_start_s`, a click at each of `clicks_s` (clip time)."""
    with av.open(str(path), "w", format="matroska") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=SOUND_HZ)
        sound.layout = "mono"
        for number in range(round(seconds * 25)):
            picture = av.VideoFrame.from_ndarray(frame(number).image, format="rgb24")
            picture.pts, picture.time_base = number + round(start_s * 25), Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        samples = np.zeros((1, round((seconds + start_s - sound_start_s + 1.0) * SOUND_HZ)), np.int16)
        for click_s in clicks_s:
            at = round((click_s - sound_start_s) * SOUND_HZ)
            samples[0, at:at + 32] = 20000
        for begin in range(0, samples.shape[1], 800):
            block = av.AudioFrame.from_ndarray(samples[:, begin:begin + 800], format="s16", layout="mono")
            block.sample_rate, block.time_base = SOUND_HZ, Fraction(1, SOUND_HZ)
            block.pts = begin + round(sound_start_s * SOUND_HZ)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))


def sound_of(path: Path) -> tuple[F32, int]:
    """Return samples placed by their time stamps (index 0 is time 0), and the rate."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        track = np.zeros(rate * 20, np.float32)
        end = 0
        for block in container.decode(audio=0):
            begin = round(float(block.pts * block.time_base) * rate)
            samples = block.to_ndarray()[0]
            if begin < 0:
                samples, begin = samples[-begin:], 0
            track[begin:begin + samples.size] = samples
            end = max(end, begin + samples.size)
        return track[:end], rate


def clicks_of(path: Path) -> list[float]:
    track, rate = sound_of(path)
    loud = np.flatnonzero(np.abs(track) > 0.2)
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-rate) > rate // 4)]
    return [float(start) / rate for start in starts]


def length_s(path: Path, kind: str) -> float:
    with av.open(str(path)) as container:
        stream = (container.streams.video if kind == "video" else container.streams.audio)[0]
        return float(stream.duration * stream.time_base)


def test_same_frames_same_bytes(tmp_path: Path):
    # Not smaller: x264 itself reads stray memory for pictures of 64 px and then differs by a few bytes.
    clip, side = tmp_path / "clip.mkv", 4 * SIZE
    clip_with_clicks(clip, 2.0, (0.5,))
    for name in ("a", "b"):
        sink = Mp4Sink(tmp_path / f"{name}.mp4", audio_from=clip)
        sink.open(StreamFormat(side, side, RATE_HZ))
        for number in range(50):
            sink.write(Frame(np.tile(frame(number).image, (4, 4, 1)), Stamp(number, 0)))
        sink.close()
        time.sleep(1.1 if name == "a" else 0)  # A creation time would show.
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_index_comes_first_and_colours_are_tagged(tmp_path: Path):
    for real_time in (False, True):
        path = tmp_path / f"{real_time}.mp4"
        record(Mp4Sink(path, real_time=real_time), 60)
        names = boxes(path)
        assert names.index("moov") < names.index("mdat") and "moof" not in names
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
            assert context.pix_fmt == "yuv420p" and context.name == "h264"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["False.mp4", "True.mp4"]


@pytest.mark.parametrize("real_time", [False, True])
def test_sound_is_kept_in_sync_and_trimmed(tmp_path: Path, real_time: bool):
    clip = tmp_path / "clip.mkv"
    clip_with_clicks(clip, 3.0, (0.5, 1.5, 2.5))
    out = tmp_path / "out.mp4"
    record(Mp4Sink(out, audio_from=clip, real_time=real_time), 50)
    assert clicks_of(out) == pytest.approx([0.5, 1.5], abs=0.01)
    assert length_s(out, "video") == pytest.approx(2.0, abs=0.001)
    assert length_s(out, "sound") == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize(("start_s", "sound_start_s"), [(0.4, 0.0), (0.0, 0.4)])
def test_sound_is_timed_from_the_first_picture(tmp_path: Path, start_s: float, sound_start_s: float):
    clip = tmp_path / "clip.mkv"
    clip_with_clicks(clip, 3.0, (1.0,), start_s, sound_start_s)
    out = tmp_path / "out.mp4"
    record(Mp4Sink(out, audio_from=clip), 75)
    assert clicks_of(out) == pytest.approx([1.0 - start_s], abs=0.01)


@pytest.mark.parametrize("real_time", [False, True])
def test_names_that_look_like_protocols(real_time: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("take:1").mkdir()
    clip_with_clicks(tmp_path / "take:1" / "a:b.mp4", 0.4, (0.1,))
    record(Mp4Sink("take:1/c:d.mp4", audio_from="take:1/a:b.mp4", real_time=real_time), 10)
    assert clicks_of(tmp_path / "take:1" / "c:d.mp4") == pytest.approx([0.1], abs=0.01)


def test_the_sound_of_a_playlist_cannot_reach_the_network(tmp_path: Path):
    listed = tmp_path / "list.m3u8"
    listed.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(OutputFailed):
        Mp4Sink(tmp_path / "out.mp4", audio_from=listed).open(StreamFormat(SIZE, SIZE, 25.0))
    assert list(tmp_path.iterdir()) == [listed]


def test_clip_without_sound_gives_none(tmp_path: Path):
    silent = tmp_path / "silent.mp4"
    record(Mp4Sink(silent), 5)
    out = tmp_path / "out.mp4"
    record(Mp4Sink(out, audio_from=silent), 5)
    with av.open(str(out)) as container:
        assert not container.streams.audio


def test_stereo_wave_of_an_unusual_rate(tmp_path: Path):
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(37000)
        file.writeframes(np.full((37000, 2), 9000, np.int16).tobytes())
    out = tmp_path / "out.mp4"
    record(Mp4Sink(out, audio_from=path), 25)
    track, rate = sound_of(out)
    assert rate == 48000 and track.size / rate == pytest.approx(1.0, abs=0.03)
    assert np.median(track) == pytest.approx(9000 / 32768, abs=0.01)


def test_sound_that_cannot_be_read_or_would_be_overwritten(tmp_path: Path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing")
    for audio_from, text in ((bad, "cannot be read"), (tmp_path / "absent.mp4", "cannot be read")):
        with pytest.raises(OutputFailed, match=text):
            Mp4Sink(tmp_path / "out.mp4", audio_from=audio_from).open(StreamFormat(SIZE, SIZE, 25.0))
    with pytest.raises(OutputFailed, match="replace the driving clip"):
        Mp4Sink(bad, audio_from=bad).open(StreamFormat(SIZE, SIZE, 25.0))
    assert list(tmp_path.iterdir()) == [bad]


def test_real_capture_times_are_kept(tmp_path: Path):
    times_ms = [0, 33, 70, 170, 171, 171, 300, 1000]
    sink = sink_for(tmp_path / "live.mp4", real_time=True)
    sink.open(StreamFormat(SIZE, SIZE, 30.0))
    for number, at_ms in enumerate(times_ms):
        sink.write(frame(number, 5_000_000_000 + at_ms * 1_000_000))
    sink.close()
    with av.open(str(tmp_path / "live.mp4")) as container:
        got = [float(picture.pts * picture.time_base) * 1000 for picture in container.decode(video=0)]
    assert got == pytest.approx(times_ms, abs=0.1)


CHILD = textwrap.dedent("""
    import sys, time
    import numpy as np
    from didlive.seams import StreamFormat
    from didlive.sinks import sink_for
    from didlive.types import Frame, Stamp
    sink = sink_for(sys.argv[1], real_time=True)
    sink.open(StreamFormat(64, 64, 25.0))
    for number in range(100000):
        image = np.full((64, 64, 3), number % 256, np.uint8)
        sink.write(Frame(image, Stamp(number, number * 40_000_000)))
        if number == 400:
            print("enough", flush=True)
        if number > 400:
            time.sleep(0.01)
""")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_recording_survives_kill(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "live.mp4")], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"enough\n"
        child.kill()
    assert [entry.name for entry in tmp_path.iterdir()] == ["live.recording.mp4"]
    left = tmp_path / "live.recording.mp4"
    with av.open(str(left)) as container:
        pictures = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    assert len(pictures) >= 250
    assert all(abs(int(picture.mean()) - number % 256) <= 3 for number, picture in enumerate(pictures))
    record(Mp4Sink(tmp_path / "live.mp4", real_time=True), 30)
    assert left.exists() and (tmp_path / "live.mp4").exists()


def test_failed_recording_is_kept_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sink = Mp4Sink(tmp_path / "live.mp4", real_time=True)
    sink.open(StreamFormat(SIZE, SIZE, 25.0))
    for number in range(200):
        sink.write(frame(number))

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sink, "_next_pts", full)
    with pytest.raises(OutputFailed, match=r"disk is full.*live\.recording\.mp4"):
        sink.write(frame(200))
    sink.close()
    with av.open(str(tmp_path / "live.recording.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 100


def test_recording_on_a_full_disk_stays_playable(tmp_path: Path):
    random, sink = np.random.default_rng(0), Mp4Sink(tmp_path / "live.mp4", real_time=True)
    sink.open(StreamFormat(SIZE, SIZE, 25.0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    try:
        with pytest.raises(OutputFailed, match=r"live\.recording\.mp4"):
            for number in range(1000):
                image = random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
                sink.write(Frame(image, Stamp(number, number * 40_000_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [entry.name for entry in tmp_path.iterdir()] == ["live.recording.mp4"]
    with av.open(str(tmp_path / "live.recording.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 50


def test_aborted_recording_leaves_nothing(tmp_path: Path):
    sink = Mp4Sink(tmp_path / "live.mp4", real_time=True)
    sink.open(StreamFormat(SIZE, SIZE, 25.0))
    for number in range(60):
        sink.write(frame(number))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_unfinished_recordings_do_not_collide(tmp_path: Path):
    (tmp_path / "live.recording.mp4").write_bytes(b"older")
    record(Mp4Sink(tmp_path / "live.mp4", real_time=True), 10)
    assert (tmp_path / "live.recording.mp4").read_bytes() == b"older"
    assert os.path.getsize(tmp_path / "live.mp4") > 500


@pytest.mark.parametrize("sound_start_s", [0.5, 1.0, 1.6])
def test_a_mouth_hears_the_sound_when_the_file_gives_it(tmp_path: Path, sound_start_s: float):
    """From the first picture (1.0 s) on, whenever the sound begins."""
    clip_with_clicks(tmp_path / "clip.mkv", 1.2, (1.8,), start_s=1.0, sound_start_s=sound_start_s)
    heard = read_sound(tmp_path / "clip.mkv", SOUND_HZ)
    assert np.abs(heard).argmax() / SOUND_HZ == pytest.approx(0.8, abs=0.01)
