"""Nothing leaves the machine: animating and tracking ask for no host name and open no connection."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
