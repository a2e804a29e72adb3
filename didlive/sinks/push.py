"""A process of its own that passes a finished stream on to a server. FFmpeg stops a whole Python program while it
connects; here that hurts nobody.

It reads one line of JSON ({"url": ..., "format": ..., "options": {...}}) and then a NUT stream from its input, says
`ready` when it is connected, and ends with one line that says what went wrong, if anything did. It knows no other
module of didlive, so that it starts at once; the address never gets into its arguments, where others could see it.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError

READY = "ready"
# The stream is described by its header; its first pictures need not be waited for.
PROMPT = {"probesize": "20000", "analyzeduration": "0"}


class Arriving:
    """The input as far as it has come: FFmpeg asks for more than a quiet stream brings in a second."""

    def read(self, size: int) -> bytes:
        """Wait for something and return it; nothing at the end."""
        return os.read(0, size)


def tell(text: str) -> None:
    """Say a line to the parent."""
    # Nobody may be listening any more.
    with suppress(OSError):
        print(text, flush=True)  # noqa: T201


def pass_on(order: dict[str, Any]) -> None:
    """Copy packets from the input to the server until the input ends."""
    with av.open(Arriving(), format="nut", options=PROMPT) as source, \
            av.open(order["url"], "w", format=order["format"], options=order["options"]) as target:
        assert isinstance(source, InputContainer)
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        target.start_encoding()
        tell(READY)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)


def main() -> int:
    """Do what the first line orders."""
    line = b""
    while not line.endswith(b"\n") and (letter := os.read(0, 1)):
        line += letter
    order = json.loads(line)
    try:
        pass_on(order)
    except (FFmpegError, OSError) as error:
        # Only the system's words: the whole text of an error has the address in it.
        tell(error.strerror or type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
