"""Runs the evaluation: animates pairs of portraits and clips, tracks what came out, scores it."""

from __future__ import annotations

import math
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..settings import Settings
from ..sinks.files import refuse_sources
from ..types import U8, Face, Frame
from .identity import Identity
from .metrics import Track, common_rows, mean_scores, motion_scores, picture_scores, sample, sharpness
from .sheet import SideBySide, Strip, save_png, tile

LPIPS_MISSING = "LPIPS needs trained weights that this project may not ship; none are installed"
Progress = Callable[[str], None]
Scores = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """One portrait and one driving clip."""

    portrait: Path
    driving: Path

    @property
    def name(self) -> str:
        """A short name for files and captions."""
        return f"{self.portrait.stem}--{self.driving.stem}"


@dataclass(frozen=True, slots=True)
class Take:
    """One animated clip: the output pictures, small driver pictures, and the faces tracked in both."""

    outputs: list[U8]
    drivers: list[U8]
    driver_faces: list[Face | None]
    output_faces: list[Face | None]

    def track_pair(self) -> tuple[Track, Track]:
        """Return driver and output as arrays."""
        return Track.of(self.driver_faces), Track.of(self.output_faces)


def read_pairs(path: Path) -> list[Pair]:
    """Read `[[pair]]` tables with `portrait` and `driving`, relative to the file. Raises BadInput."""
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("pair", [])
        pairs = [Pair(path.parent / row["portrait"], path.parent / row["driving"]) for row in rows]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"the pairs in {path} cannot be read: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: each [[pair]] needs portrait = \"...\" and driving = \"...\"") from error
    if not pairs:
        raise BadInput(f"{path} holds no [[pair]]")
    return pairs


def driven(portrait: Path, driving: Path, settings: Settings, limit: int | None,
           neutral: int | None = None) -> Iterator[tuple[Frame, Frame]]:
    """Yield (driver, output) frames; `neutral` is the frame that shows the driver relaxed (None: found in the clip).
    The outputs carry neither label nor mark: they would be measured as faults of the drawing.

    Raises BadInput when the driving input has no pictures to compare with.
    """
    from ..animate import animate_frames

    plain = replace(settings, output=replace(settings.output, badge=False, watermark=False))
    for output, driver in animate_frames(portrait, driving, settings=plain, max_frames=limit, neutral=neutral):
        if driver is None:
            raise BadInput(f"{driving} holds motion only; evaluating needs a clip with pictures")
        yield driver, output


def play(frames: Iterator[tuple[Frame, Frame]], small: Callable[[U8], U8], beside: SideBySide | None = None) -> Take:
    """Consume frames, tracking both sides; `small` reduces the driver pictures that are kept."""
    from ..track.mediapipe import MediaPipeTracker

    take = Take([], [], [], [])
    seeing, judging = MediaPipeTracker(mode="video"), MediaPipeTracker(mode="video")
    try:
        for driver, output in frames:
            take.drivers.append(small(driver.image))
            take.outputs.append(output.image)
            take.driver_faces.append(seeing.track(driver).face)
            take.output_faces.append(judging.track(output).face)
            if beside is not None:
                beside.add(driver, output)
        if beside is not None:
            beside.close()
    except BaseException:
        if beside is not None:
            beside.abort()
        raise
    finally:
        seeing.close()
        judging.close()
    if not take.outputs:
        raise BadInput("the driving clip has no frames")
    return take


def cross_reenactment(pair: Pair, settings: Settings, identity: Identity, *, max_frames: int | None = None,
                      video: Path | None = None, shown: int = 6) -> tuple[Scores, Strip]:
    """Animate `pair` and score how well motion and person are kept; see `score_take` for the keys.

    video: where driver | output is recorded. shown: how many frames go into the strip.
    """
    from ..capture.file import FileCamera
    from ..portrait import load_portrait

    portrait = load_portrait(pair.portrait)
    beside = None
    if video is not None:
        camera = FileCamera(pair.driving)
        beside = SideBySide(video, pair.driving, camera.open().rate_hz or 25.0)
        camera.close()
    take = play(driven(pair.portrait, pair.driving, settings, max_frames), tile, beside)
    scores = {"portrait": str(pair.portrait), "driving": str(pair.driving),
              **score_take(take, portrait.image, portrait.face, identity)}
    rows = np.unique(np.linspace(0, len(take.outputs) - 1, shown).round().astype(int))
    pictures = tuple((take.drivers[i], tile(take.outputs[i])) for i in rows)
    return scores, Strip(pair.name, caption(scores), portrait.image, pictures)


