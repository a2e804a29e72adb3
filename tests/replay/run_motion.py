"""The demo's motion through motion and retarget, live and offline, reduced to what tells a change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from stage import RECORDING, portrait

from didlive.animate import clip_motions, track_clip
from didlive.demo import demo_motion
from didlive.geometry import to_rotvec
from didlive.motion import MotionEstimator
from didlive.retarget import Retargeter
from didlive.settings import MotionSettings
from didlive.track.replay import ReplayTracker
from didlive.types import Drive, Frame, Stamp, Tracking

EXPECTED = Path(__file__).parent / "expected.npz"
FRAMES, EVERY = 270, 6
# Frames in which the performer is hidden, so that hold, ease, idle and the return are in it.
HIDDEN = range(150, 210)
# Eye corners, lids, irises, brows, lips in and out, nose, chin, cheeks, forehead.
POINTS = np.array([33, 133, 159, 145, 362, 263, 386, 374, 468, 473, 105, 334, 13, 14, 61, 291, 0, 17, 1, 152, 50, 280,
                   10])


def trackings() -> list[Tracking]:
    """What the tracker saw, with the hidden part taken out."""
    tracker, card = ReplayTracker(RECORDING), np.zeros((2, 2, 3), np.uint8)
    seen = [tracker.track(Frame(card, Stamp(i, round(i * 1e9 / 30)))) for i in range(FRAMES)]
    return [Tracking(None, t.size, 0, t.stamp) if i in HIDDEN else t for i, t in enumerate(seen)]


def flat(drives: list[Drive]) -> dict[str, np.ndarray]:
    """Every sixth drive: landmarks (px in a 128 px portrait), head rotation, scale, lids."""
    kept = drives[::EVERY]
    return {"landmarks": np.stack([d.landmarks[POINTS] for d in kept]),
            "rotvec": np.stack([to_rotvec(d.rotation) for d in kept]),
            "scale": np.array([d.scale for d in kept], np.float32),
            "lids": np.stack([d.lids for d in kept])}


def run_motion() -> dict[str, np.ndarray]:
    """Return `live_*` and `offline_*` arrays."""
    settings = MotionSettings()
    retargeter = Retargeter(portrait().face, settings)
    estimator = MotionEstimator(settings)
    live = [retargeter.retarget(m) for t in trackings() if (m := estimator.estimate(t)) is not None]
    performance = track_clip(demo_motion())
    performance = type(performance)(tuple(trackings()), performance.rate_hz, performance.order)
    offline = [retargeter.retarget(m) for m in clip_motions(performance, settings) if m is not None]
    return {f"{name}_{key}": value for name, drives in (("live", live), ("offline", offline))
            for key, value in flat(drives).items()}
