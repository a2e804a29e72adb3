"""Studio with a real session: portraits, cameras, recordings, the end."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import av
import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from listening import running, said
from stage import Follower, Nuisance

from didlive.capture import listing
from didlive.capture.listing import CameraChoice
from didlive.capture.reopen import ReopeningCamera
from didlive.demo import demo_motion
from didlive.errors import OutputFailed
from didlive.profiles import Store
from didlive.session import State
from ui import runner
from ui.show import Driver, find_driver
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]


def test_it_begins_by_itself_with_the_built_in_portrait_and_motion(show: Studio, until: Until):
    until(lambda: running(show).stats().state is State.LIVE)
    assert show.portrait == show.entries[0].key and show.entries[0].builtin
    assert show.driving == "the built-in motion" and not show.has_camera
    until(lambda: all(show.thumbnail(e.key) is not None and show.verdict(e.key) is not None for e in show.entries))


def test_without_the_camera_that_is_asked_for_the_motion_stands_in(qtbot, studio: Studio, models: Path, until: Until,
                                                                   monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.capture.listing.list_cameras", lambda: [])
    studio.open()
    until(lambda: studio.session is not None)
    assert studio.driving == "the built-in motion (no camera found)"


def test_another_portrait_plays_and_has_its_own_settings(show: Studio, until: Until):
    first, second = (entry.key for entry in show.entries[:2])
    session = running(show)
    show.change("output.background", "color")
    show.choose_index(2)
    assert show.preparing == second or show.portrait == second
    until(lambda: show.portrait == second)
    assert show.settings.output.background == "picture" and show.settings.window.portrait == second
    until(lambda: show.preparing == "")
    show.choose_portrait(first)
    until(lambda: show.portrait == first)
    assert show.settings.output.background == "color" and show.session is session
    show.choose_index(7)
    assert show.preparing == ""


def test_a_portrait_is_prepared_anew_when_somebody_says_that_it_is_drawn(show: Studio, until: Until):
    running(show)
    runner = show._runner
    until(lambda: show.preparing == "" and runner._actor is not None)
    assert runner._actor is not None and not runner._actor.portrait.drawn
    show.change("output.kind", "drawn")
    until(lambda: runner._actor is not None and runner._actor.portrait.drawn)
    show.change("output.kind", "auto")
    until(lambda: runner._actor is not None and not runner._actor.portrait.drawn)


def test_a_portrait_that_was_prepared_plays_at_once(show: Studio, until: Until):
    second = show.entries[1]
    until(lambda: show._runner._wardrobe.find(second, show._runner._settings_of(second)) is not None)
    show.choose_portrait(second.key)
    assert show.portrait == second.key and show.preparing == ""


def test_good_and_bad_pictures_are_added(show: Studio, astronaut: Path, tmp_path: Path, until: Until):
    messages, count = said(show), len(show.entries)
    bad, faceless = tmp_path / "bad.jpg", tmp_path / "faceless.png"
    bad.write_bytes(b"no picture")
    shutil.copy(astronaut, tmp_path / "me.png")
    import numpy as np
    from PIL import Image

    Image.fromarray(np.zeros((200, 200, 3), np.uint8)).save(faceless)
    show.add_portraits([bad, tmp_path / "me.png", tmp_path / "gone.jpg"])
    until(lambda: any("bad.jpg" in text and "gone.jpg" in text for level, text in messages if level == "error"))
    until(lambda: show.portrait not in {e.key for e in show.entries if e.builtin} or len(show.entries) == count)
    playing = show.portrait
    show.add_portraits([faceless])
    until(lambda: any("no face found in faceless;" in text for _, text in messages))
    assert show.portrait == playing and show.preparing == ""


def test_the_size_of_the_output_begins_a_new_session(show: Studio, until: Until):
    before = running(show)
    show.change("output.size", "256x256")
    until(lambda: show.session is not None and show.session is not before)
    until(lambda: running(show).preview.peek() is not None)
    frame = running(show).preview.peek()
    assert frame is not None and frame.image.shape[:2] == (256, 256)
    assert before.stats().state is State.STOPPED


def test_a_clip_as_camera(show: Studio, driving: Path, until: Until):
    before = running(show)
    show.choose_camera(str(driving))
    assert show.driving == driving.name and show.has_camera
    until(lambda: running(show).stats().state is State.LIVE)
    assert show.session is before
    show.show_camera(True)
    until(lambda: running(show).camera_view.peek() is not None)
    show.show_camera(False)
    show.choose_camera("")
    assert show.driving == "the built-in motion"


def test_recording_and_snapshot(show: Studio, until: Until):
    messages = said(show)
    show.record(True)
    until(lambda: show.recording)
    path = show.takes.path
    assert path is not None
    until(lambda: running(show).output_states() and running(show).output_states()[0].written > 10)
    show.record(False)
    until(lambda: path in show.recordings)
    assert not show.recording
    with av.open(str(path)) as clip:
        assert sum(1 for _ in clip.decode(video=0)) > 10
    show.snapshot()
    until(lambda: any(text.startswith("Saved ") for _, text in messages))
    assert list(show.folders[1].glob("*.png"))


def test_a_recording_that_cannot_begin_is_told_and_the_show_goes_on(show: Studio, until: Until):
    messages = said(show)
    show.folders[0].parent.mkdir(exist_ok=True)
    show.folders[0].write_text("in the way")
    show.record(True)
    until(lambda: any(level == "error" for level, _ in messages))
    assert not show.recording and running(show).stats().state is not State.FAILED


def test_a_full_disk_ends_the_recording_and_not_the_show(show: Studio, until: Until, monkeypatch: pytest.MonkeyPatch):
    messages = said(show)
    show.record(True)
    until(lambda: show.recording and running(show).output_states()[0].written > 10)
    sink = show.takes._now.sink
    assert sink is not None

    def full(frame: object) -> None:
        raise OutputFailed("the disk is full; free some space")

    monkeypatch.setattr(sink.sink, "write", full)
    until(lambda: not show.recording)
    assert ("error", "the disk is full; free some space") in messages
    until(lambda: running(show).stats().state is State.LIVE)
    assert not running(show).output_states()


def test_closing_while_a_show_is_being_stopped_ends_it(qtbot, show: Studio, until: Until):
    """The job that would stop it is dropped with all that waits, its live outputs must not be."""
    session, busy = running(show), threading.Event()
    show._jobs.submit(busy.wait)
    try:
        show.stop()
        assert show.session is None
        with qtbot.waitSignal(show.closed, timeout=30_000):
            show.shutdown()
        assert session.stats().state is State.STOPPED
    finally:
        busy.set()
    # The fixture shuts down once more.
    show._closing = False


def test_closing_while_recording_finishes_the_file(qtbot, show: Studio, until: Until):
    show.record(True)
    until(lambda: show.recording and running(show).output_states()[0].written > 10)
    path = show.takes.path
    assert path is not None
    with qtbot.waitSignal(show.closed, timeout=60_000):
        show.shutdown()
    with av.open(str(path)) as clip:
        assert sum(1 for _ in clip.decode(video=0)) > 10
    # The file is there; what was being prepared for the show may still come to its end.
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("didlive-")])
    # The fixture shuts down once more.
    show._closing = False


def test_hold_panic_and_start(show: Studio, until: Until):
    until(lambda: running(show).stats().state is State.LIVE)
    show.hold(True)
    assert show.held
    show.panic(True)
    assert show.panicking
    show.panic(False)
    show.hold(False)
    show.toggle()
    assert not show.following
    show.toggle()
    assert show.following
    show.stop()
    assert show.session is None and not show.following
    show.toggle()
    until(lambda: show.session is not None)


def test_calibration_says_when_it_is_done_or_cannot_be(show: Studio, until: Until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ui.studio.SECOND_MS", 5)
    messages = said(show)
    until(lambda: running(show).tracking.peek() is not None and not running(show).calibrating)
    show.recalibrate(1)
    until(lambda: any(text.startswith("Calibrated") for _, text in messages))
    left: list[int] = []
    show.countdown.connect(left.append)
    monkeypatch.setattr("ui.studio.SECOND_MS", 60_000)
    show.recalibrate(3)
    show.panic(True)
    assert left == [3, 0] and not show._second.isActive()
    show.panic(False)
    show.follow(False)
    show.recalibrate(1)
    assert messages[-1] == ("warning", "Start the show first")


def test_calibration_counts_down(qtbot, show: Studio, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ui.studio.SECOND_MS", 5)
    left: list[int] = []
    show.countdown.connect(left.append)
    show.recalibrate(3)
    qtbot.waitUntil(lambda: left == [3, 2, 1, 0])
    qtbot.waitUntil(lambda: running(show).calibrating)


def test_the_range_wizard_measures_and_the_performer_is_kept(qtbot, show: Studio, until: Until,
                                                              monkeypatch: pytest.MonkeyPatch):
    from dataclasses import replace

    import didlive.calibration as calibration

    monkeypatch.setattr(calibration, "STEPS", tuple(replace(s, seconds=0.6) for s in calibration.STEPS))
    run = show.start_wizard("Ada")
    assert run is not None
    told: list[str] = []
    run.step.connect(lambda text, part: told.append(text))
    with qtbot.waitSignal(run.finished, timeout=60_000) as ended:
        pass
    performer = ended.args[0]
    assert performer.name == "Ada" and len(set(told)) == run.count
    show.save_performer(performer)
    until(lambda: show.performers == ("Ada",))
    assert show.settings.window.performer == "Ada"
    show.delete_performer("Ada")
    until(lambda: show.performers == ())
    assert show.settings.window.performer == ""
    cancelled = show.start_wizard("Bo")
    assert cancelled is not None
    with qtbot.waitSignal(cancelled.finished) as ended:
        cancelled.cancel()
    assert ended.args == [None]


def test_profiles_bring_everything_back(library: Studio, until: Until):
    library.change("motion.gains.mouth", 1.7)
    library.save_profile("Loud")
    until(lambda: library.profiles == ("Loud",))
    library.reset("motion")
    assert library.settings.motion.gains.mouth == 1.0
    library.apply_profile("Loud")
    until(lambda: library.settings.motion.gains.mouth == 1.7)
    library.delete_profile("Loud")
    until(lambda: library.profiles == ())


def test_settings_are_there_at_the_next_start(qtbot, studio: Studio, tmp_path: Path):
    studio.change("motion.strength", 1.3)
    studio.change("motion.strength", 99.0)
    with qtbot.waitSignal(studio.closed, timeout=60_000):
        studio.shutdown()
    assert Store(tmp_path / "config").load().motion.strength == 1.3
    studio._closing = False


def test_models_that_cannot_be_had_are_told_and_tried_again(studio: Studio, models: Path, until: Until,
                                                            monkeypatch: pytest.MonkeyPatch):
    from didlive.errors import ModelMissing
    from ui import runner

    fetch = runner.fetch_models

    def offline(progress: Callable[[int, int], None]) -> None:
        progress(1, 4)
        raise ModelMissing("the model could not be had; try again later")

    messages, parts = said(studio), []
    studio.busy_changed.connect(lambda what, part: parts.append(part))
    monkeypatch.setattr(runner, "fetch_models", offline)
    studio.change("camera.name", "", merge=False)
    studio.open()
    until(lambda: ("error", "the model could not be had; try again later") in messages)
    assert studio.session is None and studio.preparing == "" and 0.25 in parts
    monkeypatch.setattr(runner, "fetch_models", fetch)
    studio.start()
    until(lambda: studio.session is not None)


def test_a_background_picture_that_is_gone_is_told_and_the_portrait_plays(show: Studio, tmp_path: Path, astronaut: Path,
                                                                         until: Until):
    messages, behind = said(show), tmp_path / "behind.png"
    shutil.copy(astronaut, behind)
    before = running(show)
    show.change("output.background_image", str(behind))
    show.change("output.background", "image")
    until(lambda: before.preview.peek() is not None and show._runner._actor is not None
          and show._runner._actor.output.background == "image")
    behind.unlink()
    show.change("output.size", "256x256")
    until(lambda: any("behind.png" in text for level, text in messages if level == "warning"))
    assert running(show) is before
    show.stop()
    show.start()
    until(lambda: show.session is not None)
    assert show.settings.output.background == "picture"


def test_a_bug_in_a_job_does_not_end_the_window(studio: Studio, models: Path, until: Until,
                                                monkeypatch: pytest.MonkeyPatch):
    import sys

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    begin, seen, messages = runner.begin, [], said(studio)
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: seen.append(kind))
    monkeypatch.setattr(runner, "begin", broken)
    studio.change("camera.name", "", merge=False)
    studio.open()
    until(lambda: seen == [ZeroDivisionError] and messages)
    monkeypatch.setattr(runner, "begin", begin)
    studio.start()
    until(lambda: studio.session is not None)


CAMERAS = (CameraChoice(0, "Integrated Camera", "/dev/video0", 200), CameraChoice(2, "Studio Cam", "/dev/video2", 200))


@pytest.mark.parametrize(("wanted", "spec", "name", "missing"), [
    ("0", "0", "Integrated Camera", False), ("studio", "2", "Studio Cam", False),
    ("/dev/video2", "2", "Studio Cam", False), ("", str(demo_motion()), "", False),
    ("1", str(demo_motion()), "", True), ("gone.mp4", str(demo_motion()), "", True),
    (str(demo_motion()), str(demo_motion()), "demo_motion.npz", False)])
def test_which_camera_drives(wanted: str, spec: str, name: str, missing: bool):
    found = find_driver(wanted, CAMERAS)
    assert (found.spec, found.name, found.missing) == (spec, name, missing)


def test_a_camera_that_is_plugged_in_drives(show: Studio, monkeypatch: pytest.MonkeyPatch):
    show.choose_camera("0")
    assert show.driving == "the built-in motion (no camera found)"
    swapped: list[object] = []
    monkeypatch.setattr(show._runner, "_drive", swapped.append)
    show._runner.take_cameras(CAMERAS)
    assert [driver.name for driver in swapped] == ["Integrated Camera"]


def test_an_unplugged_camera_degrades_the_show_until_it_is_plugged_in_again(
        show: Studio, until: Until, monkeypatch: pytest.MonkeyPatch):
    camera = Nuisance()
    opened: list[str] = []

    def open_nuisance(driver: Driver, _: object) -> tuple[ReopeningCamera, Follower]:
        opened.append(driver.spec)
        return ReopeningCamera(lambda: camera, first_s=0.01, longest_s=0.05), Follower()

    def state() -> tuple[State, str]:
        assert show.session is not None
        stats = show.session.stats()
        return stats.state, stats.reason

    monkeypatch.setattr(runner, "open_driver", open_nuisance)
    monkeypatch.setattr(listing, "list_cameras", lambda: [] if camera.lost else list(CAMERAS[1:]))
    show.refresh_cameras()
    until(lambda: show.cameras == CAMERAS[1:])
    show.choose_camera("studio")
    until(lambda: opened == ["2"] and state()[0] is State.LIVE)
    camera.lost = True
    until(lambda: state()[0] is State.DEGRADED)
    assert "camera" in state()[1] and show.driving == "Studio Cam"
    show.refresh_cameras()
    until(lambda: not show.cameras)
    camera.lost = False
    until(lambda: state()[0] is State.LIVE)
    # Plugged into another socket it has another number.
    show._runner.take_cameras((CameraChoice(4, "Studio Cam", "/dev/video4", 200),))
    until(lambda: opened == ["2", "4"] and state()[0] is State.LIVE)
