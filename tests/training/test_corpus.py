"""Preparing a corpus and making samples out of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from didlive.errors import BadInput
from didlive.generate.canonical import EYE, FACE, MOUTH
from didlive.geometry import LIPS_OUTER
from didlive.training.corpus import PX_PER_MM, Corpus, load_corpus, prepare
from didlive.training.synth import KINDS, LEAST_MM, Maker, load_samples, sample_of, synthesise


def test_pictures_and_clips_become_faces_of_one_scale(corpus: Corpus):
    assert {item.name for item in corpus.items} == {"hopper.jpg", "astronaut.png", "hopper.mp4"}
    for i, face in enumerate(corpus.faces):
        height, width = corpus.picture(i).shape[:2]
        ears = float(np.linalg.norm(face.landmarks[234] - face.landmarks[454]))
        assert ears / 140 == pytest.approx(PX_PER_MM, rel=0.02)
        assert (face.landmarks[:, :2] >= 0).all() and (face.landmarks[:, :2] < [width, height]).all()


def test_landmarks_still_lie_on_the_face_that_was_cut_out(corpus: Corpus, models: object):
    from didlive.track.mediapipe import detect_faces

    index = next(i for i, item in enumerate(corpus.items) if item.name == "astronaut.png")
    found = detect_faces(corpus.picture(index))[0]
    away = np.linalg.norm(found.landmarks[LIPS_OUTER, :2] - corpus.faces[index].landmarks[LIPS_OUTER, :2], axis=1)
    assert away.mean() < 0.02 * np.ptp(found.landmarks[:, 1])


def test_who_is_held_out_does_not_teach(corpus: Corpus):
    teaches = {item.name: item.teaches for item in corpus.items}
    assert teaches == {"hopper.jpg": True, "hopper.mp4": True, "astronaut.png": False}
    assert not dataclasses.replace(corpus.items[0], tier="B", held_out=False).teaches


def test_all_frames_of_a_clip_are_motion(corpus: Corpus):
    measures, neutral = corpus.motions["hopper.mp4"]
    assert len(measures) >= 30 and neutral.shape.shape == (478, 3)


def test_folders_without_a_face_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="no usable face"):
        prepare([tmp_path], tmp_path / "out", lambda done, total: None)
    with pytest.raises(BadInput, match="didlive train prepare"):
        load_corpus(tmp_path)


@pytest.mark.parametrize("teaching", [True, False])
def test_samples_show_people_of_one_side_only(corpus: Corpus, teaching: bool):
    maker = Maker(corpus, lambda i: corpus.items[i].teaches == teaching, seed=3)
    for _ in range(6):
        pair = maker.pair()
        assert corpus.items[pair.index].teaches == teaching and corpus.items[pair.target].teaches == teaching


def test_a_sample_moves_and_its_truth_is_near_what_the_warp_drew(corpus: Corpus):
    maker = Maker(corpus, lambda i: corpus.items[i].teaches, seed=5)
    samples = [s for s in (sample_of(maker.pair(), corpus) for _ in range(8)) if s is not None]
    assert samples
    for sample in samples:
        assert sample.mouth.shape == (1, MOUTH.height, MOUTH.width, MOUTH.channels + 3)
        assert sample.eyes.shape == (2, EYE.height, EYE.width, EYE.channels + 3)
        assert max(sample.moved[:3]) >= LEAST_MM
        drawn, truth = sample.face[0, :, :, :3].astype(float), sample.face[0, :, :, -3:].astype(float)
        # A wrong shift by two pixels of this small crop costs three times as much.
        assert np.abs(drawn - truth).mean() < 10 < np.abs(np.roll(drawn, 6, 1) - truth).mean()


def test_a_seed_gives_the_same_samples(corpus: Corpus):
    def first(seed: int) -> np.ndarray:
        sample = next(iter(Maker(corpus, lambda i: corpus.items[i].teaches, seed)))
        return sample.mouth

    assert np.array_equal(first(8), first(8)) and not np.array_equal(first(8), first(9))


def test_without_a_corpus_no_samples_are_begun(tmp_path: Path):
    with pytest.raises(BadInput, match="train prepare"):
        synthesise(tmp_path / "nothing", tmp_path / "s", 9, True, 4, 1, lambda done, total: None)
    assert not (tmp_path / "s").exists()


def test_worker_processes_fill_a_folder(prepared: Path, corpus: Corpus, tmp_path: Path):
    steps: list[tuple[int, int]] = []
    synthesise(prepared, tmp_path / "s", 9, True, 4, 1, lambda done, total: steps.append((done, total)))
    samples = load_samples([tmp_path / "s"])[0]
    assert len(samples) == 9 and steps[-1] == (9, 9)
    assert samples.crops["face"].shape == (9, 1, FACE.height, FACE.width, FACE.channels + 3)
    for name in ("mouth", "eyes", "face"):
        assert all(samples.crops[name][i].any() for i in range(9)), "a row was left empty"
    assert set(samples.kind) <= set(range(len(KINDS))) and (samples.moved.max(1) >= LEAST_MM).all()
    assert all(corpus.items[i].teaches for i in samples.target)
