"""Training samples, made in worker processes: what the warp draws, the truth, and the guide, as canonical crops.

Three kinds of pairs. Restore: a still is moved by somebody else's expression into a pseudo-source, which is then warped
back; the truth is the still itself, so every still teaches teeth and lids. Twin: two stills of one person. Clip: two
frames of one clip.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import BadInput, reason
from ..generate.canonical import (
    EYE,
    FACE,
    MOUTH,
    Region,
    make_reference,
    matrices,
    pose_of,
    still_pose,
    take,
    views,
)
from ..generate.mouth import Mouth
from ..generate.open_lips import is_open
from ..generate.warp import WarpGenerator, WarpSource
from ..geometry import head_local, head_rotation, lid_opening, portrait_landmarks
from ..motion import to_motion
from ..retarget import Retargeter
from ..settings import MotionSettings
from ..types import F32, U8, Drive, Face, Measure, Motion, Portrait, Presence, Stamp
from .corpus import Corpus, load_corpus

STAMP = Stamp(0, 0)
KINDS = ("restore", "twin", "clip")
# The share of each kind, and of open mouths among the stills that are restored.
SHARES, OPEN_SHARE = (0.72, 0.1, 0.18), 0.68
# The share of open mouths that start from closed lips.
CLOSE_SHARE = 0.7
# A pseudo-source keeps its eyes so far open, or nothing of the iris is left to restore.
LIDS_OPEN = 0.3
# Lips this near, in mouth widths, are closed.
CLOSED = 0.015
# So many frames are drawn in search of closed lips.
TRIES = 60
# Two pictures of one person teach only when their light agrees: mean colour of the face, 0..255.
SAME_LIGHT = 10.0
# A source that moved less than this, in mm, teaches nothing.
LEAST_MM = 0.4
FLIP = np.diag([1.0, -1.0, -1.0]).astype(np.float32)
REGIONS: dict[str, tuple[int, Region]] = {"mouth": (1, MOUTH), "eyes": (2, EYE), "face": (1, FACE)}


@dataclass(frozen=True, slots=True)
class Sample:
    """Crops uint8 (n, H, W, C + 3): the refiner's input, then the truth (RGB). kind: index into KINDS; source, target:
    items of the corpus; moved: RMS mm that each region's landmarks went against the source."""

    mouth: U8
    eyes: U8
    face: U8
    kind: int
    source: int
    target: int
    moved: F32


@dataclass(frozen=True, slots=True)
class Pair:
    """A prepared source, the drive to the truth, and the shift (3,) px from the truth's picture to the source's. kind:
    index into KINDS; target: the truth's item in the corpus."""

    source: WarpSource
    drive: Drive
    offset: F32
    kind: int
    index: int
    target: int

    def truths(self, picture: U8) -> tuple[U8, ...]:
        """Return the canonical crops (mouth, eyes, face) of the truth's picture (H, W, 3)."""
        pose = pose_of(self.drive, self.source)
        there = replace(pose, landmarks=pose.landmarks - self.offset, centre=pose.centre - self.offset)
        return tuple(take(picture, m, r) for m, r in zip(matrices(there), (MOUTH, EYE, EYE, FACE), strict=True))


def make_pair(warp: WarpGenerator, face: Face, image: U8, truth: Face, kind: int, index: int, target: int) -> Pair:
    """Prepare a source face and find the drive to the truth."""
    source = warp.prepare(_portrait(image, face))
    drive, offset = drive_to(source, truth)
    return Pair(source, drive, offset, kind, index, target)


def sample_of(pair: Pair, corpus: Corpus) -> Sample | None:
    """Return the crops of a pair; None when it teaches nothing (the source did not move, the light differs, it
    is drawn)."""
    image, source = pair.source.portrait.image, pair.source
    if not isinstance(source.mouth, Mouth):
        return None
    reference = make_reference(image, still_pose(source.landmarks, source.local), source.local, source.mouth)
    seen = views(WarpGenerator().generate(source, pair.drive).image, pose_of(pair.drive, source), reference)
    truths = pair.truths(corpus.picture(pair.target))
    light = np.abs(seen.face[:3].mean((1, 2)) - truths[3].mean((0, 1))).max()
    if max(seen.moved[:3]) < LEAST_MM or (pair.kind != 0 and light > SAME_LIGHT):
        return None
    mouth, left, right, face = (np.dstack([crop.transpose(1, 2, 0), truth])
                                for crop, truth in zip((seen.mouth, *seen.eyes, seen.face), truths, strict=True))
    return Sample(mouth[None], np.stack([left, right]), face[None], pair.kind, pair.index, pair.target,
                  np.array(seen.moved, dtype=np.float32))


