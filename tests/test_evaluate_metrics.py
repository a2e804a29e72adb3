"""Quality metrics on synthetic faces with known answers, and the report around them without any model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from didlive import cli
from didlive.errors import BadInput, OutputFailed
from didlive.evaluate import metrics, sheet
from didlive.evaluate.identity import Identity
from didlive.evaluate.run import Pair, read_pairs, rounded
from didlive.evaluate.sheet import Strip, contact_sheet
from didlive.geometry import BLENDSHAPES, SHAPE_INDEX, from_euler_deg
from didlive.seams import StreamFormat
from didlive.sinks.video import Mp4Sink
from didlive.types import U8, Face, Frame, Portrait, Stamp, Tracking

COUNT = 60


def face(yaw_deg: float = 0.0, shift_px: float = 0.0, **shapes: float) -> Face:
    """An oval of landmarks 100 px wide with given blendshapes and pose."""
    angle = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    landmarks = np.stack([120 + 50 * np.cos(angle) + shift_px, 110 + 70 * np.sin(angle), 0 * angle], axis=1)
    landmarks[metrics.FACE_LEFT], landmarks[metrics.FACE_RIGHT] = (70 + shift_px, 110, 0), (170 + shift_px, 110, 0)
    blendshapes = np.zeros(len(BLENDSHAPES), np.float32)
    for name, value in shapes.items():
        blendshapes[SHAPE_INDEX[name]] = value
    transform = np.eye(4, dtype=np.float32)
    transform[:3, :3] = from_euler_deg(0, yaw_deg, 0)
    return Face(landmarks.astype(np.float32), blendshapes, transform)


def performance(gain: float = 1.0, offset: float = 0.0, yaw_gain: float = 1.0) -> list[Face | None]:
    wave = 0.5 + 0.4 * np.sin(np.arange(COUNT) / 5)
    return [face(yaw_deg=20 * yaw_gain * (w - 0.5), jawOpen=gain * w + offset, eyeLookInLeft=gain * w,
                 eyeBlinkLeft=gain * w) for w in wave]


def scores(driver: list[Face | None], output: list[Face | None]) -> dict[str, Any]:
    return metrics.motion_scores(metrics.Track.of(driver), metrics.Track.of(output))


def test_perfect_copy():
    result = scores(performance(), performance())
    assert result == {"frames": COUNT, "lost": 0, "exp_l1": 0.0, "exp_corr": pytest.approx(1.0),
                      "gaze_corr": pytest.approx(1.0), "blink_corr": pytest.approx(1.0),
                      "pose_deg": pytest.approx(0, abs=0.05), "jitter": 0.0}


def test_motion_is_relative_to_the_first_frame():
    result = scores(performance(), performance(offset=0.05))
    assert result["exp_l1"] == pytest.approx(0, abs=1e-6) and result["exp_corr"] == pytest.approx(1.0)


def test_half_the_motion_keeps_correlation_and_costs_distance():
    wave = 0.5 + 0.4 * np.sin(np.arange(COUNT) / 5)
    result = scores(performance(), performance(gain=0.5))
    chosen = len(metrics.channels(metrics.EXPRESSION))
    assert result["exp_l1"] == pytest.approx(np.abs(wave - wave[0]).mean() / 2 / chosen, rel=1e-4)
    assert result["exp_corr"] == pytest.approx(1.0)


def test_still_output_has_no_correlation_and_still_driver_none():
    still = [face() for _ in range(COUNT)]
    assert scores(performance(), still)["exp_corr"] == 0.0
    assert scores(still, performance())["exp_corr"] is None


def test_opposite_motion_is_minus_one():
    assert scores(performance(), performance(gain=-0.5))["gaze_corr"] == pytest.approx(-1.0)


def test_pose_error_is_the_angle_between_relative_rotations():
    driver = [face(yaw_deg=value) for value in (5, 15, 25, 5)]
    output = [face(yaw_deg=value) for value in (-3, 4, 11, -3)]
    assert scores(driver, output)["pose_deg"] == pytest.approx((0 + 3 + 6 + 0) / 4, abs=0.02)


def test_jitter_counts_shaking_in_thousandths_of_the_face():
    calm = [face() for _ in range(10)]
    shaking = [face(shift_px=float(i % 2)) for i in range(10)]
    # x moves by 1 px each frame: |second difference| 2 px in x, 0 in y, mean 1 px of a 100 px wide face.
    assert scores(calm, shaking)["jitter"] == pytest.approx(10.0)
    assert scores(shaking, calm)["jitter"] == pytest.approx(-10.0)
    assert metrics.jitter(metrics.Track.of(shaking[:3]).landmarks) == 0.0


def test_lost_frames_are_counted_and_left_out():
    output = performance()
    output[7] = output[30] = None
    result = scores(performance(), output)
    assert result["lost"] == 2 and result["exp_corr"] == pytest.approx(1.0)
    output[0] = None
    assert scores(performance(), output) == {"frames": COUNT, "lost": 3, "failed": True}
    assert scores([None], [None]) == {"frames": 1, "lost": 1, "failed": True}


def test_sample_is_even_and_short():
    assert list(metrics.sample(np.arange(5))) == [0, 1, 2, 3, 4]
    assert 40 <= len(metrics.sample(np.arange(500))) <= 80


def photo() -> tuple[U8, Face]:
    image = skimage.data.astronaut()[0:240, 100:340]
    return np.ascontiguousarray(image), face()


def test_sharpness_falls_with_blur_and_ignores_size():
    image, seen = photo()
    sharp = metrics.sharpness(image, seen.landmarks)
    soft = metrics.sharpness(cv2.GaussianBlur(image, (0, 0), 2), seen.landmarks)
    assert soft < 0.3 * sharp
    large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    assert 0.3 < metrics.sharpness(large, 4 * seen.landmarks) / sharp < 3


def test_picture_scores_of_equal_and_damaged_pictures():
    image, seen = photo()
    equal = metrics.picture_scores(image, image, seen.landmarks, seen.landmarks)
    assert equal["psnr"] == equal["mouth_psnr"] == 100.0 and equal["ssim"] == pytest.approx(1.0)
    assert equal["landmarks"] == equal["eyes_landmarks"] == 0.0
    left, top, right, bottom = metrics.region_boxes(seen.landmarks, (240, 240))["mouth"]
    damaged = image.copy()
    damaged[top:bottom, left:right] = 255 - damaged[top:bottom, left:right]
    worse = metrics.picture_scores(image, damaged, seen.landmarks, face(shift_px=2.0).landmarks)
    assert worse["mouth_psnr"] < worse["face_psnr"] <= worse["psnr"] < 100
    assert worse["mouth_ssim"] < worse["ssim"] < 1
    assert (worse["landmarks"], worse["mouth_landmarks"]) == pytest.approx((2.0, 2.0), rel=1e-4)
    assert "landmarks" not in metrics.picture_scores(image, image, seen.landmarks, None)


def test_psnr_of_a_known_error():
    black = np.zeros((16, 16, 3), np.uint8)
    assert metrics.psnr_db(black, black + 1) == pytest.approx(48.13, abs=0.01)


def test_boxes_stay_inside_the_picture():
    for left, top, right, bottom in metrics.region_boxes(face(shift_px=-100).landmarks, (150, 120)).values():
        assert 0 <= left <= 150 and 0 <= top <= 120 and right <= 150 and bottom <= 120
    metrics.picture_scores(np.zeros((120, 150, 3), np.uint8), np.zeros((120, 150, 3), np.uint8),
                           face(shift_px=-400).landmarks, None)


def test_mean_skips_what_is_missing():
    rows = [{"a": 1.0, "b": float("nan")}, {"a": 3.0}]
    assert metrics.mean_scores(rows) == {"a": 2.0, "b": None}


def test_identity_without_dlib_is_null_with_the_reason(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("didlive.evaluate.identity.find_spec", lambda name: None)
    identity = Identity()
    image, seen = photo()
    assert identity.describe(image, seen.landmarks) is None
    assert "didlive[evaluate]" in identity.missing


def test_identity_of_the_same_and_of_mirrored_faces():
    pytest.importorskip("dlib")
    identity = Identity()
    if identity.missing:
        pytest.skip(identity.missing)
    image = skimage.data.astronaut()
    box = np.array([[170, 60, 0], [275, 185, 0]], np.float32)
    first = identity.describe(image, box)
    other = identity.describe(cv2.GaussianBlur(image, (0, 0), 1), box)
    assert first is not None and other is not None and np.linalg.norm(first) == pytest.approx(1.0)
    assert first @ other > 0.95


def test_contact_sheet_shows_every_picture():
    red, green, blue = (np.full((50, 80, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    strips = [Strip("one", "x 1", red, ((green, blue),) * 3), Strip("two", "x 2", red, ((green, blue),))]
    image = contact_sheet(strips)
    step, row = sheet.TILE_PX + sheet.GAP_PX, sheet.CAPTION_PX + 2 * sheet.TILE_PX + sheet.GAP_PX
    assert image.shape == (2 * row, 4 * step, 3)
    for number, pictures in ((0, 3), (1, 1)):
        top = number * row + sheet.CAPTION_PX
        assert tuple(image[top + sheet.TILE_PX, 96]) == (255, 0, 0)
        for column in range(1, 1 + pictures):
            assert tuple(image[top + 96, column * step + 96]) == (0, 255, 0)
            assert tuple(image[top + sheet.TILE_PX + 96, column * step + 96]) == (0, 0, 255)
        assert (image[number * row:top] < 100).any()


def test_sheet_into_no_folder(tmp_path: Path):
    with pytest.raises(OutputFailed, match=r"x\.png"):
        sheet.save_png(np.zeros((2, 2, 3), np.uint8), tmp_path / "no" / "x.png")


def test_pairs_file(tmp_path: Path):
    path = tmp_path / "pairs.toml"
    path.write_text('[[pair]]\nportrait = "a.png"\ndriving = "b.mp4"\n')
    assert read_pairs(path) == [Pair(tmp_path / "a.png", tmp_path / "b.mp4")]
    for text in ("", "[[pair]]\nportrait = 'a'\n", "pair = 3", "["):
        path.write_text(text)
        with pytest.raises(BadInput):
            read_pairs(path)


def test_rounding():
    assert rounded({"a": [1.23456, float("nan")], "b": "x", "c": True}) == {"a": [1.2346, None], "b": "x", "c": True}


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clip and a portrait on disk, an animator that shifts the clip's colours, a tracker that knows the answers."""
    clip, still = tmp_path / "clip.mp4", tmp_path / "still.png"
    image, seen = photo()
    sink = Mp4Sink(clip, crf=1)
    sink.open(StreamFormat(240, 240, 25.0))
    pictures = [Frame(np.roll(image, i, axis=0), Stamp(i, i * 40_000_000)) for i in range(COUNT)]
    for picture in pictures:
        sink.write(picture)
    sink.close()
    Image.fromarray(image).save(still)
    asked: list[Any] = []

    def animate_frames(portrait_path: Path, driving: Path, *, settings: Any, face: int | None = None,
                       max_frames: int | None = None, neutral: int | None = None,
                       progress: object = None) -> Iterator[tuple[Frame, Frame]]:
        asked.append((portrait_path, driving, settings.output))
        for picture in pictures[:max_frames]:
            yield replace(picture, image=np.ascontiguousarray(255 - picture.image)), picture

    class Tracker:
        def __init__(self, mode: str = "video") -> None:
            self.rows = iter(performance())

        def track(self, frame: Frame) -> Tracking:
            return Tracking(next(self.rows), (240, 240), 1, frame.stamp)

        def close(self) -> None:
            pass

    monkeypatch.setitem(sys.modules, "didlive.animate", SimpleNamespace(animate_frames=animate_frames))
    monkeypatch.setitem(sys.modules, "didlive.track.mediapipe", SimpleNamespace(MediaPipeTracker=Tracker))
    monkeypatch.setitem(sys.modules, "didlive.portrait", SimpleNamespace(
        load_portrait=lambda path: Portrait(image, None, seen, 1, Path(path).name)))
    monkeypatch.setattr("didlive.evaluate.identity.find_spec", lambda name: None)
    return SimpleNamespace(clip=clip, still=still, asked=asked, out=tmp_path / "out")


