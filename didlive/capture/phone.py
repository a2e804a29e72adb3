"""A phone that tracks a face by itself, as a camera: its frames are grey cards that hold the numbers it sent."""

from __future__ import annotations

import ipaddress
import select
import socket
import time

from ..errors import BadInput, CameraLost
from ..ifacialmocap import CARD_SIZE, MOST_BYTES, PORT, REQUEST, parse, to_card
from ..registry import PHONE, PHONE_FORMAT
from ..seams import CameraInfo
from ..types import Frame, Stamp

LOOPBACK = "127.0.0.1"
RATE_HZ = 60.0
# What waits is old; the system keeps no more than this for us, and no more is looked at before the next frame.
WAITING_BYTES, MOST_AT_ONCE = 32 << 10, 256
# A phone that fell silent is asked again.
ASK_S, SLICE_S = 1.0, 0.1


class PhoneCamera:
    """Listens for the datagrams of `didlive.ifacialmocap` and gives the newest whole one as a frame, stamped when it
    arrived. What is damaged, too long, or comes from elsewhere is left out.

    spec: `phone`: from this machine only (a phone on a USB cable). `phone:ADDRESS` or `phone:ADDRESS:PORT`: from the
    phone with this IP address in the local network, which is asked to send; nobody else is heard.
    """

    def __init__(self, spec: str = PHONE) -> None:
        self._peer, self._port = place(spec)
        self._socket: socket.socket | None = None
        self._sequence, self._asked_s = 0, 0.0

    def open(self) -> CameraInfo:
        """Begin to listen. Raises CameraLost when another program does."""
        self.close()
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WAITING_BYTES)
            made.bind((LOOPBACK if self._peer == LOOPBACK else "", self._port))
            made.setblocking(False)
        except OSError as error:
            made.close()
            raise CameraLost(f"nobody can listen for a phone at port {self._port} ({error.strerror}); close other "
                             "programs that use one") from error
        self._socket, self._sequence, self._asked_s = made, 0, 0.0
        return CameraInfo(f"phone at {self._peer}", *CARD_SIZE, RATE_HZ, PHONE_FORMAT, live=True)

    def read(self, timeout_s: float = 2.0) -> Frame | None:
        """Return the newest face as a frame. Raises CameraLost when none comes in time."""
        end_s = time.monotonic() + timeout_s
        while (made := self._socket) is not None:
            self._ask(made)
            data = self._newest(made, max(0.0, min(SLICE_S, end_s - time.monotonic())))
            if data:
                stamp = Stamp(self._sequence, time.perf_counter_ns())
                self._sequence += 1
                return Frame(to_card(data), stamp)
            if time.monotonic() >= end_s:
                raise CameraLost(self._silence())
        raise CameraLost("the phone is closed; open it first")

    def close(self) -> None:
        """Stop listening; wakes a waiting `read` within a tenth of a second."""
        made, self._socket = self._socket, None
        if made is not None:
            made.close()

    def _silence(self) -> str:
        if self._peer == LOOPBACK:
            return (f"no phone sends anything through this computer's own port {self._port}; connect it by a cable "
                    "that passes this port on, or listen to its address in your network")
        return (f"the phone at {self._peer} sends nothing; start iFacialMocap there, and let it send to this machine, "
                f"port {self._port}")

    def _ask(self, made: socket.socket) -> None:
        now_s = time.monotonic()
        if self._peer != LOOPBACK and now_s - self._asked_s > ASK_S:
            self._asked_s = now_s
            try:
                made.sendto(REQUEST, (self._peer, self._port))
            except OSError:
                return  # It is not in the network now; asked again in a moment.

    def _newest(self, made: socket.socket, timeout_s: float) -> bytes:
        """Wait for datagrams, and return the newest good one of those that are there."""
        newest = b""
        try:
            if not select.select([made], [], [], timeout_s)[0]:
                return b""
            for _ in range(MOST_AT_ONCE):
                data, sender = made.recvfrom(MOST_BYTES + 1)
                if sender[0] == self._peer and parse(data) is not None:
                    newest = data
                    self._asked_s = time.monotonic()
        except (OSError, ValueError):
            # Nothing more is there, or it was closed meanwhile.
            return newest
        return newest


def place(spec: str) -> tuple[str, int]:
    """Return address and port of what is listened to. Raises BadInput, also where that is no address of a local
    network."""
    _, _, rest = spec.partition(":")
    if not rest:
        return LOOPBACK, PORT
    address, _, port = rest.rpartition(":") if "." in rest and ":" in rest else (rest, "", "")
    try:
        known = ipaddress.IPv4Address(address)
        number = int(port or PORT)
        if not 1024 <= number <= 65535 or known.is_global or known.is_multicast or known.is_unspecified:
            raise ValueError
    except ValueError:
        raise BadInput(f"{spec}: write it as phone, phone:192.168.1.20 or phone:192.168.1.20:{PORT}, with the address "
                       "in the local network that the app on the phone shows") from None
    return str(known), number
