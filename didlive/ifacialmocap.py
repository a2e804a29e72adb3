"""What phones with a depth camera send (iFacialMocap, Facemotion3D, MeowFace): one line of text per picture, by UDP.

    eyeBlink_L-12|jawOpen-40|...|=head#pitch,yaw,roll,x,y,z|rightEye#...|leftEye#...|

Shapes in hundredths, named as by ARKit; version 2 writes `&` where version 1 writes `-`. Angles in degrees as Unity
takes them (left-handed; x to the performer's right, y up, z forward; turned about z, then x, then y). Source: the
developers' page of iFacialMocap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from .geometry import SHAPE_INDEX
from .types import F32, U8

PORT = 49983
# What a phone waits for before it sends; the text is fixed by the protocol.
REQUEST = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719|sendDataVersion=v2"
MOST_BYTES = 8192
LEAST_SHAPES = 10
SIDES = {"L": "Left", "R": "Right"}
CARD_SIZE, CARD_LEVEL = (640, 480), 128
# A picture that holds a datagram begins with this, then its length in two bytes.
MAGIC = b"didlive phone\n"
_SHAPE = re.compile(r"([A-Za-z]+?)(?:_([LR]))?[-&](-?\d{1,3}(?:\.\d{1,9})?)")


@dataclass(frozen=True, slots=True)
class PhoneFace:
    """One face. shapes: (52,) float32 0..1 in the order of `didlive.geometry.BLENDSHAPES`. rotation: (3, 3) of the head
    in image axes. seen: the phone sees a face."""

    shapes: F32
    rotation: F32
    seen: bool


def parse(data: bytes) -> PhoneFace | None:
    """Return the face of one datagram, or None when it is none: too long, damaged, or something else."""
    if len(data) > MOST_BYTES or not data.isascii():
        return None
    shapes, head, seen, known = np.zeros(len(SHAPE_INDEX), np.float32), None, True, 0
    for part in data.decode("ascii").replace("=", "|").split("|"):
        if part.startswith("head#"):
            head = _numbers(part[5:])
        match = _SHAPE.fullmatch(part)
        if match is None:
            continue
        name, value = match[1] + SIDES.get(match[2] or "", ""), float(match[3])
        if name == "trackingStatus":
            seen = value > 0
        elif name in SHAPE_INDEX:
            shapes[SHAPE_INDEX[name]] = min(1.0, max(0.0, value / 100))
            known += 1
    if head is None or known < LEAST_SHAPES:
        return None
    return PhoneFace(shapes, _rotation(*head[:3]), seen)


def _numbers(text: str) -> list[float] | None:
    try:
        values = [float(number) for number in text.split(",")]
    except ValueError:
        return None
    usable = len(values) == 6 and all(np.isfinite(values)) and max(map(abs, values[:3])) <= 360
    return values if usable else None


def _rotation(pitch_deg: float, yaw_deg: float, roll_deg: float) -> F32:
    """Return Unity's rotation, which is the same in image axes: all three of those point the other way."""
    (cx, cy, cz), (sx, sy, sz) = (function(np.radians([pitch_deg, yaw_deg, roll_deg])) for function in (np.cos, np.sin))
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (ry @ rx @ rz).astype(np.float32)


def to_card(data: bytes) -> U8:
    """Return a grey card (480, 640, 3) with a datagram in its first pixels: how the numbers of a phone travel where
    pictures of a camera do."""
    width, height = CARD_SIZE
    card = np.full((height, width, 3), CARD_LEVEL, np.uint8)
    written = MAGIC + len(data).to_bytes(2, "big") + data
    card.reshape(-1)[:len(written)] = np.frombuffer(written, np.uint8)
    return card


def from_card(image: U8) -> bytes:
    """Return the datagram of a card, or nothing when it is another picture."""
    flat, begin = image.reshape(-1), len(MAGIC) + 2
    if image.shape != (*CARD_SIZE[::-1], 3) or flat[:len(MAGIC)].tobytes() != MAGIC:
        return b""
    length = int.from_bytes(flat[len(MAGIC):begin].tobytes(), "big")
    return flat[begin:begin + min(length, MOST_BYTES)].tobytes()
