"""What runs in the guest of run.sh: didlive's own camera, virtual camera and microphone on the real kernel's devices.
The machine may be slow as can be: everything waits for what has to happen, and for long."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

# Read by OpenCV when it is loaded: how long a picture may take.
os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = "300"

import av
import cv2
import numpy as np
import sounddevice

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from didlive.capture.listing import list_cameras
from didlive.capture.microphone import Microphone
from didlive.capture.opencv import WebCamera
from didlive.seams import SOUND_HZ, StreamFormat
from didlive.settings import CameraSettings
from didlive.sinks import v4l2
from didlive.sinks.v4l2 import V4L2Sink
from didlive.sinks.video import Mp4Sink
from didlive.types import Frame, Stamp

SIDE_PX, RATE_HZ = 256, 10.0
PATIENCE_S = 300.0
TONE_HZ, HEARD_S = 440.0, 2.0


def told(text: str) -> None:
    """Say what was found."""
    sys.stdout.write(f"## {text}\n")
    sys.stdout.flush()


def wait_for(condition: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait for something that has to happen."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, f"it did not happen: {what()}"
        time.sleep(0.02)


def camera() -> None:
    """A real V4L2 camera is listed by name and gives pictures."""
    names = [choice.name for choice in list_cameras()]
    assert any("vivid" in name for name in names), names
    seen = WebCamera(CameraSettings(name="vivid", rate_hz=15.0))
    info = seen.open()
    frames = [seen.read(PATIENCE_S) for _ in range(3)]
    seen.close()
    assert all(frame is not None and frame.image.shape == (info.height, info.width, 3) for frame in frames)
    assert frames[-1] is not None and frames[-1].image.std() > 10
    told(f"camera {info.name!r}, {info.width}x{info.height}, {info.pixel_format}")


def virtual_camera() -> None:
    """What goes into v4l2loopback comes out of it."""
    assert v4l2.problem() == ("", ""), v4l2.problem()
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    image = np.dstack([x, y, np.full_like(x, 90)]).astype(np.uint8)
    sink, stop = V4L2Sink(), threading.Event()
    sink.open(StreamFormat(SIDE_PX, SIDE_PX, RATE_HZ))

    def write() -> None:
        number = 0
        while not stop.wait(1 / RATE_HZ):
            sink.write(Frame(image, Stamp(number, time.perf_counter_ns())))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_for(lambda: sink.written > 1, lambda: "a picture")
        reader = cv2.VideoCapture("/dev/video9", cv2.CAP_V4L2)
        got = [reader.read() for _ in range(4)]
        reader.release()
    finally:
        stop.set()
        writer.join()
        sink.close()
    assert all(ok for ok, _ in got)
    error = np.abs(got[-1][1][:, :, ::-1].astype(int) - image).mean()
    assert error < 2, error
    told(f"virtual camera {sink.place}, {sink.written} pictures written, mean error {error:.2f}")


class Tone:
    """Plays a sine into one end of the sound loopback; what is played there is heard at the other end."""

    def __init__(self) -> None:
        self.played = 0
        device = next(i for i, d in enumerate(sounddevice.query_devices()) if "Loopback" in d["name"]
                      and ",0)" in d["name"] and d["max_output_channels"])
        self.stream = sounddevice.OutputStream(device=device, samplerate=SOUND_HZ, channels=1, dtype="float32",
                                               latency=0.5, callback=self._more)

    def _more(self, block: np.ndarray, count: int, times: object, status: object) -> None:
        at = self.played + np.arange(count)
        block[:] = 0.5 * np.sin(2 * np.pi * TONE_HZ * at / SOUND_HZ)[:, None]
        self.played += count


def recording() -> None:
    """A recording has what a real ALSA device captured as its sound track."""
    heard = Microphone("(hw:0,1)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        heard.start()
        # Looking for microphones begins PortAudio anew, so that a tone that played before would end.
        wait_for(lambda: heard.open, lambda: f"a microphone ({heard.reason})")
        with Tone().stream:
            wait_for(lambda: heard.level > 0.5, lambda: f"a sound ({heard.reason}, {heard.ring.written})")
            sink, number = Mp4Sink(path, audio=heard.tap(), real_time=True), 0
            sink.open(StreamFormat(SIDE_PX, SIDE_PX, RATE_HZ))
            begun, image = heard.ring.written, np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)
            while heard.ring.written - begun < HEARD_S * SOUND_HZ:
                sink.write(Frame(image, Stamp(number, time.perf_counter_ns())))
                number += 1
                time.sleep(1 / RATE_HZ)
            sink.close()
        heard.close()
        with av.open(str(path)) as film:
            sound = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
    loudest = max(range(0, len(sound) - 4800, 480), key=lambda at: np.abs(sound[at:at + 4800]).sum())
    spectrum = np.abs(np.fft.rfft(sound[loudest:loudest + 4800] * np.hanning(4800)))
    # Emulated, the guest may be too slow for much of it.
    assert abs(spectrum.argmax() * SOUND_HZ / 4800 - TONE_HZ) <= 10, spectrum.argmax()
    there = np.mean(np.abs(sound) > 0.05)
    told(f"microphone {heard.device!r}: a tone of {TONE_HZ:g} Hz in {len(sound) / SOUND_HZ:.1f} s of a recording, "
         f"{100 * there:.0f} % loud")


if __name__ == "__main__":
    for part in (camera, virtual_camera, recording):
        part()
