"""Whether a window can be shown."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from ..errors import BadInput


def check_screen(otherwise: str) -> None:
    """Say now what Qt would say by aborting the process. otherwise: what else can be done, appended to the message.
    Raises BadInput."""
    if find_spec("PySide6") is None:
        raise BadInput(f"the window needs PySide6; run: pip install 'didlive[ui]'{otherwise}")
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in screens):
        raise BadInput(f"there is no screen to show a window on{otherwise}")
