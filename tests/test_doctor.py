"""The doctor tells the truth: a broken library is found, a crash is survived, nothing is ready that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from didlive import doctor
from didlive.cli import main
from didlive.doctor import Check, Report, examine, probe


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIDLIVE_CACHE", str(tmp_path))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[bool, str]]:
    """What the child would answer on a machine where all is well; a test changes some of it."""
    made = {name: (True, "fine") for name in [*doctor.CORE, *doctor.EXTRA, "plugin"]}
    made["cameras"] = (True, json.dumps([[0, "Front", ""]]))
    made["virtual camera"] = (True, json.dumps([["v4l2loopback", False, "it is not loaded", "sudo modprobe it"]]))
    made["networks"] = (True, json.dumps([
        ["refiner", "tensorrt", "fp16", "", 0.0, "TensorRT is not installed"],
        ["refiner", "tensorrt", "fp32", "", 0.0, "TensorRT is not installed"],
        ["refiner", "ort", "int8", "ONNX Runtime CPU, int8, 1 thread", 9.1, ""],
        ["refiner", "ort", "fp32", "ONNX Runtime CPU, fp32, 1 thread", 21.0, "slower than the other"]]))
    monkeypatch.setattr(doctor, "probe", lambda questions: {name: made[name] for name in questions})
    return made


def by_name(report: Report) -> dict[str, Check]:
    return {check.name: check for check in report.checks}


def test_probe_survives_errors_and_crashes() -> None:
    found = probe(
        {
            "good": "1 + 1",
            "noisy": "print('probe is a word') or 'said'",
            "missing": "__import__('no_such_module')",
            "exits": "__import__('sys').exit(3)",
            "crash": "__import__('os')._exit(7)",
            "after": "'still here'",
        }
    )
    assert found["good"] == (True, "2") and found["noisy"] == (True, "said")
    assert found["missing"][0] is False and "ModuleNotFoundError" in found["missing"][1]
    assert found["exits"][0] is False
    assert found["crash"] == (False, "crashed on import (exit code 7)")
    assert found["after"] == (True, "still here")


def test_a_hanging_library_does_not_hang_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBE_TIMEOUT_S", 3.0)
    found = probe({"first": "1", "hangs": "__import__('time').sleep(60)"})
    assert found == {"first": (True, "1"), "hangs": (False, "hangs on import")}


def test_this_machine_lacks_only_the_model() -> None:
    report = examine()
    found = by_name(report)
    missing = [check.name for check in report.checks if check.needed and not check.ok]
    assert missing == ["face_landmarker"] and not report.ready
    assert found["face_landmarker"].fix == "didlive models fetch"
    assert found["numpy"].detail[0].isdigit()
    for check in report.checks:
        assert check.detail and "\n" not in check.detail and "\n" not in check.fix


def test_ready_with_the_model(answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = Check("models", "face_landmarker", True, True, "ok")
    monkeypatch.setattr(doctor, "_models", lambda: [model])
    assert examine().ready
    answers["mediapipe"] = (False, "ImportError: libEGL.so.1: cannot open shared object file")
    report = examine()
    assert not report.ready
    assert "libEGL" in by_name(report)["mediapipe"].detail and "install" in by_name(report)["mediapipe"].fix


def test_what_is_absent_is_said_with_its_command(answers: dict[str, Any]) -> None:
    answers["cameras"] = (True, "[]")
    answers["onnxruntime"] = (False, "ModuleNotFoundError: No module named 'onnxruntime'")
    answers["sounddevice"] = (False, "OSError: PortAudio library not found")
    found = by_name(examine())
    assert not found["webcam"].ok and not found["webcam"].needed
    assert found["onnxruntime"].detail.startswith("not installed") and "onnxruntime" in found["onnxruntime"].fix
    assert "libportaudio2" in found["PortAudio"].fix


def test_engines_are_listed_with_the_reason_for_each_rejection(answers: dict[str, Any]) -> None:
    rows = [(c.name, c.ok, c.detail) for c in examine().checks if " by " in c.name]
    assert rows == [
        ("refiner by tensorrt", False, "TensorRT is not installed"),
        ("refiner by ort", True, "ONNX Runtime CPU, int8, 1 thread, 9.1 ms"),
        ("refiner by ort", False, "ONNX Runtime CPU, fp32, 1 thread, 21.0 ms - slower than the other")]
    answers["networks"] = (False, "crashed on import (exit code -11)")
    assert "crashed" in by_name(examine())["networks"].detail


def test_an_engine_is_offered_only_where_it_could_run(answers: dict[str, Any],
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "EngineFailed: OpenVINO's plug-in offers nothing on this processor"
    answers["onnxruntime-ep-openvino"] = (False, reason)
    answers["tensorrt-rtx-cu13"] = (False, "ModuleNotFoundError: No module named 'tensorrt_rtx'")
    for card, offered in (("", False), ("GeForce RTX 4060, 580.10", True)):
        monkeypatch.setattr(doctor, "_nvidia", lambda card=card: card)
        found = by_name(examine())
        assert ("[rtx]" in found["tensorrt-rtx-cu13"].fix) is offered
        assert found["onnxruntime-ep-openvino"].detail.startswith("OpenVINO's plug-in offers nothing")
        assert found["onnxruntime-ep-openvino"].fix == ""


def test_cameras_are_listed(answers: dict[str, Any]) -> None:
    assert by_name(examine())["camera 0"].detail.startswith("Front")


def test_virtual_cameras_are_listed(answers: dict[str, Any]) -> None:
    assert by_name(examine())["v4l2loopback"].fix == "sudo modprobe it"
    answers["virtual camera"] = (False, "ImportError: libGL.so.1")
    assert "libGL" in by_name(examine())["virtual camera"].detail


def test_a_screen_without_display(answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    answers["plugin"] = (False, "OSError: libxcb-cursor.so.0: cannot open shared object file")
    found = by_name(examine())
    assert not found["display"].ok and not found["Qt xcb plugin"].ok
    assert "libxcb-cursor0" in found["Qt xcb plugin"].fix


def test_the_command_line(answers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ready"] is False
    assert {"area", "name", "ok", "needed", "detail", "fix"} == set(report["checks"][0])
    assert main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "MISSING  face_landmarker" in text and "get it: didlive models fetch" in text
    assert text.rstrip().endswith("Not ready, missing: face_landmarker.")


def test_cameras_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cameras", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)
    assert main(["cameras"]) == 0
    assert main(["cameras", "--try", "synthetic"]) == 0
    assert "640x480 px, 30 Hz" in capsys.readouterr().out
    assert main(["cameras", "--try", "absent.mp4"]) == 2
    assert "absent.mp4 does not exist" in capsys.readouterr().err
