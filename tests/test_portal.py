"""The PipeWire camera in a real browser, which gets it from the camera portal, as on a desktop."""

from __future__ import annotations

import http.server
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from pipewire_session import LIMIT_S, PERMISSIONS, PORTAL, SERVICES, pipewire
from stage import wait_until

from didlive.seams import StreamFormat
from didlive.sinks.pipewire import PipeWireSink
from didlive.sinks.recorder import PacedSink
from didlive.types import Frame, Stamp
from tests.ui.person import Screen

WIDTH, HEIGHT = 320, 240
COLOURS = ((200, 30, 90), (20, 160, 60))
_log = logging.getLogger(__name__)
SERVICE_NAMES = (PORTAL, PERMISSIONS, "org.freedesktop.impl.portal.desktop.gtk")
# Tells the name of the camera, then the colour in the middle of every picture that the browser shows.
PAGE = b"""<!doctype html><video id="video" muted playsinline></video><script>
const tell = text => fetch("/", {method: "POST", body: text});
const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
async function look() {
  const stream = await navigator.mediaDevices.getUserMedia({video: true});
  await tell(stream.getVideoTracks()[0].label);
  video.requestVideoFrameCallback(seen);
  video.srcObject = stream;
  await video.play();
}
async function seen() {
  canvas.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
  await tell(canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).join(" "));
  video.requestVideoFrameCallback(seen);
}
const again = error => tell(String(error)).then(() => setTimeout(begin, 200));
const begin = () => look().catch(again);
begin();
</script>"""


def absent() -> str:
    """Name what is not installed, or return an empty text."""
    missing = [name for name in ("chromium", "Xvfb", "openbox", "dbus-send") if shutil.which(name) is None]
    missing += [name for name in SERVICE_NAMES if not (SERVICES / f"{name}.service").exists()]
    return ", ".join(missing)


@contextmanager
def page() -> Iterator[tuple[str, list[str]]]:
    """Serve the page; give its address, and what it tells, which grows."""
    told: list[str] = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._answer(PAGE)

        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", told
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def browser(address: str, environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Chromium with a page, and say yes to its own question after the camera."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
               "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}/user",
               "--enable-features=WebRtcPipeWireCamera", "--use-fake-ui-for-media-stream", address]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            # Shown where the test fails.
            _log.warning("Chromium said: %s", (folder / "browser.log").read_text(errors="replace")[-3000:])


def image(colour: tuple[int, int, int]) -> Frame:
    return Frame(np.full((HEIGHT, WIDTH, 3), colour, np.uint8), Stamp(0, 0))


def near(text: str, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.array([int(level) for level in text.split()]) - colour).max() <= 8)


@pytest.mark.skipif(sys.platform != "linux", reason="PipeWire is for Linux")
def test_chromium_gets_the_camera_from_the_portal(tmp_path: Path):
    if missing := absent():
        pytest.skip(f"needs {missing} (see TEST_TOOLS and DEBIAN_TOOLS in the Makefile)")
    camera = PacedSink(PipeWireSink(), 30.0)
    with closing(Screen()) as screen, pipewire(screen.name) as session:
        session.bus()
        session.start()
        session.manage()
        camera.open(StreamFormat(WIDTH, HEIGHT, 30.0))
        try:
            camera.write(image(COLOURS[0]))
            session.grant()
            with page() as (address, told), browser(address, session.environment, tmp_path) as chromium:

                def shown(colour: tuple[int, int, int]) -> bool:
                    assert chromium.poll() is None, f"Chromium ended; its page told: {told}"
                    return "DidLive" in told and told[-1][0].isdigit() and near(told[-1], colour)

                try:
                    for colour in COLOURS:
                        camera.write(image(colour))
                        wait_until(lambda colour=colour: shown(colour), f"{colour} in the browser", LIMIT_S)
                finally:
                    _log.warning("the page told: %s", told[-20:])
        finally:
            camera.close()
