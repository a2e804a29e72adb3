"""A tracker that knows the answers: it plays back the faces of a recorded motion by frame sequence number."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..recording import Recording, load_recording
from ..types import Face, Frame, Tracking


class ReplayTracker:
    """Gives the face that was recorded for the frame's sequence number (counting on past the end when looped)."""

    def __init__(self, recording: Recording | str | Path) -> None:
        self._recording = recording if isinstance(recording, Recording) else load_recording(Path(recording))

    def track(self, frame: Frame) -> Tracking:
        """Return the recorded face of this frame; the picture is not looked at."""
        r = self._recording
        i = frame.stamp.sequence % len(r.times_ns)
        face = None
        if r.present[i]:
            face = Face(r.landmarks[i].astype(np.float32), r.blendshapes[i].astype(np.float32),
                        r.transforms[i].astype(np.float32))
        return Tracking(face, (int(r.size[0]), int(r.size[1])), int(face is not None), frame.stamp.mark("track"))

    def reset(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to free."""
