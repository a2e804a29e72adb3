"""How a command ends while something of ours is still at work in the background."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import atexit, sys, threading
from didlive.cli import main
atexit.register(print, "torn down")
threading.Thread(target=threading.Event().wait, name=sys.argv.pop(1), daemon=True).start()
sys.exit(main())
"""


def end(thread: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, thread, *arguments], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout


def test_nothing_is_torn_down_under_a_thread_of_ours_at_work():
    code, said = end("didlive-jobs", "models", "list")
    assert code == 0 and "face_landmarker" in said and "torn down" not in said
    assert end("didlive-jobs", "models", "fetch", "no-such-model")[0] == 2


def test_else_a_process_ends_as_any_does():
    code, said = end("another", "models", "list")
    assert code == 0 and said.endswith("torn down\n")
