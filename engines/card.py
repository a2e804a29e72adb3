"""The NVIDIA card of this machine, asked in a child process: a broken driver can hang or crash who asks."""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass

from .engine import EngineFailed

PROBE_TIMEOUT_S = 5.0
_ASK = """
import json
from cuda.bindings import runtime
def call(name, *arguments):
    error, *values = getattr(runtime, name)(*arguments)
    if error == runtime.cudaError_t.cudaErrorInsufficientDriver:
        raise SystemExit("there is no NVIDIA driver, or it is older than r580")
    if int(error):
        raise SystemExit(runtime.cudaGetErrorString(error)[1].decode())
    return values[0]
if not call("cudaGetDeviceCount"):
    raise SystemExit("no CUDA-capable device")
card = call("cudaGetDeviceProperties", 0)
print(json.dumps({"name": card.name.decode(), "sm": 10 * card.major + card.minor,
                  "memory_mb": card.totalGlobalMem >> 20, "driver": call("cudaDriverGetVersion")}))
"""


@dataclass(frozen=True, slots=True)
class Card:
    """name; sm: compute capability times 10 (8.6 is 86); memory in MiB; driver: newest CUDA version it knows (13020 is
    13.2)."""

    name: str
    sm: int
    memory_mb: int
    driver: int

    @property
    def target(self) -> str:
        """Return the name builders use, like "sm86"."""
        return f"sm{self.sm}"


@functools.cache
def find_card() -> Card:
    """Return the first NVIDIA card. Raises EngineFailed with the reason when there is none to use."""
    if importlib.util.find_spec("cuda") is None:
        raise EngineFailed('cuda-bindings is not installed (pip install "didlive[rtx]")')
    try:
        result = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                timeout=PROBE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise EngineFailed(f"the NVIDIA driver did not answer in {PROBE_TIMEOUT_S:.0f} s") from None
    if result.returncode:
        words = result.stderr.strip().splitlines() or [f"the probe crashed (exit code {result.returncode})"]
        raise EngineFailed(f"no NVIDIA card can be used: {words[-1][:160]}")
    card = Card(**json.loads(result.stdout))
    if card.sm < 75:
        raise EngineFailed(f"{card.name} is too old (compute capability {card.sm / 10}, 7.5 is needed)")
    return card
