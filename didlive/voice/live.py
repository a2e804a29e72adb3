"""The voice of a running show: a microphone, the speaking face it makes, and its place beside the camera."""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..seams import SOUND_HZ, AudioTap
from ..settings import VoiceSettings
from ..types import F32, Frame, Motion, Stamp, Tracking
from .align import Aligner
from .fusion import Fusion
from .listener import Listener
from .mouth import JAW, LAG_S, Mouth
from .said import Said
from .sight import MouthSight

if TYPE_CHECKING:
    from ..capture.microphone import Microphone

# Faces are kept this long: a picture may come later than its sound.
KEPT_S = 1.0
# A face is shown no longer than this; then the voice is away.
STALE_S = 0.3
JUMP_NS = 50_000_000
TAPS = 48
_log = logging.getLogger(__name__)


class Decimator:
    """48 kHz to 16 kHz, block by block: a windowed sinc below 7.2 kHz, then every third sample."""

    def __init__(self) -> None:
        t = np.arange(TAPS + 1) - TAPS / 2
        kernel = np.sinc(2 * 7200 / SOUND_HZ * t) * np.hamming(TAPS + 1)
        self._kernel = (kernel / kernel.sum()).astype(np.float32)
        self._past = np.zeros(TAPS, np.float32)
        self._phase = 0

    def push(self, samples: F32) -> F32:
        """Return what (n,) samples become, TAPS / 2 samples of SOUND_HZ (half a millisecond) late."""
        heard = np.concatenate([self._past, samples])
        smooth = np.convolve(heard, self._kernel, "valid").astype(np.float32)
        self._past = heard[len(heard) - TAPS:]
        out = smooth[self._phase::3]
        self._phase = (self._phase - len(smooth)) % 3
        return out


def open_voice(settings: VoiceSettings) -> Voice:
    """Return the voice of the microphone that the settings name; `start` opens it. Raises BadInput where microphones
    cannot be used, MicrophoneLost when there is none of that name now."""
    from ..capture.microphone import Microphone, choose_microphone

    choose_microphone(settings.microphone)
    return Voice(Microphone(settings.microphone), settings)


