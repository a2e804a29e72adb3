"""The picture page in a real browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from didlive.seams import StreamFormat
from didlive.sinks.mjpeg import MjpegSink
from didlive.sinks.recorder import PacedSink
from didlive.types import Frame, Stamp

SIDE = 64
COLOUR = (200, 30, 40)
PROGRAM = shutil.which("chromium")


@pytest.mark.skipif(PROGRAM is None, reason="needs Chromium")
@pytest.mark.parametrize("query", ["", "?alpha"])
def test_chromium_shows_the_page(query: str, tmp_path: Path):
    page = MjpegSink(port=0)
    paced = PacedSink(page, 25.0)
    paced.open(StreamFormat(SIDE, SIDE, 25.0, alpha=bool(query)))
    image = np.zeros((SIDE, SIDE, 4 if query else 3), np.uint8)
    image[:, :, :3] = COLOUR
    if query:
        # The left half can be seen, the right half shows what lies below: the white of an empty page.
        image[:, :SIDE // 2, 3] = 255
    paced.write(Frame(image, Stamp(0, 0)))
    try:
        # A stream never ends: the browser's own clock says when to look.
        subprocess.run([str(PROGRAM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/user",
                        "--window-size=200,200", "--virtual-time-budget=2000", f"--screenshot={tmp_path}/shot.png",
                        page.place + query], capture_output=True, check=True, timeout=200)
    finally:
        paced.close()
    seen = np.asarray(Image.open(tmp_path / "shot.png").convert("RGB")).astype(int)
    assert np.abs(seen[100, 20] - COLOUR).max() < 8
    assert np.abs(seen[100, 180] - ((255, 255, 255) if query else COLOUR)).max() < 8
