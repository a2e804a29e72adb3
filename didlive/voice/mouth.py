"""From what is heard to a face that speaks: visemes to blendshapes with coarticulation, and the stress of speech to
brows, nods and blinks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..geometry import BLENDSHAPES, SHAPE_INDEX
from ..types import F32
from .gate import Heard
from .lips import Lips
from .mel import FRAME_S
from .visemes import CLOSED, VISEMES

# How the lips rise over the relaxed face in each viseme, as blendshapes; the jaw comes by itself. A viseme seldom
# reaches its full shape: neighbours blend.
SHAPES = {
    "sil": {},
    "PP": {"mouthPress": 0.25, "mouthRollLower": 0.15, "mouthRollUpper": 0.10},
    "FF": {"mouthRollLower": 0.45, "mouthUpperUp": 0.25, "mouthShrugUpper": 0.1},
    "TH": {"mouthLowerDown": 0.25, "mouthUpperUp": 0.10},
    "DD": {"mouthLowerDown": 0.28, "mouthUpperUp": 0.10, "mouthStretch": 0.08},
    "kk": {"mouthLowerDown": 0.20, "mouthUpperUp": 0.10},
    "CH": {"mouthFunnel": 0.45, "mouthPucker": 0.20, "mouthLowerDown": 0.15, "mouthUpperUp": 0.12},
    "SS": {"mouthStretch": 0.18, "mouthLowerDown": 0.30, "mouthUpperUp": 0.10, "mouthSmile": 0.06},
    "nn": {"mouthLowerDown": 0.22, "mouthUpperUp": 0.08},
    "RR": {"mouthFunnel": 0.30, "mouthPucker": 0.22, "mouthLowerDown": 0.12},
    "aa": {"mouthLowerDown": 0.35, "mouthUpperUp": 0.18},
    "E": {"mouthStretch": 0.15, "mouthLowerDown": 0.32, "mouthUpperUp": 0.15, "mouthSmile": 0.08},
    "ih": {"mouthStretch": 0.22, "mouthLowerDown": 0.25, "mouthUpperUp": 0.10, "mouthSmile": 0.12},
    "oh": {"mouthFunnel": 0.50, "mouthPucker": 0.30, "mouthLowerDown": 0.15},
    "ou": {"mouthPucker": 0.85, "mouthFunnel": 0.40},
}
# The network hedges, and rounded vowels are rare, so it half believes the rounded lips that an eye would miss most:
# probabilities are sharpened by this power, and these visemes count so much more. Held-out voices then show 0.67 of
# the rounding of their "ou" instead of 0.54, and hardly more of it elsewhere.
SURENESS, ROUNDED = 1.5, {"ou": 2.5, "oh": 1.7, "RR": 1.7}
JAW = SHAPE_INDEX["jawOpen"]
# Labels put the widest vowels at full opening; talking people stay well below it.
TALKING = 0.6
BROWS = [SHAPE_INDEX[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]
# Time constants: of the lips, of rounding (which begins early and ends late), of the jaw; then of a mouth that opens
# as speech begins, and closes when it ends.
LIPS_S, ROUND_S, JAW_S, BEGIN_S, END_S = 0.022, 0.040, 0.020, 0.015, 0.06
# What the filters delay by, to be made up for where the future is known.
LAG_S = 0.025
# Closed lips: the probability at which they begin to meet, and at which they touch: the highest precision of all at
# which the voices of the training have 95 % of their p, b and m closed.
MEETING, TOUCHING = 0.20, 0.40
# The accent: how quickly it rises and falls, how far over the usual loudness and pitch full stress is, what it does.
ACCENT_RISE_S, ACCENT_FALL_S = 0.10, 0.45
USUAL_S = 4.0
STRESS_DB, STRESS_SEMITONES = 9.0, 5.0
BROW_RISE, NOD_DEG = 0.35, 2.2
# People blink when a phrase ends; a pause this long ends one.
PAUSE_S, BLINK_S = 0.25, 0.2


@dataclass(frozen=True, slots=True)
class Mouth:
    """A speaking face at one moment, against its relaxed self.

    time_s: of the sound. rises: (52,) float32 blendshapes. contact: 1 = the lips touch whatever else they do. speech:
    0 silent .. 1 speaking. accent: 0..1 stress. nod_deg: head down. lids: 0 closed .. 1 open.
    """

    time_s: float
    rises: F32
    contact: float
    speech: float
    accent: float
    nod_deg: float
    lids: float


@cache
def viseme_shapes() -> F32:
    """Return (15, 52) blendshapes of the visemes, without the jaw."""
    table = np.zeros((len(VISEMES), len(BLENDSHAPES)), np.float32)
    for i, viseme in enumerate(VISEMES):
        for start, value in SHAPES[viseme].items():
            for name in (start, f"{start}Left", f"{start}Right"):
                if name in SHAPE_INDEX:
                    table[i, SHAPE_INDEX[name]] = value
    return table


@cache
def _credit() -> F32:
    return np.array([ROUNDED.get(viseme, 1.0) for viseme in VISEMES], np.float32)


def lip_shape(visemes: F32) -> F32:
    """Return (52,) blendshapes of the lips, without the jaw, for (15,) probabilities of the visemes."""
    believed = visemes ** SURENESS * _credit()
    return ((believed / max(float(believed.sum()), 1e-6)) @ viseme_shapes()).astype(np.float32)


@cache
def _time_constants() -> F32:
    slow = ("mouthPucker", "mouthFunnel")
    return np.array([ROUND_S if name.startswith(slow) else LIPS_S for name in BLENDSHAPES], np.float32)


def closed_of(lips: Lips) -> float:
    """Return the probability of closed lips: the network tells it twice, and is wrong less often in the mean."""
    return (lips.closed + float(lips.visemes[CLOSED])) / 2


def _ease(dt_s: float, time_s: float) -> float:
    return 1 - float(np.exp(-dt_s / time_s))


class MouthShaper:
    """Follows a stream of lips, 100 a second. Everything is smoothed the way that lips and jaws move: a mouth that
    showed each frame's best guess would chew."""

    def __init__(self) -> None:
        self._rises = np.zeros(len(BLENDSHAPES), np.float32)
        self._easing = 1 - np.exp(-FRAME_S / _time_constants())
        self._jaw = self._speech = self._accent = 0.0
        self._usual_db, self._usual_tone = -40.0, 0.0
        self._silent_s, self._blink_s, self._spoke_s = 1.0, 1.0, 0.0

    def push(self, lips: Lips, heard: Heard) -> Mouth:
        """Return the face at the moment of `lips`; `heard` is the sound of the same moment."""
        speaking = 1.0 if heard.speech and lips.voiced > 0.5 else 0.0
        self._speech += (speaking - self._speech) * _ease(FRAME_S, BEGIN_S if speaking else END_S)
        target = lip_shape(lips.visemes)
        self._rises = (self._rises + self._easing * (target * self._speech - self._rises)).astype(np.float32)
        self._jaw += (lips.jaw * self._speech - self._jaw) * _ease(FRAME_S, JAW_S)
        self._stress(heard, speaking > 0)
        contact = min(max((closed_of(lips) - MEETING) / (TOUCHING - MEETING), 0.0), 1.0)
        # Where nobody speaks the relaxed mouth is closed, and stays so.
        silent = min(max(1 - self._speech * 4, 0.0), 1.0)
        rises = self._rises.copy()
        rises[JAW] = TALKING * self._jaw
        rises[BROWS] += BROW_RISE * self._accent
        return Mouth(lips.time_s, rises, max(contact, silent), self._speech, self._accent, NOD_DEG * self._accent,
                     self._lids(speaking > 0))

    def _stress(self, heard: Heard, speaking: bool) -> None:
        """Follow the accent: louder and higher than usual."""
        stress = 0.0
        if speaking:
            quick = _ease(FRAME_S, USUAL_S)
            stress = np.clip((heard.level_db - self._usual_db) / STRESS_DB - 0.3, 0, 0.6)
            self._usual_db += (heard.level_db - self._usual_db) * (quick if self._spoke_s > 0.5 else 0.1)
            if heard.pitch_hz > 0:
                tone = 12 * float(np.log2(heard.pitch_hz / 100))
                stress += np.clip((tone - self._usual_tone) / STRESS_SEMITONES - 0.3, 0, 0.6)
                self._usual_tone += (tone - self._usual_tone) * (quick if self._spoke_s > 0.5 else 0.1)
            self._spoke_s += FRAME_S
        rising = stress > self._accent
        self._accent += (float(stress) - self._accent) * _ease(FRAME_S, ACCENT_RISE_S if rising else ACCENT_FALL_S)

    def _lids(self, speaking: bool) -> float:
        """Blink once where a phrase ended."""
        before, self._silent_s = self._silent_s, 0.0 if speaking else self._silent_s + FRAME_S
        self._blink_s += FRAME_S
        if before < PAUSE_S <= self._silent_s and self._spoke_s > 1.0:
            self._blink_s, self._spoke_s = 0.0, 0.6
        phase = self._blink_s / BLINK_S
        return 1.0 if phase >= 1 else abs(phase - 0.35) / (0.35 if phase < 0.35 else 0.65)