def test_command_reports_pairs_and_self(stand_ins: SimpleNamespace, capsys: pytest.CaptureFixture[str]):
    arguments = ["evaluate", "--portrait", str(stand_ins.still), "--driving", str(stand_ins.clip), "--self",
                 str(stand_ins.clip), "--max-frames", "20", "--out", str(stand_ins.out), "--json"]
    assert cli.main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    row, own = report["pairs"][0], report["self"][0]
    assert row["frames"] == 20 and row["exp_corr"] == 1.0 and row["sharp"] > 0
    assert row["identity"] is None and "dlib" in row["notes"]["identity"]
    assert own["frames"] == 19 and own["psnr"] < 20 and own["lpips"] is None and "weights" in own["notes"]["lpips"]
    assert report["mean"]["exp_corr"] == 1.0
    assert json.loads((stand_ins.out / "report.json").read_text()) == report
    with Image.open(stand_ins.out / "sheet.png") as image:
        assert image.size[0] == 7 * (sheet.TILE_PX + sheet.GAP_PX)
    with av.open(str(stand_ins.out / "still--clip.mp4")) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (1024, 512)
        assert sum(1 for _ in video.decode(video=0)) == 20
    assert stand_ins.asked[1][2].size == "source" and stand_ins.asked[1][2].framing == "full"


