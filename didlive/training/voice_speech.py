"""Labelled speech for the voice network: espeak-ng and flite tell when they say which sound."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from ..errors import BadInput
from ..types import F32
from ..voice.espeak import Espeak
from ..voice.mel import FRAME_S, HOP, RATE_HZ, WINDOW
from ..voice.sound import resampled
from ..voice.speech import Phoneme, Speech
from ..voice.visemes import track

LANGUAGES = ("en-us", "en-us", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-us-nyc",
             "cmn-latn-pinyin", "cmn-latn-pinyin", "cmn-latn-pinyin", "de", "es", "fr", "it")
VARIANTS = ("", "f1", "f2", "f4", "m1", "m2", "m3", "m4", "m6", "m7", "klatt", "klatt2", "klatt4", "Alex", "Alicia",
            "Andrea", "Andy", "Annie", "Gene", "Jacky", "Lee", "Mario", "Michael", "Mike", "Mr serious", "Nguyen",
            "Storm", "adam", "anika", "announcer", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david",
            "edward", "grandma", "grandpa", "iven", "john", "linda", "marcelo", "max", "miguel", "pablo", "paul",
            "quincy", "rob", "sandro", "steph", "travis", "victor", "zac")
# Never trained on.
HELD_OUT_VARIANTS = ("f3", "f5", "m5", "m8", "klatt3", "Denis", "Diogo", "Henrique", "Hugo", "Marco", "ed", "gustave",
                     "iven3", "kaukovalta", "michel", "norbert", "pedro", "robert", "shelby", "steph3")
HELD_OUT_LANGUAGES = ("en-us", "en-gb-x-rp", "cmn-latn-pinyin")
FLITE, HELD_OUT_FLITE = ("slt", "awb", "kal16"), ("rms",)
INITIALS = ("", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "zh", "ch", "sh", "r", "z", "c",
            "s", "b", "p", "m")
FINALS = {
    "": "a ai an ang ao e ei en er ou wa wai wan wang wei wen wo wu ya yan yang yao ye yi yin ying yong you yu yuan",
    "j": "i ia ian iang iao ie in ing iong iu u uan ue un",
    "f": "a an ang ei en eng ou u",
    "b": "a ai an ang ao ei en eng i ian iao ie in ing o u",
    "d": "a ai an ang ao e ei eng i ian iao ie ing iu ong ou u uan ui un uo",
    "g": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "z": "a ai an ang ao e ei en eng i ong ou u uan ui un uo",
}
_LIKE = {"q": "j", "x": "j", "p": "b", "m": "b", "t": "d", "n": "d", "l": "d", "k": "g", "h": "g", "zh": "z", "ch": "z",
         "sh": "z", "r": "z", "c": "z", "s": "z"}
_CMU = {"aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "ay": "aɪ", "b": "b", "ch": "tʃ", "d": "d",
        "dh": "ð", "eh": "ɛ", "er": "ɚ", "ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h", "ih": "ɪ", "iy": "i", "jh": "dʒ",
        "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s",
        "sh": "ʃ", "t": "t", "th": "θ", "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ"}


SCALE = np.float32(1 / 32768)


@dataclass(frozen=True, slots=True)
class Utterance:
    """samples: (n,) int16 at 16 kHz. visemes: (frames,) uint8, one for each log-mel frame. voice: who speaks."""

    samples: np.ndarray
    visemes: np.ndarray
    voice: str


def labelled(speech: Speech, voice: str) -> Utterance:
    """Return speech at the network's rate with a viseme for each of its frames."""
    samples = resampled(speech.samples, speech.rate_hz, RATE_HZ)
    frames = max(0, (len(samples) - WINDOW) // HOP + 1)
    middle_s = (np.arange(frames) * FRAME_S + WINDOW / 2 / RATE_HZ).astype(np.float32)
    shapes = track(speech.phonemes or (), middle_s).astype(np.uint8)
    return Utterance((np.clip(samples, -1, 1) * 32767).astype(np.int16), shapes, voice)


def _words() -> list[str]:
    """English words of all kinds; they come with every Python."""
    return sorted({w.lower() for w in re.findall(r"\b[A-Za-z]{2,14}\b", " ".join(topics.values()))})


def _sentence(language: str, words: list[str], rng: np.random.Generator) -> str:
    if not language.startswith("cmn"):
        return " ".join(rng.choice(words, rng.integers(4, 11))) + rng.choice([".", "?", "!", ","])
    syllables = []
    for _ in range(rng.integers(5, 16)):
        initial = str(rng.choice(INITIALS))
        final = str(rng.choice(FINALS[_LIKE.get(initial, initial)].split()))
        # u after j, q, x is spelt like the other u; that is the spelling espeak-ng reads.
        syllables.append(f"{initial}{final}{rng.integers(1, 6)}")
    return " ".join(syllables)


def espeak_speech(count: int, seed: int, held_out: bool = False) -> Iterator[Utterance]:
    """Yield utterances of many voices, languages, rates and pitches."""
    rng, words = np.random.default_rng(seed), _words()
    languages = HELD_OUT_LANGUAGES if held_out else LANGUAGES
    variants = HELD_OUT_VARIANTS if held_out else VARIANTS
    with Espeak() as espeak:
        for _ in range(count):
            language, variant = str(rng.choice(languages)), str(rng.choice(variants))
            voice = f"{language}+{variant}" if variant else language
            rate, pitch, range_ = int(rng.integers(110, 235)), int(rng.integers(10, 90)), int(rng.integers(20, 90))
            yield labelled(espeak.speak(_sentence(language, words, rng), voice, rate, pitch, range_), voice)


def flite_speech(count: int, seed: int, held_out: bool = False) -> Iterator[Utterance]:
    """Yield utterances of CMU flite, whose voices were made from recordings of people."""
    if shutil.which("flite") is None:
        raise BadInput("training the voice needs flite (apt install flite)")
    rng, words = np.random.default_rng(seed), _words()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        for _ in range(count):
            voice = str(rng.choice(HELD_OUT_FLITE if held_out else FLITE))
            stretch = f"duration_stretch={rng.uniform(0.75, 1.35):.2f}"
            said = subprocess.run(["flite", "-voice", voice, "--setf", stretch, "-psdur", "-t",
                                   _sentence("en", words, rng), "-o", str(file)],
                                  check=True, capture_output=True, text=True).stdout
            yield labelled(_read_flite(file, said), f"flite {voice}")


def _read_flite(file: Path, said: str) -> Speech:
    with wave.open(str(file)) as wav:
        rate_hz = wav.getframerate()
        samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16).astype(np.float32) * SCALE
    phonemes, start_s = [], 0.0
    for name, end in (item.rsplit(":", 1) for item in said.split()):
        phonemes.append(Phoneme(start_s, float(end), _CMU.get(name, "")))
        start_s = float(end)
    return Speech(samples, rate_hz, tuple(phonemes))


