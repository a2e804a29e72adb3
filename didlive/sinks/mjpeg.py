"""The picture as a web page on this machine, for a browser source of OBS, a media player or an `<img>`."""

from __future__ import annotations

import ipaddress
import os
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np

from ..errors import OutputFailed, reason
from ..seams import StreamFormat
from ..types import U8
from .live import LiveSink

PORT = 8590
LOOPBACK = "127.0.0.1"
MOST_VIEWERS = 16
# A viewer that takes nothing for so long is let go.
PATIENCE_S = 5.0
# The system holds less than two pictures for a slow viewer, so that what it shows is not old.
SEND_BYTES = 128 << 10
QUALITY = 85
BOUNDARY = "didlive-picture"
PAGE = """<!doctype html><meta charset="utf-8"><title>didlive</title>
<style>html,body{{margin:0;height:100%;background:{background}}}
img{{width:100%;height:100%;object-fit:contain;display:block}}</style>
<img src="/stream.{kind}" alt="didlive">
"""
# Other web sites can neither show nor read the picture.
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
TYPES = {"mjpg": "image/jpeg", "webp": "image/webp", "png": "image/png"}


def encoded(image: U8, kind: str) -> bytes:
    """Return a picture (H, W, 3 or 4) RGB(A) as the bytes of a JPEG (`mjpg`; laid over black), WebP or PNG file."""
    alpha = image.shape[2] == 4
    if kind == "mjpg":
        if alpha:
            cover = cv2.cvtColor(image[:, :, 3], cv2.COLOR_GRAY2RGB)
            image = np.asarray(cv2.multiply(image[:, :, :3], cover, scale=1 / 255), np.uint8)
        suffix, options = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    else:
        suffix = f".{kind}"
        options = [cv2.IMWRITE_WEBP_QUALITY, QUALITY] if kind == "webp" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.imencode(suffix, cv2.cvtColor(image, order), options)[1].tobytes()


class Shown(NamedTuple):
    """A picture and its number; each showing counts, also of the same picture."""

    number: int
    image: U8


class Gallery:
    """The newest picture, for any number of viewers: encoded when the first asks, once for all, and never for nobody.

    encodings: how many pictures were encoded.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._encoding = threading.Lock()
        self._newest: Shown | None = None
        self._done: dict[str, tuple[U8, bytes]] = {}
        self._closed = False
        self.encodings = 0

    def show(self, image: U8) -> None:
        """Put up the next picture; never waits for a viewer."""
        with self._changed:
            self._newest = Shown(self._newest.number + 1 if self._newest else 1, image)
            self._changed.notify_all()

    def next(self, after: int, timeout_s: float) -> Shown | None:
        """Wait for a picture with a number above `after`; None when there is none in time or all is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._newest and self._newest.number > after), timeout_s)
            return None if self._closed or self._newest is None or self._newest.number <= after else self._newest

    def encoded(self, image: U8, kind: str) -> bytes:
        """Return the picture as a file of this kind."""
        with self._encoding:
            known = self._done.get(kind)
            if known is None or known[0] is not image:
                self.encodings += 1
                known = self._done[kind] = (image, encoded(image, kind))
            return known[1]

    def close(self) -> None:
        """Send all viewers home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether all is over."""
        return self._closed


