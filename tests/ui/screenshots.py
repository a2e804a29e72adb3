"""Make the README's pictures of the window: `python -m tests.ui.screenshots docs` (needs no screen).

The built-in portrait, driven by the built-in motion, in English and Chinese: window-en.png and window-zh.png.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import fields
from io import BytesIO
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
# The offscreen platform knows a screen of 800 x 600 px; windows may be larger.
SIZE = (1280, 800)
PICTURES = {"en": ("window-en.png", "dark"), "zh_CN": ("window-zh.png", "light")}
SECONDS = 5.0
COLORS = 240


def shoot(language: str, theme: str, path: Path, home: Path) -> None:
    """Open the window, wait until all is there, and save its picture."""
    from PIL import Image
    from PySide6.QtCore import QBuffer, QTimer
    from PySide6.QtWidgets import QApplication

    from ui import app as window_app
    from ui.theme import DARK, LIGHT

    colors = DARK if theme == "dark" else LIGHT
    os.environ["DIDLIVE_CONFIG"], os.environ["DIDLIVE_DATA"] = str(home / "config"), str(home / "data")
    app = QApplication.instance()
    app = app if isinstance(app, QApplication) else QApplication(sys.argv[:1])
    app.setStyle("Fusion")
    app.setQuitOnLastWindowClosed(False)
    studio, window = window_app.open_window(app, window_app.Options(camera="", language=language))
    studio.change("window.theme", theme)
    window.resize(*SIZE)
    QTimer.singleShot(0, window.arrange)

    def complete() -> bool:
        return (studio.session is not None and len(studio.entries) > 1
                and all(studio.thumbnail(entry.key) is not None and studio.verdict(entry.key) is not None
                        for entry in studio.entries))

    def take() -> None:
        buffer = QBuffer()
        buffer.open(QBuffer.OpenModeFlag.ReadWrite)
        window.grab().save(buffer, "PNG")
        buffer.seek(0)
        picture = Image.open(BytesIO(buffer.data().data())).convert("RGB")
        # The photograph takes most of the colours; the window's own few must not be lost to it.
        palette = picture.quantize(COLORS, Image.Quantize.MEDIANCUT)
        own = [getattr(colors, f.name) for f in fields(colors)]
        used = (palette.getpalette() or [])[:3 * COLORS]
        palette.putpalette(used + [int(color[i:i + 2], 16) for color in own for i in (1, 3, 5)])
        picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
        window.close()

    def look() -> None:
        if complete():
            poll.stop()
            QTimer.singleShot(round(SECONDS * 1000), take)

    poll = QTimer(interval=100)
    poll.timeout.connect(look)
    poll.start()
    studio.closed.connect(app.quit)
    app.exec()
    window.deleteLater()


def main() -> None:
    """Make all pictures in the folder that is named on the command line."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        for language, (name, theme) in PICTURES.items():
            shoot(language, theme, folder / name, Path(home))
            sys.stdout.write(f"{folder / name}: {(folder / name).stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
