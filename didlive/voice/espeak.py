"""Speech with exact phoneme times from the user's own espeak-ng.

espeak-ng is GPL-3 software and no part of didlive: its library is loaded by a child process only (this file, run with
`-m`), which answers over pipes.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

import numpy as np

from ..errors import BadInput
from .speech import Phoneme, Speech

HOW_TO_GET = ("install espeak-ng (Debian, Ubuntu: apt install espeak-ng; macOS: brew install espeak-ng; Windows: the "
              "installer of github.com/espeak-ng/espeak-ng/releases)")
LIBRARIES = ("libespeak-ng.so.1", "libespeak-ng.dylib", "libespeak-ng.1.dylib", "/opt/homebrew/lib/libespeak-ng.dylib",
             "/usr/local/lib/libespeak-ng.dylib", "libespeak-ng.dll",
             r"C:\Program Files\eSpeak NG\libespeak-ng.dll")
# From espeak-ng's speak_lib.h.
SYNCHRONOUS, PHONEME_EVENTS, PHONEME_IPA, NO_EXIT = 2, 1, 2, 0x8000
EVENT_END, EVENT_PHONEME = 0, 7
RATE, PITCH, RANGE = 1, 3, 4
UTF8 = 1


class Espeak:
    """The child process that speaks. Use it as a context manager. Raises BadInput where there is no espeak-ng."""

    def __init__(self) -> None:
        self._child = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdin is not None and self._child.stdout is not None
        self._in: IO[bytes] = self._child.stdin
        self._out: IO[bytes] = self._child.stdout

    def __enter__(self) -> Espeak:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child; may be called twice."""
        for pipe in (self._in, self._out):
            with suppress(OSError):
                pipe.close()
        self._child.wait()

    def speak(self, text: str, voice: str = "en-us", rate: int = 175, pitch: int = 50, intonation: int = 50) -> Speech:
        """Return what `voice` says. rate: words per minute, 80 to 450; pitch, intonation: 0 to 100. Raises BadInput."""
        asked = {"text": text, "voice": voice, "rate": rate, "pitch": pitch, "range": intonation}
        try:
            self._in.write(json.dumps(asked).encode() + b"\n")
            self._in.flush()
            line = self._out.readline()
        except OSError:
            line = b""
        if not line:
            raise BadInput("espeak-ng ended unexpectedly; try another text or voice")
        head = json.loads(line)
        if "error" in head:
            raise BadInput(head["error"])
        samples = np.frombuffer(self._out.read(head["bytes"]), np.int16).astype(np.float32) * np.float32(1 / 32768)
        starts = [start for start, _ in head["phonemes"]] + [len(samples) / head["rate"]]
        # Of several events at one moment the last is what is heard.
        events = zip(head["phonemes"], starts[1:], strict=True)
        phonemes = tuple(Phoneme(start, end, ipa) for (start, ipa), end in events if end > start)
        return Speech(samples, head["rate"], phonemes)


def speak(text: str, voice: str = "en-us") -> Speech:
    """Return what espeak-ng's `voice` says. Raises BadInput with how to get espeak-ng where it is missing."""
    if not text.strip():
        raise BadInput("there is nothing to say: the text is empty")
    with Espeak() as child:
        return child.speak(text, voice)


# What follows runs in the child.


class _Event(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int),
                ("user", ctypes.c_void_p), ("name", ctypes.c_char * 8))


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


def _load() -> Any:
    found = ctypes.util.find_library("espeak-ng")
    for name in (*([found] if found else []), *LIBRARIES):
        with suppress(OSError):
            return ctypes.CDLL(name)
    return None


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("languages", ctypes.c_char_p), ("identifier", ctypes.c_char_p),
                ("rest", ctypes.c_char * 16))


def _voice_files(library: Any) -> dict[str, str]:
    """Return language -> the file of its first voice: some languages cannot be chosen by their code alone."""
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    voices, files, i = library.espeak_ListVoices(None), {}, 0
    while voices[i]:
        voice = voices[i].contents
        # A priority byte stands before each language.
        language, file = voice.languages[1:].decode("utf-8", "ignore"), voice.identifier.decode("utf-8", "ignore")
        if not file.startswith("mb/"):
            files.setdefault(language, file)
        i += 1
    return files


class _Synth:
    def __init__(self, library: Any) -> None:
        self._library = library
        self.rate = library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS | PHONEME_IPA | NO_EXIT)
        self._pcm, self._phonemes = bytearray(), []
        self._files = _voice_files(library)
        # Kept: the library calls it as long as it lives.
        self._callback = _Callback(self._receive)
        library.espeak_SetSynthCallback(self._callback)

    def _receive(self, wave: int | None, count: int, events: Any) -> int:
        if wave and count > 0:
            self._pcm += ctypes.string_at(wave, 2 * count)
        i = 0
        while events[i].type != EVENT_END:
            if events[i].type == EVENT_PHONEME:
                self._phonemes.append((events[i].audio_ms / 1000, events[i].name.decode("utf-8", "ignore")))
            i += 1
        return 0

    def _choose(self, voice: str) -> bool:
        """Use a voice by its name, its language, or language+variant; return whether there is one."""
        name, _, variant = voice.partition("+")
        if self._library.espeak_SetVoiceByName(voice.encode()) == 0:
            return True
        file = self._files.get(name)
        wanted = f"{file}+{variant}" if variant else file
        return wanted is not None and self._library.espeak_SetVoiceByName(wanted.encode()) == 0

    def answer(self, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        if self.rate <= 0:
            return {"error": f"espeak-ng found no voices; {HOW_TO_GET}"}, b""
        if not self._choose(asked["voice"]):
            return {"error": f"espeak-ng has no voice {asked['voice']!r}; `espeak-ng --voices` lists them"}, b""
        for number, name in ((RATE, "rate"), (PITCH, "pitch"), (RANGE, "range")):
            self._library.espeak_SetParameter(number, int(asked[name]), 0)
        self._pcm.clear()
        self._phonemes = []
        text = asked["text"].encode() + b"\0"
        self._library.espeak_Synth(text, len(text), 0, 1, 0, UTF8, None, None)
        self._library.espeak_Synchronize()
        return {"rate": self.rate, "phonemes": self._phonemes, "bytes": len(self._pcm)}, bytes(self._pcm)


def _reply(synth: _Synth | None, line: bytes) -> bytes:
    """Return what the parent reads: a line of JSON, then the samples."""
    if synth is None:
        head, pcm = {"error": f"a text needs espeak-ng to be spoken; {HOW_TO_GET}"}, b""
    else:
        head, pcm = synth.answer(json.loads(line))
    return json.dumps(head).encode() + b"\n" + pcm


def _serve() -> None:
    library = _load()
    synth = _Synth(library) if library is not None else None
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(_reply(synth, line))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
