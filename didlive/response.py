"""How a portrait answers: small known moves are drawn and tracked, so that what is seen of a move is what was asked.
Painted, narrow or shaded features answer less than a sharp photo; the gains make up for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .geometry import (
    EYE_CORNERS,
    IRISES,
    HeadLocal,
    euler_deg,
    from_euler_deg,
    gaze_offset,
    head_local,
    head_rotation,
    portrait_landmarks,
)
from .retarget import Response, distance
from .seams import Generator, Source
from .types import F32, U8, Drive, Face, Presence, Stamp

Look = Callable[[U8], Face | None]
STILL = Stamp(0, 0)
YAW_DEG, PITCH_DEG, GAZE = 11.0, 8.0, 0.10
# A strong vertical correction would bring out parts of the iris that the lids hid.
GAZE_X_MAX, GAZE_Y_MAX = 1.7, 1.25


# Over whole clips turns come out a little larger than in single probes (mean of eleven portraits).
CLIP_YAW, CLIP_PITCH = 0.94, 0.96


def measure_response(generator: Generator, source: Source, look: Look) -> Response:
    """Draw probes of a prepared portrait and return its response. `look` finds the face in an (H, W, 3) RGB picture."""
    face = source.portrait.face
    local = head_local(portrait_landmarks(face), head_rotation(face))
    probe = _Prober(generator, source, look, local)
    turns = [probe.rotated(0, s * YAW_DEG) for s in (-1, 1)]
    nods = [probe.rotated(s * PITCH_DEG, 0) for s in (-1, 1)]
    sides = [probe.gazed(s * GAZE, 0) for s in (-1, 1)]
    heights = [probe.gazed(0, s * GAZE / 2) for s in (-1, 1)]
    return Response(
        yaw=CLIP_YAW * _gain(_difference(turns, lambda f: euler_deg(head_rotation(f))[1]), 2 * YAW_DEG, 0.75, 1.4),
        pitch=CLIP_PITCH * _gain(_difference(nods, lambda f: euler_deg(head_rotation(f))[0]), 2 * PITCH_DEG, 0.65, 1.3),
        gaze_x=_gain(_difference(sides, lambda f: _gaze(f)[0]), 2 * GAZE, 0.8, GAZE_X_MAX),
        gaze_y=_gain(_difference(heights, lambda f: _gaze(f)[1]), GAZE, 0.8, GAZE_Y_MAX),
    )


def _gain(answer: float | None, asked: float, low: float, high: float) -> float:
    """The gain that makes the answer equal what was asked; 1 when the tracker saw nothing usable."""
    if answer is None or answer < 0.25 * asked:
        return 1.0
    return float(np.clip(asked / answer, low, high))


def _difference(pair: list[Face | None], value: Callable[[Face], float]) -> float | None:
    first, second = pair
    return None if first is None or second is None else value(second) - value(first)


def _gaze(face: Face) -> tuple[float, float]:
    x, y = gaze_offset(head_local(face.landmarks, head_rotation(face)).shape).mean(0)
    return float(x), float(y)


class _Prober:
    def __init__(self, generator: Generator, source: Any, look: Look, local: HeadLocal) -> None:
        self._generator, self._source, self._look, self._local = generator, source, look, local

    def _see(self, shape: F32, rotation: F32) -> Face | None:
        local = self._local
        landmarks = (shape @ (rotation @ local.rotation).T) * local.scale + local.centre
        drive = Drive(landmarks.astype(np.float32), rotation, local.centre, 1.0, np.ones(2, np.float32),
                      Presence.TRACK, STILL)
        patch = self._generator.generate(self._source, drive)
        image = self._source.portrait.image.copy()
        h, w = patch.image.shape[:2]
        image[patch.y:patch.y + h, patch.x:patch.x + w] = patch.image
        return self._look(image)

    def rotated(self, pitch_deg: float, yaw_deg: float) -> Face | None:
        return self._see(self._local.shape, from_euler_deg(pitch_deg, yaw_deg, 0))

    def gazed(self, x: float, y: float) -> Face | None:
        shape = self._local.shape.copy()
        for iris, corners in zip(IRISES, EYE_CORNERS, strict=True):
            shape[iris, :2] += np.array([x, y], np.float32) * distance(shape, *corners)
        return self._see(shape, np.eye(3, dtype=np.float32))