class Maker:
    """Makes samples from the people who teach, or from those held out."""

    def __init__(self, corpus: Corpus, choose: Callable[[int], bool], seed: int) -> None:
        self._corpus = corpus
        self._rng = np.random.default_rng(seed)
        self._warp = WarpGenerator()
        self._chosen = [i for i in range(len(corpus.items)) if choose(i)]
        self._clips = list(corpus.motions)

    @cached_property
    def _pools(self) -> dict[str, list]:
        items, faces = self._corpus.items, self._corpus.faces
        stills = [i for i in self._chosen if not items[i].clip]
        clips: dict[str, list[int]] = {}
        people: dict[str, list[int]] = {}
        for i in self._chosen:
            if items[i].clip:
                clips.setdefault(items[i].clip, []).append(i)
            else:
                people.setdefault(items[i].identity, []).append(i)
        return {"open": [i for i in stills if is_open(faces[i].landmarks)],
                "closed": [i for i in stills if not is_open(faces[i].landmarks)],
                "twin": [rows for rows in people.values() if len(rows) > 1],
                "clip": [rows for rows in clips.values() if len(rows) > 8]}

    def __iter__(self) -> Iterator[Sample]:
        while True:
            sample = sample_of(self.pair(), self._corpus)
            if sample is not None:
                yield sample

    def pair(self) -> Pair:
        """Draw two faces of one person and warp the first into the second."""
        rng, pools = self._rng, self._pools
        shares = np.array(SHARES) * [bool(pools["open"] or pools["closed"]), bool(pools["twin"]), bool(pools["clip"])]
        if not shares.any():
            raise BadInput("the corpus has no pictures of the people asked for")
        kind = int(rng.choice(3, p=shares / shares.sum()))
        if kind == 0:
            opened = pools["open"] and (rng.random() < OPEN_SHARE or not pools["closed"])
            index = int(rng.choice(pools["open" if opened else "closed"]))
            face, image = self._pseudo(index, close=bool(opened) and rng.random() < CLOSE_SHARE)
            return make_pair(self._warp, face, image, self._corpus.faces[index], kind, index, index)
        rows = pools[KINDS[kind]][int(rng.integers(len(pools[KINDS[kind]])))]
        a, b = (int(i) for i in rng.choice(rows, 2, replace=False))
        return make_pair(self._warp, self._corpus.faces[a], self._corpus.picture(a), self._corpus.faces[b], kind, a, b)

    def _pseudo(self, index: int, close: bool) -> tuple[Face, U8]:
        """Move a still by somebody's expression; `close`: of closed lips, so that no teeth show."""
        face, image = self._corpus.faces[index], self._corpus.picture(index)
        motion = self._expression(close)
        drive = Retargeter(face, MotionSettings()).retarget(motion)
        source = self._warp.prepare(_portrait(image, face))
        drawn = self._warp.generate(source, drive).image
        moved = drive.landmarks - portrait_landmarks(face)
        transform = face.transform.copy()
        transform[:3, :3] = FLIP @ (drive.rotation @ head_rotation(face)) @ FLIP
        own = 0.3 * face.blendshapes + np.maximum(motion.now.blendshapes - motion.neutral.blendshapes, 0)
        landmarks = (face.landmarks + moved).astype(np.float32)
        return Face(landmarks, np.clip(own, 0, 1).astype(np.float32), transform), drawn

    def _expression(self, close: bool) -> Motion:
        now, neutral = self._frame()
        for _ in range(TRIES if close else 0):
            if gap(now.shape) < CLOSED:
                break
            now, neutral = self._frame()
        # The pose stays: a turn there and back would show faults that no show has.
        now = replace(now, rotvec=neutral.rotvec, centre=neutral.centre, scale=neutral.scale)
        motion = to_motion(now, neutral, Presence.TRACK, STAMP)
        return replace(motion, lids=np.maximum(motion.lids, LIDS_OPEN).astype(np.float32))

    def _frame(self) -> tuple[Measure, Measure]:
        """Return a frame of a clip, and the clip's neutral one."""
        rng = self._rng
        measures, neutral = self._corpus.motions[self._clips[int(rng.integers(len(self._clips)))]]
        return measures[int(rng.integers(len(measures)))], neutral


def _portrait(image: U8, face: Face) -> Portrait:
    # Everything counts as person: cutting out is not what is taught here, and costs time.
    return Portrait(image, np.full(image.shape[:2], 255, dtype=np.uint8), face, 1, "")


