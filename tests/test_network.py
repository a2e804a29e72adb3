"""Nothing leaves the machine: animating and tracking ask for no host name and open no connection, in Python or in a
library, and no library keeps a file about the user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from didlive import models

ROOT = Path(__file__).resolve().parents[1]
# Runs a command line under an audit hook that notes every look-up and connection, and refuses it.
WATCH = """
import json, sys
asked = []
def hook(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        asked.append([event, repr(args)])
        raise OSError("no network in this test")
sys.addaudithook(hook)
from didlive import cli
code = cli.main(json.loads(sys.argv[1]))
import socket
try:
    socket.getaddrinfo("localhost", 80)
except OSError:
    pass
print(json.dumps({"code": code, "asked": asked}))
"""


def lonely() -> list[str]:
    """The start of a command that runs without any network, where this system can do that."""
    ways = (["unshare", "-n"], ["unshare", "-r", "-n"]) if shutil.which("unshare") else ()
    works = (way for way in ways if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0)
    return next(works, [])


def watched(arguments: list[str], prefix: list[str]) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([*prefix, sys.executable, "-c", WATCH, json.dumps(arguments)], cwd=ROOT, env=environment,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_the_watch_sees_a_look_up(tmp_path: Path):
    seen = watched(["portraits", "check", str(tmp_path / "missing.png")], [])
    assert seen["code"] == 2 and len(seen["asked"]) == 1 and "localhost" in seen["asked"][0][1]


@pytest.mark.parametrize("alone", [False, True])
def test_animating_a_clip_asks_nobody(alone: bool, driving: Path, astronaut: Path, tmp_path: Path):
    prefix = lonely() if alone else []
    if alone and not prefix:
        pytest.skip("needs the right to make a network namespace")
    seen = watched(["animate", "--portrait", str(astronaut), "--driving", str(driving), "--out",
                    str(tmp_path / "a.mp4"), "--max-frames", "5", "--size", "128x128"], prefix)
    assert seen["code"] == 0 and (tmp_path / "a.mp4").exists()
    assert [what for what in seen["asked"] if "localhost" not in what[1]] == []


def test_a_live_session_asks_nobody(driving: Path, astronaut: Path, tmp_path: Path):
    seen = watched(["live", "--portrait", str(astronaut), "--camera", str(driving), "--no-window", "--seconds", "1.5",
                    "--size", "128x128", "--record", str(tmp_path / "a.mp4")], [])
    assert seen["code"] == 0 and (tmp_path / "a.mp4").exists()
    assert [what for what in seen["asked"] if "localhost" not in what[1]] == []


def traced(arguments: list[str], home: Path) -> tuple[list[str], list[Path]]:
    """Run a command line in an empty home; return the calls to other machines that the system saw, and the files that
    lie in the home then."""
    home.mkdir()
    log = home.parent / "calls.txt"
    tracer = ["strace", "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(log)]
    if shutil.which("strace") is None or subprocess.run([*tracer, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs strace, and the right to use it")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "DIDLIVE_CACHE": str(models.cache_folder().parent)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    result = subprocess.run([*tracer, sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stderr
    calls = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if "AF_INET" in line]
    return calls, [path.relative_to(home) for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", ["animate", "doctor"])
def test_no_library_asks_or_keeps_anything(command: str, driving: Path, astronaut: Path, tmp_path: Path):
    """ONNX Runtime would write its file while it is imported, and ask for a host some ten seconds later."""
    arguments = {"animate": ["animate", "--portrait", str(astronaut), "--driving", str(driving), "--out",
                             str(tmp_path / "a.mp4"), "--max-frames", "5", "--size", "128x128"],
                 "doctor": ["doctor"]}[command]
    calls, kept = traced(["didlive", *arguments], tmp_path / "home")
    assert calls == [] and [path for path in kept if "didlive" not in path.parts] == []


@pytest.mark.parametrize("package", ["engines", "didlive"])
def test_onnx_runtime_is_told_before_it_is_imported(package: str):
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = f"import {package}, os, sys; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True,
                            check=True)
    assert result.stdout.split() == ["1", "False"]
