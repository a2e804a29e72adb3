"""The switch of the virtual camera: a real PipeWire sees the camera come, stay through a restart, and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from listening import running, said
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
    return [state.name for state in running(show).output_states() if state.name in NAMES.values()]


def test_it_comes_stays_through_a_restart_and_goes(daemon: PipeWire, show: Studio, until: Until):
    messages = said(show)
    show.change("output.virtual_camera", True)
    until(lambda: NAMES["pipewire"] in cameras(show))
    until(lambda: any(level == "info" and text.startswith("the virtual camera is on") for level, text in messages))
    before = show.session
    show.change("output.size", "320x320")
    until(lambda: show.session is not None and show.session is not before and cameras(show))
    show.change("output.virtual_camera", False)
    until(lambda: not cameras(show))


def test_where_there_can_be_none_it_says_what_to_do_and_is_off_again(show: Studio, until: Until,
                                                                    monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.sinks.virtualcam._problem", lambda kind: (f"{kind} is missing", "apt install it"))
    messages = said(show)
    show.change("output.virtual_camera", True)
    until(lambda: any(at == "error" and text.startswith("there can be no virtual camera") for at, text in messages))
    until(lambda: not show.settings.output.virtual_camera)
    assert not cameras(show)
