"""`didlive live`: a portrait follows a camera, a clip or a recorded motion, in a window or without one."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import wording
from ..errors import BadInput, OutputFailed
from ..panic import panic_signals
from .options import add_settings_options, check_consent, read_settings, to_name, to_path
from .screen import check_screen
from .streams import add_stream_options, motion_out_of, plug_in, start_motion_out, stream_sinks

if TYPE_CHECKING:
    from ..seams import AudioTap, Sink
    from ..session import Session
    from ..settings import Settings
    from ..take import TakeWriter

CAMERA_OFF = "off"
# As in `sinks.virtualcam`, which is loaded only when a camera is asked for.
CAMERA_KINDS = ("auto", "v4l2", "pipewire", "pyvirtualcam")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--portrait", type=to_path, metavar="IMG", help="picture of one face (default: a built-in one)")
    parser.add_argument("--camera", type=to_name, metavar="CAMERA",
                        help="index or (part of a) name of a camera, a video file or "
                        "motion file (.npz) that plays again and again, or a phone with iFacialMocap: phone (on this "
                        "machine), phone:ADDRESS; or off: nobody is seen, the voice alone moves the portrait (default "
                        "0)")
    parser.add_argument("--microphone", nargs="?", const="", metavar="NAME",
                        help="let the voice move the mouth while the camera does not see it: (part of the) name of a "
                        "microphone, or nothing for the system's own choice; recordings and streams are heard then")
    parser.add_argument("--demo", action="store_true", help="without --camera a built-in motion drives the portrait")
    parser.add_argument("--face", type=int, metavar="N", help="which face of the portrait, 1 = largest (default 1)")
    parser.add_argument("--record", type=to_path, metavar="OUT",
                        help="record what is shown: .mp4, .webm (may be transparent), .gif or .webp")
    parser.add_argument("--virtual-camera", nargs="?", const="auto", choices=CAMERA_KINDS, metavar="KIND",
                        help="be a camera for other programs (Zoom, browsers, OBS): auto (the default: all kinds that "
                        f"work here), {', '.join(CAMERA_KINDS[1:])}")
    parser.add_argument("--no-window", action="store_true", help="no window: print the state once a second")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after this time")
    parser.add_argument("--fps", type=float, metavar="HZ", help="frames per second of live outputs; a recording "
                        "keeps all that are drawn (default 30)")
    add_stream_options(parser)
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Play until the window is closed, the time is up, or Ctrl-C."""
    if args.seconds is not None and not args.seconds > 0:
        raise BadInput("--seconds must be above 0")
    if not args.no_window:
        check_screen("; use --no-window")
    settings = read_settings(args)
    if args.microphone is not None:
        settings = replace(settings, voice=replace(settings.voice, enabled=True, microphone=args.microphone))
    cameras, streams = _cameras(args.virtual_camera), stream_sinks(args, settings)
    motion_out = motion_out_of(args.motion_out, settings)
    session, recorder, title = _prepare(args, settings)
    try:
        # From the first frame on: without a handler the signal would end the show.
        with panic_signals(session.panic):
            session.start()
            if recorder is not None and settings.output.take:
                from ..take import TakeWriter, take_beside

                session.take = TakeWriter(take_beside(args.record), settings, session.portrait)
            if cameras:
                _plug_in(cameras, session, settings.output.rate_hz)
            plug_in(streams, session, settings.output.rate_hz)
            start_motion_out(motion_out, session)
            if args.no_window:
                _watch(session, args.seconds)
            else:
                # Imported by name: the library knows no window, only this command does.
                import_module("ui.preview").show(session, title, args.seconds)
    except KeyboardInterrupt:
        print("didlive: stopping", file=sys.stderr)
    finally:
        session.stop()
        _keep(session.take)
    _conclude(session, recorder, args.record, Path(args.camera or settings.camera.name))
    return 0


def _conclude(session: Session, recorder: Any, record: Path, camera: Path) -> None:
    """Say what became of a show that is over. Raises OutputFailed, BadInput."""
    if recorder is not None:
        if recorder.error is not None:
            raise OutputFailed(str(recorder.error))
        if recorder.sink.note:
            print(f"didlive: {recorder.sink.note}", file=sys.stderr)
        print(f"{record}: {wording.frames(recorder.written)} recorded, {recorder.dropped} dropped")
    if session.failure:
        raise BadInput(session.failure)
    if camera.is_file() and session.tracking.count and not session.measures.count:
        raise BadInput(f"no face was seen in {camera}: the portrait moved by itself; take a clip that shows one")


