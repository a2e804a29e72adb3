"""One suite over every registered tracker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from phone import datagram

from didlive.animate import track_clip
from didlive.capture.file import FileCamera
from didlive.ifacialmocap import to_card
from didlive.recording import save_recording, to_recording
from didlive.registry import TRACKERS, load
from didlive.seams import Tracker
from didlive.types import Frame, Stamp


@pytest.fixture(scope="module")
def clip(driving: Path) -> list[Frame]:
    camera = FileCamera(driving)
    camera.open()
    pictures = list(iter(camera.read, None))
    camera.close()
    return pictures


@pytest.fixture
def frames(clip: list[Frame], request: pytest.FixtureRequest) -> list[Frame]:
    """Pictures with a face, as this tracker's camera gives them."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is None or callspec.params.get("tracker") != "ifacialmocap":
        return clip
    return [Frame(to_card(datagram((number, 2 * number, 0), jawOpen=number / 100)), frame.stamp)
            for number, frame in enumerate(clip)]


@pytest.fixture(scope="module")
def recorded(driving: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motion") / "motion.npz"
    performance = track_clip(driving)
    save_recording(path, to_recording(performance.trackings, performance.rate_hz))
    return path


@pytest.fixture(params=sorted(TRACKERS))
def tracker(request: pytest.FixtureRequest, recorded: Path, models: Path) -> Iterator[Tracker]:
    kind = load(TRACKERS, request.param)
    made = kind(recorded) if request.param == "replay" else kind()
    yield made
    made.close()


def test_faces_have_the_promised_shape(tracker: Tracker, frames: list[Frame]):
    for frame in frames[:5]:
        tracking = tracker.track(frame)
        face = tracking.face
        assert face is not None and tracking.count == 1
        assert tracking.size == (frame.image.shape[1], frame.image.shape[0])
        assert face.landmarks.shape == (478, 3) and face.landmarks.dtype == np.float32
        assert face.blendshapes.shape == (52,) and face.blendshapes.dtype == np.float32
        assert face.blendshapes.min() >= 0 and face.blendshapes.max() <= 1
        assert face.transform.shape == (4, 4) and face.transform.dtype == np.float32
        assert np.allclose(face.transform[:3, :3] @ face.transform[:3, :3].T, np.eye(3), atol=0.05)
        middle = face.landmarks[:, :2].mean(axis=0)
        assert 0 < middle[0] < tracking.size[0] and 0 < middle[1] < tracking.size[1]


def test_the_stamp_is_passed_on_and_marked_once(tracker: Tracker, frames: list[Frame]):
    for frame in frames[:3]:
        stamp = tracker.track(frame).stamp
        assert (stamp.sequence, stamp.captured_ns) == (frame.stamp.sequence, frame.stamp.captured_ns)
        assert [name for name, _ in stamp.marks] == ["track"]


def test_the_frame_is_not_changed(tracker: Tracker, frames: list[Frame]):
    before = frames[0].image.copy()
    tracker.track(frames[0])
    assert np.array_equal(before, frames[0].image)


def test_the_same_frames_give_the_same_faces_after_reset(tracker: Tracker, frames: list[Frame]):
    first = [tracker.track(frame).face for frame in frames[:6]]
    tracker.reset()
    again = [tracker.track(frame).face for frame in frames[:6]]
    for a, b in zip(first, again, strict=True):
        assert a is not None and b is not None and np.array_equal(a.landmarks, b.landmarks)


def test_close_twice_and_use_again(tracker: Tracker, frames: list[Frame]):
    tracker.track(frames[0])
    tracker.close()
    tracker.close()
    assert tracker.track(frames[0]).face is not None


def test_trackers_agree(recorded: Path, frames: list[Frame], models: Path):
    seeing, replaying = load(TRACKERS, "mediapipe")(), load(TRACKERS, "replay")(recorded)
    for frame in frames[:6]:
        a, b = seeing.track(frame).face, replaying.track(frame).face
        assert np.array_equal(a.landmarks, b.landmarks) and np.array_equal(a.transform, b.transform)
    seeing.close()


def test_nobody_is_no_error(models: Path):
    tracker = load(TRACKERS, "mediapipe")()
    for number in range(3):
        tracking = tracker.track(Frame(np.full((120, 160, 3), 127, np.uint8), Stamp(number, number * 33_000_000)))
        assert tracking.face is None and tracking.count == 0 and tracking.size == (160, 120)
    tracker.close()


def test_pictures_may_change_their_size_and_have_alpha(models: Path, frames: list[Frame]):
    tracker = load(TRACKERS, "mediapipe")()
    small = np.ascontiguousarray(frames[1].image[::2, ::2])
    alpha = np.dstack([frames[2].image, np.full(frames[2].image.shape[:2], 255, np.uint8)])
    for number, image in enumerate((frames[0].image, small, alpha)):
        tracking = tracker.track(Frame(image, Stamp(number, number * 33_000_000)))
        assert tracking.size == (image.shape[1], image.shape[0])
    tracker.close()
