"""The corpus made ready: faces tracked, cut out at one scale, split by identity, kept in a folder.

A manifest.csv beside the pictures (columns file, identity, tier, licence) names who is who and what may teach; without
one, every file is a person of its own of tier A.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from ..capture.file import FileCamera
from ..errors import BadInput
from ..generate.mouth import FACE_WIDTH_MM
from ..motion import find_neutral, measure
from ..portrait import load_portrait
from ..track.mediapipe import MediaPipeTracker
from ..types import U8, Face, Measure

PICTURES, CLIPS = {".jpg", ".jpeg", ".png", ".webp"}, {".mp4", ".mov", ".mkv", ".webm", ".mpg", ".avi"}
PX_PER_MM = 1.5
MARGIN = 0.25
HELD_OUT_OF_10 = 1
# Every so many frames of a clip become pictures; all of them become motion.
CLIP_STEP = 3
# Smaller faces are coarser than the crops that are learned from: what they teach is blur.
SMALLEST_FACE_PX = 165


@dataclass(frozen=True, slots=True)
class Item:
    """One cut-out face. clip: its clip's name, "" for a still; frame: of the clip. teaches: tier A and not held out."""

    name: str
    identity: str
    tier: str
    licence: str
    clip: str
    frame: int
    held_out: bool

    @property
    def teaches(self) -> bool:
        return self.tier == "A" and not self.held_out


@dataclass(frozen=True, slots=True)
class Corpus:
    """Prepared pictures and motions. faces[i] belongs to items[i], in px of its picture. motions: per clip its measures
    and the neutral one."""

    folder: Path
    items: tuple[Item, ...]
    faces: tuple[Face, ...]
    motions: dict[str, tuple[tuple[Measure, ...], Measure]]

    def picture(self, index: int) -> U8:
        """Return the (H, W, 3) RGB picture of an item."""
        return _picture(self.folder / "crops" / f"{index}.png")


@lru_cache(maxsize=400)
def _picture(path: Path) -> U8:
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise BadInput(f"{path} cannot be read; run `didlive train prepare` again")
    return np.ascontiguousarray(bgr[:, :, ::-1], dtype=np.uint8)


def held_out(identity: str) -> bool:
    """Return whether a person never teaches: one in ten, by the name alone, so that every run agrees."""
    return hashlib.sha256(identity.encode()).digest()[0] % 10 < HELD_OUT_OF_10


