"""Microphones through PortAudio: found by name, opened again and again when they are lost. The only file that imports
sounddevice."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..errors import BadInput, DidliveError
from ..seams import SOUND_HZ, AudioTap
from ..types import F32
from .ring import SoundRing

BLOCK = 480
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 4.0
# A device that gives nothing for so long is gone.
SILENT_S = 1.0
# How often a sound server is asked whether the microphone is still there.
LOOK_S = 2.0
# From this peak on the sound clips; the window shows it so long.
CLIPPING, SHOWN_S = 0.985, 0.5
LOWEST_DB, FALL_DB_PER_S = -60.0, 30.0
# PortAudio's devices for the sound servers of Linux, and the variable that tells which microphone each of them hears.
SERVER_DEVICES = {"pipewire": "PIPEWIRE_NODE", "pulse": "PULSE_SOURCE"}
USERS_OWN = {variable: os.environ.get(variable) for variable in SERVER_DEVICES.values()}


class MicrophoneLost(DidliveError):
    """A microphone is absent, busy or was unplugged."""


class MicrophoneChoice(NamedTuple):
    """One microphone: name for people; PortAudio's device number; for a sound server's, its name there, else ""."""

    name: str
    device: int
    source: str = ""


@ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
def _drop_alsa(*_: object) -> None:
    """Take a complaint of ALSA."""


@ctypes.CFUNCTYPE(None, ctypes.c_char_p)
def _drop_jack(_: bytes) -> None:
    """Take a complaint of JACK."""


@cache
def _quieten() -> None:
    """Keep ALSA and JACK from the terminal: they complain in many lines about cards and servers that are not there.
    What matters comes back as PortAudio's error. sounddevice itself hides them by moving file descriptor 2 away, which
    fails as soon as another thread does the same."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_drop_alsa)
        with suppress(OSError, AttributeError):
            jack = ctypes.CDLL("libjack.so.0")
            jack.jack_set_error_function(_drop_jack)
            jack.jack_set_info_function(_drop_jack)


def _sounddevice() -> Any:
    _quieten()
    try:
        import sounddevice
    # Also its own error, which has no name before it is imported: it begins PortAudio.
    except Exception as error:
        raise BadInput("microphones need PortAudio; install it (Debian, Ubuntu: sudo apt-get install libportaudio2), "
                       f"then start again ({error})") from error
    return sounddevice


# How many microphones are open; PortAudio is for one thread at a time, and must not begin anew under an open stream.
_lock = threading.RLock()
_streams = 0


def list_microphones() -> list[MicrophoneChoice]:
    """Return the microphones, the system's own choice first. Raises BadInput where PortAudio is missing, MicrophoneLost
    when it cannot ask the system."""
    sounddevice = _sounddevice()
    with _lock:
        try:
            return _list(sounddevice)
        except sounddevice.PortAudioError as error:
            raise MicrophoneLost(f"the system cannot be asked for its microphones: {_why(error)}") from error


def _list(sounddevice: Any) -> list[MicrophoneChoice]:
    if not _streams:
        # It knows only the devices that were there when it began; it did not where that failed the last time.
        with suppress(sounddevice.PortAudioError):
            sounddevice._terminate()
        sounddevice._initialize()
    found = [MicrophoneChoice(str(d["name"]), i) for i, d in enumerate(sounddevice.query_devices())
             if d["max_input_channels"] > 0]
    server = next((m for name in SERVER_DEVICES for m in found if m.name == name), None)
    sources = [MicrophoneChoice(name, server.device, source) for name, source in _server_sources()] if server else []
    default = sounddevice.default.device[0]
    return sources + sorted(found, key=lambda m: m.device != default)


def _server_sources() -> list[tuple[str, str]]:
    """Return (name for people, name) of the microphones of PulseAudio or PipeWire, which PortAudio does not tell
    apart."""
    if sys.platform != "linux" or shutil.which("pactl") is None:
        return []
    try:
        told = subprocess.run(["pactl", "list", "sources"], capture_output=True, text=True, timeout=2, check=True,
                              env={**os.environ, "LC_ALL": "C"}).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    sources, name = [], ""
    for line in (line.strip() for line in told.splitlines()):
        if line.startswith("Name: "):
            name = line[6:]
        elif line.startswith("Description: ") and not name.endswith(".monitor"):
            sources.append((line[13:], name))
    return sources


def choose_microphone(wanted: str) -> MicrophoneChoice:
    """Return the microphone whose name contains `wanted`, or the system's own choice for an empty text.

    Raises MicrophoneLost when there is none, BadInput where PortAudio is missing.
    """
    known = list_microphones()
    if not wanted:
        plain = [m for m in known if not m.source]
        if not plain:
            raise MicrophoneLost("no microphone is connected; plug one in")
        return plain[0]
    exact = [m for m in known if m.name == wanted]
    like = exact or [m for m in known if wanted.lower() in m.name.lower()]
    if not like:
        names = ", ".join(m.name for m in known)
        raise MicrophoneLost(f"there is no microphone {wanted!r}; there are: {names or 'none'}")
    return like[0]


