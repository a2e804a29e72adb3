"""What runs in the guest of run.sh: didlive's own camera and virtual camera on the real kernel's devices."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from didlive.capture.listing import list_cameras
from didlive.capture.opencv import WebCamera
from didlive.seams import StreamFormat
from didlive.settings import CameraSettings
from didlive.sinks import v4l2
from didlive.sinks.v4l2 import V4L2Sink
from didlive.types import Frame, Stamp

SIDE_PX, RATE_HZ = 256, 10.0


def told(text: str) -> None:
    """Say what was found."""
    sys.stdout.write(f"## {text}\n")
    sys.stdout.flush()


def camera() -> None:
    """A real V4L2 camera is listed by name and gives pictures."""
    names = [choice.name for choice in list_cameras()]
    assert any("vivid" in name for name in names), names
    seen = WebCamera(CameraSettings(name="vivid", rate_hz=15.0))
    info = seen.open()
    frames = [seen.read(20.0) for _ in range(3)]
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
        time.sleep(1.0)
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


if __name__ == "__main__":
    for part in (camera, virtual_camera):
        part()
