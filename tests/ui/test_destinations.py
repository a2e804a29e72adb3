"""Where the picture goes, in the window: the page, a stream with its key in the keyring, avatars, pause and takes."""

from __future__ import annotations

import json
import socket
import sys
import threading
import types
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import stage
from listening import running, said
from PySide6.QtWidgets import QApplication, QLabel
from showing import shown

from didlive.capture.listing import CameraChoice
from didlive.settings import MotionOutSettings, Settings
from didlive.take import load_take
from ui import sending
from ui.panels.guide import Copied, Guide, steps
from ui.panels.output import OutputPanel
from ui.panels.tiles import consent_told
from ui.show import find_choice, lasting_name
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]
LOOPBACK = "127.0.0.1"
URL = "rtmp://127.0.0.1:1/app"
KEY = "very-secret"
MISSING = ("pyvirtualcam", False, "the package pyvirtualcam is not installed",
           'python -m pip install "didlive[virtualcam]"')


@pytest.fixture
def panel(qtbot, studio: Studio) -> OutputPanel:
    return shown(qtbot, OutputPanel(studio), 900)


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A keyring of the system, in memory."""
    kept: dict[tuple[str, str], str] = {}
    module = types.ModuleType("keyring")
    module.errors = types.SimpleNamespace(KeyringError=RuntimeError)  # type: ignore[attr-defined]
    module.get_password = lambda service, name: kept.get((service, name))  # type: ignore[attr-defined]
    module.set_password = lambda service, name, key: kept.update({(service, name): key})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    return kept


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as made:
        made.bind((LOOPBACK, 0))
        return made.getsockname()[1]


def test_page_avatar_pause_and_take_in_one_show(qtbot, show: Studio, until: Until):
    panel, messages = shown(qtbot, OutputPanel(show), 900), said(show)
    show.change("stream.page_port", free_port())
    panel.outputs.page.rows["stream.page"].box.click()
    until(lambda: show.sending.address and panel.outputs.address.isVisible())
    assert panel.outputs.address.line.text() == show.sending.address
    with urllib.request.urlopen(f"{show.sending.address}snapshot.png", timeout=60) as answer:
        assert answer.read(4) == b"\x89PNG"
    panel.outputs.address.copy.click()
    assert QApplication.clipboard().text() == show.sending.address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as avatar:
        avatar.bind((LOOPBACK, 0))
        avatar.settimeout(60)
        show.change("motion_out.protocol", "vtube")
        show.change("motion_out.port", avatar.getsockname()[1])
        panel.outputs.motion.rows["motion_out.enabled"].box.click()
        until(lambda: show.sending.motion.on)
        assert json.loads(avatar.recv(65536))["messageType"] == "InjectParameterDataRequest"
        panel.outputs.motion.rows["motion_out.enabled"].box.click()
        until(lambda: not show.sending.motion.on and running(show).motion_out is None)
    panel.record.click()
    until(lambda: show.recording and running(show).output_states()[-1].written > 10)
    path = show.takes.path
    assert path is not None and panel.pause.isVisible()
    panel.pause.click()
    assert show.takes.paused and panel.pause.text() == "Go on" and panel.told.text().startswith("Paused at")
    before = show.takes.seconds
    panel.pause.click()
    assert not show.takes.paused and show.takes.seconds - before < 0.5
    panel.record.click()
    until(lambda: not show.recording and path.with_suffix(".take").exists())
    assert load_take(path.with_suffix(".take")).recording.present.any()
    panel.outputs.page.rows["stream.page"].box.click()
    until(lambda: not show.sending.page.on and not panel.outputs.address.isVisible())
    assert not [text for level, text in messages if level == "error"]


def test_a_page_whose_port_is_taken_is_off_again(show: Studio, until: Until):
    messages = said(show)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        show.change("stream.page_port", taken.getsockname()[1])
        show.change("stream.page", True)
        until(lambda: any(level == "error" and "choose another port" in text for level, text in messages))
        until(lambda: not show.settings.stream.page)


def test_a_stream_that_cannot_be_ends_and_its_key_is_in_the_keyring_only(qtbot, show: Studio, until: Until,
                                                                        keyring: dict[tuple[str, str], str]):
    panel, messages = shown(qtbot, OutputPanel(show), 900), said(show)
    assert not panel.stream.go.isEnabled()
    show.change("stream.url", URL)
    panel.stream.key.setText(KEY)
    panel.stream.go.click()
    until(lambda: keyring == {("didlive", URL): KEY})
    until(lambda: any(level == "error" for level, _ in messages))
    until(lambda: not show.sending.streaming and panel.stream.go.text() == "&Stream")
    assert panel.stream.key.text() == "" and not any(KEY in text for _, text in messages)
    assert not [state for state in running(show).output_states() if state.name == "stream"]


def test_without_a_keyring_the_key_is_not_kept_and_nothing_begins(panel: OutputPanel, studio: Studio, until: Until,
                                                                 monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    messages = said(studio)
    studio.change("stream.url", URL)
    panel.stream.key.setText(KEY)
    panel.stream.go.click()
    until(lambda: any("didlive[keyring]" in text for _, text in messages))
    assert not studio.sending.streaming and panel.stream.key.text() == KEY and panel.stream.go.isEnabled()


def test_motion_that_begins_when_the_show_has_ended_ends_too(started: None):
    show, before = stage.Show(), threading.active_count()
    show.session.stop()
    settings = Settings(motion_out=MotionOutSettings(enabled=True, port=9))
    sending._put_motion(show.session, settings)
    assert show.session.motion_out is None
    stage.wait_until(lambda: threading.active_count() <= before, "the end of its thread")


def test_only_what_is_on_shows_its_details(panel: OutputPanel, studio: Studio):
    outputs = panel.outputs
    assert not outputs.port.isVisible() and not outputs.motion_to.isVisible() and not outputs.guide.isVisible()
    studio.change("stream.page", True)
    studio.change("motion_out.enabled", True)
    assert outputs.port.isVisible() and outputs.motion_to.isVisible()
    assert not panel.pause.isVisible()


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_the_guide_leads_to_obs_where_its_camera_is_needed(platform: str):
    told = list(steps(platform, [MISSING]))
    assert told[0][1] == MISSING[3] and "OBS Studio" in told[1][0]
    assert [text.partition(".")[0] for text, _ in told] == [str(n) for n in range(1, len(told) + 1)]
    assert any("Start Virtual Camera" in text for text, _ in told) == (platform == "darwin")
    assert not any(command for _, command in steps(platform, [("pyvirtualcam", True, "installed", "")]))


def test_the_guide_gives_the_commands_of_linux_to_copy(qtbot, panel: OutputPanel, until: Until,
                                                      monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.sinks.virtualcam.report", lambda: [
        ("v4l2loopback", False, "the kernel module v4l2loopback is not loaded", "sudo modprobe v4l2loopback"),
        ("PipeWire", True, "running", "")])
    panel.outputs.guide.platform = "linux"
    panel.outputs.how.click()
    until(lambda: panel.outputs.guide.shown)
    lines = [widget.text() for widget in panel.outputs.guide.shown if isinstance(widget, QLabel)]
    assert "not loaded" in lines[0] and lines[1].endswith("ready")
    command = next(widget for widget in panel.outputs.guide.shown if isinstance(widget, Copied))
    command.copy.click()
    assert QApplication.clipboard().text() == "sudo modprobe v4l2loopback"
    panel.outputs.how.click()
    assert not panel.outputs.guide.isVisible()


def test_the_guide_changes_its_language(qtbot, language):
    guide = Guide()
    qtbot.addWidget(guide)
    guide.platform = "win32"
    guide.show_kinds([MISSING])
    language("zh_CN")
    guide.retranslate()
    assert any("安装 OBS Studio" in widget.text() for widget in guide.shown if isinstance(widget, QLabel))


def test_recordings_of_every_kind_are_listed(studio: Studio, until: Until):
    folder: Path = studio.takes.videos
    folder.mkdir(parents=True)
    for name in ("a.mp4", "b.webm", "c.gif", "d.webp", "e.take", "f.recording.mp4", "g.txt"):
        (folder / name).touch()
    studio.takes.refresh()
    until(lambda: {path.name for path in studio.recordings} == {"a.mp4", "b.webm", "c.gif", "d.webp"})


def test_a_camera_is_kept_by_its_name():
    cameras = (CameraChoice(0, "Fake HD Pro", "/dev/video0", 200), CameraChoice(2, "Fake HD", "/dev/video2", 200),
               CameraChoice(4, "Twin", "/dev/video4", 200), CameraChoice(6, "Twin", "/dev/video6", 200))
    assert [lasting_name(spec, cameras) for spec in ("2", "4", "9", "", "clip.mp4")] == ["Fake HD", "4", "9", "",
                                                                                       "clip.mp4"]
    for wanted, index in {"Fake HD": 2, "fake": 0, "6": 6, "/dev/video2": 2, "7": None, "": None}.items():
        found = find_choice(wanted, cameras)
        assert (found.index if found is not None else None) == index


def test_the_label_speaks_the_windows_language_unless_the_user_wrote_one(library: Studio, language):
    runner, entry = library._runner, library.entries[0]
    assert runner._settings_of(entry).output.badge_text == "AI portrait"
    language("zh_CN")
    assert runner._settings_of(entry).output.badge_text == "AI 肖像"
    library.change("output.badge_text", "Mine")
    assert runner._settings_of(entry).output.badge_text == "Mine"


def test_consents_show_on_the_tiles_and_can_be_exported(library: Studio, astronaut: Path, tmp_path: Path, until: Until):
    library.add_portraits([astronaut])
    until(lambda: len(library.entries) == 4)
    entry = next(entry for entry in library.entries if not entry.builtin)
    consents = library.consents
    until(lambda: consents.states == {entry.key: "none"})
    assert consent_told(library, entry) == "Nobody said whose portrait this is"
    assert consent_told(library, next(e for e in library.entries if e.builtin)) == ""
    consents.record(entry, "myself", {"who": "", "scope": "", "expires": ""}, lambda: None, lambda error: None)
    until(lambda: consents.states == {entry.key: "valid"})
    consents.revoke(entry)
    until(lambda: consents.states == {entry.key: "revoked"})
    assert "does not go live" in consent_told(library, entry)
    consents.export(tmp_path / "all.json")
    until(lambda: (tmp_path / "all.json").exists())
    assert entry.key in (tmp_path / "all.json").read_text(encoding="utf-8")