class Microphone:
    """Listens from `start` to `close`, in the background, and comes back when the device is lost.

    name: part of its name, "" for the system's choice. `tap` gives what is heard to one reader. muted, push_to_talk,
    talking: while it is muted, or nobody holds the talk button, zeros are heard. reason: why nothing is heard, or "".
    device: what is listened to, for people.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name
        self.ring = SoundRing()
        self.muted = self.push_to_talk = self.talking = False
        self.reason, self.device = "", ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._peak_db, self._clipped_s, self._heard_s = LOWEST_DB, -SHOWN_S, 0.0

    def start(self) -> None:
        """Open the microphone; a device that is not there is waited for. Raises BadInput where PortAudio is missing."""
        _sounddevice()
        self._thread = threading.Thread(target=self._run, name="didlive-microphone", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def tap(self) -> AudioTap:
        """Return a reader of what is heard from now on."""
        return self.ring.tap()

    @property
    def open(self) -> bool:
        """Whether the microphone delivers sound."""
        return not self.reason and bool(self.device)

    @property
    def silenced(self) -> bool:
        """Whether nothing shall be heard now."""
        return self.muted or (self.push_to_talk and not self.talking)

    @property
    def level(self) -> float:
        """The loudness now, 0 (-60 dB of full scale) to 1 (full scale)."""
        age_s = time.monotonic() - self._heard_s
        return max(0.0, 1 - (self._peak_db - FALL_DB_PER_S * min(age_s, 2.0)) / LOWEST_DB)

    @property
    def clipping(self) -> bool:
        """Whether the sound was too loud for the device a moment ago."""
        return time.monotonic() - self._clipped_s < SHOWN_S

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stop.is_set():
            before = self.ring.written
            try:
                self._listen()
            except DidliveError as error:
                self.reason = str(error)
            if self.ring.written > before:
                wait_s = FIRST_WAIT_S
            if self._stop.wait(wait_s):
                return
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _listen(self) -> None:
        """Hear until `close`, or raise MicrophoneLost."""
        global _streams
        sounddevice = _sounddevice()
        with _lock:
            chosen = choose_microphone(self._name)
            stream = self._open(chosen)
            _streams += 1
        try:
            with stream:
                self.device, self.reason = chosen.name, ""
                self._wait_for_the_end(stream, chosen)
        except sounddevice.PortAudioError as error:
            raise _lost(chosen, error) from error
        finally:
            with _lock:
                _streams -= 1

    def _wait_for_the_end(self, stream: Any, chosen: MicrophoneChoice) -> None:
        """Return after `close`; raise MicrophoneLost when nothing comes any more."""
        looked_s = time.monotonic()
        while not self._stop.is_set():
            gone = not self.ring.wait(self.ring.written, SILENT_S) or not stream.active
            if chosen.source and time.monotonic() - looked_s > LOOK_S:
                # A sound server goes on with another microphone, which nobody asked for.
                looked_s = time.monotonic()
                gone = gone or chosen.source not in [source for _, source in _server_sources()]
            if gone:
                raise MicrophoneLost(f"the microphone {chosen.name} gives no sound any more; waiting for it")

    def _open(self, chosen: MicrophoneChoice) -> Any:
        sounddevice = _sounddevice()
        for variable, own in USERS_OWN.items():
            os.environ.pop(variable, None)
            if value := chosen.source or own:
                os.environ[variable] = value
        try:
            return sounddevice.InputStream(device=chosen.device, samplerate=SOUND_HZ, channels=1, blocksize=BLOCK,
                                           dtype="float32", latency="low", callback=self._hear)
        except sounddevice.PortAudioError as error:
            raise _lost(chosen, error) from error

    def _hear(self, block: Any, count: int, times: Any, status: Any) -> None:
        """PortAudio's callback: copy, and nothing that waits."""
        now_ns, now_s = time.perf_counter_ns(), time.monotonic()
        age_s = times.currentTime - times.inputBufferAdcTime
        # Some systems tell no time; then the block ended just now.
        if not 0 < age_s < 1:
            age_s = count / SOUND_HZ
        samples: F32 = np.zeros(count, np.float32) if self.silenced else block[:, 0].copy()
        peak = float(np.abs(samples).max(initial=0.0))
        fallen_db = self._peak_db - FALL_DB_PER_S * (now_s - self._heard_s)
        self._peak_db = max(20 * float(np.log10(peak + 1e-9)), fallen_db, LOWEST_DB)
        self._heard_s = now_s
        if peak >= CLIPPING:
            self._clipped_s = now_s
        self.ring.write(samples, now_ns - round(age_s * 1e9))


def _lost(chosen: MicrophoneChoice, error: Exception) -> MicrophoneLost:
    return MicrophoneLost(f"the microphone {chosen.name} cannot be used: {_why(error)}; another program may have it, "
                          "or the system may forbid it")


def _why(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
