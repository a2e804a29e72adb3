"""A folder of numbered PNG pictures."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import ClassVar

import cv2

from ..disk import sync, write_whole
from ..errors import OutputFailed
from ..seams import StreamFormat
from ..types import Frame
from .files import FileSink


def encode_png(frame: Frame) -> bytes:
    """Return a frame as the bytes of a PNG file (RGB, or RGBA, straight alpha)."""
    order = cv2.COLOR_RGBA2BGRA if frame.image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.imencode(".png", cv2.cvtColor(frame.image, order))[1].tobytes()


def save_png(path: Path, frame: Frame) -> None:
    """Write one frame as a PNG file, whole or not at all. Raises OutputFailed."""
    write_whole(path, encode_png(frame))


class PngFolderSink(FileSink):
    """Writes `000000.png`, `000001.png`, ... (RGB, or RGBA, straight alpha) into a folder that appears on `close`.

    An existing folder must be empty: whose pictures lie in it cannot be known.
    """

    carries_alpha: ClassVar[bool] = True

    def _check_place(self) -> None:
        if not self.path.parent.is_dir():
            raise OutputFailed(f"{self.path} was not written: there is no folder {self.path.parent}")
        if self.path.exists() and not self.path.is_dir():
            raise OutputFailed(f"{self.path} was not written: a file of that name is in the way")
        if self.path.is_dir() and any(self.path.iterdir()):
            raise OutputFailed(f"{self.path} was not written: the folder is not empty; give a new or an empty one")

    def _begin(self, stream: StreamFormat) -> None:
        self._folder = self.path.parent / f".didlive-{secrets.token_hex(6)}.part"
        self._folder.mkdir()
        self._asides.append(self._folder)

    def _add(self, frame: Frame) -> None:
        with open(self._folder / f"{self.written:06d}.png", "wb") as file:
            file.write(encode_png(frame))
            file.flush()
            os.fsync(file.fileno())

    def _finish(self) -> Path:
        return self._folder

    def _publish(self, result: Path) -> None:
        sync(result)
        empty = self.path.is_dir()
        if empty:
            # Someone may have put things there while we were drawing: then this fails, and nothing is touched.
            self._check_place()
            self.path.rmdir()
        try:
            os.rename(result, self.path)
        except OSError:
            if empty:
                self.path.mkdir()
            raise
        sync(self.path.parent)
