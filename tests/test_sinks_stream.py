"""Streams to real servers on loopback: FFmpeg listening for RTMP, RTSP and SRT, and nginx with its RTMP module."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from didlive.errors import BadInput, OutputFailed
from didlive.seams import SOUND_HZ, AudioTap, StreamFormat
from didlive.sinks import encoders
from didlive.sinks.outputs import Outputs
from didlive.sinks.recorder import PacedSink
from didlive.sinks.stream import CARD, StreamSink
from didlive.types import F32, Frame, Stamp
from tests.stage import wait_until

SIZE, RATE_HZ = 64, 25.0
FORMAT = StreamFormat(SIZE, SIZE, RATE_HZ)
KEY = "very-secret-key"
RED = (200, 30, 40)
MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
# Receives a stream and says in JSON what came, once there were so many red pictures.
SERVER = textwrap.dedent("""
    import json, sys
    import av
    import numpy as np
    url, option, wanted = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    with av.open(url, options=option) as source:
        red, times = 0, []
        for picture in source.decode(video=0):
            if picture.pts is not None:  # RTSP tells the time a moment after the first pictures.
                times.append(float(picture.pts * picture.time_base))
            red += np.abs(picture.to_ndarray(format="rgb24").reshape(-1, 3).mean(0) - (200, 30, 40)).max() < 8
            if red >= wanted:
                break
        sound = [s.codec_context.name for s in source.streams.audio]
        print(json.dumps({"size": [picture.width, picture.height], "times": times, "sound": sound}), flush=True)
""")
LISTEN = {"rtmp": {"listen": "1"}, "rtsp": {"rtsp_flags": "listen", "listen_timeout": "30"}}


def red(number: int) -> Frame:
    image = np.empty((SIZE, SIZE, 3), np.uint8)
    image[:] = RED
    return Frame(image, Stamp(number, number))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextmanager
def server(url: str, options: dict[str, str], pictures: int = 10) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, url, json.dumps(options), str(pictures)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def patient(sink: Any) -> None:
    """Open a sink as soon as its server listens."""

    def opened() -> bool:
        try:
            sink.open(FORMAT)
        except OutputFailed as error:
            assert "refused" in str(error)
            return False
        return True

    wait_until(opened, "the server's start")


def hum() -> AudioTap:
    """A microphone that hears a tone, from now on."""
    heard = 0
    begun_ns = time.perf_counter_ns()

    def read() -> tuple[F32, int] | None:
        nonlocal heard
        there = (time.perf_counter_ns() - begun_ns) * SOUND_HZ // 1_000_000_000 - heard
        if there < 480:
            return None
        at_ns = begun_ns + heard * 1_000_000_000 // SOUND_HZ
        samples = np.sin(2 * np.pi * 440 * np.arange(heard, heard + there) / SOUND_HZ).astype(np.float32)
        heard += there
        return samples, at_ns

    return read


def in_real_time(out: str) -> bool:
    """Whether what a server said it got is the picture, in whole beats, with sound."""
    seen = json.loads(out)
    # RTMP counts in milliseconds; what came late was left out.
    return seen["size"] == [SIZE, SIZE] and seen["sound"] == ["aac"] and bool((np.diff(seen["times"]) > 0.03).all())


def test_an_rtsp_server_gets_picture_and_sound_in_real_time():
    url = f"rtsp://127.0.0.1:{free_port()}/live/{KEY}"
    paced = PacedSink(StreamSink(url, audio=hum()), RATE_HZ)
    with server(url, LISTEN["rtsp"]) as process:
        patient(paced)
        try:
            paced.write(red(0))
            out, err = process.communicate(timeout=60)
        finally:
            paced.close()
    assert out, err
    assert in_real_time(out)


def test_srt_goes_through_ffmpeg_and_shows_no_secret_in_its_arguments(tmp_path: Path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the ffmpeg program with SRT")
    listener = f"srt://127.0.0.1:{free_port()}?mode=listener&passphrase={KEY}"
    # By itself ffmpeg looks at a stream for five seconds before it takes it.
    command = ["ffmpeg", "-loglevel", "error", "-analyzeduration", "300000", "-i", listener, "-frames:v", "10"]
    receiver = subprocess.Popen([*command, "-c", "copy", str(tmp_path / "got.mkv")],
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    paced = PacedSink(StreamSink(listener.replace("listener", "caller")), RATE_HZ)
    try:
        wait_until(lambda: _opens(paced), "the server's start")
        arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _is_child(path)]
        assert any(b"srt://" in text for text in arguments) and all(KEY.encode() not in text for text in arguments)
        paced.write(red(0))
        receiver.communicate(timeout=60)
    finally:
        paced.close()
        receiver.kill()
        receiver.communicate()
    with av.open(str(tmp_path / "got.mkv")) as film:
        pictures = [picture.to_ndarray(format="rgb24") for picture in film.decode(video=0)]
    # Until the server has answered, it is sent a grey card.
    off = [min(np.abs(picture.astype(int) - colour).max() for colour in (RED, (CARD,) * 3)) for picture in pictures]
    assert len(off) == 10 and max(off) < 8


def _is_child(path: Path) -> bool:
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return b"-fpre" in text and b"127.0.0.1" in text


def _opens(sink: PacedSink) -> bool:
    try:
        sink.open(FORMAT)
    except OutputFailed as error:
        assert KEY not in str(error)
        return False
    return True


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[int]:
    """A real RTMP server that takes streams of the application `live` only."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if program is None or not MODULE.exists():
        pytest.skip("needs nginx with its RTMP module (apt-get install nginx-light libnginx-mod-rtmp)")
    port = free_port()
    (tmp_path / "nginx.conf").write_text(textwrap.dedent(f"""
        load_module {MODULE};
        daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
        events {{ }}
        rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}
    """))
    process = subprocess.Popen([program, "-p", str(tmp_path), "-c", "nginx.conf"], stderr=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, "nginx")
        yield port
    finally:
        process.terminate()
        process.wait()