def _keep(take: TakeWriter | None) -> None:
    """Write the take; a recording without one is still a recording."""
    if take is not None:
        try:
            take.close()
        except OutputFailed as error:
            print(f"didlive: {error}", file=sys.stderr)


def _prepare(args: argparse.Namespace, settings: Settings) -> tuple[Session, Any, str]:
    """Load everything that takes time, before the show; return the session, its recorder and a title."""
    from ..actor import prepare_actor
    from ..capture.listing import open_camera
    from ..capture.reopen import ReopeningCamera
    from ..credentials import KINDS, Seal
    from ..demo import demo_motion, demo_portrait
    from ..registry import tracker_of
    from ..session import Session
    from ..sinks import SUFFIXES, sink_for
    from ..sinks.files import FileSink
    from ..sinks.recorder import QueuedSink

    portrait = args.portrait or demo_portrait()
    spec = args.camera or (str(demo_motion()) if args.demo else settings.camera.name)
    alone = spec == CAMERA_OFF or (settings.voice.alone and args.camera is None and not args.demo)
    if alone:
        # It is there, but never opened.
        spec = str(demo_motion())
    settings = replace(settings, camera=replace(settings.camera, name=spec))
    check_consent(portrait)
    recorder = recording = None
    # The session's microphone, which the recording is made before.
    heard: list[AudioTap] = []
    if args.record is not None:
        if args.record.suffix.lower() not in SUFFIXES:
            raise BadInput(f"--record {args.record}: only {', '.join(SUFFIXES)} can be recorded live")
        tap = (lambda: heard[0]() if heard else None) if settings.voice.enabled else None
        recording = sink_for(args.record, real_time=True, audio=tap, encoder=settings.output.encoder,
                             sources=(portrait, spec))
        recorder = QueuedSink(recording)
    # Once for trial: a camera that is not there is told at once; only one that is lost later is waited for.
    trial = open_camera(spec, settings.camera, paced=True, loop=True)
    try:
        if not alone:
            trial.open()
    finally:
        trial.close()
    camera = ReopeningCamera(lambda: open_camera(spec, settings.camera, paced=True, loop=True))
    actor = prepare_actor(portrait, settings, face=args.face)
    for note in actor.portrait.warnings:
        print(f"didlive: {note}", file=sys.stderr)
    sinks = [recorder] if recorder is not None else []
    session = Session(settings, camera, tracker_of(spec), actor, sinks)
    heard.append(session.tap())
    session.follow(not alone)
    if settings.voice.enabled:
        from ..voice.live import open_voice

        session.set_voice(open_voice(settings.voice))
    if isinstance(recording, FileSink) and recording.path.suffix.lower() in KINDS and settings.output.credentials:
        recording.seal = Seal(session)
    return session, recorder, Path(portrait).stem


def _cameras(kind: str | None) -> dict[str, Sink]:
    """Return the virtual cameras asked for; what cannot be is said before anything starts."""
    if kind is None:
        return {}
    from ..sinks.virtualcam import choose

    return choose(kind)


def _plug_in(cameras: dict[str, Sink], session: Session, rate_hz: float) -> None:
    from ..sinks.virtualcam import plug_in

    print(f"didlive: {plug_in(cameras, rate_hz, session.add_sink)}", file=sys.stderr)


def _watch(session: Session, seconds: float | None) -> None:
    """Print the state once a second until the time is up or the session fails."""
    end_s = time.monotonic() + (seconds if seconds is not None else float("inf"))
    while not session.failure and (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(1.0, left_s))
        s = session.stats()
        stages = " ".join(f"{name} {ms:.1f}" for name, ms in s.stages_ms)
        print(f"{s.state.value}{f' ({s.reason})' if s.reason else ''}: {s.fps:.1f} frames/s, delay {s.p50_ms:.0f} ms "
              f"(p95 {s.p95_ms:.0f}), {s.dropped} dropped; ms: {stages}", flush=True)