class Voice:
    """Hears one microphone from `start` to `close`. `fuse` is called by the thread that tracks, `look` before it; all
    else by any thread.

    problem: why the voice does not work, or "". microphone: level, clipping, mute.
    """

    def __init__(self, microphone: Microphone, settings: VoiceSettings, listener: Listener | None = None) -> None:
        self.microphone = microphone
        self._listener = listener or Listener()
        self._fusion, self._sight, self._aligner = Fusion(), MouthSight(), Aligner()
        self._faces: deque[tuple[int, Mouth]] = deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._confidence, self._sequence = 0.0, -1
        self.failure = ""
        self.configure(settings)

    @property
    def problem(self) -> str:
        """Why nothing is heard, or an empty string."""
        return self.failure or self.microphone.reason

    @property
    def provider(self) -> str:
        """What runs the speech network."""
        return self._listener.provider

    @property
    def share(self) -> float:
        """How far the voice moves the mouth now, 0..1."""
        return self._fusion.share

    @property
    def said(self) -> Said | None:
        """What the voice did in the last frame."""
        return self._fusion.said

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks now."""
        newest = self._newest()
        return newest is not None and newest[1].speech > 0.5

    def start(self) -> None:
        """Open the microphone and listen. Raises BadInput where PortAudio is missing."""
        self.microphone.start()
        self._thread = threading.Thread(target=self._run, name="didlive-lips", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; may be called twice."""
        self._stopping.set()
        self.microphone.close()
        if self._thread is not None:
            self._thread.join(2.0)

    def configure(self, settings: VoiceSettings) -> None:
        """Change the settings, but for the microphone's name: that is another voice."""
        self._settings = settings
        self.microphone.muted, self.microphone.push_to_talk = settings.muted, settings.push_to_talk

    @property
    def delay_ms(self) -> float:
        """By how much the sound of recordings and streams is delayed so that it fits the picture of the camera."""
        measured = (self._aligner.delay_s or 0.0) if self._settings.align else 0.0
        return 1000 * measured + self._settings.offset_ms

    @property
    def delay_known(self) -> bool:
        """Whether the delay of the picture was measured yet."""
        return self._aligner.delay_s is not None

    def tap(self) -> AudioTap:
        """Return a reader of the microphone's sound, dated so that it fits the picture."""
        read = self.microphone.tap()

        def delayed() -> tuple[F32, int] | None:
            block = read()
            return None if block is None else (block[0], block[1] + round(self.delay_ms * 1e6))

        return delayed

    # For the thread that tracks

    def look(self, frame: Frame, tracking: Tracking | None) -> None:
        """See how far the tracked mouth of this frame can be believed. Nothing of the picture is kept but a few numbers
        on how this performer's mouth usually looks, in memory."""
        face = None if tracking is None else tracking.face
        self._confidence = self._sight.confidence(frame.image, face)
        if face is not None:
            self._aligner.see(frame.stamp.captured_ns * 1e-9, float(face.blendshapes[JAW]))
            self._aligner.update(frame.stamp.captured_ns * 1e-9)

    @property
    def newest_ns(self) -> int | None:
        """The time of the newest sound whose face is known; None while nothing is heard."""
        newest = self._newest()
        return None if newest is None or time.perf_counter_ns() - newest[0] > STALE_S * 1e9 else newest[0]

    def fuse(self, motion: Motion | None, stamp: Stamp, tracked: bool, seed: int) -> Motion | None:
        """Return the motion with the voice in it. tracked: there was a camera frame."""
        return self._fusion.fuse(motion, self._confidence if tracked else 0.0, self._face_at(stamp.captured_ns), stamp,
                                 self._settings, seed)

    def forget_performer(self) -> None:
        """Another person or camera comes: whose mouth it was is forgotten."""
        self._sight.reset()
        self._fusion = Fusion()

    def _newest(self) -> tuple[int, Mouth] | None:
        with self._lock:
            return self._faces[-1] if self._faces else None

    def _face_at(self, time_ns: int) -> Mouth | None:
        """Return the newest face that is not after this time; of those since the frame before, the lips of the most
        closed: a p must not fall between two frames."""
        with self._lock:
            faces = list(self._faces)
        at = bisect_right([when for when, _ in faces], time_ns) - 1
        if at < 0 or time_ns - faces[at][0] > STALE_S * 1e9:
            return None
        chosen = faces[at][1]
        closed = max(faces[max(0, at - 2):at + 1], key=lambda face: face[1].contact)[1]
        return replace(chosen, contact=closed.contact)

    # The thread that listens

    def _run(self) -> None:
        try:
            self._listen()
        # The top of a thread: what nobody foresaw is logged, and the show goes on without the voice.
        except Exception as error:  # noqa: BLE001
            _log.exception("the voice stopped")
            self.failure = f"the voice stopped ({type(error).__name__}: {error})"
        finally:
            self._listener.close()

    def _listen(self) -> None:
        read, decimator = self.microphone.tap(), Decimator()
        heard, expected_ns = 0, -JUMP_NS
        while not self._stopping.is_set():
            block = read()
            if block is None:
                self.microphone.ring.wait(self.microphone.ring.written, 0.1)
                continue
            samples, at_ns = block
            if abs(at_ns - expected_ns) >= JUMP_NS:
                # Sound is missing: begin anew.
                self._listener.reset()
                decimator, heard = Decimator(), 0
            # The device's clock and ours drift apart: faces are dated by the newest block.
            start_ns = at_ns - round(heard * 1e9 / SOUND_HZ)
            heard += len(samples)
            expected_ns = at_ns + round(len(samples) * 1e9 / SOUND_HZ)
            self._keep(self._listener.push(decimator.push(samples)), start_ns)

    def _keep(self, mouths: list[Mouth], start_ns: int) -> None:
        for mouth in mouths:
            # Smoothing shows each moment a little late: it is dated as what it shows.
            at_ns = start_ns + round((mouth.time_s - LAG_S) * 1e9)
            self._aligner.hear(at_ns * 1e-9, float(mouth.rises[JAW]))
            with self._lock:
                self._faces.append((at_ns, mouth))
                while self._faces[-1][0] - self._faces[0][0] > KEPT_S * 1e9:
                    self._faces.popleft()
