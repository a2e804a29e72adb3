"""Sound as arrays: files, other rates, loudness."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from ..errors import BadInput, reason
from ..sinks.sound import heard_blocks
from ..types import F32

# Longer than any performance that a portrait is asked for; keeps a broken file from filling the memory.
LONGEST_S = 4 * 3600
SUCH_AS = "use a WAV, FLAC, MP3 or any other file with sound"


def read_sound(path: Path, rate_hz: int) -> F32:
    """Return (n,) float32 mono -1..1 at `rate_hz` of any file with sound that FFmpeg reads; of a video from its first
    picture on, as `animate` gives it to what it writes. Raises BadInput."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}; check the name")
    blocks: list[F32] = []
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            if not container.streams.audio:
                raise BadInput(f"{path} has no sound; {SUCH_AS}")
            total = 0
            for block in heard_blocks(container, "mono", rate_hz):
                blocks.append(block[0])
                total += len(block[0])
                if total > LONGEST_S * rate_hz:
                    raise BadInput(f"{path} is longer than {LONGEST_S // 3600} hours; cut it")
    except (OSError, FFmpegError) as error:
        raise BadInput(f"{path} cannot be read as sound ({reason(error)}); {SUCH_AS}") from error
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(samples):
        raise BadInput(f"{path} holds no sound that can be read")
    return np.nan_to_num(samples.astype(np.float32))


def resampled(samples: F32, from_hz: int, to_hz: int) -> F32:
    """Return (n,) samples at another rate."""
    if from_hz == to_hz:
        return samples
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to_hz)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
    frame.sample_rate = from_hz
    blocks = [block.to_ndarray()[0] for block in [*resampler.resample(frame), *resampler.resample(None)]]
    return np.concatenate(blocks).astype(np.float32) if blocks else np.zeros(0, np.float32)
