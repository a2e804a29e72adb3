"""The final picture: a drawn patch pasted back into the portrait, framed, scaled and filled to the output's size.

No camera image can get in here: a `Compositor` is given a portrait and patches, nothing else.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from .badge import TEXT, make_badge
from .errors import BadInput
from .mark import luma_mark
from .settings import OutputSettings
from .types import F32, U8, Frame, Patch, Portrait, Stamp

NAMED_SIZES = {"512": (512, 512), "720p": (1280, 720), "1080p": (1920, 1080)}
LOWEST_PX, HIGHEST_PX = 64, 4096
# The head's crop: its side and upward shift in units of the landmark box's larger side, and how tight it may get
# before a small picture is padded instead: by bands that are at least this part of it, no strips.
HEAD_SIDE, HEAD_SHIFT, HEAD_TIGHTEST, HEAD_BANDS = 2.4, 0.06, 1.5, 0.08
BUST_SIDE = 3.7
# Output pixels per block at most: 32 lets the scale follow its ideal to about one pixel over the whole picture.
LARGEST_BLOCK = 32
# Bands thinner than this part of the canvas are cropped away instead.
THINNEST_BAND = 0.02
CUBIC_REACH, BLUR_REACH = 2, 2
FILL_BRIGHTNESS = 0.5
# Worked out when the portrait is known (see `actor.own_size`).
AUTO = "auto"


def parse_size(text: str) -> tuple[int, int] | None:
    """Return (width, height) px for `512`, `720p`, `1080p` or `WxH`; None for `source` and `auto`. Raises BadInput."""
    text = text.strip().lower()
    if text in ("source", AUTO):
        return None
    if text in NAMED_SIZES:
        return NAMED_SIZES[text]
    match = re.fullmatch(r"(\d+)x(\d+)", f"{text}x{text}" if text.isdigit() else text)
    if match is None:
        raise BadInput(f"output size {text!r} is unknown; use {', '.join(NAMED_SIZES)}, source, auto, or WIDTHxHEIGHT")
    width, height = int(match[1]), int(match[2])
    if not all(LOWEST_PX <= side <= HIGHEST_PX and side % 2 == 0 for side in (width, height)):
        raise BadInput(f"output size {text} cannot be used; both sides must be even, {LOWEST_PX} to {HIGHEST_PX} px")
    return width, height


@dataclass(frozen=True, slots=True)
class Scale:
    """An exact ratio: the picture is halved `halvings` times, then every `source` pixels become `output`."""

    halvings: int
    source: int
    output: int

    @property
    def value(self) -> float:
        """Source pixels per output pixel."""
        return self.block_px / self.output

    @property
    def block_px(self) -> int:
        """Source pixels per block; a block becomes `output` pixels."""
        return self.source << self.halvings

    @staticmethod
    def near(ideal: float) -> Scale:
        """Return the best ratio of small whole numbers at or just below `ideal`, so that nothing is left uncovered."""
        halvings = max(0, math.floor(math.log2(ideal) + 1e-9))
        rest = ideal / (1 << halvings)
        blocks = [(max(1, math.floor(rest * size + 1e-9)), size) for size in range(1, LARGEST_BLOCK + 1)]
        source, output = max(blocks, key=lambda b: (b[0] / b[1] if b[0] / b[1] <= rest + 1e-9 else 0.0, -b[1]))
        return Scale(halvings, source, output)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the portrait lands: portrait pixel `origin` (x, y) meets the top left corner of the canvas rectangle
    (`x`, `y`, `width`, `height`); the rest of the `canvas` (width, height) is filled."""

    canvas: tuple[int, int]
    scale: Scale
    origin: tuple[int, int]
    x: int
    y: int
    width: int
    height: int


