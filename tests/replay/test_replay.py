"""Recorded input through motion and retarget against stored output: a change of behaviour does not slip in unseen.

Tolerances: the stored numbers come from this code on another machine, so only rounding may differ (float32, BLAS and
OpenCV builds): 0.02 px in a 128 px portrait, 0.0005 rad, 0.001 of scale, 0.01 of eye opening. All of them are far
below what an eye can see; a change that is meant goes beyond them.
"""

from __future__ import annotations

import numpy as np
import pytest
from replay.run_motion import EXPECTED, run_motion

TOLERANCE = {"landmarks": 0.02, "rotvec": 5e-4, "scale": 1e-3, "lids": 0.01}


@pytest.fixture(scope="module")
def got() -> dict[str, np.ndarray]:
    return run_motion()


@pytest.mark.parametrize("way", ["live", "offline"])
@pytest.mark.parametrize("what", TOLERANCE)
def test_motion_and_retarget_give_what_they_gave(way: str, what: str, got: dict[str, np.ndarray]):
    with np.load(EXPECTED, allow_pickle=False) as stored:
        expected = stored[f"{way}_{what}"]
    found = got[f"{way}_{what}"]
    assert found.shape == expected.shape
    difference = np.abs(found - expected)
    worst = int(difference.reshape(len(difference), -1).max(axis=1).argmax())
    assert difference.max() <= TOLERANCE[what], (
        f"{way} {what}: up to {difference.max():.4f} off, mean {difference.mean():.4f}, most at stored frame {worst}; "
        "if this is meant: python tests/replay/make_expected.py")


def test_it_is_the_same_every_time(got: dict[str, np.ndarray]):
    again = run_motion()
    assert all(np.array_equal(got[name], again[name]) for name in got)
