"""VP9 video in a WebM file, which may be transparent: for editors, browsers and OBS."""

from __future__ import annotations

from typing import ClassVar

import av
import numpy as np
from av.container import OutputContainer

from ..seams import StreamFormat
from ..types import U8
from .film import Film

# A WebM counts in milliseconds.
CLOCK_HZ = 1000
FINAL = {"fflags": "+bitexact", "cues_to_front": "1"}
# Short clusters, so that a crash costs less than a second.
LIVE = {"fflags": "+bitexact", "cluster_time_limit": "250", "flush_packets": "1"}
QUALITY = 20
THREADS = 2


class WebmSink(Film):
    """Writes VP9 (4:2:0, BT.709 limited range; transparency as a plane of its own) and sound as Opus; see `Film`."""

    carries_alpha: ClassVar[bool] = True
    kind, options, clock_hz, sound_codec = "webm", (FINAL, LIVE), CLOCK_HZ, "libopus"

    def _add_video(self, container: OutputContainer, stream: StreamFormat) -> av.VideoStream:
        pace = {"deadline": "realtime", "cpu-used": "7"} if self.real_time else {"deadline": "good", "cpu-used": "3"}
        # Without these the encoder holds pictures back, and cannot do transparency.
        prompt = {"lag-in-frames": "0", "auto-alt-ref": "0"}
        video = container.add_stream("libvpx-vp9", rate=self._rate, options=pace | prompt | {
            "crf": str(QUALITY), "b": "0", "row-mt": "0"})
        assert isinstance(video, av.VideoStream)
        video.pix_fmt = "yuva420p" if stream.alpha else "yuv420p"
        video.codec_context.thread_count = THREADS
        return video

    def _shown(self, image: U8) -> U8:
        if not self._alpha:
            return image[:, :, :3]
        return image if image.shape[2] == 4 else np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