def score_take(take: Take, portrait: U8, face: Face, identity: Identity) -> Scores:
    """Score one take against its portrait.

    Keys: those of `metrics.motion_scores`; identity (mean cosine of face descriptors, 1 = same) and sharp (output
    face's Laplacian variance over the portrait's); `notes` says why a value is null.
    """
    driver, output = take.track_pair()
    scores: Scores = dict(motion_scores(driver, output))
    notes: dict[str, str] = {}
    if scores.get("failed"):
        return {**scores, "notes": {"failed": "no face in the first frame of the driver or of the output"}}
    rows = sample(common_rows(driver, output))
    scores["identity"] = None
    reference = identity.describe(portrait, face.landmarks)
    if reference is None:
        notes["identity"] = identity.missing
    else:
        vectors = [identity.describe(take.outputs[i], output.landmarks[i]) for i in rows]
        scores["identity"] = float(np.mean([vector @ reference for vector in vectors if vector is not None]))
    made = np.mean([sharpness(take.outputs[i][:, :, :3], output.landmarks[i]) for i in rows])
    scores["sharp"] = float(made / max(sharpness(portrait, face.landmarks), 1e-9))
    return {**scores, "notes": notes}


def self_reenactment(clip: Path, settings: Settings, *, max_frames: int | None = None) -> Scores:
    """Animate the first frame of `clip` with the rest of it and compare with the clip itself.

    Keys: frames, lost, the means of `metrics.picture_scores`, and lpips (null, with the reason in `notes`).
    """
    from ..capture.file import FileCamera

    camera = FileCamera(clip)
    try:
        camera.open()
        first = camera.read()
    finally:
        camera.close()
    if first is None:
        raise BadInput(f"{clip} has no frames")
    whole = replace(settings, output=replace(settings.output, size="source", framing="full"))
    with tempfile.TemporaryDirectory(prefix="didlive-") as folder:
        still = Path(folder) / "first.png"
        save_png(first.image, still)
        # The portrait is the first frame, so that frame's face is what the motion has to be relative to.
        take = play(driven(still, clip, whole, max_frames, neutral=0), lambda image: image)
    scored = [picture_scores(truth[:image.shape[0], :image.shape[1]], image[:, :, :3], seen.landmarks,
                             None if made is None else made.landmarks)
              for truth, image, seen, made in zip(take.drivers[1:], take.outputs[1:], take.driver_faces[1:],
                                                  take.output_faces[1:], strict=True) if seen is not None]
    if not scored:
        raise BadInput(f"{clip}: no face was found after its first frame")
    return {"clip": str(clip), "frames": len(take.outputs) - 1,
            "lost": sum(1 for row in scored if "landmarks" not in row) + len(take.outputs) - 1 - len(scored),
            **mean_scores(scored), "lpips": None, "notes": {"lpips": LPIPS_MISSING}}


def caption(scores: Scores) -> str:
    """One line of the numbers people ask for."""
    names = ("identity", "exp_l1", "exp_corr", "gaze_corr", "blink_corr", "pose_deg", "sharp", "jitter")
    return "  ".join(f"{name} {'-' if scores.get(name) is None else format(scores[name], '.3f')}" for name in names)


def rounded(value: Any) -> Any:
    """Round all numbers to four places, for the report; NaN becomes null."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def evaluate(pairs: Sequence[Pair], clips: Sequence[Path], settings: Settings, *, max_frames: int | None = None,
             out: Path | None = None, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Score all pairs and self-reenactment clips; with `out`, also a contact sheet and a video per pair.

    No input is ever replaced. Returns {pairs: [...], mean: {...}, self: [...], self_mean: {...}}, ready for JSON.
    """
    from .sheet import contact_sheet

    if out is not None:
        inputs = [path for pair in pairs for path in (pair.portrait, pair.driving)] + list(clips)
        for name in ("report.json", "sheet.png", *(f"{pair.name}.mp4" for pair in pairs)):
            refuse_sources(out / name, inputs)
    identity = Identity()
    rows, strips = [], []
    for pair in pairs:
        progress(f"{pair.portrait.name} driven by {pair.driving.name}")
        video = out / f"{pair.name}.mp4" if out is not None else None
        scores, strip = cross_reenactment(pair, settings, identity, max_frames=max_frames, video=video)
        rows.append(scores)
        strips.append(strip)
    own = []
    for clip in clips:
        progress(f"{clip.name} driven by itself")
        own.append(self_reenactment(clip, settings, max_frames=max_frames))
    if out is not None and strips:
        save_png(contact_sheet(strips), out / "sheet.png")
    return rounded({"pairs": rows, "mean": mean_scores([numbers(row) for row in rows]),
                    "self": own, "self_mean": mean_scores([numbers(row) for row in own])})


def numbers(row: Scores) -> dict[str, float]:
    """Return only the measured numbers of a row."""
    return {name: value for name, value in row.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)}


