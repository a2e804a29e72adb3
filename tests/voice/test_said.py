"""A take keeps what the voice did: drawn again, the portrait speaks with the same mouth."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stage import RECORDING, Follower, Nuisance, make_actor, portrait, wait_until
from stage import SETTINGS as STAGE_SETTINGS

from didlive.animate import animate, clip_motions, take_performance
from didlive.demo import demo_portrait
from didlive.errors import BadInput
from didlive.geometry import BLENDSHAPES, INNER_LOWER, INNER_UPPER
from didlive.motion import MotionEstimator
from didlive.session import Session
from didlive.settings import Settings, VoiceSettings
from didlive.sinks.memory import MemorySink
from didlive.take import CHUNK, TakeWriter, load_take
from didlive.types import Face, Frame, Motion, Stamp, Tracking
from didlive.voice.fusion import Fusion
from didlive.voice.motion import mouth_region
from didlive.voice.mouth import JAW, Mouth
from didlive.voice.said import Said, pack, unpack

COUNT = CHUNK + 30
SETTINGS, PORTRAIT = Settings(), replace(portrait(), sha256="cd" * 32)


def mouth(k: int) -> Mouth:
    """A mouth that opens three times a second; its lips touch now and then."""
    rises = np.zeros(len(BLENDSHAPES), np.float32)
    rises[JAW] = 0.25 + 0.2 * np.sin(0.63 * k)
    return Mouth(k / 30, rises, float(k % 11 == 0), 1.0, 0.3, 1.0, 1.0)


def seen(k: int, face: bool) -> Tracking:
    r, i = RECORDING, k % len(RECORDING)
    shown = Face(r.landmarks[i], r.blendshapes[i], r.transforms[i]) if face else None
    return Tracking(shown, r.size, int(face), Stamp(k, 5_000_000_000 + k * 10**9 // 30))


def show(path: Path, camera: bool, hidden: range = range(0), spoken: range = range(COUNT),
         count: int = COUNT) -> list[Motion]:
    """Store a show's take; return what was shown. hidden: frames in which something is before the mouth."""
    writer, fusion, estimator = TakeWriter(path, SETTINGS, PORTRAIT), Fusion(), MotionEstimator(SETTINGS.motion)
    shown = []
    for k in range(count):
        tracking = seen(k, camera)
        motion = fusion.fuse(estimator.estimate(tracking), float(k not in hidden), mouth(k) if k in spoken else None,
                             tracking.stamp, VoiceSettings(strength=1.2), 7)
        assert motion is not None
        writer.add(tracking, tracking.stamp, motion, None, fusion.said)
        shown.append(motion)
    writer.close()
    return shown


def lips(motion: Motion | None) -> np.ndarray:
    """Return the landmarks of the mouth against the performer's relaxed face."""
    assert motion is not None
    sure = mouth_region()[:, 0] > 0.99
    return (motion.now.shape - motion.neutral.shape)[sure]


def gap(motion: Motion | None) -> float:
    assert motion is not None
    return float((motion.now.shape[INNER_LOWER, 1] - motion.now.shape[INNER_UPPER, 1])[3:6].mean())


def test_rows_come_back():
    said = Said(mouth(4), 0.5, 0.25, 1.5, 3)
    again = unpack(pack(said))
    assert again is not None and (again.share, again.life, again.strength, again.back) == (0.5, 0.25, 1.5, 3)
    np.testing.assert_array_equal(pack(again), pack(said))
    assert unpack(pack(None)) is None
    with pytest.raises(ValueError, match="numbers"):
        unpack(pack(replace(said, share=float("nan"))))


def test_without_camera_the_same_mouth_speaks_again(tmp_path: Path):
    shown = show(tmp_path / "a.take", camera=False)
    take = load_take(tmp_path / "a.take")
    drawn = clip_motions(take_performance(take), take.settings.motion, take.neutral, take.performer)
    assert len(drawn) == COUNT == len(take.said)
    for before, after in zip(shown, drawn, strict=True):
        assert after is not None
        np.testing.assert_allclose(lips(after), lips(before), atol=1e-5)
        np.testing.assert_allclose(after.now.blendshapes[JAW], before.now.blendshapes[JAW], atol=1e-6)
    assert np.ptp([gap(motion) for motion in drawn]) > 0.05