def crop_target(landmarks: F32, picture: tuple[int, int], framing: str) -> tuple[float, float, float]:
    """Return centre x, centre y and side (px) of the square around the head (`head`) or head and shoulders (`bust`), no
    larger than the picture if it can."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    box = float((high - low).max())
    side = min((BUST_SIDE if framing == "bust" else HEAD_SIDE) * box, float(min(picture)))
    centre_x, centre_y = (low + high) / 2
    # What is wider than the head's crop is added below: above, there is only air.
    down = max(0.0, side - HEAD_SIDE * box) / 2 - HEAD_SHIFT * box
    least = HEAD_TIGHTEST * box
    return float(centre_x), float(centre_y) + down, side if side > least * (1 - HEAD_BANDS) else least


def lay_out(picture: tuple[int, int], landmarks: F32, output: OutputSettings) -> Layout:
    """Decide crop and scale for a portrait of `picture` (width, height) px. Raises BadInput for an unusable size."""
    width, height = picture
    canvas = parse_size(output.size)
    if output.framing != "full":
        centre_x, centre_y, side = crop_target(landmarks, picture, output.framing)
        if canvas is None:
            canvas = (max(2, min(int(side), width) // 2 * 2), max(2, min(int(side), height) // 2 * 2))
            ideal = 1.0
        else:
            ideal = side / min(canvas)
            # The crop's size is a matter of taste, whole pixels are not: they stay sharp and cost nothing.
            ideal = 1.0 if abs(ideal - 1) < 0.03 else ideal
    else:
        centre_x, centre_y = width / 2, height / 2
        canvas = canvas or (max(2, width // 2 * 2), max(2, height // 2 * 2))
        cover, fit = sorted((width / canvas[0], height / canvas[1]))
        ideal = cover if cover > fit * (1 - THINNEST_BAND) else fit
    if ideal == 1.0 and (width < 2 or height < 2):
        raise BadInput("the portrait is smaller than two pixels")
    scale = Scale.near(ideal)
    inner = [min(canvas[axis], int(picture[axis] / scale.value + 1e-9)) for axis in (0, 1)]
    origin = [min(max(0, round(centre - inner[axis] * scale.value / 2)),
                  math.floor(picture[axis] - inner[axis] * scale.value + 1e-9))
              for axis, centre in enumerate((centre_x, centre_y))]
    return Layout(canvas, scale, (origin[0], origin[1]), (canvas[0] - inner[0]) // 2, (canvas[1] - inner[1]) // 2,
                  inner[0], inner[1])


def resized(image: U8, size: tuple[int, int], how: int) -> U8:
    """Scale `image` to `size` (width, height) px by an OpenCV interpolation."""
    return cast(U8, cv2.resize(image, size, interpolation=how))


class Compositor:
    """Puts patches into one portrait; everything that never moves is computed here, once.

    `size` is the output's (width, height) px, `crop_box` the visible part of the portrait as (left, top, right,
    bottom) px. With `alpha`, frames are RGBA (straight): the patch's alpha, else the portrait's, else opaque; the
    filled bands are transparent where the portrait has transparency. fill: (height, width, 3) uint8 RGB shown in the
    bands instead of a blur of the portrait. With `output.mirror`, frames are flipped. Every frame carries the label and
    the faint mark that `output` asks for. `compose` may be called from any one thread. Raises BadInput for an unusable
    output size.
    """

    def __init__(self, portrait: Portrait, output: OutputSettings, alpha: bool = False, fill: U8 | None = None) -> None:
        picture = portrait.image
        self._layout = place = lay_out((picture.shape[1], picture.shape[0]), portrait.face.landmarks, output)
        self.alpha = alpha
        self.size = place.canvas
        left, top = place.origin
        self.crop_box = (left, top, left + round(place.width * place.scale.value),
                         top + round(place.height * place.scale.value))
        if alpha:
            cover = portrait.alpha if portrait.alpha is not None else np.full(picture.shape[:2], 255, np.uint8)
            picture = np.dstack([picture, cover])
        self._source = self._whole_blocks(picture)
        self._still = self._opaque_or_clear(self._blurred(portrait) if fill is None else fill, portrait)
        self._still[place.y:place.y + place.height, place.x:place.x + place.width] = \
            self._resize(self._source)[:place.height, :place.width]
        self._mirror = output.mirror
        self._mark = luma_mark(*self.size, self._still.shape[2]) if output.watermark else None
        self._badge = make_badge(self.size, output.badge_text or TEXT, output.badge_corner) if output.badge else None
        self._at_rest = self._labelled(self._still)

    def compose(self, patch: Patch | None, stamp: Stamp) -> Frame:
        """Return the picture with `patch` in place (None: the portrait at rest), marked `composite`.

        But for label and mark, its pixels equal those of pasting into the whole portrait and scaling all of it.
        """
        image = self._at_rest if patch is None else self._labelled(self._with(patch))
        return Frame(image, stamp.mark("composite"))

    def _labelled(self, image: U8) -> U8:
        """Return the picture as it goes out: flipped if asked, marked, with its label."""
        image = np.asarray(cv2.flip(image, 1), np.uint8) if self._mirror else image
        if self._mark is not None:
            image = self._mark.put_on(image)
        elif self._badge is not None:
            image = image.copy()
        if self._badge is not None:
            self._badge.draw_on(image)
        return image

    def _whole_blocks(self, picture: U8) -> U8:
        """Cut what is visible from the portrait, grown to whole blocks to the right and below."""
        place = self._layout
        block, per_block = place.scale.block_px, place.scale.output
        left, top = place.origin
        right = left + math.ceil(place.width / per_block) * block
        bottom = top + math.ceil(place.height / per_block) * block
        visible = picture[top:bottom, left:right]
        self._real = visible.shape[1], visible.shape[0]
        missing = ((0, bottom - top - visible.shape[0]), (0, right - left - visible.shape[1]), (0, 0))
        return np.ascontiguousarray(np.pad(visible, missing, mode="edge"))

    def _blurred(self, portrait: Portrait) -> U8:
        """Return the canvas covered by a blurred, darkened enlargement of the visible part."""
        width, height = self._layout.canvas
        left, top, right, bottom = self.crop_box
        small = (max(2, width // 16), max(2, height // 16))
        zoom = max(small[0] / (right - left), small[1] / (bottom - top))
        # Cover the canvas: cut the visible part to the canvas's shape around its middle.
        half_w, half_h = small[0] / zoom / 2, small[1] / zoom / 2
        x, y = (left + right) / 2, (top + bottom) / 2
        part = portrait.image[int(y - half_h):math.ceil(y + half_h), int(x - half_w):math.ceil(x + half_w)]
        soft = cv2.GaussianBlur(cv2.resize(part, small, interpolation=cv2.INTER_AREA), (0, 0), 0.04 * max(small))
        fill = cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.clip(fill * FILL_BRIGHTNESS, 0, 255).astype(np.uint8)

    def _opaque_or_clear(self, canvas: U8, portrait: Portrait) -> U8:
        """Return a canvas of its own, with alpha if frames have it."""
        if not self.alpha:
            return canvas.copy()
        height, width = canvas.shape[:2]
        return np.dstack([canvas, np.full((height, width), 0 if portrait.alpha is not None else 255, np.uint8)])

    def _resize(self, region: U8) -> U8:
        """Scale a region of whole blocks.

        Down: halve by averaging, a slight Gaussian against aliasing, then cubic. `INTER_AREA` at a broken ratio looks
        the same and takes six times as long. Up: cubic.
        """
        scale = self._layout.scale
        height, width = region.shape[0] // scale.block_px, region.shape[1] // scale.block_px
        for _ in range(scale.halvings):
            half = (region.shape[1] // 2, region.shape[0] // 2)
            region = resized(region, half, cv2.INTER_AREA)
        if scale.source == scale.output:
            return region
        ratio = scale.source / scale.output
        if ratio > 1:
            sigma = 0.45 * math.sqrt(ratio * ratio - 1)
            region = cast(U8, cv2.GaussianBlur(region, (2 * BLUR_REACH + 1,) * 2, sigma))
        return resized(region, (width * scale.output, height * scale.output), cv2.INTER_CUBIC)

    def _with(self, patch: Patch) -> U8:
        place, scale = self._layout, self._layout.scale
        source_h, source_w = self._source.shape[:2]
        x, y = patch.x - place.origin[0], patch.y - place.origin[1]
        # The part of the patch that is visible, in pixels of `_source`.
        left, right = max(0, x), min(self._real[0], x + patch.image.shape[1])
        top, bottom = max(0, y), min(self._real[1], y + patch.image.shape[0])
        if left >= right or top >= bottom:
            return self._still
        if scale.block_px == scale.output == 1:
            return self._pasted(patch, x, y, left, top, right, bottom)
        # Blocks whose result the patch changes, and around them those that the filters look at.
        reach, block, margin = self._reach_px(), scale.block_px, math.ceil(self._reach_px() / scale.block_px)
        first_x, end_x = max(0, (left - reach) // block), min(source_w // block, -(-(right + reach) // block))
        first_y, end_y = max(0, (top - reach) // block), min(source_h // block, -(-(bottom + reach) // block))
        from_x, from_y = max(0, first_x - margin), max(0, first_y - margin)
        x0, y0, x1, y1 = from_x * block, from_y * block, (end_x + margin) * block, (end_y + margin) * block
        region = self._source[y0:y1, x0:x1].copy()
        part = (slice(top - y, bottom - y), slice(left - x, right - x))
        hole = region[top - y0:bottom - y0, left - x0:right - x0]
        hole[:, :, :3] = patch.image[part]
        if self.alpha and patch.alpha is not None:
            hole[:, :, 3] = patch.alpha[part]
        self._repeat_edges(region, self._real[0] - x0, self._real[1] - y0)
        out = self._resize(region)
        skip_x, skip_y = (first_x - from_x) * scale.output, (first_y - from_y) * scale.output
        at_x, at_y = first_x * scale.output, first_y * scale.output
        wide = min(place.width, end_x * scale.output) - at_x
        high = min(place.height, end_y * scale.output) - at_y
        canvas = self._still.copy()
        canvas[place.y + at_y:place.y + at_y + high, place.x + at_x:place.x + at_x + wide] = \
            out[skip_y:skip_y + high, skip_x:skip_x + wide]
        return canvas

    @staticmethod
    def _repeat_edges(region: U8, width: int, height: int) -> None:
        """Beyond the portrait's edge its last pixels are repeated; do it again, the patch may have changed those."""
        if region.shape[0] > height:
            region[height:] = region[height - 1]
        if region.shape[1] > width:
            region[:, width:] = region[:, width - 1:width]

    def _reach_px(self) -> int:
        """How far, in source pixels, one pixel can influence the result."""
        return (CUBIC_REACH + BLUR_REACH + 1) << self._layout.scale.halvings

    def _pasted(self, patch: Patch, x: int, y: int, left: int, top: int, right: int, bottom: int) -> U8:
        """The way without scaling: only copies."""
        place = self._layout
        rows, columns = slice(top - y, bottom - y), slice(left - x, right - x)
        if not self.alpha and (right - left, bottom - top) == place.canvas:
            return np.ascontiguousarray(patch.image[rows, columns])
        canvas = self._still.copy()
        hole = canvas[place.y + top:place.y + bottom, place.x + left:place.x + right]
        hole[:, :, :3] = patch.image[rows, columns]
        if self.alpha and patch.alpha is not None:
            hole[:, :, 3] = patch.alpha[rows, columns]
        return canvas
