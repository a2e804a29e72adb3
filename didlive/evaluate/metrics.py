"""How good a reenactment is, as numbers over tracked arrays; nothing here needs a model.

In cross-reenactment there is no true picture: motion is compared, relative to the first frame of each side, as in
LivePortrait's relative mode (Guo 2024).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from ..geometry import BLENDSHAPES, EYE_RINGS, LIPS_OUTER
from ..types import F32, U8, Face

# Points on forehead, nose and eye corners that expressions hardly move.
RIGID = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 33, 263, 133, 362)
FACE_LEFT, FACE_RIGHT = 234, 454
EXPRESSION = ("brow", "cheek", "jaw", "mouth", "nose")
GAZE, BLINK = ("eyeLook",), ("eyeBlink",)
# A channel counts as moved by the driver, and as alive in the output, above these standard deviations.
MOVED, ALIVE = 0.05, 1e-4
FACE_PX = 256
# Room around mouth and eye boxes, as a part of the box.
BOX_MARGIN = 0.25


@dataclass(frozen=True, slots=True)
class Track:
    """One face over N frames. landmarks: (N, 478, 2) float32 px. blendshapes: (N, 52) float32. rotations: (N, 3, 3)
    float32, any fixed axes. seen: (N,) bool; rows that were not seen are zero."""

    landmarks: F32
    blendshapes: F32
    rotations: F32
    seen: np.ndarray

    @staticmethod
    def of(faces: Iterable[Face | None]) -> Track:
        """Collect tracked faces, None where there was none."""
        rows = list(faces)
        count = len(rows)
        landmarks = np.zeros((count, 478, 2), np.float32)
        blendshapes = np.zeros((count, len(BLENDSHAPES)), np.float32)
        rotations = np.zeros((count, 3, 3), np.float32)
        for i, face in enumerate(rows):
            if face is not None:
                landmarks[i], blendshapes[i] = face.landmarks[:, :2], face.blendshapes
                rotations[i] = face.transform[:3, :3]
        return Track(landmarks, blendshapes, rotations, np.array([face is not None for face in rows], bool))

    def at(self, rows: np.ndarray) -> Track:
        """Return the chosen frames."""
        return Track(self.landmarks[rows], self.blendshapes[rows], self.rotations[rows], self.seen[rows])


def common_rows(driver: Track, output: Track) -> np.ndarray:
    """Return the frames in which both sides were seen."""
    count = min(len(driver.seen), len(output.seen))
    return np.flatnonzero(driver.seen[:count] & output.seen[:count])


def channels(prefixes: Sequence[str]) -> list[int]:
    """Return the blendshapes whose names begin with one of `prefixes`."""
    return [i for i, name in enumerate(BLENDSHAPES) if name.startswith(tuple(prefixes))]


def relative_blendshapes(track: Track) -> F32:
    """Return (N, 52) blendshapes minus those of the first frame."""
    return track.blendshapes - track.blendshapes[0]


def expression_l1(driver: F32, output: F32) -> float:
    """Mean absolute difference of relative brow, cheek, jaw, mouth and nose blendshapes, 0 is perfect."""
    chosen = channels(EXPRESSION)
    return float(np.abs(driver - output)[:, chosen].mean())


def correlation(driver: F32, output: F32, prefixes: Sequence[str]) -> float | None:
    """Mean Pearson correlation over the channels that the driver really moves; a dead one in the output counts as 0.

    None when the driver moves none of them.
    """
    values = [float(np.corrcoef(driver[:, i], output[:, i])[0, 1]) if output[:, i].std() > ALIVE else 0.0
              for i in channels(prefixes) if driver[:, i].std() > MOVED]
    return float(np.mean(values)) if values else None


def pose_error_deg(driver: F32, output: F32) -> float:
    """Mean angle, in degrees, between the head rotations (N, 3, 3) since the first frame."""
    a = driver @ driver[0].T
    b = output @ output[0].T
    cosine = (np.einsum("nij,nij->n", a, b) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def jitter(landmarks: F32) -> float:
    """Mean second difference of rigid landmarks, in 1/1000 of the face width of the first frame; 0 below 4 frames."""
    if len(landmarks) < 4:
        return 0.0
    return float(np.abs(np.diff(landmarks[:, RIGID], 2, axis=0)).mean() / face_width(landmarks[0]) * 1e3)


def face_width(landmarks: F32) -> float:
    """Distance between the sides of the face, px."""
    return float(np.linalg.norm(landmarks[FACE_LEFT, :2] - landmarks[FACE_RIGHT, :2]))


def sharpness(image: U8, landmarks: F32) -> float:
    """Laplacian variance of the face, brought to 256 px whatever its size so that it can be compared."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    centre = (low + high) / 2
    zoom = FACE_PX / 2 / float((high - low).max() / 2)
    if zoom < 0.8:
        image = cast(U8, cv2.GaussianBlur(image, (0, 0), 0.5 / zoom))
    half = FACE_PX / 2
    matrix = np.array([[zoom, 0, half - centre[0] * zoom], [0, zoom, half - centre[1] * zoom]], np.float32)
    face = cv2.warpAffine(image, matrix, (FACE_PX, FACE_PX))
    return float(cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def sample(rows: np.ndarray, about: int = 40) -> np.ndarray:
    """Return about forty to eighty rows, evenly spaced, for the costly measures."""
    return rows[::max(1, len(rows) // about)]


def motion_scores(driver: Track, output: Track) -> dict[str, float | int | None]:
    """Compare the motion of two tracks frame by frame.

    Keys: frames, lost (one of the two not seen), exp_l1, exp_corr, gaze_corr, blink_corr, pose_deg, jitter (output
    minus driver). Only frames and lost, and `failed`, when the first frame of either was not seen.
    """
    count = min(len(driver.seen), len(output.seen))
    rows = common_rows(driver, output)
    scores: dict[str, float | int | None] = {"frames": count, "lost": count - len(rows)}
    if len(rows) == 0 or rows[0] != 0:
        return {**scores, "failed": True}
    a, b = driver.at(rows), output.at(rows)
    moved, made = relative_blendshapes(a), relative_blendshapes(b)
    return {**scores, "exp_l1": expression_l1(moved, made), "exp_corr": correlation(moved, made, EXPRESSION),
            "gaze_corr": correlation(moved, made, GAZE), "blink_corr": correlation(moved, made, BLINK),
            "pose_deg": pose_error_deg(a.rotations, b.rotations),
            "jitter": jitter(b.landmarks) - jitter(a.landmarks)}


def region_boxes(landmarks: F32, size: tuple[int, int]) -> dict[str, tuple[int, int, int, int]]:
    """Return (left, top, right, bottom) px of `frame`, `face`, `mouth` and both eyes, inside a picture of `size`."""
    boxes = {"frame": (0, 0, *size)}
    groups = {"face": np.arange(len(landmarks)), "mouth": LIPS_OUTER, "eye_a": EYE_RINGS[0], "eye_b": EYE_RINGS[1]}
    for name, group in groups.items():
        low, high = landmarks[group, :2].min(axis=0), landmarks[group, :2].max(axis=0)
        room = 0 if name == "face" else BOX_MARGIN * float((high - low).max())
        left, top = np.maximum(0, np.floor(low - room)).astype(int)
        right, bottom = np.minimum(size, np.ceil(high + room)).astype(int)
        boxes[name] = (int(left), int(top), int(right), int(bottom))
    return boxes


def psnr_db(truth: U8, image: U8) -> float:
    """Peak signal to noise ratio in dB; 100 for equal pictures."""
    error = float(np.mean((truth.astype(np.float32) - image) ** 2))
    return 100.0 if error < 1e-6 else min(100.0, float(10 * np.log10(255 ** 2 / error)))


def ssim(truth: U8, image: U8) -> float:
    """Structural similarity (Wang 2004, scikit-image) of two RGB pictures; 1 is equal. NaN below 7 px."""
    from skimage.metrics import structural_similarity

    if min(truth.shape[:2]) < 7:
        return float("nan")
    return float(cast(float, structural_similarity(truth, image, channel_axis=2, data_range=255)))


def landmark_error_percent(truth: F32, image: F32, group: np.ndarray) -> float:
    """Mean distance of the landmarks `group`, in percent of the true face's width."""
    distance = np.linalg.norm(truth[group, :2] - image[group, :2], axis=1).mean()
    return float(distance / face_width(truth) * 100)


def picture_scores(truth: U8, image: U8, truth_face: F32, image_face: F32 | None) -> dict[str, float]:
    """Compare one output with the true picture of equal size.

    Keys: psnr, ssim and landmarks (percent of face width; absent without a tracked output face) for the whole frame,
    and `face_`, `mouth_`, `eyes_` variants inside those boxes of the true face. Eyes are the mean of both.
    """
    height, width = truth.shape[:2]
    groups = {"frame": np.arange(len(truth_face)), "face": np.arange(len(truth_face)), "mouth": LIPS_OUTER,
              "eye_a": EYE_RINGS[0], "eye_b": EYE_RINGS[1]}
    found: dict[str, list[float]] = {}
    for name, (left, top, right, bottom) in region_boxes(truth_face, (width, height)).items():
        if right <= left or bottom <= top:
            continue
        prefix = {"frame": "", "face": "face_"}.get(name, "eyes_" if name.startswith("eye") else "mouth_")
        part, made = truth[top:bottom, left:right], image[top:bottom, left:right]
        found.setdefault(f"{prefix}psnr", []).append(psnr_db(part, made))
        found.setdefault(f"{prefix}ssim", []).append(ssim(part, made))
        if image_face is not None and name != "face":
            error = landmark_error_percent(truth_face, image_face, groups[name])
            found.setdefault(f"{prefix}landmarks", []).append(error)
    return {name: float(np.mean(values)) for name, values in found.items()}


def mean_scores(rows: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Average dictionaries key by key, leaving out missing values and NaN."""
    names = dict.fromkeys(name for row in rows for name in row)
    result: dict[str, float | None] = {}
    for name in names:
        values = [row[name] for row in rows if row.get(name) is not None and np.isfinite(row[name])]
        result[name] = float(np.mean(values)) if values else None
    return result