class _Visit(BaseHTTPRequestHandler):
    """One request. The server reads no file and keeps no log."""

    timeout = PATIENCE_S
    server_version, sys_version = "didlive", ""

    @property
    def gallery(self) -> Gallery:
        """What there is to see."""
        assert isinstance(self.server, _Server)
        return self.server.gallery

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the requests of a local page interest nobody."""

    def do_GET(self) -> None:
        """Answer."""
        path, _, query = self.path.partition("?")
        if not self._invited():
            self.send_error(403, "Ask for 127.0.0.1 or localhost")
        elif path in ("/", "/index.html"):
            clear = "alpha" in query.split("&")
            page = PAGE.format(background="transparent" if clear else "#000", kind="webp" if clear else "mjpg")
            self._send("text/html; charset=utf-8", page.encode())
        elif path in ("/stream.mjpg", "/stream.webp"):
            self._stream(path.rpartition(".")[2])
        elif path == "/snapshot.png":
            shown = self.gallery.next(0, PATIENCE_S)
            if shown is None:
                self.send_error(503, "There is no picture yet")
            else:
                self._send("image/png", self.gallery.encoded(shown.image, "png"))
        else:
            self.send_error(404)

    def _invited(self) -> bool:
        """Whether the browser was sent here by an address: a foreign web site that points its own name here
        (DNS rebinding) shows itself by that name."""
        name = self.headers.get("Host", "").strip()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name == "localhost":
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _send(self, kind: str, body: bytes) -> None:
        self._begin(kind, len(body))
        self.wfile.write(body)

    def _begin(self, kind: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, kind: str) -> None:
        """Send picture after picture; what comes while the viewer is busy is left out."""
        gallery, number = self.gallery, 0
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        self._begin(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        while not gallery.closed:
            shown = gallery.next(number, PATIENCE_S)
            if shown is None:
                continue
            number, body = shown.number, gallery.encoded(shown.image, kind)
            head = f"--{BOUNDARY}\r\nContent-Type: {TYPES[kind]}\r\nContent-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode() + body + b"\r\n")


class _Server(ThreadingHTTPServer):
    """One thread for each viewer, and a limit of viewers: `viewers` holds their connections."""

    daemon_threads = True
    # On Windows this would let two programs have one port.
    allow_reuse_address = os.name == "posix"

    def __init__(self, address: str, port: int, gallery: Gallery) -> None:
        self.gallery = gallery
        self.viewers: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        self._where = (address, port)
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), _Visit)

    def server_bind(self) -> None:
        """Take the port, without asking anybody for the name of this machine."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self._where

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one viewer."""
        with self._guard:
            full = len(self.viewers) >= MOST_VIEWERS or self.gallery.closed
            if not full:
                self.viewers[request] = threading.current_thread()
        if full:
            self.shutdown_request(request)
            return
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                self.viewers.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that went away is no news; anything else is a bug and goes on to the log of threads."""
        if not isinstance(sys.exc_info()[1], OSError):
            raise

    def send_home(self) -> None:
        """End every connection, also one whose viewer takes nothing, and wait for the threads."""
        with self._guard:
            viewers = dict(self.viewers)
        for connection in viewers:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in viewers.values():
            thread.join(1.0)


class MjpegSink(LiveSink):
    """Serves the picture over HTTP: a page (`/`, or `/?alpha` with transparency), `/stream.mjpg`, `/stream.webp` (keeps
    transparency) and `/snapshot.png`.

    address: where to listen, as an IP address; anything but the default lets others in the network watch, and `note`
    says so. port: 0 takes a free one. `place` is the page's address, `viewers` how many look. Raises OutputFailed.
    """

    kind = "picture page"
    carries_alpha: ClassVar[bool] = True

    def __init__(self, port: int = PORT, address: str = LOOPBACK) -> None:
        super().__init__()
        self.port, self.address = port, LOOPBACK if address == "localhost" else address
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def note(self) -> str:
        """A warning when more than this machine can watch, else an empty string."""
        if ipaddress.ip_address(self.address).is_loopback:
            return ""
        return f"everybody in your network can watch the picture at port {self.port}; nothing protects it"

    @property
    def viewers(self) -> int:
        """How many connections there are now."""
        return len(self._server.viewers) if self._server is not None else 0

    @property
    def encodings(self) -> int:
        """How many pictures were encoded since it was opened."""
        return self._server.gallery.encodings if self._server is not None else 0

    def _begin(self, stream: StreamFormat) -> None:
        try:
            ipaddress.ip_address(self.address)
        except ValueError as error:
            raise OutputFailed(f"{self.address!r} is no IP address; use {LOOPBACK}, or 0.0.0.0 for the whole network"
                               ) from error
        try:
            self._server = server = _Server(self.address, self.port, Gallery())
        except (OSError, OverflowError) as error:
            raise OutputFailed(f"the picture page cannot use port {self.port} of {self.address} ({reason(error)}); "
                               "choose another port") from error
        name = f"[{self.address}]" if ":" in self.address else self.address
        self.place = f"http://{name}:{server.server_address[1]}/"
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="didlive-http", daemon=True)
        self._thread.start()

    def _show(self, image: U8) -> None:
        assert self._server is not None
        self._server.gallery.show(image)

    def _release(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.gallery.close()
        if self._thread is not None:
            server.shutdown()
            self._thread.join()
            self._thread = None
        server.send_home()
        server.server_close()
