"""Bad input and unusual input through the command line: exit code 2, one line that helps, nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from command import contents, run
from PIL import Image

from didlive import cli
from didlive.animate import track_clip
from didlive.demo import demo_motion, demo_portrait
from didlive.errors import BadInput

ROOT = Path(__file__).resolve().parents[1]


pytestmark = pytest.mark.usefixtures("models")


def write_text(path: Path) -> None:
    path.write_text("I am no picture")


def picture_of(astronaut: Path) -> np.ndarray:
    return cv2.imread(str(astronaut))


BAD_PORTRAITS: dict[str, tuple[str, Callable[[Path, Path], None], str]] = {
    "no face": ("x.png", lambda p, a: void(cv2.imwrite(str(p), np.full((300, 300, 3), 120, np.uint8))), "no face"),
    "cut off": ("x.png", lambda p, a: void(cv2.imwrite(str(p), picture_of(a)[:260, 205:400])), "cut off"),
    "tiny": ("x.png", lambda p, a: void(cv2.imwrite(str(p), small_on_card(a))), "tiny"),
    "broken": ("x.png", lambda p, a: void(p.write_bytes(a.read_bytes()[:4000])), "broken"),
    "empty": ("x.jpg", lambda p, a: void(p.write_bytes(b"")), "empty"),
    "folder": ("x", lambda p, a: p.mkdir(), "is a folder"),
    "text file": ("x.png", lambda p, a: write_text(p), "not a picture"),
    "missing": ("x.png", lambda p, a: None, "does not exist"),
    "giant": ("x.png", lambda p, a: void(Image.new("1", (30_000, 10_000)).save(p)), "pixels"),
}


def void(_: object) -> None:
    """Forget a result."""


def small_on_card(astronaut: Path) -> np.ndarray:
    card = np.full((400, 400, 3), 200, np.uint8)
    card[180:280, 150:250] = cv2.resize(picture_of(astronaut)[:360, 60:420], (100, 100), interpolation=cv2.INTER_AREA)
    return card


@pytest.mark.parametrize("what", BAD_PORTRAITS)
def test_bad_portraits(what: str, astronaut: Path, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]):
    name, make, says = BAD_PORTRAITS[what]
    make(tmp_path / name, astronaut)
    code, out, err = run(["animate", "--portrait", tmp_path / name, "--driving", demo_motion(), "--out",
                          folder / "a.mp4"], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert says in err and contents(folder) == []
    code, out, err = run(["portraits", "check", tmp_path / name], capsys)
    assert code == 2 and says in out and err == ""


GOOD_PORTRAITS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "grey.png": lambda p, image: void(cv2.imwrite(str(p), cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))),
    "16 bit.png": lambda p, image: void(cv2.imwrite(str(p), image.astype(np.uint16) * 257)),
    "palette.png": lambda p, image: Image.fromarray(image[:, :, ::-1]).quantize(200).save(p),
    "cmyk.jpg": lambda p, image: Image.fromarray(image[:, :, ::-1]).convert("CMYK").save(p),
    "lossy.webp": lambda p, image: Image.fromarray(image[:, :, ::-1]).save(p),
    "turned by exif.jpg": lambda p, image: turned(p, image),
    "ümläut 人.png": lambda p, image: Image.fromarray(image[:, :, ::-1]).save(p),
}


def turned(path: Path, image: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(image[:, :, ::-1]))).save(path, exif=exif, quality=95)


@pytest.mark.parametrize("name", GOOD_PORTRAITS)
def test_unusual_portraits_work(name: str, astronaut: Path, tmp_path: Path, folder: Path,
                                capsys: pytest.CaptureFixture[str]):
    GOOD_PORTRAITS[name](tmp_path / name, picture_of(astronaut))
    code, out, err = run(["animate", "--portrait", tmp_path / name, "--driving", demo_motion(), "--out",
                          folder / "a.mp4", "--size", "128x128", "--max-frames", "2"], capsys)
    assert code == 0 and "2 frames, 128x128 px" in out
    assert all("more look sharper" in line for line in err.splitlines())
    assert contents(folder) == ["a.mp4"]


def clip_without_frames(path: Path, driving: Path) -> None:
    with av.open(str(driving)) as source, av.open(str(path), "w") as target:
        sound = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                target.mux(packet)


def clip_without_face(path: Path, driving: Path) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        for _ in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))


BAD_CLIPS: dict[str, tuple[str, Callable[[Path, Path], None], str]] = {
    "no pictures": ("x.mp4", clip_without_frames, "not a video"),
    "no face": ("x.mp4", clip_without_face, "no face"),
    "cut in half": ("x.mp4", lambda p, d: void(p.write_bytes(d.read_bytes()[:len(d.read_bytes()) // 3])), "x.mp4"),
    "text": ("x.mp4", lambda p, d: write_text(p), "; give a clip such as .mp4"),
    "empty": ("x.mp4", lambda p, d: void(p.write_bytes(b"")), "not a video"),
    "empty animation": ("x.gif", lambda p, d: void(p.write_bytes(b"")), "not a video"),
    "folder": ("x.mp4", lambda p, d: p.mkdir(), "is a folder"),
    "missing": ("x.mp4", lambda p, d: None, "does not exist; check the name"),
    "a picture": ("x.png", lambda p, d: void(cv2.imwrite(str(p), np.zeros((64, 64, 3), np.uint8))), "not a video"),
    "broken motion": ("x.npz", lambda p, d: write_text(p), "not a motion file"),
    "a digit": ("0", lambda p, d: None, "does not exist"),
}


@pytest.mark.parametrize("what", BAD_CLIPS)
def test_bad_clips(what: str, astronaut: Path, driving: Path, tmp_path: Path, folder: Path,
                   capsys: pytest.CaptureFixture[str]):
    name, make, says = BAD_CLIPS[what]
    make(tmp_path / name, driving)
    code, out, err = run(["animate", "--portrait", astronaut, "--driving", tmp_path / name, "--out",
                          folder / "a.mp4"], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert says in err and contents(folder) == []


BAD_OPTIONS: dict[str, tuple[list[str], str]] = {
    "size": (["--size", "big"], "big"),
    "odd size": (["--size", "101x101"], "even"),
    "gain": (["--gain", "mouth=9"], "range"),
    "seed": (["--seed", "-1"], "range"),
    "gain without value": (["--gain", "mouth"], "mouth=1.2"),
    "gain of nothing": (["--gain", "nose=1"], "nose"),
    "gain in words": (["--gain", "mouth=much"], "not a number"),
    "setting": (["--set", "motion.limits.yaw_deg=99"], "range"),
    "unknown setting": (["--set", "motion.wings=2"], "wings"),
    "frames": (["--max-frames", "0"], "--max-frames"),
    "face": (["--face", "3"], "--face 3"),
    "settings file": (["--settings", "nowhere.toml"], "nowhere.toml cannot be read: No such file"),
}


@pytest.mark.parametrize("what", BAD_OPTIONS)
def test_bad_options(what: str, astronaut: Path, folder: Path, capsys: pytest.CaptureFixture[str]):
    extra, says = BAD_OPTIONS[what]
    code, out, err = run(["animate", "--portrait", astronaut, "--driving", demo_motion(), "--out", folder / "a.mp4",
                          *extra], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert says in err and contents(folder) == []


@pytest.mark.parametrize("name", ["a.avi", "a.txt", "a.png", "missing/a.mp4", "file/a.mp4", "taken/"])
def test_outputs_that_cannot_be_written(name: str, astronaut: Path, folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "file").write_text("in the way")
    (folder / "taken").mkdir()
    (folder / "taken" / "letter.txt").write_text("mine")
    before = contents(folder)
    code, out, err = run(["animate", "--portrait", astronaut, "--driving", demo_motion(), "--out", f"{folder}/{name}"],
                         capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert contents(folder) == before and contents(folder / "taken") == ["letter.txt"]


@pytest.mark.parametrize("kind", ["me.webp", "clip.mp4", "clip.gif", "pictures/"])
def test_inputs_are_never_overwritten(kind: str, astronaut: Path, driving: Path, folder: Path,
                                      capsys: pytest.CaptureFixture[str]):
    inside = folder / "pictures"
    inside.mkdir()
    Image.open(astronaut).save(inside / "000000.png")
    Image.open(astronaut).save(folder / "me.webp")
    for name in ("clip.mp4", "clip.gif"):
        shutil.copy(driving, folder / name)
    portrait = inside / "000000.png" if kind == "pictures/" else folder / "me.webp"
    clip = folder / (kind if kind.startswith("clip") else "clip.mp4")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = run(["animate", "--portrait", portrait, "--driving", clip, "--out", f"{folder}/{kind}", "--audio",
                          "none", "--max-frames", "2"], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert ("is a folder that holds the input" if kind == "pictures/" else "would replace the input") in err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(os.name != "posix" or (os.geteuid() == 0 and not shutil.which("setpriv")),
                    reason="needs a user whose permissions count")
def test_a_folder_without_permission(astronaut: Path, folder: Path, models: Path):
    folder.chmod(0o555)
    command = [sys.executable, "-m", "didlive", "animate", "--demo", "--out", str(folder / "a.mp4")]
    if os.geteuid() == 0:
        # Root may write everywhere; without this one capability it may not.
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps",
                   "-dac_override,-dac_read_search", *command]
        folder.parent.chmod(0o755)
        os.chown(folder, 12345, 12345)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "permission" in result.stderr and len(result.stderr.splitlines()) == 1


def test_a_missing_model_says_how_to_get_it(folder: Path):
    environment = {**os.environ, "DIDLIVE_CACHE": str(folder / "cache"), "https_proxy": "http://127.0.0.1:9",
                   "HTTPS_PROXY": "http://127.0.0.1:9", "PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "0"}
    result = subprocess.run([sys.executable, "-m", "didlive", "animate", "--demo", "--out", str(folder / "a.mp4")],
                            cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert "models fetch" in result.stderr and not (folder / "a.mp4").exists()


def test_the_real_command_is_quiet_and_names_what_it_wrote(folder: Path):
    result = subprocess.run([sys.executable, "-m", "didlive", "animate", "--demo", "--out", str(folder / "a.mp4"),
                             "--size", "128x128", "--max-frames", "3", "--gain", "mouth=1.2,yaw=0.5", "--absolute",
                             "--mirror", "--region", "expression"],
                            cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{folder / 'a.mp4'}: 3 frames, 128x128 px")


def test_home_folder_a_folder_with_a_suffix_and_one_frame(folder: Path, models: Path, monkeypatch: pytest.MonkeyPatch,
                                                           capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("DIDLIVE_CACHE", str(models.parent))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    code, out, _ = run(["animate", "--demo", "--out=~/a.png/", "--size", "128x128", "--max-frames", "1"], capsys)
    assert code == 0 and "1 frame, 128x128 px" in out
    assert contents(folder) == ["a.png"] and contents(folder / "a.png") == ["000000.png"]


def test_ctrl_c_while_modules_are_loaded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def interrupted(_: str | None = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build_parser", interrupted)
    assert run(["animate"], capsys) == (130, "", "didlive: stopped\n")


def test_a_name_that_the_output_cannot_spell_is_no_reason_to_end(tmp_path: Path):
    """A pipe on Windows, or a name in another encoding than the system's."""
    done = subprocess.run([sys.executable, "-m", "didlive", "portraits", "check", tmp_path / "顔.png"],
                          capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (2, "") and "cannot be used" in done.stdout
    assert "\\u9854.png" in done.stdout


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]):
    code, _, err = run(["animate"], capsys)
    assert code == 2 and "--portrait" in err


