"""Offline: a portrait speaks a file or a text, the same every time; and what happens to bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import skimage.data
from command import contents, run
from stage import bare

from didlive.actor import Actor, prepare_actor
from didlive.errors import BadInput, Cancelled
from didlive.pipeline import Renderer
from didlive.settings import Settings, VoiceSettings
from didlive.track.mediapipe import detect_faces
from didlive.voice import espeak
from didlive.voice.perform import animate_speech, draw, perform, write_wav
from didlive.voice.sight import MouthSight
from didlive.voice.sound import read_sound, resampled
from didlive.voice.speech import Speech
from didlive.voice.visemes import CLOSED, INDEX, track

SMALL = Settings(output=bare(size="128x128"))


def shortened(speech: Speech, seconds: float) -> Speech:
    """Return the beginning of a speech."""
    return Speech(speech.samples[:int(seconds * speech.rate_hz)], speech.rate_hz,
                  tuple(p for p in speech.phonemes or () if p.end_s < seconds))


@pytest.fixture
def wav(speech: Speech, tmp_path: Path) -> Path:
    return write_wav(tmp_path / "speech.wav", shortened(speech, 1.0))


def apertures(speech: Speech, settings: Settings, actor) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of the pictures and the lip opening that the tracker sees in them, in mouth widths."""
    motions = perform(speech, settings)
    gaps = []
    for frame in draw(actor, motions, settings.output.rate_hz, settings, lambda *_: None):
        points = detect_faces(frame.image)[0].landmarks
        gaps.append(np.linalg.norm(points[13] - points[14]) / np.linalg.norm(points[61] - points[291]))
    return np.arange(len(gaps)) / settings.output.rate_hz, np.array(gaps)


def test_what_is_said_is_seen(speech: Speech, actor):
    """The real tracker looks at the drawn portrait: open in vowels, closed in p, b and m."""
    said = shortened(speech, 1.5)
    times_s, gaps = apertures(said, SMALL, actor)
    shapes = track(said.phonemes or (), times_s.astype(np.float32))
    wide, shut = gaps[shapes == INDEX["aa"]], gaps[shapes == CLOSED]
    assert len(wide) > 3 and len(shut) > 3
    assert np.median(wide) > 0.1 and np.median(shut) < 0.04


