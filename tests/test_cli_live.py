"""`didlive live`, `record-motion` and `portraits` as commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest
from filming import HEIGHT, RATE_HZ, WIDTH, frames, make

from didlive import cli
from didlive.demo import demo_motion, demo_portrait
from didlive.recording import load_recording
from didlive.seams import StreamFormat

ROOT = Path(__file__).resolve().parents[1]
SMALL = ["--size", "128x128", "--no-window"]


def run(arguments: list[str | Path], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main([str(a) for a in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(autouse=True)
def ready(models: Path) -> None:
    """Every test here needs the models."""


def test_live_prints_its_state_and_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, out, err = run(["live", "--demo", "--seconds", "1.5", "--record", tmp_path / "a.mp4", *SMALL], capsys)
    assert (code, err) == (0, "")
    assert "frames/s" in out and "frames recorded" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.take"]
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 3


def test_a_clip_as_camera(driving: Path, astronaut: Path, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(["live", "--portrait", astronaut, "--camera", driving, "--seconds", "2", *SMALL], capsys)
    assert code == 0 and "live: " in out


def test_a_clip_without_a_face_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sink = make("mp4", tmp_path)
    sink.open(StreamFormat(WIDTH, HEIGHT, RATE_HZ))
    for frame in frames(20):
        sink.write(frame)
    sink.close()
    code, _, err = run(["live", "--demo", "--camera", sink.path, "--seconds", "1.5", "--record", tmp_path / "a.mp4",
                        *SMALL], capsys)
    assert code == 2 and "no face was seen in" in err.splitlines()[-1] and str(sink.path) in err
    assert (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("camera", ["77", "no such camera"])
@pytest.mark.parametrize("window", [False, True])
def test_a_camera_that_is_not_there_is_said_at_once(camera: str, window: bool, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch,
                                                    capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("didlive.cli.live.check_screen", lambda otherwise: None)
    code, out, err = run(["live", "--portrait", demo_portrait(), "--camera", camera, "--seconds", "1", "--record",
                          tmp_path / "a.mp4", *SMALL[:2 if window else 3]], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert camera in err and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_recording(how: signal.Signals, tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-m", "didlive", "live", "--demo", "--record", str(tmp_path / "a.mp4"),
                                *SMALL], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.take"]


@pytest.mark.parametrize(("arguments", "says"), [
    (["--seconds", "0"], "--seconds"),
    (["--camera", "missing.mp4"], "missing.mp4"),
    (["--record", "a.avi"], ".mp4"),
    (["--record", "missing/a.mp4"], "missing"),
    (["--fps", "1000"], "range"),
    (["--size", "x"], "size"),
])
def test_bad_options(arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                     capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(["live", "--demo", "--no-window", *arguments], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert says in err and list(tmp_path.iterdir()) == []


def test_a_recording_never_replaces_the_clip(driving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.mp4").write_bytes(driving.read_bytes())
    code, out, err = run(["live", "--camera", tmp_path / "a.mp4", "--record", f"{tmp_path}/./a.mp4", "--seconds", "1",
                          *SMALL], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert "would replace the input" in err and (tmp_path / "a.mp4").read_bytes() == driving.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_no_screen_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = run(["live", "--demo"], capsys)
    assert code == 2 and "--no-window" in err


def test_a_clip_that_is_no_video_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "x.mp4").write_text("no video")
    code, _, err = run(["live", "--demo", "--camera", tmp_path / "x.mp4", *SMALL], capsys)
    assert code == 2 and "x.mp4" in err and "Traceback" not in err


def test_record_motion_of_a_clip(driving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(["record-motion", driving, tmp_path / "m.npz", "--seconds", "0.5"], capsys)
    recording = load_recording(tmp_path / "m.npz")
    assert code == 0 and "a face in" in out and len(recording) == 16 and recording.rate_hz == 30
    assert recording.present.all() and recording.size == (256, 256)


@pytest.mark.parametrize(("arguments", "says"), [
    (["{out}/m.npz"], "CLIP"),
    (["{clip}", "{out}/m.txt"], ".npz"),
    (["{clip}", "{out}/missing/m.npz"], "folder"),
    (["{clip}", "{out}/m.npz", "--seconds", "-1"], "--seconds"),
    (["{clip}", "{out}/m.npz", "--camera", "0"], "either"),
    ([str(demo_motion()), "{out}/m.npz"], "already a motion file"),
    ([str(demo_motion())], "already a motion file"),
    (["{out}/missing.mp4", "{out}/m.npz"], "does not exist"),
    (["--camera", "77", "{out}/m.npz"], "camera 77"),
])
def test_record_motion_bad_input(arguments: list[str], says: str, driving: Path, tmp_path: Path,
                                 capsys: pytest.CaptureFixture[str]):
    filled = [a.format(clip=driving, out=tmp_path) for a in arguments]
    code, out, err = run(["record-motion", *filled], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert says in err and list(tmp_path.iterdir()) == []


def test_portraits_as_json(astronaut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(["portraits", "check", astronaut, tmp_path / "missing.png", "--json"], capsys)
    good, bad = json.loads(out)
    assert code == 2 and good["usable"] and good["faces"] == 1 and not bad["usable"] and bad["notes"]
    code, out, _ = run(["portraits", "check", astronaut], capsys)
    assert code == 0 and "1 face" in out


def test_the_demo_replays_as_a_camera(capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(["live", "--portrait", demo_portrait(), "--camera", demo_motion(), "--seconds", "1.2",
                        "--region", "pose", "--fps", "25", *SMALL], capsys)
    assert code == 0 and "live: " in out
