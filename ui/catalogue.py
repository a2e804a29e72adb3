"""A translation catalogue: a flat TOML table `"English" = "other language"`, given to Qt as what it reads itself.

Qt's own format for compiled translations is written here (see qtranslator.cpp) rather than by a build step: a TOML file
can be read and corrected by anybody. Looking a text up stays in C++.
"""

from __future__ import annotations

import re
import struct
import tomllib
from collections.abc import Mapping
from pathlib import Path

CONTEXT = "didlive"
HOLE = re.compile(r"\{\w*\}")
TELLING = 8
_MAGIC = bytes.fromhex("3cb86418caef9c95cd211cbf60a1bddd")
_HASHES, _MESSAGES = 0x42, 0x69
_END, _TRANSLATION, _SOURCE, _CONTEXT = 1, 3, 6, 7


def load_catalogue(path: Path) -> dict[str, str]:
    """Return the texts of one language. Raises OSError or tomllib.TOMLDecodeError."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _elf_hash(text: bytes) -> int:
    value = 0
    for byte in text:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value or 1


def _tagged(tag: int, data: bytes) -> bytes:
    return struct.pack(">BI", tag, len(data)) + data


def compile_catalogue(texts: Mapping[str, str]) -> bytes:
    """Return the bytes that `QTranslator.load` takes."""
    messages, places = bytearray(), []
    for english, other in texts.items():
        source = english.encode()
        places.append((_elf_hash(source), len(messages)))
        messages += _tagged(_TRANSLATION, other.encode("utf-16-be")) + _tagged(_SOURCE, source)
        messages += _tagged(_CONTEXT, CONTEXT.encode()) + bytes([_END])
    hashes = b"".join(struct.pack(">II", *place) for place in sorted(places))
    return _MAGIC + _tagged(_HASHES, hashes) + _tagged(_MESSAGES, bytes(messages))


class Sentences:
    """Finds the translation of texts that were put together elsewhere: keys with `{}` stand for any text there."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        # The key that says most goes first: "{}: the face is tiny ({} px high)" before "{}: {}".
        open_keys = sorted((key for key in texts if "{" in key), key=lambda key: -len(HOLE.sub("", key)))
        self._patterns = [(_pattern(key), HOLE.findall(key), texts[key]) for key in open_keys]
        # What stands in another sentence may be a file's name: only a pattern that says enough makes it a sentence.
        self._telling = self._patterns[:sum(len(HOLE.sub("", key)) >= TELLING for key in open_keys)]

    def find(self, text: str) -> str:
        """Return the translation, or `text` itself. What stands at `{}` is translated too if it has a translation."""
        return self._find(text, self._patterns)

    def _find(self, text: str, patterns: list[tuple[re.Pattern[str], list[str], str]]) -> str:
        found = self._texts.get(text)
        if found is not None:
            return found
        for pattern, names, other in patterns:
            match = pattern.fullmatch(text)
            if match:
                return self._filled(other, list(zip(names, match.groups(), strict=True)))
        return text

    def _filled(self, other: str, parts: list[tuple[str, str]]) -> str:
        """Put the parts in by their names, or where there are none in their order."""
        def part(hole: re.Match[str]) -> str:
            at = next((i for i, (name, _) in enumerate(parts) if name == hole[0]), None)
            text = parts.pop(at)[1] if at is not None else ""
            return self._find(text, self._telling)

        return HOLE.sub(part, other)


def _pattern(key: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(re.escape(part) for part in HOLE.split(key)), re.DOTALL)
