"""The table of keys: one action, one default, rebindable."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QKeySequence

PORTRAITS = 9


@dataclass(frozen=True, slots=True)
class Hotkey:
    """One action: its name in the file, its text in English (menus show it), its default keys (the first one shows),
    and its menu."""

    name: str
    text: str
    keys: tuple[str, ...]
    menu: str


HOTKEYS = (
    Hotkey("toggle", "Start or stop", ("Space",), "show"),
    Hotkey("recalibrate", "Calibrate neutral face", ("C",), "show"),
    Hotkey("hold", "Hold", ("H",), "show"),
    Hotkey("panic", "Panic: still portrait", ("Esc",), "show"),
    Hotkey("mirror", "Mirror motion", ("M",), "show"),
    Hotkey("stronger", "Stronger expression", ("+", "="), "show"),
    Hotkey("weaker", "Weaker expression", ("-",), "show"),
    Hotkey("record", "Record", ("R",), "show"),
    Hotkey("snapshot", "Snapshot", ("S",), "show"),
    Hotkey("undo", "Undo", ("Ctrl+Z",), "edit"),
    Hotkey("redo", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "edit"),
    *(Hotkey(f"portrait{n}", f"Portrait {n}", (str(n),), "portrait") for n in range(1, PORTRAITS + 1)),
    Hotkey("fullscreen", "Full-screen stage", ("F",), "view"),
    Hotkey("keys", "Keys", ("F1",), "help"),
    Hotkey("quit", "Quit", ("Ctrl+Q",), "file"),
)


def sequences(hotkey: Hotkey, own: dict[str, str]) -> list[QKeySequence]:
    """Return the key sequences of an action: the user's own, or the defaults."""
    keys = (own[hotkey.name],) if hotkey.name in own else hotkey.keys
    return [QKeySequence(key) for key in keys if key]


def conflicts(own: dict[str, str]) -> list[tuple[Hotkey, Hotkey]]:
    """Return the pairs of actions that share a key."""
    users: dict[str, Hotkey] = {}
    pairs = []
    for hotkey in HOTKEYS:
        for sequence in sequences(hotkey, own):
            text = sequence.toString()
            other = users.setdefault(text, hotkey)
            if other is not hotkey:
                pairs.append((other, hotkey))
    return pairs
