"""The few values of PipeWire's wire format (SPA POD) that a camera needs, as bytes: size, type, body, padding to 8."""

from __future__ import annotations

import struct
from fractions import Fraction

_ID, _INT, _RECTANGLE, _FRACTION, _OBJECT, _CHOICE = 3, 4, 10, 11, 15, 19
_RANGE, _FLAGS = 1, 4
# From spa/param/param.h and its neighbours.
ENUM_FORMAT, FORMAT, BUFFERS, META = 3, 4, 5, 6
HEADER, HEADER_BYTES = 1, 32
_FORMAT_OBJECT, _BUFFERS_OBJECT, _META_OBJECT = 0x40003, 0x40004, 0x40005
_MEDIA_TYPE, _MEDIA_SUBTYPE, _VIDEO, _RAW = 1, 2, 2, 1
_PIXELS, _SIZE, _RATE = 0x20001, 0x20003, 0x20004
_YUY2 = 4
_COUNT, _BLOCKS, _BYTES, _STRIDE, _KIND = 1, 2, 3, 4, 6
_META_KIND, _META_BYTES = 1, 2
_POINTER, _MEMORY_FD = 1 << 1, 1 << 2


def _pod(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", len(body), kind) + body + bytes(-len(body) % 8)


def _object(kind: int, use: int, properties: dict[int, bytes]) -> bytes:
    body = b"".join(struct.pack("<II", key, 0) + value for key, value in properties.items())
    return _pod(_OBJECT, struct.pack("<II", kind, use) + body)


def _id(value: int) -> bytes:
    return _pod(_ID, struct.pack("<I", value))


def _int(value: int) -> bytes:
    return _pod(_INT, struct.pack("<i", value))


def _choice(kind: int, *values: int) -> bytes:
    head = struct.pack("<IIII", kind, 0, 4, _INT)
    return _pod(_CHOICE, head + struct.pack(f"<{len(values)}i", *values))


def video_format(width: int, height: int, rate_hz: float) -> bytes:
    """Return the one format that is offered: raw YUY2, which browsers, GStreamer and OBS all take."""
    rate = Fraction(rate_hz).limit_denominator(1001)
    return _object(_FORMAT_OBJECT, ENUM_FORMAT, {
        _MEDIA_TYPE: _id(_VIDEO), _MEDIA_SUBTYPE: _id(_RAW), _PIXELS: _id(_YUY2),
        _SIZE: _pod(_RECTANGLE, struct.pack("<II", width, height)),
        _RATE: _pod(_FRACTION, struct.pack("<II", rate.numerator, rate.denominator)),
    })  # fmt: skip


def buffers(stride: int, height: int) -> bytes:
    """Return what pictures need: some buffers of one block each, in memory that can be mapped."""
    return _object(_BUFFERS_OBJECT, BUFFERS, {
        _COUNT: _choice(_RANGE, 4, 2, 8), _BLOCKS: _int(1), _BYTES: _int(stride * height), _STRIDE: _int(stride),
        _KIND: _choice(_FLAGS, _POINTER | _MEMORY_FD),
    })  # fmt: skip


def header() -> bytes:
    """Return that every buffer shall have a header; browsers crash on cameras without one."""
    return _object(_META_OBJECT, META, {_META_KIND: _id(HEADER), _META_BYTES: _int(HEADER_BYTES)})