def test_nginx_passes_the_stream_on_and_refuses_a_wrong_application(nginx: int):
    url = f"rtmp://127.0.0.1:{nginx}/live/{KEY}"
    paced = PacedSink(StreamSink(url), RATE_HZ)
    # Who is there already need not wait for the next keyframe.
    with server(url, {"analyzeduration": "300000"}) as viewer:
        paced.open(FORMAT)
        try:
            paced.write(red(0))
            out, err = viewer.communicate(timeout=60)
        finally:
            paced.close()
    assert out, err
    assert json.loads(out)["sound"] == ["aac"]
    assert paced.error is None
    with pytest.raises(OutputFailed, match="refused the stream; check") as caught:
        StreamSink(f"rtmp://127.0.0.1:{nginx}/wrong/{KEY}").open(FORMAT)
    assert KEY not in str(caught.value)


def test_an_rtmp_server_gets_the_picture_in_real_time_and_when_lost_it_is_said_without_the_key_and_taken_again():
    port = free_port()
    url = f"rtmp://127.0.0.1:{port}/live/{KEY}"
    paced = PacedSink(StreamSink(url), RATE_HZ)
    outputs = Outputs([paced], FORMAT)
    with server(url, LISTEN["rtmp"]) as process:
        wait_until(lambda: not _failed(outputs), "the server's start")
        outputs.write(red(0))
        # RTMP servers want sound, also from who has no microphone.
        assert in_real_time(process.communicate(timeout=60)[0])
    wait_until(lambda: outputs.problem, "the loss")
    assert KEY not in outputs.problem and f"127.0.0.1:{port}" in outputs.problem and "\n" not in outputs.problem
    with server(url, LISTEN["rtmp"], 5) as process:
        wait_until(lambda: (outputs.reopen_lost(red(0)), not outputs.problem)[1], "the return")
        assert process.communicate(timeout=60)[0]
    outputs.close()


def _failed(outputs: Outputs) -> bool:
    try:
        outputs.open()
    except OutputFailed:
        return True
    return False


def test_nobody_there_is_said_at_once():
    url = f"rtmp://127.0.0.1:{free_port()}/live/{KEY}"
    sink = StreamSink(url)
    with pytest.raises(OutputFailed, match=r"^rtmp://127\.0\.0\.1:\d+: Connection refused$"):
        sink.open(FORMAT)
    assert sink.place == url[:url.index("/live")]
    sink.close()
    with pytest.raises(OutputFailed, match="not open"):
        sink.write(red(0))


def test_an_encoder_that_does_not_open_is_said(monkeypatch: pytest.MonkeyPatch):
    """A graphics card that encodes files may refuse a stream's options."""
    monkeypatch.setitem(encoders.PROMPT, encoders.SOFTWARE, {"preset": "none of them"})
    with socket.create_server(("127.0.0.1", 0)) as quiet:
        sink = StreamSink(f"rtmp://127.0.0.1:{quiet.getsockname()[1]}/live/{KEY}", encoder="processor")
        with pytest.raises(OutputFailed, match=r"libx264 does not encode .*processor") as caught:
            sink.open(FORMAT)
    assert KEY not in str(caught.value)
    wait_until(lambda: not any(t.name.startswith("didlive-stream") for t in threading.enumerate()), "the threads' end")


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.sinks.stream.CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(OutputFailed, match="does not answer"):
        StreamSink(f"rtmp://127.0.0.1:{mute.getsockname()[1]}/live/{KEY}").open(FORMAT)


def test_a_server_that_takes_nothing_any_more_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.sinks.stream.PATIENCE_S", 0.5)
    url = f"rtmp://127.0.0.1:{free_port()}/live/{KEY}"
    random = np.random.default_rng(0)
    with server(url, LISTEN["rtmp"], 10_000) as process:
        sink = StreamSink(url, bitrate_kbps=200_000)
        patient(sink)
        process.send_signal(signal.SIGSTOP)
        big = 0
        with pytest.raises(OutputFailed, match=r"takes nothing since 0\.5 s"):
            while big < 100_000:
                sink.write(Frame(random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8), Stamp(big, big)))
                big += 1
        process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1/x", "rtmp://", "rtmp://a b/x", f"{KEY}", "rtmp://h:99999/x",
                                 "rtmp://h/\x07"])
def test_what_is_no_address_is_refused_without_repeating_it(url: str):
    with pytest.raises(BadInput, match="no address of a stream") as caught:
        StreamSink(url)
    assert KEY not in str(caught.value)
