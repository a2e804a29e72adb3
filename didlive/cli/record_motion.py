"""`didlive record-motion`: track a clip or a camera and keep the numbers, no picture."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from .. import wording
from ..errors import BadInput, CameraLost
from .options import to_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("clip", nargs="?", type=to_path, metavar="CLIP", help="video to track (or give --camera)")
    parser.add_argument("out", type=to_path, metavar="OUT.npz", help="motion file to write")
    parser.add_argument("--camera", metavar="N", help="index or name of a camera to record from")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after this time")


def run(args: argparse.Namespace) -> int:
    """Track and store; Ctrl-C ends a camera recording and keeps it."""
    from ..recording import save_recording

    given = args.clip or (args.out if args.camera is None else None)
    if given is not None and given.suffix.lower() == ".npz" and given.exists():
        raise BadInput(f"{given} is already a motion file; use it as it is: didlive animate --driving {given}")
    if (args.clip is None) == (args.camera is None):
        raise BadInput("give either a CLIP or --camera N, and where to write: record-motion CLIP OUT.npz")
    if args.out.suffix.lower() != ".npz":
        raise BadInput(f"{args.out}: a motion file ends in .npz")
    if args.seconds is not None and not args.seconds > 0:
        raise BadInput("--seconds must be above 0")
    if not args.out.parent.is_dir():
        raise BadInput(f"{args.out} cannot be written: there is no folder {args.out.parent}")
    recording = _record(args)
    save_recording(args.out, recording)
    seen = int(recording.present.sum())
    print(f"{args.out}: {wording.frames(len(recording))} at {recording.rate_hz:.5g} Hz, a face in {seen} of them")
    return 0


def _record(args: argparse.Namespace) -> Any:
    from ..capture.listing import open_camera
    from ..recording import to_recording
    from ..registry import tracker_of

    live = args.camera is not None
    spec = args.camera if live else str(args.clip.absolute())
    camera = open_camera(spec, paced=live)
    tracker, trackings, rate_hz = tracker_of(spec), [], 0.0
    try:
        rate_hz = camera.open().rate_hz
        start_s, first_ns = time.monotonic(), None
        while (frame := camera.read()) is not None:
            trackings.append(tracker.track(frame))
            first_ns = frame.stamp.captured_ns if first_ns is None else first_ns
            passed_s = time.monotonic() - start_s if live else (frame.stamp.captured_ns - first_ns) * 1e-9
            if args.seconds is not None and passed_s >= args.seconds:
                break
    except (KeyboardInterrupt, CameraLost) as error:
        # What was performed before a camera cannot be performed again.
        if not live or not trackings:
            raise
        print(f"didlive: {str(error) or 'stopped'}; what was recorded until then is kept", file=sys.stderr)
    finally:
        tracker.close()
        camera.close()
    if getattr(camera, "damaged", 0):
        print(f"didlive: {wording.incomplete(len(trackings))}", file=sys.stderr)
    return to_recording(trackings, rate_hz)
