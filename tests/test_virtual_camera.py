"""The virtual camera: exact colours, the right choice, and one line that says what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command import contents, run
from pipewire_session import PipeWire, pipewire
from stage import wait_until

from didlive.errors import OutputFailed
from didlive.seams import StreamFormat
from didlive.sinks import pipewire as pw
from didlive.sinks import v4l2, virtualcam
from didlive.sinks.live import LiveSink, fitted, yuyv
from didlive.sinks.outputs import Outputs
from didlive.sinks.recorder import PacedSink
from didlive.sinks.virtualcam import NAMES, PREFERENCES, choose, plug_in, unplug
from didlive.types import U8

RANDOM = np.random.default_rng(5)
TROUBLE = ("it is not there", "fetch it")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="PipeWire and v4l2loopback are for Linux")


def test_colours_are_those_of_a_webcam():
    """BT.601, limited range: luma of every pixel, chroma the mean of two."""
    image = RANDOM.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    red, green, blue = np.moveaxis(image.astype(float) / 255, 2, 0)
    luma = 16 + 65.481 * red + 128.553 * green + 24.966 * blue
    blues = 128 - 37.797 * red - 74.203 * green + 112 * blue
    reds = 128 + 112 * red - 93.786 * green - 18.214 * blue
    made = yuyv(image)
    assert np.abs(made[:, :, 0] - luma).max() < 0.7
    for at, chroma in ((0, blues), (1, reds)):
        assert np.abs(made[:, at::2, 1] - (chroma[:, ::2] + chroma[:, 1::2]) / 2).max() < 0.7


def test_odd_widths_and_alpha():
    image = RANDOM.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    assert yuyv(image).shape == (5, 8, 2)
    assert (yuyv(image) == yuyv(np.ascontiguousarray(image[:, :, :3]))).all()
    assert yuyv(image)[:, 6, 0].tolist() == yuyv(image)[:, 7, 0].tolist()


@pytest.mark.parametrize(("size", "inside"), [((64, 64), (16, 0, 48, 64)), ((64, 32), (0, 0, 64, 32)),
                                              ((20, 40), (0, 15, 20, 25)), ((9, 1), (3, 0, 5, 1))])
def test_a_picture_is_fitted_with_black_bars(size: tuple[int, int], inside: tuple[int, int, int, int]):
    image = np.full((32, 16 if size == (64, 64) else 64, 3), 200, np.uint8)
    made = fitted(image, *size)
    left, top, right, bottom = inside
    assert made.shape == (size[1], size[0], 3) and (made[top:bottom, left:right] == 200).all()
    assert made.sum() == 600 * (right - left) * (bottom - top)


# Which one


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, str]]:
    """What is wrong with each kind on a Linux machine; at first nothing."""
    made = {"v4l2": ("", ""), "pipewire": ("", "")}
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(v4l2, "problem", lambda: made["v4l2"])
    monkeypatch.setattr(pw, "problem", lambda: made["pipewire"])
    return made


def test_linux_offers_every_kind_that_works(problems: dict[str, tuple[str, str]]):
    assert list(choose()) == [NAMES["v4l2"], NAMES["pipewire"]]
    assert list(choose("pipewire")) == [NAMES["pipewire"]]
    problems["v4l2"] = TROUBLE
    assert list(choose()) == [NAMES["pipewire"]]
    with pytest.raises(OutputFailed, match=r"it is not there, run: fetch it$"):
        choose("v4l2")
    problems["pipewire"] = ("it is asleep", "wake it")
    with pytest.raises(OutputFailed, match="it is not there, run: fetch it; or: it is asleep, run: wake it"):
        choose()


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_elsewhere_it_is_pyvirtualcam(system: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(virtualcam.importlib.util, "find_spec", lambda name: name)
    assert list(choose()) == ["virtual camera"]
    with pytest.raises(OutputFailed, match="Linux only"):
        choose("v4l2")
    monkeypatch.setattr(virtualcam.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OutputFailed, match=r'run: python -m pip install "didlive\[virtualcam\]"'):
        choose()
    assert [(name, works) for name, works, *_ in virtualcam.report()] == [("pyvirtualcam", False)]


def test_without_the_package_or_a_device(monkeypatch: pytest.MonkeyPatch):
    stream = StreamFormat(64, 64, 30.0)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputFailed, match="one more package; run: "):
        virtualcam.PyVirtualCamSink().open(stream)
    monkeypatch.undo()
    pytest.importorskip("pyvirtualcam")
    with pytest.raises(OutputFailed, match="no virtual camera to write to") as caught:
        virtualcam.PyVirtualCamSink().open(stream)
    assert "\n" not in str(caught.value)


class Camera(LiveSink):
    """A virtual camera that may fail to begin."""

    def __init__(self, place: str, fails: str = "") -> None:
        super().__init__()
        self.called, self.fails = place, fails

    def _begin(self, stream: StreamFormat) -> None:
        if self.fails:
            raise OutputFailed(self.fails)
        self.place = self.called

    def _show(self, image: U8) -> None: ...

    def _release(self) -> None: ...


@pytest.fixture
def outputs() -> Iterator[Outputs]:
    made = Outputs([], StreamFormat(64, 64, 30.0))
    yield made
    made.close()


def add(outputs: Outputs, name: str, sink: PacedSink) -> None:
    outputs.prepare(name, sink, True)
    outputs.add(name, sink, None)


def test_plugging_in_says_which_cameras_there_are(outputs: Outputs, problems: dict[str, tuple[str, str]]):
    sinks = {NAMES["v4l2"]: Camera("A"), NAMES["pipewire"]: Camera("B")}
    assert plug_in(sinks, 30.0, lambda *new: add(outputs, *new)) == "the virtual camera is on: A and B"
    assert [state.name for state in outputs.states()] == list(sinks)

    def remove(name: str) -> None:
        output = outputs.take_out(name)
        if output is not None:
            output.close()

    unplug(remove)
    assert outputs.states() == ()


def test_one_that_fails_does_not_keep_the_other_away(outputs: Outputs, problems: dict[str, tuple[str, str]]):
    problems["v4l2"] = TROUBLE
    sinks = {NAMES["v4l2"]: Camera("A", "A is broken"), NAMES["pipewire"]: Camera("B")}
    said = plug_in(sinks, 30.0, lambda *new: add(outputs, *new))
    assert said == "the virtual camera is on, for browsers and OBS: B; for Zoom and Teams, too, run: fetch it"
    with pytest.raises(OutputFailed, match="A is broken"):
        plug_in({NAMES["v4l2"]: sinks[NAMES["v4l2"]]}, 30.0, lambda *new: add(outputs, *new))


# What this machine lacks


@only_linux
def test_pipewire_that_is_not_installed_or_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pw, "LIBRARY", "libpipewire-not-there.so")
    pw._library.cache_clear()
    assert pw.problem() == ("PipeWire is not installed", pw.INSTALL)
    with pytest.raises(OutputFailed, match="not installed; run: sudo apt-get install"):
        pw.PipeWireSink().open(StreamFormat(64, 64, 30.0))
    monkeypatch.undo()
    monkeypatch.setenv("PIPEWIRE_RUNTIME_DIR", str(tmp_path))
    assert pw.problem()[1] in (pw.START, pw.INSTALL)


@only_linux
def test_whether_the_module_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(v4l2, "devices", lambda: ([], []))
    monkeypatch.setattr(v4l2, "Path", lambda *parts: tmp_path / parts[0].strip("/").replace("/", "-"))
    assert v4l2.problem()[1] == f"{v4l2.INSTALL} && {v4l2.LOAD}"
    (tmp_path / "lib-modules").write_text("updates/dkms/v4l2loopback.ko: videodev.ko\n")
    assert v4l2.problem()[1] == v4l2.LOAD
    (tmp_path / "sys-module-v4l2loopback").mkdir()
    assert v4l2.problem() == ("the kernel module v4l2loopback is loaded, but has no device",
                              f"{v4l2.UNLOAD} && {v4l2.LOAD}")


# The command


@pytest.fixture
def daemon() -> Iterator[PipeWire]:
    with pipewire() as made:
        made.start()
        yield made


def live(*arguments: str | Path) -> list[str | Path]:
    return ["live", "--demo", "--no-window", "--size", "128x128", *arguments]


def test_the_commands_kinds_are_those_there_are():
    from didlive.cli.live import CAMERA_KINDS

    assert CAMERA_KINDS == PREFERENCES


@only_linux
def test_a_show_on_a_virtual_camera(daemon: PipeWire, models: Path, capsys: pytest.CaptureFixture[str]):
    code, out, err = run(live("--virtual-camera", "pipewire", "--seconds", "1"), capsys)
    assert code == 0 and "frames/s" in out
    assert len(err.splitlines()) == 1 and "DidLive (PipeWire)" in err


@only_linux
def test_a_camera_that_cannot_be_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("PIPEWIRE_RUNTIME_DIR", str(tmp_path / "empty"))
    code, out, err = run(live("--virtual-camera", "pipewire", "--record", tmp_path / "a.mp4"), capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1) and "there can be no virtual camera; PipeWire " in err
    assert contents(tmp_path) == []


@only_linux
def test_a_session_whose_daemon_dies_goes_on(daemon: PipeWire):
    from stage import SETTINGS, Follower, Nuisance, make_actor

    from didlive.session import Session, State

    with Session(SETTINGS, Nuisance(), Follower(), make_actor()) as session:
        plug_in(choose("pipewire"), 60.0, session.add_sink)
        wait_until(lambda: session.output_states()[0].written > 3)
        daemon.kill()
        wait_until(lambda: session.stats().state is State.DEGRADED, "the loss")
        daemon.start()
        wait_until(lambda: session.stats().state is State.LIVE, "the way back")
        wait_until(lambda: session.output_states()[0].written > 3)
        unplug(session.remove_sink)
        assert session.output_states() == ()
