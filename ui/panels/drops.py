"""What people drop or paste: files, or pictures from a browser."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QImage

from didlive.types import U8


def files(mime: QMimeData) -> list[Path]:
    """Return the local files in it."""
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]


def picture(mime: QMimeData) -> QImage | None:
    """Return the picture in it, given as pixels or within a data: address, or None."""
    if mime.hasImage():
        image = mime.imageData()
        if isinstance(image, QImage) and not image.isNull():
            return image
    return _written_out(mime.urls())


def _written_out(urls: Iterable[QUrl]) -> QImage | None:
    for url in urls:
        if url.scheme() == "data":
            head, _, body = url.toString(QUrl.ComponentFormattingOption.FullyEncoded).partition(",")
            if head.startswith("data:image/") and head.endswith(";base64"):
                image = QImage.fromData(base64.b64decode(QUrl.fromPercentEncoding(body.encode()) + "=="))
                if not image.isNull():
                    return image
    return None


def acceptable(mime: QMimeData) -> bool:
    """Whether it may hold a portrait; addresses are let in, so that people are told what to do instead."""
    return mime.hasUrls() or mime.hasImage()


def pixels(image: QImage) -> U8:
    """Return a picture as (H, W, 4) RGBA, or (H, W, 3) RGB where it has no transparency."""
    channels, kind = (4, QImage.Format.Format_RGBA8888) if image.hasAlphaChannel() else (3, QImage.Format.Format_RGB888)
    image = image.convertToFormat(kind)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    # A copy: the bits go away with `image`.
    return rows[:, :image.width() * channels].reshape(image.height(), image.width(), channels).copy()
