"""The picture page: real HTTP on loopback, read by the standard library and by OpenCV."""

from __future__ import annotations

import http.client
import io
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from PIL import Image

from didlive.errors import OutputFailed
from didlive.seams import StreamFormat
from didlive.sinks.mjpeg import MOST_VIEWERS, MjpegSink
from didlive.sinks.recorder import PacedSink
from didlive.types import U8, Frame, Stamp
from tests.stage import wait_until

SIZE = 64
FORMAT = StreamFormat(SIZE, SIZE, 50.0)


def frame(number: int, channels: int = 3) -> Frame:
    """A picture whose grey level is its number; the right half is clear where it has alpha."""
    image = np.full((SIZE, SIZE, channels), number * 10 % 256, np.uint8)
    if channels == 4:
        image[:, :, 3] = np.where(np.arange(SIZE) < SIZE // 2, 255, 0)
    return Frame(image, Stamp(number, number))


@pytest.fixture
def sink() -> Iterator[MjpegSink]:
    """A page at a free port."""
    page = MjpegSink(port=0)
    page.open(FORMAT)
    yield page
    page.close()


def ask(sink: MjpegSink, path: str, host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(sink.place).netloc, timeout=10)
    try:
        connection.request("GET", path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


class Viewer:
    """Reads a stream part by part."""

    def __init__(self, sink: MjpegSink, kind: str = "mjpg") -> None:
        self.connection = http.client.HTTPConnection(urlsplit(sink.place).netloc, timeout=10)
        self.connection.request("GET", f"/stream.{kind}")
        self.answer = self.connection.getresponse()
        assert "multipart/x-mixed-replace" in self.answer.headers["Content-Type"]

    def next(self) -> U8:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.answer.read(1)
            if not byte:
                raise EOFError
            head += byte
        found = re.search(rb"Content-Length: (\d+)", head)
        assert found
        body = self.answer.read(int(found[1]))
        assert self.answer.read(2) == b"\r\n"
        return np.asarray(Image.open(io.BytesIO(body)))

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def test_nothing_is_encoded_when_nobody_looks(sink: MjpegSink):
    for number in range(20):
        sink.write(frame(number))
    assert (sink.encodings, sink.viewers, sink.written) == (0, 0, 20)
    status, headers, body = ask(sink, "/snapshot.png")
    assert status == 200 and headers["Content-Type"] == "image/png" and sink.encodings == 1
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(body))), frame(19).image)
    ask(sink, "/snapshot.png")
    assert sink.encodings == 1


def test_viewers_share_one_encoding_and_a_repeated_picture_needs_none(sink: MjpegSink):
    sink.write(frame(1))
    viewers = [Viewer(sink) for _ in range(3)]
    for viewer in viewers:
        assert abs(int(viewer.next().mean()) - 10) <= 1
    assert sink.viewers == 3 and sink.encodings == 1
    again = frame(2)
    for _ in range(5):
        sink.write(again)
        for viewer in viewers:
            assert abs(int(viewer.next().mean()) - 20) <= 1
    assert sink.encodings == 2
    for viewer in viewers:
        viewer.close()
    wait_until(lambda: (sink.write(again), sink.viewers == 0)[1], "the viewers' end")


def test_a_slow_viewer_blocks_nobody_and_sees_the_newest_picture(sink: MjpegSink):
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    sink.write(frame(0))
    slow, quick = Viewer(sink), Viewer(sink)
    slow.next()
    for number in range(500):
        sink.write(Frame(noise.copy(), Stamp(number, number)))
        quick.next()
    sink.write(frame(7))
    seen = 0
    while abs(int(slow.next().mean()) - 70) > 1:
        seen += 1
    assert seen < 400, "it was served every old picture"
    slow.close()
    quick.close()


def test_transparency_is_kept_by_webp_and_png_and_laid_over_black_in_jpeg():
    page = MjpegSink(port=0)
    page.open(StreamFormat(SIZE, SIZE, 50.0, alpha=True))
    try:
        page.write(frame(20, channels=4))
        clear = Viewer(page, "webp")
        got = clear.next()
        clear.close()
        assert got.shape == (SIZE, SIZE, 4) and got[5, 5, 3] == 255 and got[5, SIZE - 5, 3] == 0
        assert abs(int(got[5, 5, 0]) - 200) <= 3
        assert Image.open(io.BytesIO(ask(page, "/snapshot.png")[2])).mode == "RGBA"
        opaque = Viewer(page)
        got = opaque.next()
        opaque.close()
        assert abs(int(got[5, 5, 0]) - 200) <= 3 and got[5, SIZE - 5].max() <= 3
    finally:
        page.close()


