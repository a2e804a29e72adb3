"""Takes: what a show kept comes back as numbers only, and is drawn again, the same each time."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from didlive import cli
from didlive.animate import animate, clip_motions, take_performance
from didlive.demo import demo_portrait
from didlive.errors import BadInput, OutputFailed
from didlive.motion import MotionEstimator, measure, mirrored
from didlive.session import Session
from didlive.settings import MotionSettings, OutputSettings, Settings
from didlive.sinks.memory import MemorySink
from didlive.take import CHUNK, TakeWriter, load_take, take_beside
from didlive.types import Face, Motion, Performer, Presence, Ranges, Stamp, Tracking
from tests.stage import MARKER, RECORDING, SETTINGS, Follower, Nuisance, make_actor, portrait, wait_until

SIZE = (640, 480)
PORTRAIT = replace(portrait(), sha256="ab" * 32)


def face(number: int) -> Face:
    r, i = RECORDING, number % len(RECORDING)
    return Face(r.landmarks[i], r.blendshapes[i], r.transforms[i])


def seen(number: int, size: tuple[int, int] = SIZE, zoom: float = 1.0) -> Tracking:
    shown = face(number)
    return Tracking(replace(shown, landmarks=(shown.landmarks * zoom).astype(np.float32)), size, 1, stamp(number))


def stamp(number: int) -> Stamp:
    return Stamp(number, 7_000_000_000 + number * 10**9 // 30)


def neutral_motion(mirror: bool = False) -> Motion:
    relaxed = measure(face(3), mirror)
    return Motion(relaxed, relaxed, np.ones(2, np.float32), Presence.TRACK, stamp(0))


def store(path: Path, count: int = 40, settings: Settings = SETTINGS) -> Path:
    writer = TakeWriter(path, settings, PORTRAIT)
    for number in range(count):
        writer.add(seen(number), stamp(number), neutral_motion(settings.motion.mirror))
    writer.close()
    return path


def test_what_is_kept_comes_back(tmp_path: Path):
    settings = replace(SETTINGS, motion=MotionSettings(mirror=True, strength=1.5))
    count = 2 * CHUNK + 20
    take = load_take(store(tmp_path / "a b.take", count, settings))
    assert [path.name for path in tmp_path.iterdir()] == ["a b.take"]
    assert len(take.recording) == count and take.recording.size == SIZE and take.performer is None
    assert (take.settings.motion, take.settings.output) == (settings.motion, settings.output)
    assert (take.portrait, take.portrait_sha256) == ("grey", "ab" * 32)
    for number, tracking in enumerate(take.trackings()):
        assert tracking.face is not None and tracking.stamp.captured_ns == stamp(number).captured_ns - 7_000_000_000
        assert np.abs(tracking.face.landmarks - face(number).landmarks).max() <= 1 / 256 + 1e-5
        assert np.abs(tracking.face.blendshapes - face(number).blendshapes).max() < 2e-4
        assert np.array_equal(tracking.face.transform, face(number).transform)
    assert np.allclose(take.neutral.shape, measure(face(3)).shape, atol=1e-6)


def test_hidden_held_paused_and_another_camera(tmp_path: Path):
    writer = TakeWriter(tmp_path / "a.take", SETTINGS, PORTRAIT)
    for number in range(10):
        writer.add(seen(number), stamp(number), neutral_motion(), held=number in (5, 6, 7), hidden=number in (2, 3, 6))
    writer.pause()
    writer.add(seen(10), stamp(10))
    writer.pause(False)
    writer.add(seen(20, (1280, 960), 2.0), stamp(20))
    writer.add(Tracking(None, (0, 0), 0, stamp(21)), stamp(21))
    writer.close()
    take = load_take(tmp_path / "a.take")
    assert take.recording.present.tolist() == [n not in (2, 3, 6, 11) for n in range(12)]
    shown = [None if t.face is None else t.face.landmarks for t in take.trackings()]
    assert np.array_equal(shown[4], shown[5]) and np.array_equal(shown[5], shown[7])
    assert shown[10] is not None and np.abs(shown[10] - face(20).landmarks).max() < 0.01
    steps = np.diff(take.recording.times_ns)
    assert np.abs(steps[9] - 10**9 / SETTINGS.output.rate_hz) < 10 and steps[10] == pytest.approx(33_333_333, abs=2)


def test_the_performers_own_face_and_ranges_are_kept(tmp_path: Path):
    performer = Performer("Ann", measure(face(9)), Ranges(jaw=0.3))
    writer = TakeWriter(tmp_path / "a.take", SETTINGS, PORTRAIT)
    for number in range(5):
        writer.add(seen(number), stamp(number), neutral_motion(), performer)
    writer.close()
    take = load_take(tmp_path / "a.take")
    assert take.performer is not None and take.performer.name == "Ann"
    assert take.performer.ranges.jaw == pytest.approx(0.3)
    assert np.array_equal(take.neutral.shape, measure(face(3)).shape)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_neutral_face_is_that_of_the_show(mirror: bool, tmp_path: Path):
    motion = MotionSettings(mirror=mirror)
    take = load_take(store(tmp_path / "a.take", settings=replace(SETTINGS, motion=motion)))
    drawn = clip_motions(take_performance(take), motion, take.neutral)
    relaxed = measure(face(3), mirror)
    live = MotionEstimator(motion, relaxed)
    live.follow(measure(face(3), mirror), stamp(0))
    assert all(m is not None and np.allclose(m.neutral.shape, relaxed.shape, atol=1e-5) for m in drawn)
    assert np.allclose(mirrored(take.neutral).shape if mirror else take.neutral.shape, relaxed.shape, atol=1e-5)


def test_it_holds_no_picture(tmp_path: Path):
    path = store(tmp_path / "a.take")
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["motion/000000.npz", "performer.npz", "settings.toml", "take.toml"]
        with np.load(io.BytesIO(archive.read("motion/000000.npz")), allow_pickle=False) as arrays:
            kept = {name: (arrays[name].dtype.kind, arrays[name].shape) for name in arrays.files}
    assert kept == {"version": ("i", ()), "rate_hz": ("f", ()), "size": ("i", (2,)), "times_ns": ("i", (40,)),
                    "present": ("b", (40,)), "landmarks": ("f", (40, 478, 3)), "blendshapes": ("f", (40, 52)),
                    "transforms": ("f", (40, 4, 4))}
    assert path.stat().st_size < 40 * 6000


def test_a_show_keeps_its_take_without_any_camera_pixel(tmp_path: Path):
    session = Session(SETTINGS, Nuisance(), Follower(), make_actor(), [MemorySink()])
    with session:
        wait_until(lambda: session.stats().state.value == "live", "the show")
        take = TakeWriter(tmp_path / "a.take", SETTINGS, PORTRAIT)
        session.take = take
        wait_until(lambda: _came(session, 3))
        session.panic()
        wait_until(lambda: _came(session, 5))
        session.panic(False)
        wait_until(lambda: _came(session, 5))
        session.take = None
        take.close()
    stored = load_take(tmp_path / "a.take")
    present = stored.recording.present.tolist()
    assert present[0] and present[-1] and False in present
    row = bytes(MARKER) * 16
    with zipfile.ZipFile(tmp_path / "a.take") as archive:
        data = b"".join(archive.read(name) for name in archive.namelist())
    assert row not in data


def _came(session: Session, count: int) -> bool:
    """Wait for so many more trackings."""
    for _ in range(count):
        before = session.tracking.peek()
        wait_until(lambda: session.tracking.peek() is not before)  # noqa: B023
    return True


def test_no_face_no_folder_and_abort_leave_nothing(tmp_path: Path):
    writer = TakeWriter(tmp_path / "a.take", SETTINGS, PORTRAIT)
    writer.add(Tracking(None, (0, 0), 0, stamp(0)), stamp(0))
    with pytest.raises(OutputFailed, match="no face was seen"):
        writer.close()
    writer.close()
    writer.add(seen(1), stamp(1))
    other = TakeWriter(tmp_path / "b.take", SETTINGS, PORTRAIT)
    other.add(seen(0), stamp(0), neutral_motion())
    other.abort()
    other.close()
    with pytest.raises(OutputFailed, match="absent"):
        TakeWriter(tmp_path / "absent" / "a.take", SETTINGS, PORTRAIT)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_take_is_refused(tmp_path: Path):
    good = store(tmp_path / "good.take")
    with zipfile.ZipFile(good) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def remade(name: str, **changes: bytes | None) -> Path:
        names = {"about": "take.toml", "settings": "settings.toml", "person": "performer.npz",
                 "motion": "motion/000000.npz"}
        parts = members | {names[key]: data for key, data in changes.items()}
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, data in parts.items():
                if data is not None:
                    archive.writestr(member, data)
        return tmp_path / name

    about = members["take.toml"]
    bad = {
        remade("format.take", about=about.replace(b"format = 1", b"format = 2")): "format 2; this didlive reads",
        remade("motion.take", motion=None): "not complete",
        remade("numbers.take", motion=b"nothing"): "numbers.take",
        remade("person.take", person=b"nothing"): "performer cannot be used: the file is damaged",
        remade("settings.take", settings=b"[motion]\nstrength = 99.0\n"): "out of range",
        remade("toml.take", about=b"]["): "damaged",
        remade("name.take", about=about.replace(b"[portrait]", b"portrait = 'me'\n[other]")): "damaged",
        tmp_path / "absent.take": "cannot be read",
    }
    (tmp_path / "cut.take").write_bytes(good.read_bytes()[:2000])
    bad[tmp_path / "cut.take"] = "is no take"
    for path, text in bad.items():
        with pytest.raises(BadInput, match=text) as caught:
            load_take(path)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_the_command_draws_it_again_the_same_each_time(models: Path, tmp_path: Path,
                                                       capsys: pytest.CaptureFixture[str],
                                                       monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIDLIVE_DATA", str(tmp_path / "data"))
    settings = Settings(output=OutputSettings(size="144x144"))
    path, out = store(tmp_path / "a.take", 5, settings), tmp_path / "b.mp4"
    assert cli.main(["render", str(path), "--out", str(out)]) == 2
    assert "not in the library; give it with --portrait" in capsys.readouterr().err
    assert cli.main(["render", str(path), "--portrait", str(demo_portrait()), "--out", str(out), "--size",
                     "144x144"]) == 0
    assert "5 frames, 144x144 px" in capsys.readouterr().out
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5
    animate(demo_portrait(), load_take(path), tmp_path / "again.mp4", settings)
    assert (tmp_path / "again.mp4").read_bytes() == out.read_bytes()


def test_a_recording_never_takes_anothers_take(tmp_path: Path):
    first = tmp_path / "show [1].mp4"
    assert take_beside(first) == tmp_path / "show [1].take"
    first.touch()
    take_beside(first).touch()
    for beside in ("show [1].recording.mp4", "show [1].2.mp4", "show [1].txt"):
        (tmp_path / beside).touch()
    assert take_beside(first) == tmp_path / "show [1].take", "a new recording of the same name replaces both"
    assert take_beside(tmp_path / "show [1].gif") == tmp_path / "show [1].gif.take"
    first.unlink()
    assert take_beside(tmp_path / "show [1].gif") == tmp_path / "show [1].take"
