"""Camera and voice together: who moves the mouth. The ladder, for each region: tracked > voice > idle.

Mouth: the camera's, as long as it is believed (`sight.MouthSight`); else the voice's while somebody speaks; else what
the tracker says, or the relaxed mouth where there is no face. Brows, head and lids: the camera's wherever a face is
tracked; else idle motion with the voice's stress on top.
"""

from __future__ import annotations

from collections import deque

from ..settings import VoiceSettings
from ..types import Measure, Motion, Presence, Stamp
from .mouth import JAW, Mouth
from .said import Said

# Confidence under which the voice takes over, and over which it hands back.
LOSE, REGAIN = 0.45, 0.7
TAKE_S, GIVE_S = 0.08, 0.25
# Speech is still going on this long after its last sound.
PAUSE_S = 0.6
# A mouth that stays shut for so long while the voice speaks wide open cannot be the one that speaks.
CONTRADICTED_S = 0.3
OPEN_JAW, SHUT_JAW = 0.14, 0.03


class Fusion:
    """Follows one show frame by frame. said: what the voice did in the last frame, None where there was none."""

    def __init__(self) -> None:
        self.said: Said | None = None
        self._share = 0.0
        self._life = 0.0
        self._believed = True
        self._trusted: Measure | None = None
        self._back = 0
        self._last_ns: int | None = None
        self._spoke_ns: int | None = None
        self._jaws: deque[tuple[int, float, float]] = deque()

    @property
    def share(self) -> float:
        """How far the voice moves the mouth now, 0..1."""
        return self._share

    def fuse(self, motion: Motion | None, confidence: float, mouth: Mouth | None, stamp: Stamp,
             settings: VoiceSettings, seed: int) -> Motion | None:
        """Return the motion to show. motion: the performer's, None as long as nobody was seen. confidence: in the
        tracked mouth, 0..1. mouth: the voice's at this moment; None: there is no voice."""
        dt_s = 0.0 if self._last_ns is None else max(0.0, (stamp.captured_ns - self._last_ns) * 1e-9)
        self._last_ns = stamp.captured_ns
        tracked = motion is not None and motion.presence is Presence.TRACK
        if mouth is not None and mouth.speech > 0.5:
            self._spoke_ns = stamp.captured_ns
        spoken = self._spoke_ns is not None and stamp.captured_ns - self._spoke_ns < PAUSE_S * 1e9
        self._judge(motion if tracked else None, confidence, mouth, stamp)
        wanted = mouth is not None and (not tracked or (spoken and (settings.mouth == "always" or not self._believed)))
        self._share = _toward(self._share, float(wanted), dt_s, TAKE_S, GIVE_S)
        self._life = _toward(self._life, float(mouth is not None and not tracked), dt_s, GIVE_S, GIVE_S)
        self._back += 1
        if tracked and self._believed:
            self._trusted, self._back = (motion.now if motion else None), 0
        if mouth is None:
            self.said = None
            return motion
        # What is seen of a mug is no mouth: the voice takes over from the last one that was.
        believed = self._trusted if tracked and wanted and self._back else None
        self.said = Said(mouth, 1.0 if motion is None else _smooth(self._share), self._life * settings.liveliness,
                         settings.strength, self._back if believed is not None else 0)
        return self.said.move(motion, stamp, seed, believed)

    def _judge(self, motion: Motion | None, confidence: float, mouth: Mouth | None, stamp: Stamp) -> None:
        """Decide whether the tracked mouth is believed; between the two thresholds nothing changes."""
        if confidence < LOSE or self._contradicted(motion, mouth, stamp):
            self._believed = False
        elif confidence > REGAIN:
            self._believed = True

    def _contradicted(self, motion: Motion | None, mouth: Mouth | None, stamp: Stamp) -> bool:
        if motion is None or mouth is None:
            self._jaws.clear()
            return False
        seen = float(motion.now.blendshapes[JAW] - motion.neutral.blendshapes[JAW])
        self._jaws.append((stamp.captured_ns, seen, float(mouth.rises[JAW])))
        while stamp.captured_ns - self._jaws[0][0] > CONTRADICTED_S * 1e9:
            self._jaws.popleft()
        long_enough = stamp.captured_ns - self._jaws[0][0] > 0.8 * CONTRADICTED_S * 1e9
        return (long_enough and max(s for _, s, _ in self._jaws) < SHUT_JAW
                and sum(v for _, _, v in self._jaws) / len(self._jaws) > OPEN_JAW)


def _toward(value: float, goal: float, dt_s: float, up_s: float, down_s: float) -> float:
    step = dt_s / (up_s if goal > value else down_s)
    return min(goal, value + step) if goal > value else max(goal, value - step)


def _smooth(t: float) -> float:
    return t * t * (3 - 2 * t)
