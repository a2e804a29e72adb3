"""A recording and what can happen to it: killed at any moment, a disk that fills, pauses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np
import pytest

from didlive.errors import OutputFailed
from didlive.flow import Splice
from didlive.seams import StreamFormat
from didlive.sinks.film import RESERVE_MB
from didlive.sinks.recorder import QueuedSink
from didlive.sinks.video import Mp4Sink
from didlive.types import Frame, Stamp
from tests.stage import wait_until

ROOT = Path(__file__).resolve().parents[1]
SIZE, RATE_HZ = 64, 30
FORMAT = StreamFormat(SIZE, SIZE, RATE_HZ)
# More by hand: DIDLIVE_KILLS=200.
KILLS = int(os.environ.get("DIDLIVE_KILLS", "20"))
# Starts recordings in processes of their own and kills each at a random moment; says how far each had come.
KILLER = textwrap.dedent("""
    import json, os, random, select, signal, struct, sys, time
    import numpy as np
    from didlive.seams import StreamFormat
    from didlive.sinks.video import Mp4Sink
    from didlive.types import Frame, Stamp
    folder, kills = sys.argv[1], int(sys.argv[2])
    dice, came = random.Random(int(sys.argv[3])), []

    def record(path, report):
        noise, sink = np.random.default_rng(0), Mp4Sink(path, real_time=True)
        sink.open(StreamFormat(64, 64, 30))
        for number in range(100000):
            image = noise.integers(0, 40, (64, 64, 3), dtype=np.uint8) + np.uint8(number % 200)
            sink.write(Frame(image, Stamp(number, number * 10**9 // 30)))
            os.write(report, struct.pack("<I", number + 1))

    for kill in range(kills):
        hear, report = os.pipe()
        child = os.fork()
        if not child:
            record(f"{folder}/{kill:03d}.mp4", report)
        os.close(report)
        wanted, done = dice.randrange(45, 240), 0
        while done < wanted:
            done = struct.unpack("<I", os.read(hear, 4))[0]
        time.sleep(dice.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while rest := os.read(hear, 4):
            done = struct.unpack("<I", rest)[0]
        os.close(hear)
        came.append(done)
    print(json.dumps(came))
""")


def frame(number: int, at_ns: int | None = None) -> Frame:
    image = np.full((SIZE, SIZE, 3), number * 3 % 200, np.uint8)
    return Frame(image, Stamp(number, number * 10**9 // RATE_HZ if at_ns is None else at_ns))


def pictures(path: Path) -> int:
    """Count what plays before the file ends or is torn."""
    count = 0
    with av.open(str(path)) as container:
        try:
            for _ in container.decode(video=0):
                count += 1
        except av.error.FFmpegError:
            assert count, "nothing of it plays"
    return count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")
def test_a_killed_recording_plays_up_to_the_last_second(tmp_path: Path):
    made = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLER, str(tmp_path), str(KILLS), "1"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    came = json.loads(made.stdout)
    lost = [came[kill] - pictures(tmp_path / f"{kill:03d}.recording.mp4") for kill in range(KILLS)]
    assert max(lost) <= RATE_HZ, lost


class Disk:
    """Tells how much is left, first much, later little."""

    def __init__(self, left_mb: float) -> None:
        self.left_mb = left_mb

    def __call__(self, folder: Path) -> int:
        assert folder.is_dir()
        return int(self.left_mb * 2**20)


def test_a_recording_ends_whole_before_the_disk_is_full(tmp_path: Path):
    disk = Disk(RESERVE_MB + 1)
    sink = QueuedSink(Mp4Sink(tmp_path / "live.mp4", real_time=True, free_bytes=disk))
    sink.open(FORMAT)
    for number in range(20):
        sink.write(frame(number))
    wait_until(lambda: sink.written == 20)
    disk.left_mb = RESERVE_MB - 1
    for number in range(20, 50):
        sink.write(frame(number))
    wait_until(lambda: sink.error is not None)
    sink.close()
    assert "less than 200 MB are left" in str(sink.error) and "complete" in str(sink.error)
    assert [path.name for path in tmp_path.iterdir()] == ["live.mp4"]
    assert 31 <= pictures(tmp_path / "live.mp4") <= 32


def test_a_recording_does_not_begin_on_a_full_disk(tmp_path: Path):
    with pytest.raises(OutputFailed, match=r"less than 200 MB are left.*make room"):
        QueuedSink(Mp4Sink(tmp_path / "live.mp4", real_time=True, free_bytes=Disk(100))).open(FORMAT)
    assert list(tmp_path.iterdir()) == []
    clip = Mp4Sink(tmp_path / "clip.mp4", free_bytes=Disk(100))
    clip.open(FORMAT)
    clip.write(frame(0))
    clip.close()
    assert pictures(tmp_path / "clip.mp4") == 1


def test_a_large_recording_is_not_copied_onto_a_disk_without_room(tmp_path: Path):
    disk = Disk(RESERVE_MB + 1)
    sink = Mp4Sink(tmp_path / "live.mp4", real_time=True, free_bytes=disk)
    sink.open(FORMAT)
    for number in range(20):
        sink.write(frame(number))
    disk.left_mb = RESERVE_MB
    sink.close()
    assert b"moof" in (tmp_path / "live.mp4").read_bytes() and pictures(tmp_path / "live.mp4") == 20
    assert [path.name for path in tmp_path.iterdir()] == ["live.mp4"]


def test_pauses_take_no_time(tmp_path: Path):
    sink = QueuedSink(Mp4Sink(tmp_path / "live.mp4", real_time=True), depth=200)
    sink.open(FORMAT)
    for number in range(90):
        if number % 30 == 10:
            sink.pause()
        if number % 30 == 25:
            sink.pause(False)
        assert sink.paused == (10 <= number % 30 < 25)
        sink.write(frame(number))
    sink.close()
    assert sink.error is None and sink.dropped == 0
    with av.open(str(tmp_path / "live.mp4")) as container:
        times = [float(picture.pts * picture.time_base) for picture in container.decode(video=0)]
    assert len(times) == 45 and np.allclose(np.diff(times), 1 / RATE_HZ, atol=1e-4)


def test_splice():
    splice = Splice(10)
    splice.paused = True
    assert splice(5) is None
    splice.paused = False
    assert [splice(t) for t in (100, 110)] == [100, 110]
    splice.paused = True
    assert splice(120) is None
    splice.paused = False
    assert [splice(t) for t in (500, 510)] == [120, 130]
    splice.paused = True
    splice.paused = False
    assert splice(520) == 140
