"""A camera that needs no device: a test card with a moving mark and the frame number, the same on every machine."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from ..errors import BadInput, CameraLost
from ..seams import CameraInfo
from ..settings import CameraSettings
from ..types import U8, Frame, Stamp
from .pacing import Pacer

NUMBER_BITS = 16
# 3 x 5 dots per digit, rows from the top, the highest bit is the left dot.
_DIGITS = (
    (7, 5, 5, 5, 7), (2, 6, 2, 2, 7), (7, 1, 7, 4, 7), (7, 1, 7, 1, 7), (5, 5, 7, 1, 1),
    (7, 4, 7, 1, 7), (7, 4, 7, 5, 7), (7, 1, 1, 1, 1), (7, 5, 7, 5, 7), (7, 5, 7, 1, 7),
)  # fmt: skip


def _cell_px(width: int) -> int:
    return max(2, width // (NUMBER_BITS * 2))


def test_card(number: int, width: int, height: int, marker: tuple[int, int, int] | None = None) -> U8:
    """Return the (height, width, 3) RGB card of frame `number`: a grey ramp, a white square that moves one cell a
    frame, the number in digits and as 16 black or white cells along the top, `marker` in the lower right quarter."""
    ramp = np.linspace(40, 200, width, dtype=np.float32).astype(np.uint8)
    card = np.repeat(np.repeat(ramp[None, :, None], height, axis=0), 3, axis=2)
    cell = _cell_px(width)
    for bit in range(NUMBER_BITS):
        level = 255 if number >> (NUMBER_BITS - 1 - bit) & 1 else 0
        card[:cell, bit * cell : (bit + 1) * cell] = level
    top = 2 * cell
    for place, digit in enumerate(f"{number:05d}"):
        for row, bits in enumerate(_DIGITS[int(digit)]):
            for column in range(3):
                if bits >> (2 - column) & 1:
                    x, y = (place * 4 + column + 1) * cell, top + row * cell
                    card[y : y + cell, x : x + cell] = (255, 255, 0)
    if marker is not None:
        card[height // 2 :, width // 2 :] = marker
    side = max(4, height // 10)
    x = number * cell % max(1, width - side)
    y = top + 6 * cell
    card[y : y + side, x : x + side] = 255
    return card


test_card.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  # the name must not make it a test


def read_number(image: U8) -> int:
    """Return the frame number that a test card (H, W, 3) shows, modulo 65536."""
    cell = _cell_px(image.shape[1])
    number = 0
    for bit in range(NUMBER_BITS):
        number = number << 1 | int(image[cell // 2, bit * cell + cell // 2, 1] > 127)
    return number


class SyntheticCamera:
    """The test card as a camera. `paced` delivers in real time and drops late frames, as a webcam does; unpaced it
    delivers every frame at once with the card's own time. `frames` ends it; `marker` is an RGB colour that fills the
    lower right quarter, for finding leaked camera pixels; `pictures` (H, W, 3) of one size are shown in turn instead of
    the card."""

    def __init__(self, settings: CameraSettings | None = None, *, paced: bool = False, frames: int | None = None,
                 marker: tuple[int, int, int] | None = None, pictures: Sequence[U8] = ()) -> None:  # fmt: skip
        self._settings, self._pictures = settings or CameraSettings(), pictures
        if self._settings.width < 64 or self._settings.height < 64:
            raise BadInput("the synthetic camera needs at least 64x64 px")
        self._paced, self._frames, self._marker = paced, frames, marker
        self._pacer: Pacer | None = None
        self._number = 0

    @property
    def rate_hz(self) -> float:
        """Frames per second."""
        return self._settings.rate_hz

    def open(self) -> CameraInfo:
        """Start again at frame 0."""
        self._pacer, self._number = Pacer(), 0
        s = self._settings
        if self._pictures:
            height, width = self._pictures[0].shape[:2]
            return CameraInfo("pictures in turn", width, height, s.rate_hz, "RGB", live=False)
        return CameraInfo("synthetic test card", s.width, s.height, s.rate_hz, "RGB", live=False)

    def read(self, timeout_s: float = 2.0) -> Frame | None:
        """Return the next card, None after the last. Raises CameraLost when closed or when the time runs out."""
        pacer = self._pacer
        if pacer is None:
            raise CameraLost("the synthetic camera is closed; open it first")
        interval_ns = round(1e9 / self.rate_hz)
        if self._paced:
            # Late by whole frames: a webcam would have dropped them.
            while pacer.late_ns(self._number * interval_ns) > interval_ns:
                self._number += 1
        number = self._number
        if self._frames is not None and number >= self._frames:
            return None
        captured_ns = number * interval_ns
        if self._paced:
            if not pacer.wait(captured_ns, timeout_s):
                raise CameraLost("the synthetic camera gave no frame in time")
            captured_ns = time.perf_counter_ns()
        self._number += 1
        return Frame(self._draw(number), Stamp(number, captured_ns))

    def _draw(self, number: int) -> U8:
        if self._pictures:
            return self._pictures[number % len(self._pictures)]
        return test_card(number, self._settings.width, self._settings.height, self._marker)

    def close(self) -> None:
        """Stop; wakes a waiting `read`."""
        if self._pacer is not None:
            self._pacer.stop()
        self._pacer = None
