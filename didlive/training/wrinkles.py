"""Learns what expressions do to the light on the skin, for `didlive.generate.wrinkles`: ridge regression of the change
of brightness between two pictures of one person on the moves of the face between them. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import BadInput, reason
from ..generate.mesh import FACE_POINTS, smoothstep
from ..generate.wrinkles import MOVES, NOSTRILS, SIDES, Maps, flatten, folding, moves
from ..geometry import (
    BROW_SETS,
    EYE_RINGS,
    LIPS_OUTER,
    OVAL,
    HeadLocal,
    euler_deg,
    head_local,
    head_rotation,
    mirror_index,
    portrait_landmarks,
)
from ..retarget import aligned
from ..types import F32
from .corpus import Corpus

SIZE = 192
# Strength of the ridge; blur of pictures and maps, px; the largest change that counts, natural logarithm.
RIDGE, SMOOTH, MOST = 60.0, (0.75, 0.9), 0.8
# Pictures of one person teach only when the light on them agrees: standard deviation of the change, smoothed by so many
# px, on the skin. Smiles make 0.01 to 0.04, grimaces 0.06, two photographers 0.07 and more.
LIGHT_PX, SAME_LIGHT = 12.0, 0.09
# The share of people, by their moves, beyond which nothing is learned.
REACH = 98
FOLDS = 9
# Moves of the left and of the right side; half the width over which one side passes into the other, in widths of the
# map.
LEFT, RIGHT = np.arange(0, 2 * len(SIDES), 2), np.arange(1, 2 * len(SIDES), 2)
MIDLINE = 0.1


@dataclass(frozen=True, slots=True)
class Lesson:
    """Pictures of `person` against the resting face, and their mirror images: moves (n, MOVES + 2; the last two are the
    change of pitch and yaw, in 10 degrees) and changes (n, SIZE, SIZE), natural logarithm of the brightness."""

    person: str
    moves: F32
    changes: F32


@dataclass(frozen=True, slots=True)
class Score:
    """Of people who were left out: how many pictures, mean change of brightness, what of it is left, and the share of
    its variance that is explained."""

    pictures: int
    change: float
    left: float
    explained: float


def layout_of(faces: list[HeadLocal]) -> F32:
    """Return (468, 2) px, where the landmarks of the average face lie in the maps; it is symmetrical."""
    mean = np.mean([f.shape[:FACE_POINTS, :2] for f in faces], axis=0)
    even = (mean + mean[mirror_index()[:FACE_POINTS]] * [-1, 1]) / 2
    low, high = even.min(0), even.max(0)
    return (((even - (low + high) / 2) / (1.04 * (high - low).max()) + 0.5) * (SIZE - 1)).astype(np.float32)


def skin_of(layout: F32) -> F32:
    """Return (SIZE, SIZE) 0..1, where skin is: not at the edge of the face, not in eyes, lips, brows and nostrils, that
    something else draws or that do not stay where the landmarks say."""

    def soft(areas: list[np.ndarray], grow: int, blur: float) -> np.ndarray:
        mask = np.zeros((SIZE, SIZE), np.uint8)
        for points in areas:
            cv2.fillPoly(mask, [cv2.convexHull(np.round(layout[points]).astype(np.int32))], 255)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(grow) + 1,) * 2)
        mask = cv2.dilate(mask, kernel) if grow > 0 else cv2.erode(mask, kernel)
        return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), blur)

    skin = soft([OVAL], -7, 3.0) * (1 - soft(list(EYE_RINGS), 3, 1.5)) * (1 - soft([LIPS_OUTER], 2, 1.5))
    return (skin * (1 - 0.9 * soft(list(BROW_SETS), 2, 2.2)) * (1 - 0.8 * soft([NOSTRILS], 1, 1.5))).astype(np.float32)


def read_lessons(corpus: Corpus, report: Callable[[int, int], None]) -> tuple[F32, list[Lesson]]:
    """Return the layout and the lessons of the people in a prepared corpus who teach: their stills, each against the
    one that shows least expression. Raises BadInput when nobody has two pictures in one light."""
    people: dict[str, list[int]] = {}
    for i, item in enumerate(corpus.items):
        if item.teaches and not item.clip:
            people.setdefault(item.identity, []).append(i)
    people = {person: rows for person, rows in people.items() if len(rows) > 1}
    local = {i: head_local(portrait_landmarks(corpus.faces[i]), head_rotation(corpus.faces[i]))
             for rows in people.values() for i in rows}
    if not local:
        raise BadInput("the corpus has nobody with two pictures who may teach; add such people to it")
    layout = layout_of(list(local.values()))
    skin = skin_of(layout) > 0.5
    lessons = []
    for done, (person, rows) in enumerate(people.items()):
        report(done, len(people))
        rest = min(rows, key=lambda i: float(corpus.faces[i].blendshapes.sum()))
        flat = {i: _flat(corpus, i, layout) for i in rows}
        pairs = [_compare(local[rest], local[i], flat[i] - flat[rest], skin) for i in rows if i != rest]
        seen = [pair for pair in pairs if pair is not None]
        if seen:
            lessons.append(Lesson(person, np.concatenate([s[0] for s in seen]), np.concatenate([s[1] for s in seen])))
    if not lessons:
        raise BadInput("the corpus has nobody with two pictures in one light; add such people to it")
    return layout, lessons


def _flat(corpus: Corpus, i: int, layout: F32) -> F32:
    flat = flatten(corpus.picture(i), corpus.faces[i].landmarks[:FACE_POINTS, :2], layout, SIZE)
    return np.asarray(cv2.GaussianBlur(flat, (0, 0), SMOOTH[0]), np.float32)


def _compare(rest: HeadLocal, face: HeadLocal, change: F32, skin: np.ndarray) -> tuple[F32, F32] | None:
    """Return the moves and the changes of a picture and of its mirror image; None where the light is another."""
    change = np.clip(change - np.median(change[skin]), -MOST, MOST)
    if float(cv2.GaussianBlur(change, (0, 0), LIGHT_PX)[skin].std()) > SAME_LIGHT:
        return None
    shape = aligned(face.shape, rest.shape)
    turn = (np.array(euler_deg(face.rotation)) - np.array(euler_deg(rest.rotation)))[:2] / 10
    both = [np.concatenate([moves(after) - moves(before), turn * sides]) for before, after, sides in
            ((rest.shape, shape, (1, 1)), (_mirrored(rest.shape), _mirrored(shape), (1, -1)))]
    return np.array(both, np.float32), np.stack([change, change[:, ::-1]])


def _mirrored(shape: F32) -> F32:
    return shape[mirror_index()] * np.array([-1, 1, 1], np.float32)


def learn(layout: F32, lessons: list[Lesson]) -> Maps:
    """Return the maps that explain the lessons. A person with n pictures counts as much as sqrt(n) people with one."""
    seen = np.concatenate([lesson.moves for lesson in lessons])
    weight = np.concatenate([np.full(len(x.moves), len(x.moves) ** -0.25) for x in lessons])[:, None]
    changes = np.concatenate([lesson.changes.reshape(len(lesson.changes), -1) for lesson in lessons]) * weight
    # The left half of the face learns from its own moves and those of the middle; the right one is its mirror image, as
    # the lessons are. Nobody here smiled with one half: what each does could not be told apart.
    own = np.delete(np.arange(seen.shape[1]), RIGHT)
    reach = np.percentile(np.abs(seen[:, :MOVES]), REACH, axis=0).astype(np.float32) + np.float32(1e-6)
    known = np.concatenate([folding(seen[:, :MOVES], reach), seen[:, MOVES:]], 1)[:, own]
    spread = known.std(0) + 1e-6
    known = known / spread * weight
    found = np.linalg.solve(known.T @ known + RIDGE * np.eye(len(own)), known.T @ changes) / spread[:, None]
    side = smoothstep((0.5 - (np.arange(SIZE) + 0.5) / SIZE) / (2 * MIDLINE) + 0.5).astype(np.float32)
    skin = skin_of(layout)
    left = [cv2.GaussianBlur(f.reshape(SIZE, SIZE).astype(np.float32), (0, 0), SMOOTH[1]) * skin * side for f in found]
    maps = np.zeros((MOVES, SIZE, SIZE), np.float32)
    # What turning the head did is left out: the light stays where it was.
    for k, half in zip(own[own < MOVES], left, strict=False):
        maps[k] += half
        maps[k + 1 if k in LEFT else k] += half[:, ::-1]
    return Maps(maps, reach, layout)


def cross_validate(layout: F32, lessons: list[Lesson]) -> Score:
    """Learn from eight ninths of the people, ask about the others, in turn."""
    skin = skin_of(layout)
    total, count = np.zeros(4), 0
    for k in range(min(FOLDS, len(lessons))):
        others = [lesson for i, lesson in enumerate(lessons) if i % FOLDS != k]
        if not others:
            continue
        maps = learn(layout, others)
        for lesson in lessons[k::FOLDS]:
            left = lesson.changes - np.tensordot(folding(lesson.moves[:, :MOVES], maps.reach), maps.maps, 1)
            count += len(left)
            total += [(np.abs(a) ** p * skin).sum() / skin.sum() for p in (1, 2) for a in (lesson.changes, left)]
    change, left, all_of_it, rest = total / max(count, 1)
    return Score(count // 2, change, left, 1 - rest / max(all_of_it, 1e-9))


def save(maps: Maps, path: Path) -> None:
    """Write the maps as `didlive.generate.wrinkles` reads them, in 8 bits each. Raises BadInput when that fails."""
    unit = np.abs(maps.maps).max((1, 2)) / 127 + 1e-12
    levels = np.round(maps.maps / unit[:, None, None]).astype(np.int8)
    try:
        with path.open("wb") as stream:
            np.savez_compressed(stream, maps=levels, unit=unit.astype(np.float32), reach=maps.reach,
                                layout=maps.layout)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {reason(error)}") from error
