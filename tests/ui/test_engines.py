"""The window tells how a build of engines goes; the process is a real one."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

import ui.engines
from ui.engines import EngineBuild
from ui.studio import Studio


def lines(*events: dict[str, Any]) -> tuple[str, str]:
    """The command of a process that says this, with noise of native code in between."""
    text = "noise\n" + "".join(json.dumps(event) + "\n" for event in events)
    return "-c", f"import sys; sys.stdout.write({text!r})"


def told(qtbot, *events: dict[str, Any], command: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    build = EngineBuild(command=command or lines(*events))
    messages: list[tuple[str, str]] = []
    build.message.connect(lambda level, text: messages.append((level, text)))
    with qtbot.waitSignal(build.process.finished, timeout=60_000):
        build.start()
    return messages


def done(**fields: Any) -> dict[str, Any]:
    return {"event": "done", "title": "refiner", "cached": False, "verdict": "good", **fields}


def test_progress_is_told_in_steps_and_the_end(qtbot) -> None:
    steps = [{"event": "progress", "title": "refiner", "share": share / 20} for share in range(21)]
    messages = told(qtbot, {"event": "start", "title": "refiner"}, *steps, done())
    assert [text for _, text in messages] == [
        *(f"Building the engine for the graphics card: {percent} %" for percent in (0, 25, 50, 75, 100)),
        "The engine for the graphics card is ready: it runs from the next start"]


def test_what_fails_is_told_with_its_reason(qtbot) -> None:
    assert told(qtbot, {"event": "failed", "title": "refiner", "reason": "the disk is full"}) == [
        ("warning", "No engine for the graphics card: the disk is full")]
    assert told(qtbot, done(verdict="wrong numbers: 12 dB")) == [
        ("warning", "The engine for the graphics card is not used: wrong numbers: 12 dB")]


def test_nothing_new_is_not_told(qtbot) -> None:
    assert told(qtbot, {"event": "nothing", "reason": "no card"}) == []
    assert told(qtbot, done(cached=True), done(cached=True, verdict="wrong numbers")) == []


def test_the_real_builder_has_nothing_to_say_without_an_engine_to_build(qtbot) -> None:
    assert told(qtbot, command=("-m", "engines.build", "--json", "--backend", "none")) == []


def test_it_ends_with_the_window(qtbot) -> None:
    build = EngineBuild(command=("-c", "input()"))
    build.start()
    assert build.process.waitForStarted()
    build.stop()
    assert build.process.state() == build.process.ProcessState.NotRunning
    build.start()
    assert build.process.state() == build.process.ProcessState.NotRunning


def test_only_where_something_can_build(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui.engines.importlib.util, "find_spec", lambda _: None)
    assert ui.engines.watch(studio) is None
    monkeypatch.setattr(ui.engines.importlib.util, "find_spec", lambda name: name == "tensorrt_rtx" or None)
    messages: list[str] = []
    studio.message.connect(lambda level, text: messages.append(text))
    build = ui.engines.watch(studio)
    assert build is not None
    build.message.emit("info", "built")
    assert messages == ["built"]
