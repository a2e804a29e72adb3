"""A phone that sends a face: what tests use where people have iFacialMocap."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from didlive.geometry import BLENDSHAPES

LOOPBACK = "127.0.0.1"


def datagram(head: tuple[float, float, float] = (0, 0, 0), *, sign: str = "&", **shapes: float) -> bytes:
    """One face as the app writes it. head: pitch, yaw, roll in degrees as in Unity. shapes: 0..1 by ARKit's names.
    sign: `&` of version 2, `-` of version 1."""
    def phones(name: str) -> str:
        for word, letter in (("Left", "L"), ("Right", "R")):
            if name.endswith(word) and name not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
                return f"{name.removesuffix(word)}_{letter}"
        return name

    values = [f"{phones(name)}{sign}{round(100 * shapes.get(name, 0.0))}" for name in (*BLENDSHAPES[1:], "tongueOut")]
    angles = ",".join(str(float(angle)) for angle in head)
    return ("|".join(values) + f"|=head#{angles},0.01,-0.02,-0.5|rightEye#0.1,0.2,0.3|leftEye#0.1,0.2,0.3|").encode()


def free_port() -> int:
    """A UDP port that nobody uses just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((LOOPBACK, 0))
        return made.getsockname()[1]


@contextmanager
def talking(port: int, data: bytes = b"", rate_hz: float = 200.0) -> Iterator[None]:
    """A phone that sends again and again until the end."""
    stop, text = threading.Event(), data or datagram(jawOpen=0.4)

    def talk() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            while not stop.wait(1 / rate_hz):
                made.sendto(text, (LOOPBACK, port))

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
