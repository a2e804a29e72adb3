"""The training of the voice network: labels, batches, the same weights from the same seed, the network that runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from didlive.errors import BadInput
from didlive.voice.lips import AHEAD, BEHIND, CONTEXT, HIDDEN, LAYERS
from didlive.voice.listener import Listener
from didlive.voice.mel import BANDS, FRAME_S, HOP, WINDOW
from didlive.voice.mouth import JAW, LAG_S
from didlive.voice.speech import Speech
from didlive.voice.visemes import CLOSED

pytest.importorskip("torch")

import torch

from didlive.training.voice import VoiceTraining, train
from didlive.training.voice_batches import FRAMES, POOL, Mixer, jaw_of, real_clip, targets
from didlive.training.voice_command import read_config
from didlive.training.voice_network import VoiceNetwork, export
from didlive.training.voice_score import score_clip
from didlive.training.voice_sounds import KINDS, disturbance
from didlive.training.voice_speech import Utterance, as_float, labelled, load_speech, save_speech


@pytest.fixture(scope="module")
def utterance(speech: Speech) -> Utterance:
    return labelled(speech, "test")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch):
    """Few sounds, and torch as it was."""
    monkeypatch.setattr("didlive.training.voice_batches.POOL", 3)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_every_frame_has_its_label(utterance: Utterance, tmp_path: Path):
    assert len(utterance.visemes) == (len(utterance.samples) - WINDOW) // HOP + 1
    assert (utterance.visemes == CLOSED).sum() > 20 and (utterance.visemes == 0).any()
    save_speech(tmp_path / "a.npz", [utterance, utterance])
    first, second = load_speech(tmp_path / "a.npz")
    np.testing.assert_array_equal(first.samples, second.samples)
    np.testing.assert_array_equal(second.visemes, utterance.visemes)
    assert second.voice == "test"


@pytest.mark.parametrize("kind", list(KINDS))
def test_sounds_have_one_loudness(kind: str):
    sound = KINDS[kind](32_000, np.random.default_rng(1))
    assert sound.shape == (32_000,) and np.sqrt(np.mean(sound ** 2)) == pytest.approx(1, abs=0.01)
    assert np.isfinite(disturbance(16_000, np.random.default_rng(2))).all() and POOL > 3


def test_batches_repeat_by_seed(utterance: Utterance):
    one, two, other = (Mixer([utterance], [], seed).batch(6) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.mel, two.mel)
    assert not np.array_equal(one.mel, other.mel)
    assert one.mel.shape == (6, FRAMES, BANDS) and one.visemes.max() < 15 and 0 <= one.jaw.min() <= one.jaw.max() < 1
    closed, voiced = targets(one.visemes)
    assert closed.sum() <= voiced.sum()


def test_real_clips_teach_the_jaw_only():
    seen_s = np.arange(0, 4, 0.04, dtype=np.float32)
    clip = real_clip(np.zeros(64_000, np.float32), seen_s, np.abs(np.sin(seen_s)).astype(np.float32) * 0.2, "somebody")
    assert np.percentile(clip.jaw, 95) == pytest.approx(0.4, abs=0.03)
    batch = Mixer([], [clip], 3)
    sound, jaw, weight = batch._real()
    assert len(sound) == (FRAMES - 1) * HOP + WINDOW and len(jaw) == FRAMES
    # An open mouth in silence teaches nothing.
    assert not clip.spoken.any() and not weight.any() and jaw.any()


def test_where_somebody_speaks_is_found(utterance: Utterance):
    said, quiet = as_float(utterance), np.zeros(16_000, np.float32)
    click = quiet.copy()
    click[8000:8200] = 0.5
    samples = np.concatenate([click, said, quiet])
    times_s = np.arange(0, len(samples) / 16_000, 0.04, dtype=np.float32)
    clip = real_clip(samples, times_s, np.zeros(len(times_s), np.float32), "somebody")
    first, last = np.flatnonzero(clip.spoken)[[0, -1]]
    assert len(clip.spoken) == len(clip.jaw)
    assert 85 <= first <= 110 and len(samples) / HOP - 115 <= last <= len(samples) / HOP - 70


def test_a_jaw_is_judged_where_somebody_speaks(utterance: Utterance):
    """The network's own jaw, later by 20 ms, and a mouth that is wide open before the first word."""
    samples = np.concatenate([np.zeros(16_000, np.float32), as_float(utterance), np.zeros(16_000, np.float32)])
    listener = Listener()
    jaw = np.array([face.rises[JAW] for face in listener.push(samples)], np.float32)
    listener.close()
    late, frames = round(LAG_S / FRAME_S), (len(samples) - WINDOW) // HOP + 1
    seen = np.pad(jaw[late + 2:], (0, frames), mode="edge")[:frames]
    seen[:80] = 0.5
    times_s = (np.arange(frames) * FRAME_S + WINDOW / 2 / 16_000).astype(np.float32)
    score = score_clip(real_clip(samples, times_s, seen, "somebody"))
    assert score.correlation > 0.99 and score.lag_ms == score.any_lag_ms == 20
    assert score.whole < 0.5


def test_louder_is_wider():
    shapes = np.full(50, 10)
    assert jaw_of(shapes, np.full(50, 6.0, np.float32)).mean() > jaw_of(shapes, np.full(50, -12.0, np.float32)).mean()


def test_training_repeats_and_the_exported_network_agrees(utterance: Utterance, tmp_path: Path):
    import onnxruntime

    config = VoiceTraining(steps=2, size=2)

    def trained() -> VoiceNetwork:
        torch.manual_seed(0)
        network = VoiceNetwork()
        train(network, [utterance], [], config)
        return network

    network, again = trained(), trained()
    for name, weights in network.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name]), name
    export(network, tmp_path / "voice.onnx")
    assert (tmp_path / "voice.onnx").stat().st_size < 1_000_000
    session = onnxruntime.InferenceSession(tmp_path / "voice.onnx", providers=["CPUExecutionProvider"])
    mel = torch.randn(1, 12, BANDS)
    with torch.no_grad():
        logits = network(mel)[0][0]
    expected = torch.cat([logits[:, :15].softmax(1), logits[:, 15:].sigmoid()], dim=1).numpy()
    padded = np.pad(mel[0].numpy(), ((BEHIND, AHEAD), (0, 0)), mode="edge")[None]
    state, got = np.zeros((LAYERS, 1, HIDDEN), np.float32), []
    for i in range(12):
        lips, state = session.run(None, {"mel": padded[:, i:i + CONTEXT], "state": state})
        got.append(lips[0])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_configuration_is_read_or_refused(tmp_path: Path):
    file = tmp_path / "voice.toml"
    file.write_text("steps = 5\nsize = 4\n")
    assert read_config(file) == VoiceTraining(steps=5, size=4) and read_config(None) == VoiceTraining()
    file.write_text("speed = 5\n")
    with pytest.raises(BadInput, match="known: steps, size"):
        read_config(file)
