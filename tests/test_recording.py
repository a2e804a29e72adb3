"""Motion files: what is written comes back, and nothing else is believed."""

from __future__ import annotations

import errno
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from didlive import recording as module
from didlive.errors import BadInput, OutputFailed
from didlive.recording import Recording, load_recording, save_recording

FRAMES = 5


def a_recording() -> Recording:
    rng = np.random.default_rng(3)
    present = np.array([True, True, False, True, True])
    return Recording(
        rate_hz=29.97,
        size=(640, 480),
        times_ns=np.arange(FRAMES, dtype=np.int64) * 33_000_000,
        present=present,
        landmarks=(rng.random((FRAMES, 478, 3)) * 640 * present[:, None, None]).astype(np.float32),
        blendshapes=rng.random((FRAMES, 52)).astype(np.float32),
        transforms=np.tile(np.eye(4, dtype=np.float32), (FRAMES, 1, 1)),
    )


def raw(**changes: Any) -> dict[str, Any]:
    r = a_recording()
    arrays = {
        "version": np.int64(1), "rate_hz": np.float64(30), "size": np.array([640, 480]), "times_ns": r.times_ns,
        "present": r.present, "landmarks": r.landmarks, "blendshapes": r.blendshapes, "transforms": r.transforms,
    }  # fmt: skip
    return {name: value for name, value in (arrays | changes).items() if value is not None}


def test_round_trip(tmp_path: Path) -> None:
    path, saved = tmp_path / "a b.npz", a_recording()
    save_recording(path, saved)
    loaded = load_recording(path)
    assert (loaded.rate_hz, loaded.size, len(loaded)) == (29.97, (640, 480), FRAMES)
    for name in ("times_ns", "present", "landmarks", "blendshapes", "transforms"):
        expected, found = getattr(saved, name), getattr(loaded, name)
        assert found.dtype == expected.dtype and np.array_equal(found, expected), name
    assert os.listdir(tmp_path) == ["a b.npz"]


def test_float16_landmarks_and_plain_savez_are_read(tmp_path: Path) -> None:
    path = tmp_path / "half.npz"
    np.savez(path, **raw(landmarks=a_recording().landmarks.astype(np.float16)))
    loaded = load_recording(path)
    assert loaded.landmarks.dtype == np.float32
    assert np.allclose(loaded.landmarks, a_recording().landmarks, atol=0.5)


def test_fortran_order_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    np.savez(path, **raw(landmarks=np.asfortranarray(a_recording().landmarks)))
    assert np.array_equal(load_recording(path).landmarks, a_recording().landmarks)


LANDMARKS = a_recording().landmarks
BAD = {
    "lacks": (raw(present=None), "it lacks present"),
    "version": (raw(version=np.int64(2)), "version 2"),
    "points": (raw(landmarks=LANDMARKS[:, :468]), r"shape \(5, 468, 3\), expected \(frames, 478, 3\)"),
    "dimensions": (raw(times_ns=np.int64(3)), r"times_ns has shape \(\)"),
    "lengths": (raw(present=np.ones(4, np.bool_)), "different lengths"),
    "empty": ({k: v[:0] if k not in ("version", "rate_hz", "size") else v for k, v in raw().items()}, "no frames"),
    "type": (raw(blendshapes=np.zeros((FRAMES, 52), np.int32)), "blendshapes has type int32"),
    "pickle": (raw(present=np.array([True, None, False, 1, 2], object)), "present has type object"),
    "nan": (raw(landmarks=np.full_like(LANDMARKS, np.nan)), "landmarks are not all numbers"),
    "rate": (raw(rate_hz=np.float64("nan")), "rate nan Hz"),
    "size": (raw(size=np.array([0, 480])), "size 0x480"),
    "times": (raw(times_ns=np.zeros(FRAMES, np.int64)), "times do not increase"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_refused(case: str, tmp_path: Path) -> None:
    arrays, text = BAD[case]
    path = tmp_path / "bad.npz"
    np.savez(path, allow_pickle=True, **arrays)
    with pytest.raises(BadInput, match=text) as caught:
        load_recording(path)
    assert "bad.npz" in str(caught.value)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "trapped"),))

    path = tmp_path / "trap.npz"
    np.savez(path, allow_pickle=True, **raw(transforms=np.array([Trap()], object)))
    with pytest.raises(BadInput, match="object"):
        load_recording(path)
    assert not (tmp_path / "trapped").exists()


def test_not_a_motion_file(tmp_path: Path) -> None:
    save_recording(tmp_path / "good.npz", a_recording())
    whole = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("no numbers here")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("cut.npz", "text.npz", "empty.npz", "one.npy"):
        with pytest.raises(BadInput, match=r"is not a motion file \(\.npz.*damaged"):
            load_recording(tmp_path / name)
    with pytest.raises(BadInput, match="does not exist"):
        load_recording(tmp_path / "absent.npz")
    with pytest.raises(BadInput, match="is a folder"):
        load_recording(tmp_path)


def test_damaged_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "good.npz"
    save_recording(path, a_recording())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"good\.npz"):
        load_recording(path)


@pytest.mark.parametrize("frames", [10**12, 10**6, -5])
def test_a_bomb_is_refused_before_it_is_unpacked(frames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    np.savez(path, **raw(landmarks=None))
    header = {"descr": "<f4", "fortran_order": False, "shape": (frames, 478, 3)}
    with zipfile.ZipFile(path, "a") as archive, archive.open("landmarks.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
    reads: list[int] = []
    read = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda s, n=-1: (reads.append(n), read(s, n))[1])
    with pytest.raises(BadInput, match="at most 500000"):
        load_recording(path)
    assert min(reads) >= 0 and max(reads) < 100_000


def test_a_header_that_promises_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "short.npz"
    np.savez(path, **raw(landmarks=None))
    with zipfile.ZipFile(path, "a") as archive, archive.open("landmarks.npy", "w") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (FRAMES, 478, 3)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(bytes(100))
    with pytest.raises(BadInput, match="landmarks is cut off"):
        load_recording(path)


def test_an_unusable_recording_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="times do not increase"):
        save_recording(tmp_path / "x.npz", replace(a_recording(), times_ns=np.zeros(FRAMES, np.int64)))
    assert not os.listdir(tmp_path)


def test_disk_full_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OutputFailed, match="No space left"):
        save_recording(path, a_recording())
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x.npz"]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="cannot be written"):
        save_recording(tmp_path / "no" / "x.npz", a_recording())
