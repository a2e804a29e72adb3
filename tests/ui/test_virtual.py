"""The switch of the virtual camera: a real PipeWire sees the camera come, stay through a restart, and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pipewire_session import PipeWire, pipewire

from didlive.sinks.virtualcam import NAMES
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def daemon() -> Iterator[PipeWire]:
    with pipewire() as made:
        made.start()
        yield made


def cameras(show: Studio) -> list[str]:
    assert show.session is not None
    return [state.name for state in show.session.output_states() if state.name in NAMES.values()]


def test_it_comes_stays_through_a_restart_and_goes(daemon: PipeWire, show: Studio, until: Until):
    said: list[str] = []
    show.message.connect(lambda level, text: said.append(f"{level}: {text}"))
    show.change("output.virtual_camera", True)
    until(lambda: NAMES["pipewire"] in cameras(show))
    until(lambda: any(line.startswith("info: the virtual camera is on") for line in said))
    before = show.session
    show.change("output.size", "320x320")
    until(lambda: show.session is not None and show.session is not before and cameras(show))
    show.change("output.virtual_camera", False)
    until(lambda: not cameras(show))


def test_where_there_can_be_none_it_says_what_to_do_and_is_off_again(show: Studio, until: Until,
                                                                    monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.sinks.virtualcam._problem", lambda kind: (f"{kind} is missing", "apt install it"))
    said: list[str] = []
    show.message.connect(lambda level, text: said.append(f"{level}: {text}"))
    show.change("output.virtual_camera", True)
    until(lambda: any(line.startswith("error: there can be no virtual camera") for line in said))
    until(lambda: not show.settings.output.virtual_camera)
    assert not cameras(show)