def test_the_demo_is_all_there():
    assert demo_portrait().is_file() and demo_motion().is_file()
    performance = track_clip(demo_motion())
    assert performance.faces == len(performance.trackings) == 270


def test_a_clip_needs_a_face():
    with pytest.raises(BadInput):
        track_clip(ROOT / "nothing.mp4")


@pytest.mark.parametrize(("arguments", "says"), [
    (["animate", "--size"], "argument --size: expected one argument; see didlive animate --help"),
    (["animate", "--region", "mouth,eyes"], "invalid choice: 'mouth,eyes' (choose from"),
    (["animate", "--portrait", ""], "argument --portrait: nothing is named"),
    (["animate", "--demo", "--out", " "], "argument --out: nothing is named"),
    (["live", "--camera", "", "--no-window"], "argument --camera: nothing is named"),
    (["bench", "--nonsense"], "unrecognized arguments: --nonsense; see didlive"),
    (["portraits", "look"], "invalid choice: 'look'"),
    (["models", "fetch", "--from", "nowhere"], "--from nowhere: there is no such folder"),
    (["enact"], "invalid choice: 'enact'"),
    ([], "the following arguments are required: COMMAND; see didlive --help"),
])
def test_wrong_arguments_are_said_in_one_line(arguments: list[str], says: str, folder: Path,
                                              capsys: pytest.CaptureFixture[str]):
    try:
        code = cli.main(arguments)
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    assert (code, said.out, len(said.err.splitlines())) == (2, "", 1), said.err
    assert said.err.startswith("didlive: ") and says in said.err
    assert list(folder.iterdir()) == []
