"""Face tracking with MediaPipe Face Landmarker; the only file that imports mediapipe's face task."""

from __future__ import annotations

import zipfile
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from mediapipe.tasks.python.vision.face_landmarker import FaceLandmarker, FaceLandmarkerResult

from ..geometry import landmark_box
from ..models import ensure_model
from ..types import F32, U8, Face, Frame, Tracking

MAX_FACES = 6


def make_landmarker(model: Path, *, video: bool, faces: int) -> FaceLandmarker:
    """Return a Face Landmarker with blendshapes and transforms. Close it, or its destructor complains at exit."""
    mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
    return vision.FaceLandmarker.create_from_options(vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)), running_mode=mode, num_faces=faces,
        output_face_blendshapes=True, output_facial_transformation_matrixes=True))


def to_image(rgb: U8) -> mp.Image:
    """Wrap (H, W, 3) RGB uint8 for MediaPipe."""
    return mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))


def unpack(result: FaceLandmarkerResult, width: int, height: int) -> list[Face]:
    """Return the faces of a result in px, largest first."""
    faces = []
    for points, shapes, transform in zip(result.face_landmarks, result.face_blendshapes,
                                         result.facial_transformation_matrixes, strict=True):
        landmarks = np.array([(p.x * width, p.y * height, p.z * width) for p in points], dtype=np.float32)
        scores = np.array([c.score for c in shapes], dtype=np.float32)
        faces.append(Face(landmarks, scores, np.array(transform, dtype=np.float32)))
    return sorted(faces, key=_area, reverse=True)


def _area(face: Face) -> float:
    x0, y0, x1, y1 = landmark_box(face.landmarks)
    return (x1 - x0) * (y1 - y0)


def detect_faces(rgb: U8) -> list[Face]:
    """Return all faces of a still (H, W, 3) RGB picture, largest first."""
    landmarker = make_landmarker(ensure_model("face_landmarker"), video=False, faces=MAX_FACES)
    try:
        return unpack(landmarker.detect(to_image(rgb)), rgb.shape[1], rgb.shape[0])
    finally:
        landmarker.close()


def face_sureness(*pictures: U8) -> list[float]:
    """Return how sure the face detector is, 0..1, of the clearest face in each (H, W, 3) RGB picture; 0 below 0.3.

    A landmark mesh is laid upright even into a face that stands on its head; the detector is less sure of such a one.
    """
    with zipfile.ZipFile(ensure_model("face_landmarker")) as bundle:
        model = bundle.read("face_detector.tflite")
    options = vision.FaceDetectorOptions(base_options=BaseOptions(model_asset_buffer=model),
                                         min_detection_confidence=0.3)
    with vision.FaceDetector.create_from_options(options) as detector:
        found = [detector.detect(to_image(picture)).detections for picture in pictures]
    return [max((one.categories[0].score for one in detections), default=0.0) for detections in found]


class MediaPipeTracker:
    """Follows one face: the largest at the start, then the one kept so far; when it is lost, the largest again.

    mode: "video" follows a face over frames in order of time; "image" looks at each frame for itself.
    MediaPipe's own VIDEO mode with one face is fast because it detects only when the face was lost. At that moment a
    second landmarker looks for all faces; the others are greyed out for one frame, so that the tracker locks on to
    the largest.
    """

    def __init__(self, mode: str = "video", model: Path | None = None) -> None:
        self._model = model or ensure_model("face_landmarker")
        self._video = mode == "video"
        self._landmarker: FaceLandmarker | None = None
        self._detector: FaceLandmarker | None = None
        self._previous: F32 | None = None
        self._last_ms = -1

    def track(self, frame: Frame) -> Tracking:
        """Return what is seen in `frame` (RGB or RGBA)."""
        rgb = frame.image[:, :, :3]
        height, width = rgb.shape[:2]
        count = 1
        if not self._video or self._previous is None:
            faces = self._detect(rgb)
            count = len(faces)
            if not self._video or not faces:
                face = faces[0] if faces else None
                return Tracking(face, (width, height), count, frame.stamp.mark("track"))
            if count > 1:
                rgb = _only(rgb, faces)
        face = self._follow(rgb, frame.stamp.captured_ns)
        if face is not None and self._jumped(face.landmarks):
            # Another face took over: forget, and choose anew at the next frame.
            self.reset()
            face = None
        self._previous = None if face is None else face.landmarks
        return Tracking(face, (width, height), count if face else 0, frame.stamp.mark("track"))

    def _detect(self, rgb: U8) -> list[Face]:
        detector = self._detector = self._detector or make_landmarker(self._model, video=False, faces=MAX_FACES)
        return unpack(detector.detect(to_image(rgb)), rgb.shape[1], rgb.shape[0])

    def _follow(self, rgb: U8, captured_ns: int) -> Face | None:
        landmarker = self._landmarker = self._landmarker or make_landmarker(self._model, video=True, faces=1)
        # MediaPipe wants strictly rising milliseconds.
        self._last_ms = max(self._last_ms + 1, captured_ns // 1_000_000)
        faces = unpack(landmarker.detect_for_video(to_image(rgb), self._last_ms), rgb.shape[1], rgb.shape[0])
        return faces[0] if faces else None

    def _jumped(self, landmarks: F32) -> bool:
        if self._previous is None:
            return False
        ax0, ay0, ax1, ay1 = landmark_box(self._previous)
        bx0, by0, bx1, by1 = landmark_box(landmarks)
        return min(ax1, bx1) <= max(ax0, bx0) or min(ay1, by1) <= max(ay0, by0)

    def reset(self) -> None:
        """Forget the face followed so far."""
        if self._landmarker is not None:
            self._landmarker.close()
        self._landmarker, self._previous, self._last_ms = None, None, -1

    def close(self) -> None:
        """Free MediaPipe's threads; the tracker may be used again afterwards."""
        self.reset()
        if self._detector is not None:
            self._detector.close()
        self._detector = None


def _only(rgb: U8, faces: list[Face]) -> U8:
    """Return a copy in which all faces but the first are grey, except where they overlap the first."""
    masked = rgb.copy()
    for other in faces[1:]:
        x0, y0, x1, y1 = (int(v) for v in landmark_box(other.landmarks))
        masked[max(0, y0):y1 + 1, max(0, x0):x1 + 1] = 127
    x0, y0, x1, y1 = landmark_box(faces[0].landmarks)
    px, py = (x1 - x0) * 0.3, (y1 - y0) * 0.3
    box = slice(max(0, int(y0 - py)), int(y1 + py)), slice(max(0, int(x0 - px)), int(x1 + px))
    masked[box] = rgb[box]
    return masked


def segment_person(rgb: U8) -> F32:
    """Return (H, W) float32 person confidence 0..1 of a still (H, W, 3) RGB picture."""
    segmenter = vision.ImageSegmenter.create_from_options(vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=str(ensure_model("selfie_segmenter"))),
        running_mode=vision.RunningMode.IMAGE, output_confidence_masks=True))
    try:
        masks = segmenter.segment(to_image(rgb)).confidence_masks
        return np.array(masks[-1].numpy_view(), dtype=np.float32).reshape(rgb.shape[:2])
    finally:
        segmenter.close()
