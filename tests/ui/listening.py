"""What tests ask a Studio: what it says, and its session."""

from __future__ import annotations

from didlive.session import Session
from ui.studio import Studio


def said(studio: Studio) -> list[tuple[str, str]]:
    """What the studio tells from now on."""
    messages: list[tuple[str, str]] = []
    studio.message.connect(lambda level, text: messages.append((level, text)))
    return messages


def running(studio: Studio) -> Session:
    """The session, which is there."""
    assert studio.session is not None
    return studio.session