def test_where_the_camera_saw_the_mouth_it_moves_it_again(tmp_path: Path):
    hidden = range(60, 120)
    shown = show(tmp_path / "a.take", True, hidden)
    take = load_take(tmp_path / "a.take")
    drawn = clip_motions(take_performance(take), take.settings.motion, take.neutral, take.performer)
    by_voice = range(hidden.start + 4, hidden.stop)
    np.testing.assert_allclose([gap(drawn[k]) for k in by_voice], [gap(shown[k]) for k in by_voice], atol=0.004)
    # p, b, m close the lips also where the camera moves the mouth.
    assert gap(drawn[44]) == pytest.approx(0, abs=1e-3) and gap(drawn[43]) > 0.005
    # What was seen of the mug as it came is not shown again either.
    said = take.said[hidden.start + 1]
    assert said is not None and said.back == 2 and 0 < said.share < 1


def test_a_part_without_voice_needs_no_room_and_a_damaged_one_is_refused(tmp_path: Path):
    path = tmp_path / "a.take"
    show(path, True, spoken=range(CHUNK, COUNT))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert [name for name in members if name.startswith("voice/")] == ["voice/000001.f32"]
    assert [said is not None for said in load_take(path).said] == [k >= CHUNK for k in range(COUNT)]
    for damage in (members["voice/000001.f32"][:-4], b"\xff" * len(members["voice/000001.f32"])):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**members, "voice/000001.f32": damage}.items():
                archive.writestr(name, data)
        with pytest.raises(BadInput, match=r"a\.take is no take"):
            load_take(path)


def test_it_is_drawn_again(tmp_path: Path):
    show(tmp_path / "a.take", camera=False, count=6)
    report = animate(demo_portrait(), load_take(tmp_path / "a.take"), tmp_path / "again",
                     replace(SETTINGS, output=replace(SETTINGS.output, size="128")))
    assert report.lost == 0 and report.frames == 6
    pictures = [path.read_bytes() for path in sorted((tmp_path / "again").iterdir())]
    assert len(set(pictures)) == 6


class Speaker:
    """In place of a microphone's voice: always says the same."""

    problem, speaking, newest_ns, closed = "", True, None, False

    def __init__(self) -> None:
        self.said = Said(mouth(1), 1.0, 1.0, 1.0)

    def fuse(self, motion: Motion | None, stamp: Stamp, tracked: bool, seed: int) -> Motion:
        return self.said.move(motion, stamp, seed, None)

    def start(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """End; once is enough."""
        self.closed = True

    def look(self, frame: Frame, tracking: Tracking | None) -> None:
        """See nothing."""


class Counted(TakeWriter):
    """Counts what it was given."""

    count = 0

    def add(self, *args: Any, **kwargs: Any) -> None:
        super().add(*args, **kwargs)
        self.count += 1


def test_a_show_hands_its_voice_to_the_take_but_not_in_a_panic(tmp_path: Path):
    session = Session(STAGE_SETTINGS, Nuisance(), Follower(), make_actor(), [MemorySink()])
    session.set_voice(Speaker())  # pyright: ignore[reportArgumentType]
    with session:
        wait_until(lambda: session.stats().state.value == "live", "the show")
        session.take = take = Counted(tmp_path / "a.take", STAGE_SETTINGS, PORTRAIT)
        wait_until(lambda: take.count > 5, "frames")
        session.panic()
        before = take.count
        wait_until(lambda: take.count > before + 5, "frames")
        session.take = None
        take.close()
    said = load_take(tmp_path / "a.take").said
    assert said[0] is not None and said[-1] is None


def test_a_voice_that_comes_after_the_end_is_closed():
    session = Session(STAGE_SETTINGS, Nuisance(), Follower(), make_actor(), [MemorySink()])
    session.start()
    session.stop()
    late = Speaker()
    session.set_voice(late)  # pyright: ignore[reportArgumentType]
    assert late.closed


def test_a_voice_that_goes_while_its_state_is_asked_for_does_no_harm(monkeypatch: pytest.MonkeyPatch):
    """The window asks in one thread while a job takes the microphone away in another."""
    session = Session(STAGE_SETTINGS, Nuisance(), Follower(), make_actor(), [MemorySink()])

    def going(_: Session) -> bool:
        session.voice = None
        return True

    monkeypatch.setattr(Session, "following", property(going))
    session.set_voice(Speaker())  # pyright: ignore[reportArgumentType]
    assert session.stats().state.value == "live"