def test_command_prints_a_table(stand_ins: SimpleNamespace, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["evaluate", "--portrait", str(stand_ins.still), "--driving", str(stand_ins.clip), "--max-frames",
                     "10", "--self", str(stand_ins.clip)]) == 0
    text = capsys.readouterr().out
    assert "still.png < clip.mp4" in text and "exp_corr" in text and "note: identity needs dlib" in text


@pytest.mark.parametrize("fault", [BadInput("no face"), KeyboardInterrupt()])
def test_a_failed_command_leaves_no_empty_folder(fault: BaseException, stand_ins: SimpleNamespace,
                                                 monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(sys.modules["didlive.portrait"], "load_portrait", fail)
    for out in (stand_ins.out / "deep" / "report", stand_ins.out):
        arguments = ["evaluate", "--portrait", str(stand_ins.still), "--driving", str(stand_ins.clip), "--out",
                     str(out)]
        assert cli.main(arguments) in (2, 130)
        assert not stand_ins.out.exists()
    stand_ins.out.mkdir()
    assert cli.main(arguments) in (2, 130)
    assert stand_ins.out.is_dir(), "it was there before"


def test_command_never_replaces_an_input(stand_ins: SimpleNamespace, capsys: pytest.CaptureFixture[str]):
    sheet_like = stand_ins.still.rename(stand_ins.still.with_name("sheet.png"))
    before = sheet_like.read_bytes()
    assert cli.main(["evaluate", "--portrait", str(sheet_like), "--driving", str(stand_ins.clip), "--out",
                     str(sheet_like.parent)]) == 2
    assert "would replace the input" in capsys.readouterr().err and sheet_like.read_bytes() == before


def test_command_without_work(capsys: pytest.CaptureFixture[str]):
    for arguments in ([], ["--portrait", "a.png"], ["--self", "a.mp4", "--max-frames", "2"]):
        assert cli.main(["evaluate", *arguments]) == 2
    assert "nothing to evaluate" in capsys.readouterr().err
