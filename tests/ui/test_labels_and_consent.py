"""What says that a picture is synthetic, and whose it is: label, signature, consent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from didlive import credentials
from didlive.session import Session
from ui.studio import Studio

Until = Callable[[Callable[[], object]], None]


def said(studio: Studio) -> list[tuple[str, str]]:
    messages: list[tuple[str, str]] = []
    studio.message.connect(lambda level, text: messages.append((level, text)))
    return messages


def running(studio: Studio) -> Session:
    assert studio.session is not None
    return studio.session


def record(show: Studio, until: Until) -> None:
    show.record(True)
    until(lambda: show.recording and running(show).output_states()[0].written > 10)
    show.record(False)
    until(lambda: not show.recording)


def test_recordings_and_snapshots_are_signed(show: Studio, until: Until):
    messages = said(show)
    record(show, until)
    show.snapshot()
    until(lambda: any(text.startswith("Saved ") for _, text in messages))
    for path in (*show.folders[0].glob("*.mp4"), *show.folders[1].glob("*.png")):
        signed = credentials.read(path)
        assert signed is not None and signed.intact and signed.own and signed.synthetic
        assert [used.consent for used in signed.portraits] == ["built-in, public domain"]
    assert "warning" not in [level for level, _ in messages]


def test_signing_can_be_off(show: Studio, until: Until):
    messages = said(show)
    show.change("output.credentials", False)
    show.snapshot()
    until(lambda: any(text.startswith("Saved ") for _, text in messages))
    assert credentials.read(next(show.folders[1].glob("*.png"))) is None


def test_what_could_not_be_signed_is_told_and_kept(show: Studio, until: Until, monkeypatch: pytest.MonkeyPatch):
    messages = said(show)
    monkeypatch.setattr(credentials, "missing", lambda: "the package is gone")
    record(show, until)
    show.snapshot()
    until(lambda: len([text for level, text in messages if level == "warning"]) == 2)
    assert all(text.endswith("is not signed: the package is gone") for level, text in messages if level == "warning")
    assert list(show.folders[0].glob("*.mp4")) and list(show.folders[1].glob("*.png"))
