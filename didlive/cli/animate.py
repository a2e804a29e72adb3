"""`didlive animate`: a portrait and a clip, a recorded motion, a voice or a text become a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import wording
from ..errors import BadInput, Cancelled
from ..settings import changed
from .options import add_settings_options, check_consent, read_settings, to_name, to_path

if TYPE_CHECKING:
    from ..animate import Progress, Report
    from ..settings import Settings
    from ..voice.speech import Speech

DEMO_OUT = Path("demo.mp4")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--portrait", type=to_path, metavar="IMG", help="picture of one face (needed without --demo)")
    parser.add_argument("--driving", type=to_path, metavar="CLIP",
                        help="clip of a face, or a motion file (.npz) (needed without --demo)")
    parser.add_argument("--out", type=to_name, metavar="FILE",
                        help="what to write: .mp4, .webm, .gif, .webp, or a folder name for numbered PNG pictures")
    parser.add_argument("--demo", action="store_true",
                        help=f"use the built-in portrait and motion for what is not given (writes {DEMO_OUT})")
    parser.add_argument("--audio", type=to_name, default="keep", metavar="SOUND",
                        help="a file with speech: it moves the mouth, and is heard (--driving moves the rest, if "
                        "given); or keep: take over the clip's sound (mp4 and WebM); none: leave it out (default keep)")
    parser.add_argument("--text", metavar="WORDS", help="what the portrait says, with a voice of espeak-ng (if that is "
                        "installed)")
    parser.add_argument("--voice", default="en-us", metavar="NAME", help="voice for --text, as `espeak-ng --voices` "
                        "lists them, for example en-us, en-us+f3, cmn (default en-us)")
    parser.add_argument("--seed", type=int, metavar="N", help="another seed: other blinks and sway of a portrait that "
                        "moves by itself")
    parser.add_argument("--sign", action="store_true",
                        help="sign the file with Content Credentials (then its bytes are others each time)")
    parser.add_argument("--face", type=int, metavar="N", help="which face of the portrait, 1 = largest (default 1)")
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop after this many frames of the clip")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Animate and say what was written."""
    from ..animate import animate

    speaks = args.text is not None or args.audio not in ("keep", "none")
    portrait, driving, out = _inputs(args, speaks)
    if args.max_frames is not None and args.max_frames < 1:
        raise BadInput("--max-frames must be at least 1")
    settings = read_settings(args, size="auto")
    if args.seed is not None:
        settings = changed(settings, "motion.idle.seed", args.seed)
    check_consent(portrait)
    if speaks:
        return _speak(args, portrait, driving, out, settings)
    assert driving is not None
    told(lambda bar: animate(portrait, driving, out, settings, face=args.face, audio=args.audio,
                             max_frames=args.max_frames, signed=args.sign, progress=bar))
    return 0


def told(work: Callable[[Progress], Report]) -> None:
    """Do the work with a progress bar, and say what was written."""
    bar = _Bar()
    try:
        report = work(bar)
    except KeyboardInterrupt as error:
        raise Cancelled("stopped; nothing was written") from error
    finally:
        bar.close()
    for note in report.notes:
        print(f"didlive: {note}", file=sys.stderr)
    width, height = report.size
    print(f"{report.out}: {wording.frames(report.frames)}, {width}x{height} px, {report.rate_hz:.5g} frames/s, "
          f"made in {report.seconds:.1f} s")


def _speak(args: argparse.Namespace, portrait: Path, driving: Path | None, out: Path, settings: Settings) -> int:
    from ..voice.perform import animate_speech

    if args.text is not None and args.audio not in ("keep", "none"):
        raise BadInput("--text and --audio FILE are two voices; give one of them")
    said: Path | Speech = to_path(args.audio)
    if args.text is not None:
        from ..voice.espeak import speak

        said = speak(args.text, args.voice)
    told(lambda bar: animate_speech(portrait, said, out, settings, driving=driving, face=args.face, signed=args.sign,
                                    heard=args.audio != "none", max_frames=args.max_frames, progress=bar))
    return 0


def _inputs(args: argparse.Namespace, speaks: bool) -> tuple[Path, Path | None, Path]:
    """Return portrait, clip (None only where a voice moves the portrait) and output."""
    portrait, driving, out = args.portrait, args.driving, args.out
    if args.demo:
        from ..demo import demo_motion, demo_portrait

        portrait, out = portrait or demo_portrait(), out or DEMO_OUT
        driving = driving or (None if speaks else demo_motion())
    needed = {"--portrait IMG": portrait, "--driving CLIP": speaks or driving, "--out FILE": out}
    for name, value in needed.items():
        if value is None:
            raise BadInput(f"{name} is missing; or try: didlive animate --demo")
    return portrait, driving, out


class _Bar:
    """Progress on stderr: one bar for tracking, one for drawing."""

    def __init__(self) -> None:
        self._what = ""
        self._bar = None

    def __call__(self, what: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if what != self._what or self._bar is None:
            self.close()
            self._what = what
            self._bar = tqdm(total=total or None, desc=f"{what:<5}", unit=" frames", file=sys.stderr,
                             disable=not sys.stderr.isatty(), leave=True)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None
