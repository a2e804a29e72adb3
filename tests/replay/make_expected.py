"""Makes `expected.npz` anew after a change of motion or retargeting that is meant.

Look at the difference first (the failing test prints it) and say in the commit message why it is right.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from replay.run_motion import EXPECTED, run_motion

if __name__ == "__main__":
    np.savez_compressed(EXPECTED, allow_pickle=False, **run_motion())