def make_speech(folder: Path, count: int, seed: int) -> None:
    """Write `train.npz` and `held_out.npz` into `folder`, unless they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, n, held_out in (("train", count, False), ("held_out", max(40, count // 20), True)):
        file = folder / f"{name}.npz"
        if not file.is_file():
            made = [*espeak_speech(n * 2 // 3, seed + held_out, held_out),
                    *flite_speech(n // 3, seed + 2 + held_out, held_out)]
            save_speech(file, made)


def save_speech(file: Path, made: list[Utterance]) -> None:
    """Write utterances as npz."""
    np.savez(file, samples=np.concatenate([u.samples for u in made]),
             visemes=np.concatenate([u.visemes for u in made]),
             lengths=np.array([(len(u.samples), len(u.visemes)) for u in made]),
             voices=json.dumps([u.voice for u in made]))


def load_speech(file: Path) -> list[Utterance]:
    """Read what `save_speech` wrote."""
    with np.load(file) as data:
        samples, visemes, lengths = data["samples"], data["visemes"], data["lengths"]
        voices = json.loads(str(data["voices"]))
    ends = np.cumsum(lengths, axis=0)
    return [Utterance(samples[e[0] - n[0]:e[0]], visemes[e[1] - n[1]:e[1]], voice)
            for e, n, voice in zip(ends, lengths, voices, strict=True)]


def as_float(utterance: Utterance) -> F32:
    """Return the samples as (n,) float32 -1..1."""
    return utterance.samples.astype(np.float32) * SCALE
