"""What tests of the window share: a Studio with an empty home, its library, and a running show."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PySide6.QtWidgets import QApplication

from didlive.profiles import Store
from ui import i18n, theme
from ui.studio import Studio

LONG_MS = 60_000


@pytest.fixture(scope="session")
def started(qapp) -> None:
    """What imports and the first windows made need not be walked over at every collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def litter(started) -> Iterator[None]:
    """Widgets in garbage die in this thread, between two tests: as in the program, see ui.litter."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture
def until(qtbot) -> Callable[[Callable[[], object]], None]:
    """Wait for something that has to happen."""
    return lambda condition: qtbot.waitUntil(lambda: bool(condition()), timeout=LONG_MS)


@pytest.fixture
def language() -> Iterator[Callable[[str], None]]:
    """Switch the language, and back to English at the end."""

    def switch(name: str) -> None:
        i18n.set_language(name)
        # The windows hear of it by an event.
        QApplication.processEvents()

    yield switch
    i18n.set_language("en")


@pytest.fixture
def themed(qapp: QApplication) -> Iterator[None]:
    """The window's own style; its paddings take room."""
    style, palette = qapp.style().objectName(), qapp.palette()
    qapp.setStyle("Fusion")
    theme.apply(qapp, "dark")
    yield
    qapp.setStyleSheet("")
    qapp.setPalette(palette)
    qapp.setStyle(style)


@pytest.fixture
def studio(qtbot, tmp_path: Path) -> Iterator[Studio]:
    """A Studio that keeps everything in `tmp_path` and was not opened: no library, no show."""
    made = Studio(Store(tmp_path / "config"), tmp_path / "portraits")
    made.takes.videos, made.takes.pictures = tmp_path / "videos", tmp_path / "pictures"
    yield made
    with qtbot.waitSignal(made.closed, timeout=LONG_MS):
        made.shutdown()


@pytest.fixture
def library(studio: Studio, models: Path, until) -> Studio:
    """A Studio that has read its library: the built-in portraits, with thumbnails and verdicts."""
    studio._shelf.open(studio._shelf.fill)
    until(lambda: studio.entries and all(studio.thumbnail(e.key) is not None and studio.verdict(e.key) is not None
                                         for e in studio.entries))
    return studio


@pytest.fixture
def show(studio: Studio, models: Path, until) -> Studio:
    """A Studio whose first portrait plays, driven by the built-in motion."""
    studio.change("camera.name", "", merge=False)
    studio.open()
    until(lambda: studio.session is not None and studio.session.preview.peek() is not None and studio.portrait)
    return studio