def prepare(folders: Sequence[Path], out: Path, report: Callable[[int, int], None]) -> int:
    """Track and cut every picture and clip below `folders` into `out`; return how many faces there are.

    Pictures without a usable face are left out. Raises BadInput when nothing is left.
    """
    files = sorted(p for folder in folders for p in folder.rglob("*")
                   if p.suffix.lower() in PICTURES | CLIPS)
    labels = {path: row for folder in folders for path, row in _labels(folder)}
    (out / "crops").mkdir(parents=True, exist_ok=True)
    items: list[Item] = []
    faces: list[Face] = []
    motions: dict[str, list[Face]] = {}

    def keep(image: U8, face: Face, path: Path, frame: int) -> None:
        row = labels.get(path.resolve(), {})
        identity = row.get("identity") or path.stem
        cut, moved = cut_face(image, face)
        cv2.imwrite(str(out / "crops" / f"{len(items)}.png"), cut[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        items.append(Item(path.name, identity, row.get("tier") or "A", row.get("licence") or "",
                          path.name if frame >= 0 else "", frame, held_out(identity)))
        faces.append(moved)

    for done, path in enumerate(files):
        report(done, len(files))
        if path.suffix.lower() in PICTURES:
            try:
                portrait = load_portrait(path, kind="photo")
            except BadInput:
                continue
            if _large(portrait.face):
                keep(portrait.image, portrait.face, path, -1)
        else:
            for frame, (image, face) in enumerate(_tracked(path)):
                motions.setdefault(path.name, []).append(face)
                if frame % CLIP_STEP == 0 and _large(face):
                    keep(image, face, path, frame)
    if not items:
        raise BadInput("no usable face in " + ", ".join(map(str, folders)))
    _save(out, items, faces, motions)
    return len(items)


def _large(face: Face) -> bool:
    return float(np.ptp(face.landmarks[:, 1])) >= SMALLEST_FACE_PX


def _labels(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    for place in (folder, folder.parent):
        manifest = place / "manifest.csv"
        if manifest.is_file():
            with manifest.open(newline="", encoding="utf-8") as stream:
                for row in csv.DictReader(stream):
                    yield (place / row["file"]).resolve(), row
            return


def _tracked(path: Path) -> Iterator[tuple[U8, Face]]:
    camera, tracker = FileCamera(path), MediaPipeTracker()
    camera.open()
    try:
        while (frame := camera.read()) is not None:
            face = tracker.track(frame).face
            if face is not None:
                yield frame.image[:, :, :3], face
    finally:
        camera.close()
        tracker.close()


def cut_face(image: U8, face: Face) -> tuple[U8, Face]:
    """Return the face cut out of `image` with a margin at PX_PER_MM, and its landmarks there."""
    ppm = float(np.linalg.norm(face.landmarks[234] - face.landmarks[454])) / FACE_WIDTH_MM
    factor = PX_PER_MM / ppm
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    low, high = face.landmarks[:, :2].min(0), face.landmarks[:, :2].max(0)
    margin = MARGIN * float(high[1] - low[1])
    x0, y0 = np.maximum(np.floor(low - margin), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(high + margin), [image.shape[1], image.shape[0]]).astype(int)
    cut = image[y0:y1, x0:x1]
    size = (round(cut.shape[1] * factor), round(cut.shape[0] * factor))
    zoom = np.array([size[0] / cut.shape[1], size[1] / cut.shape[0], factor], dtype=np.float32)
    moved = (face.landmarks - np.array([x0, y0, 0], np.float32) + 0.5) * zoom - 0.5
    return (np.ascontiguousarray(cv2.resize(cut, size, interpolation=method), dtype=np.uint8),
            dataclasses.replace(face, landmarks=moved.astype(np.float32)))


def _save(out: Path, items: list[Item], faces: list[Face], motions: dict[str, list[Face]]) -> None:
    def stack(rows: list[Face], prefix: str) -> dict[str, np.ndarray]:
        return {f"{prefix}landmarks": np.stack([f.landmarks for f in rows]),
                f"{prefix}blendshapes": np.stack([f.blendshapes for f in rows]),
                f"{prefix}transform": np.stack([f.transform for f in rows])}

    arrays = stack(faces, "")
    for k, rows in enumerate(motions.values()):
        arrays |= stack(rows, f"motion{k}_")
    np.savez(out / "faces.npz", allow_pickle=False, **arrays)
    (out / "index.json").write_text(json.dumps({"items": [dataclasses.asdict(i) for i in items],
                                                "motions": list(motions)}), encoding="utf-8")


def load_corpus(folder: Path) -> Corpus:
    """Load what `prepare` wrote. Raises BadInput when it is not there."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        with np.load(folder / "faces.npz") as data:
            arrays = {name: data[name] for name in data.files}
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{folder} holds no prepared corpus ({error}); run `didlive train prepare FOLDER --out {folder}`"
                       ) from error

    def unstack(prefix: str) -> tuple[Face, ...]:
        return tuple(Face(*row) for row in zip(*(arrays[prefix + n] for n in ("landmarks", "blendshapes", "transform")),
                                               strict=True))

    motions = {}
    for k, name in enumerate(index["motions"]):
        measures = tuple(measure(face) for face in unstack(f"motion{k}_"))
        motions[name] = (measures, find_neutral(measures))
    return Corpus(folder, tuple(Item(**i) for i in index["items"]), unstack(""), motions)
