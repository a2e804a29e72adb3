"""Camera, virtual camera and microphone on a real kernel, in an emulator: tests/qemu/run.sh."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("run.sh")
# 25 s where nothing else runs; emulated, on a machine with much else to do, many minutes.
LIMIT_S = 1500


@pytest.mark.skipif(sys.platform != "linux", reason="boots Debian's kernel")
@pytest.mark.timeout(LIMIT_S + 300)
def test_didlive_uses_the_devices_of_a_real_kernel():
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "QEMU_LIMIT_S": str(LIMIT_S)}
    # Not under tmp_path, which is kept: a kernel with all its modules is large.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["bash", str(SCRIPT), folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, errors="replace", env=environment)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip().splitlines()[-1].removeprefix("skipped: "))
    assert done.returncode == 0, done.stdout
    for part in ("camera 'vivid", "virtual camera DidLive", "microphone 'Loopback"):
        assert f"## {part}" in done.stdout
