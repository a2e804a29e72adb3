"""What makes H.264: the graphics card where one of its encoders really opens, else the processor."""

from __future__ import annotations

import functools
from fractions import Fraction

import av
import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from ..errors import reason

SOFTWARE = "libx264"
# Encoder -> what people call it, and the options for a quality like x264's crf 18 to 20. In the order to try them.
HARDWARE = {
    "h264_nvenc": ("NVIDIA", {"preset": "p4", "rc": "vbr", "cq": "20", "b": "0"}),
    "h264_videotoolbox": ("Apple", {"q": "70", "realtime": "1"}),
    "h264_qsv": ("Intel", {"global_quality": "20", "preset": "veryfast"}),
    "h264_amf": ("AMD", {"rc": "cqp", "qp_i": "20", "qp_p": "22"}),
}
# For a stream: no picture waits for the next one, and the rate is kept.
PROMPT = {
    SOFTWARE: {"preset": "veryfast", "tune": "zerolatency"},
    "h264_nvenc": {"preset": "p4", "tune": "ull", "rc": "cbr", "zerolatency": "1"},
    "h264_videotoolbox": {"realtime": "1"},
    "h264_qsv": {"preset": "veryfast", "async_depth": "1"},
    "h264_amf": {"usage": "ultralowlatency", "rc": "cbr"},
}
TRIAL_PX = (512, 512)


def why_not(name: str, size: tuple[int, int] = TRIAL_PX) -> str:
    """Return why an encoder cannot be used here for pictures of `size` (width, height) px, or "": it is opened, and
    encodes a picture."""
    try:
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = size
        context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 30), Fraction(30)
        context.options = HARDWARE[name][1] if name in HARDWARE else {}
        picture = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 128, np.uint8), format="rgb24")
        packets = []
        for number in range(3):
            frame = picture.reformat(format="yuv420p")
            frame.pts = number
            packets += context.encode(frame)
        packets += context.encode(None)
    except (FFmpegError, OSError, ValueError) as error:
        return reason(error)
    return "" if packets else "it made nothing"


@functools.cache
def _hardware() -> str:
    return next((name for name in HARDWARE if not why_not(name)), "")


def chosen(preference: str, size: tuple[int, int]) -> str:
    """Return the encoder to use for pictures of `size`: `auto` prefers the graphics card's, `processor` never does.

    The first call tries what there is, which takes some hundredths of a second, on some machines half a second.
    """
    hardware = _hardware() if preference == "auto" else ""
    return hardware if hardware and not why_not(hardware, size) else SOFTWARE