def gap(shape: F32) -> float:
    """Return how far the lips of landmarks (478, 3) are apart, in mouth widths."""
    return float(np.linalg.norm(shape[13] - shape[14]) / max(np.linalg.norm(shape[61] - shape[291]), 1e-4))


def drive_to(source: WarpSource, truth: Face) -> tuple[Drive, F32]:
    """Return the drive that gives a prepared source the pose and expression of another tracked face of the same person,
    at the same place, and the shift (3,) px from the truth's picture to the source's."""
    landmarks = portrait_landmarks(truth)
    there = head_local(landmarks, head_rotation(truth))
    offset = (source.local.centre - there.centre).astype(np.float32)
    rotation = (there.rotation @ source.local.rotation.T).astype(np.float32)
    lids = lid_opening(there.shape) / np.maximum(lid_opening(source.local.shape), 1e-3)
    drive = Drive(landmarks + offset, rotation, source.local.centre, there.scale / source.local.scale,
                  np.clip(lids, 0, 1.35).astype(np.float32), Presence.TRACK, STAMP)
    # The warp cuts its crop out of the picture and expects px of the picture.
    corner = np.array([source.x, source.y, 0], dtype=np.float32)
    return replace(drive, landmarks=drive.landmarks + corner, centre=drive.centre + corner), offset


@dataclass(frozen=True, slots=True)
class Samples:
    """A folder of samples: memory maps uint8 (N, n, H, W, C + 3) by region, and per sample kind, source, target item
    and moved mm."""

    crops: dict[str, U8]
    kind: np.ndarray
    source: np.ndarray
    target: np.ndarray
    moved: F32

    def __len__(self) -> int:
        return len(self.kind)


def synthesise(corpus: Path, out: Path, count: int, teaching: bool, seed: int, workers: int,
               report: Callable[[int, int], None]) -> None:
    """Make `count` samples into folder `out`, from people who teach or from those held out, in worker processes. Raises
    BadInput for a corpus that cannot be used, before anything is written."""
    load_corpus(corpus)
    out.mkdir(parents=True, exist_ok=True)
    for name, (n, region) in REGIONS.items():
        np.lib.format.open_memmap(out / f"{name}.npy", "w+", np.uint8,
                                  (count, n, region.height, region.width, region.channels + 3)).flush()
    rows = np.array_split(np.arange(count), max(1, workers * 8))
    jobs = [(corpus, out, chunk, teaching, seed * 10_000 + k) for k, chunk in enumerate(rows) if len(chunk)]
    labels: list[tuple[np.ndarray, list[tuple[int, int, int, F32]]]] = []
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for chunk, made in pool.imap_unordered(_fill, jobs):
            labels.append((chunk, made))
            report(sum(len(c) for c, _ in labels), count)
    order = np.concatenate([c for c, _ in labels])
    flat = [row for _, made in labels for row in made]
    columns: list[np.ndarray] = [np.zeros(count, np.int32) for _ in range(3)]
    columns.append(np.zeros((count, 4), np.float32))
    for place, row in zip(order, flat, strict=True):
        for column, value in zip(columns, row, strict=True):
            column[place] = value
    np.savez(out / "rows.npz", kind=columns[0], source=columns[1], target=columns[2], moved=columns[3])


def _fill(job: tuple[Path, Path, np.ndarray, bool, int]) -> tuple[np.ndarray, list[tuple[int, int, int, F32]]]:
    import cv2

    cv2.setNumThreads(1)
    folder, out, rows, teaching, seed = job
    corpus = load_corpus(folder)
    maker = iter(Maker(corpus, _chooser(corpus, teaching), seed))
    maps = {name: np.load(out / f"{name}.npy", mmap_mode="r+") for name in REGIONS}
    made = []
    for row in rows:
        sample = next(maker)
        for name, crops in maps.items():
            crops[row] = getattr(sample, name)
        made.append((sample.kind, sample.source, sample.target, sample.moved))
    return rows, made


def _chooser(corpus: Corpus, teaching: bool) -> Callable[[int], bool]:
    return (lambda i: corpus.items[i].teaches) if teaching else (lambda i: corpus.items[i].held_out)


def load_samples(folders: Sequence[Path]) -> list[Samples]:
    """Open folders of samples. Raises BadInput where there are none."""
    return [_load(folder) for folder in folders]


def _load(folder: Path) -> Samples:
    try:
        with np.load(folder / "rows.npz") as rows:
            return Samples({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in REGIONS},
                           rows["kind"], rows["source"], rows["target"], rows["moved"])
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{folder} holds no samples ({reason(error)}); run `didlive train "
                       f"samples CORPUS --out {folder}`") from error
