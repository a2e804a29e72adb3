"""Results to look at: a contact sheet of all pairs, and the driver beside the output as a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from ..disk import explain
from ..errors import OutputFailed
from ..seams import StreamFormat
from ..sinks.video import Mp4Sink
from ..types import U8, Frame

TILE_PX, CAPTION_PX, GAP_PX = 192, 34, 4
PAPER, INK = (250, 250, 250), (20, 20, 20)


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of the sheet: two lines of caption, the portrait, and chosen (driver, output) pictures, all RGB."""

    caption: str
    scores: str
    portrait: U8
    pictures: tuple[tuple[U8, U8], ...]


def fitted(image: U8, width: int, height: int) -> U8:
    """Scale an RGB picture to fit into (height, width) with its aspect kept, on paper colour."""
    zoom = min(width / image.shape[1], height / image.shape[0])
    size = (max(1, round(image.shape[1] * zoom)), max(1, round(image.shape[0] * zoom)))
    small = cv2.resize(image[:, :, :3], size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    tile = np.full((height, width, 3), PAPER, np.uint8)
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    tile[y:y + size[1], x:x + size[0]] = small
    return tile


def tile(image: U8) -> U8:
    """Return a picture as it will stand in the sheet, (192, 192, 3)."""
    return fitted(image, TILE_PX, TILE_PX)


def contact_sheet(strips: Sequence[Strip]) -> U8:
    """Draw the sheet: one row per strip with its caption, the portrait, then the driver over the output."""
    columns = 1 + max(len(strip.pictures) for strip in strips)
    row_px = CAPTION_PX + 2 * TILE_PX + GAP_PX
    step = TILE_PX + GAP_PX
    sheet = Image.new("RGB", (columns * step, len(strips) * row_px), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, strip in enumerate(strips):
        top = number * row_px
        draw.text((4, top + 3), strip.caption, INK)
        draw.text((4, top + 17), strip.scores, INK)
        top += CAPTION_PX
        sheet.paste(Image.fromarray(tile(strip.portrait)), (0, top + TILE_PX // 2))
        for column, (driver, output) in enumerate(strip.pictures, start=1):
            sheet.paste(Image.fromarray(tile(driver)), (column * step, top))
            sheet.paste(Image.fromarray(tile(output)), (column * step, top + TILE_PX))
    return np.asarray(sheet)


def save_png(image: U8, path: Path) -> None:
    """Write an RGB picture. Raises OutputFailed."""
    try:
        Image.fromarray(image).save(path, format="PNG")
    except OSError as error:
        raise explain(error, path) from error


class SideBySide:
    """Records driver | output, both `height` px high, as an MP4 with the driver's sound. Raises OutputFailed."""

    def __init__(self, path: Path, driving: Path, rate_hz: float, height: int = 512) -> None:
        self._sink = Mp4Sink(path, audio_from=driving, preset="veryfast")
        self._rate_hz, self._height = rate_hz, height
        self._widths: tuple[int, int] | None = None

    def add(self, driver: Frame, output: Frame) -> None:
        """Add one pair of pictures."""
        if self._widths is None:
            aspects = [frame.image.shape[1] / frame.image.shape[0] for frame in (driver, output)]
            a, b = (max(2, round(aspect * self._height) // 2 * 2) for aspect in aspects)
            self._widths = a, b
            self._sink.open(StreamFormat(a + b, self._height, self._rate_hz))
        halves = [fitted(frame.image, width, self._height)
                  for frame, width in zip((driver, output), self._widths, strict=True)]
        self._sink.write(Frame(np.hstack(halves), output.stamp))

    def close(self) -> None:
        """Finish the video."""
        if self._widths is not None:
            self._sink.close()

    def abort(self) -> None:
        """Drop the video."""
        self._sink.abort()


def save_text(text: str, path: Path) -> None:
    """Write a text file. Raises OutputFailed."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise explain(error, path) from error


@contextmanager
def new_folder(path: Path) -> Iterator[None]:
    """Create the output folder; when the work in it fails and it is still empty, remove it. Raises OutputFailed."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputFailed(f"the folder {path} cannot be created: {error.strerror or error}") from error
        yield
    except BaseException:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise
