"""A tracker for phones that track by themselves: numbers in, a whole face out."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..demo import demo_motion
from ..geometry import expression_modes
from ..ifacialmocap import from_card, parse
from ..motion import measure
from ..recording import load_recording
from ..types import F32, Face, Frame, Tracking

# Where the made-up face is in the picture: its size in parts of the picture's height, and its distance in cm.
SIZE, DISTANCE_CM = 0.12, 50.0
# From image axes to those of a face's transform.
FLIP = np.diag([1.0, -1.0, -1.0]).astype(np.float32)


@cache
def resting_shape() -> F32:
    """Return (478, 3) head-local landmarks of a relaxed face: the built-in performer's."""
    r = load_recording(demo_motion())
    face = Face(r.landmarks[0].astype(np.float32), r.blendshapes[0].astype(np.float32),
                r.transforms[0].astype(np.float32))
    # Its own small expressions would be added to every face.
    return measure(face).shape - np.einsum("i,ijk->jk", face.blendshapes, expression_modes())


class IFacialMocapTracker:
    """Finds the datagram in the frames of `PhoneCamera` and gives the face of an average person with these shapes and
    this turn of the head, in the middle of the picture: a phone is not asked where the head is."""

    def track(self, frame: Frame) -> Tracking:
        """Return the face; none for any other picture."""
        height, width = frame.image.shape[:2]
        seen = parse(from_card(frame.image))
        stamp = frame.stamp.mark("track")
        if seen is None or not seen.seen:
            return Tracking(None, (width, height), 0, stamp)
        shape = resting_shape() + np.einsum("i,ijk->jk", seen.shapes, expression_modes())
        landmarks = shape @ seen.rotation.T * (SIZE * height) + np.array([width / 2, height / 2, 0], np.float32)
        transform = np.eye(4, dtype=np.float32)
        transform[:3, :3] = FLIP @ seen.rotation @ FLIP
        transform[2, 3] = -DISTANCE_CM
        return Tracking(Face(landmarks.astype(np.float32), seen.shapes, transform), (width, height), 1, stamp)

    def reset(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to free."""