def test_the_same_sound_gives_the_same_file_and_keeps_the_sound(wav: Path, astronaut: Path, folder: Path):
    outs = [folder / "1.mp4", folder / "2.mp4"]
    reports = [animate_speech(astronaut, wav, out, SMALL) for out in outs]
    assert outs[0].read_bytes() == outs[1].read_bytes() and reports[0].frames == 30
    with av.open(str(outs[0])) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
    before, after = read_sound(wav, 16_000), read_sound(outs[0], 16_000)
    n = min(len(before), len(after))
    assert np.corrcoef(before[:n], after[:n])[0, 1] > 0.95
    other = folder / "3.mp4"
    seeded = replace(SMALL, motion=replace(SMALL.motion, idle=replace(SMALL.motion.idle, seed=8)))
    animate_speech(astronaut, wav, other, seeded, heard=False)
    with av.open(str(other)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    assert other.read_bytes() != outs[0].read_bytes()


def test_it_is_drawn_by_the_engine_that_gives_the_same_bytes(wav: Path, astronaut: Path, folder: Path,
                                                            monkeypatch: pytest.MonkeyPatch):
    engines: list[str] = []

    def prepare(*args: Any, **more: Any) -> Actor:
        engines.append(args[1].engine)
        return prepare_actor(*args, **more)

    monkeypatch.setattr("didlive.voice.perform.prepare_actor", prepare)
    for engine in ("auto", "ort"):
        animate_speech(astronaut, wav, folder / f"{engine}.mp4", replace(SMALL, engine=engine), max_frames=1)
    assert engines == ["exact", "ort"]


def test_a_clip_moves_all_but_the_mouth(speech: Speech, driving: Path, actor):
    from didlive.animate import clip_motions, track_clip

    clip = track_clip(driving, max_frames=10)
    driven = clip_motions(clip, SMALL.motion)
    motions = perform(shortened(speech, 1.0), SMALL, driven, clip.rate_hz)
    assert len(motions) == len(driven)
    for motion, own in zip(motions, driven, strict=True):
        assert motion is not None and own is not None
        np.testing.assert_array_equal(motion.lids, own.lids)
        assert not np.allclose(motion.now.shape, own.now.shape)
    assert Renderer(SMALL.motion, actor).render(motions[0], motions[0].stamp).image.shape == (256, 256, 3)
    # Before the clip's first face the voice is heard, and so the mouth moves.
    late = perform(shortened(speech, 1.0), SMALL, [None, *driven[1:]], clip.rate_hz)
    np.testing.assert_array_equal(late[1].now.shape, motions[1].now.shape)
    assert not np.allclose(late[0].now.shape, late[0].neutral.shape)


def test_what_does_not_fit_the_clip_is_said(wav: Path, driving: Path, astronaut: Path, folder: Path):
    clip = folder / "short.mp4"
    with av.open(str(driving)) as source, av.open(str(clip), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        for k, frame in enumerate(source.decode(video=0)):
            if k < 12:
                image = frame.to_ndarray(format="rgb24") * (k > 3)
                target.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")))
        target.mux(stream.encode(None))
    report = animate_speech(astronaut, wav, folder / "a.mp4", SMALL, driving=clip)
    assert report.frames == 12 and report.lost == 4
    notes = " ".join(report.notes)
    assert "no face was seen in 4 of 12 frames" in notes and "the last 0.5 s of the speech were cut" in notes


def test_strength_opens_the_mouth_more_or_less(speech: Speech):
    said = shortened(speech, 0.5)

    def widest(strength: float) -> float:
        motions = perform(said, replace(SMALL, voice=VoiceSettings(strength=strength)))
        return max(float(m.now.shape[14, 1] - m.now.shape[13, 1]) for m in motions if m is not None)

    assert widest(0.0) < widest(0.5) < widest(1.5)


def test_stopping_leaves_nothing(wav: Path, astronaut: Path, folder: Path):
    with pytest.raises(Cancelled):
        animate_speech(astronaut, wav, folder / "a.mp4", SMALL, cancelled=lambda: True)
    assert contents(folder) == []


def test_the_command_speaks_a_text(speech: Speech, astronaut: Path, folder: Path, capsys):
    out = folder / "hello.mp4"
    code, said, _ = run(["animate", "--portrait", astronaut, "--text", "Hello.", "--voice", "en-gb+f3", "--size", "128",
                         "--seed", "3", "--out", out], capsys)
    assert code == 0 and "hello.mp4" in said and out.stat().st_size > 0


@pytest.mark.parametrize(("words", "told"), [
    (["--audio", "nowhere.wav"], "there is no file nowhere.wav"),
    (["--text", " "], "the text is empty"),
    (["--text", "hi", "--voice", "nobody"], "has no voice 'nobody'"),
    (["--text", "hi", "--audio", "a.wav"], "two voices"),
])
def test_what_cannot_be_said(words: list[str], told: str, speech: Speech, astronaut: Path, folder: Path, capsys):
    code, _, said = run(["animate", "--portrait", astronaut, *words, "--out", folder / "a.mp4"], capsys)
    assert code == 2 and told in said and said.count("\n") == 1 and contents(folder) == []


def test_a_file_without_sound_is_told(tmp_path: Path, astronaut: Path):
    with pytest.raises(BadInput, match=r"cannot be read as sound|no sound"):
        read_sound(astronaut, 16_000)
    text = tmp_path / "a.wav"
    text.write_text("this is no sound")
    with pytest.raises(BadInput, match=r"cannot be read as sound \([A-Z][^\[\]]*\); use a WAV"):
        read_sound(text, 16_000)


def test_without_espeak_the_way_to_it_is_told():
    told = espeak._reply(None, b"{}").decode()
    assert "install espeak-ng" in told and told.count("\n") == 1


def test_rates_are_converted():
    tone = np.sin(2 * np.pi * 300 * np.arange(22_050) / 22_050).astype(np.float32)
    other = resampled(tone, 22_050, 16_000)
    assert abs(len(other) - 16_000) < 50 and resampled(tone, 16_000, 16_000) is tone
    n = len(other) - 400
    expected = np.sin(2 * np.pi * 300 * np.arange(n + 400) / 16_000)[200:n + 200]
    assert np.corrcoef(other[200:n + 200], expected)[0, 1] > 0.999


def test_a_mug_before_the_mouth_is_noticed(models: Path):
    image = skimage.data.astronaut()
    face = detect_faces(image)[0]
    sight = MouthSight()
    assert [sight.confidence(image, face) for _ in range(20)] == [1.0] * 20
    mug, dark = image.copy(), (image * 0.02).astype(np.uint8)
    left, top = face.landmarks[[61, 0], [0, 1]].astype(int) - 12
    mug[top:top + 60, left:left + 70] = (40, 60, 200)
    assert sight.confidence(mug, face) == 0 and sight.confidence(dark, face) == 0
    assert sight.confidence(image, None) == 0 and sight.confidence(image, face) == 1
    cut = image[:int(face.landmarks[13, 1])]
    assert sight.confidence(cut, face) == 0