def test_opencv_reads_the_stream_in_the_same_colours():
    paced = PacedSink(MjpegSink(port=0), 50.0)
    paced.open(FORMAT)
    try:
        colour = np.empty((SIZE, SIZE, 3), np.uint8)
        colour[:] = (200, 30, 90)
        paced.write(Frame(colour, Stamp(0, 0)))
        reader = cv2.VideoCapture(f"{paced.sink.place}stream.mjpg", cv2.CAP_FFMPEG)
        for _ in range(5):
            ok, picture = reader.read()
            assert ok and np.abs(picture[:, :, ::-1].astype(int) - colour).max() <= 6
        reader.release()
    finally:
        paced.close()
    assert paced.error is None


def test_the_page_shows_the_stream_and_other_sites_cannot(sink: MjpegSink):
    status, headers, body = ask(sink, "/")
    assert status == 200 and b'src="/stream.mjpg"' in body and headers["Content-Type"].startswith("text/html")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin" and headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    body = ask(sink, "/?alpha")[2]
    assert b'src="/stream.webp"' in body and b"transparent" in body
    assert ask(sink, "/../etc/passwd")[0] == 404


@pytest.mark.parametrize(("host", "status"), [
    ("localhost", 200), ("localhost:8590", 200), ("127.0.0.1:1", 200), ("[::1]:8590", 200), ("evil.example", 403),
    ("127.0.0.1.evil.example:8590", 403), ("", 403),
])
def test_a_name_that_was_pointed_here_is_refused(sink: MjpegSink, host: str, status: int):
    assert ask(sink, "/", host)[0] == status


def test_it_listens_on_loopback_only_unless_told_and_then_says_so(sink: MjpegSink):
    assert sink.place.startswith("http://127.0.0.1:") and sink.note == ""
    assert "everybody in your network" in MjpegSink(address="0.0.0.0").note
    assert MjpegSink(address="localhost").note == ""
    with pytest.raises(OutputFailed, match="no IP address"):
        MjpegSink(address="example").open(FORMAT)


def test_a_taken_port_is_said_and_a_free_one_can_be_had_again(sink: MjpegSink):
    port = urlsplit(sink.place).port
    assert port
    with pytest.raises(OutputFailed, match=f"port {port}.*choose another"):
        MjpegSink(port).open(FORMAT)
    with pytest.raises(OutputFailed, match="port 99999"):
        MjpegSink(99999).open(FORMAT)
    sink.close()
    again = MjpegSink(port)
    again.open(FORMAT)
    again.close()


def test_wrong_size_and_closed(sink: MjpegSink):
    with pytest.raises(OutputFailed, match="12x10"):
        sink.write(Frame(np.zeros((10, 12, 3), np.uint8), Stamp(0, 0)))
    with pytest.raises(OutputFailed, match="not open"):
        sink.write(frame(0))
    sink.open(FORMAT)
    with pytest.raises(OutputFailed, match="open already"):
        sink.open(FORMAT)
    sink.write(frame(0))


def test_closing_ends_every_connection_and_thread(sink: MjpegSink):
    sink.write(frame(1))
    viewer = Viewer(sink)
    viewer.next()
    mute = socket.create_connection(("127.0.0.1", urlsplit(sink.place).port or 0))
    before = [t for t in threading.enumerate() if "http" in t.name or "process_request" in t.name]
    assert len(before) >= 2
    sink.close()
    sink.abort()
    for thread in before:
        thread.join(2.0)
    assert [t for t in before if t.is_alive()] == []
    with pytest.raises((OSError, http.client.HTTPException, EOFError)):
        viewer.next()
    viewer.close()
    mute.close()


def test_there_is_a_limit_of_viewers(sink: MjpegSink):
    sink.write(frame(1))
    viewers = [Viewer(sink) for _ in range(MOST_VIEWERS)]
    with pytest.raises((http.client.HTTPException, OSError)):
        Viewer(sink)
    for viewer in viewers:
        viewer.next()
        viewer.close()
