"""The options of `didlive live` that let others watch: the picture page and a stream."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, reason
from ..settings import MotionOutSettings, Settings, overlay
from ..streaming import KEY_VARIABLE, URL_VARIABLE, complete, store_key, with_key
from .options import to_path

if TYPE_CHECKING:
    from ..session import Session


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("streams")
    group.add_argument("--mjpeg", nargs="?", const="", metavar="[ADDRESS:]PORT",
                       help="show the picture on a web page of this machine, for a browser source of OBS (default "
                       "127.0.0.1:8590); with another address, such as 0.0.0.0, others in your network can watch")
    group.add_argument("--stream", metavar="URL",
                       help="stream to a server: rtmp://, rtmps://, rtsp://, rtsps:// or srt://; the key is taken from "
                       f"${KEY_VARIABLE}, else from the system's keyring, else it is in the address")
    group.add_argument("--stream-url-file", type=to_path, metavar="FILE",
                       help="read the whole address, with its key, from a file (or give --stream '' and set "
                       f"${URL_VARIABLE})")
    group.add_argument("--motion-out", nargs="?", const="", metavar="[KIND@]HOST:PORT",
                       help="send the motion as numbers to another program, for an avatar: vmc@127.0.0.1:39539 (the "
                       "default; OSC) or vtube@HOST:PORT (VTube Studio's parameters)")
    group.add_argument("--stream-key", choices=("ask", "keep"),
                       help="ask: type the key in; keep: type it in and keep it in the system's keyring")


def stream_sinks(args: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the unopened outputs asked for, by name. Raises BadInput."""
    sinks: dict[str, Any] = {}
    if args.mjpeg is not None:
        from ..sinks.mjpeg import LOOPBACK, MjpegSink

        address, _, port = args.mjpeg.rpartition(":")
        if port and not port.isdecimal():
            raise BadInput(f"--mjpeg {args.mjpeg}: write it as 8590 or 127.0.0.1:8590")
        sinks["picture page"] = MjpegSink(int(port or settings.stream.page_port), address.strip("[]") or LOOPBACK)
    url = _url(args)
    if url:
        from ..sinks.stream import StreamSink

        sinks["stream"] = StreamSink(url, bitrate_kbps=settings.stream.bitrate_kbps,
                                     encoder=settings.output.encoder)
    return sinks


def motion_out_of(text: str | None, settings: Settings) -> MotionOutSettings | None:
    """Return where the motion goes by the option or the settings, None for nowhere. Raises BadInput."""
    out = settings.motion_out
    if text is None and not out.enabled:
        return None
    kind, _, place = (text or "").rpartition("@")
    host, _, port = place.rpartition(":")
    if port and not port.isdecimal():
        raise BadInput(f"--motion-out {text}: write it as vmc@{out.host}:{out.port}")
    asked = {"protocol": kind, "host": host.strip("[]"), "port": int(port) if port else 0}
    return overlay(out, {name: value for name, value in asked.items() if value}, "motion_out.")


def start_motion_out(out: MotionOutSettings | None, session: Session) -> None:
    """Send the motion there, if anywhere. Raises OutputFailed."""
    if out is None:
        return
    from ..motion_out import MotionOut

    session.motion_out = MotionOut(out)
    print(f"didlive: the motion goes to {session.motion_out.place}", file=sys.stderr)


def _url(args: argparse.Namespace) -> str:
    """Return the address to stream to, with its key; empty when none is asked for."""
    if args.stream_url_file is not None:
        return _from_file(args.stream_url_file)
    if args.stream is None:
        if args.stream_key:
            raise BadInput("--stream-key needs --stream URL")
        return ""
    if args.stream_key is None:
        return complete(args.stream)
    key = getpass.getpass("Stream key (it is not shown): ")
    if args.stream_key == "keep":
        store_key(args.stream, key)
    return with_key(args.stream, key)


def _from_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--stream-url-file {path} cannot be read: {reason(error)}") from error


def plug_in(sinks: dict[str, Any], session: Session, rate_hz: float) -> None:
    """Add the outputs to a running show and say where they can be seen. Raises OutputFailed."""
    from ..sinks.recorder import PacedSink

    for name, sink in sinks.items():
        if name == "stream" and session.voice is not None:
            sink.audio = session.tap()
        session.add_sink(name, PacedSink(sink, rate_hz))
        print(f"didlive: {name}: {sink.place}", file=sys.stderr)
        if getattr(sink, "note", ""):
            print(f"didlive: {sink.note}", file=sys.stderr)
