"""Which engine is taken, why the others are not, and what happens when it is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest

from engines import Engine, EngineFailed, EngineLost, open_engine, select
from engines.card import Card
from engines.engine import Array
from engines.fallback import Fallback
from engines.golden import compare, make_frame, psnr_db
from engines.ort import default_threads, open_ort
from engines.quantise import quantise
from engines.store import Store


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = networks.refiner()
    return networks.ship(tmp_path_factory.mktemp("weights"), fp32=model,
                         int8=quantise(model, [networks.feeds(seed) for seed in range(3)]))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("DIDLIVE_CACHE", str(tmp_path))
    return Store()


class Altered:
    """The real engine on the CPU under another name: slower or faster, wrong, or lost after some runs."""

    def __init__(self, provider: str, shift: float = 0.0, runs: int = 10**9):
        self.inner = open_ort("refiner", "fp32", networks.refiner(), 1)
        self.name, self.provider, self.shift, self.left = "refiner", provider, shift, runs
        self.inputs, self.outputs, self.dtypes = self.inner.inputs, self.inner.outputs, self.inner.dtypes
        self.closed = False

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        if self.left <= 0:
            raise EngineLost("the card fell off the bus")
        self.left -= 1
        return {name: value + np.float32(self.shift) for name, value in self.inner.run(feeds).items()}

    def close(self) -> None:
        self.closed = True


def table(monkeypatch: pytest.MonkeyPatch, engines: dict[str, Engine | str], ms: dict[str, float]) -> list[str]:
    """Let `choose` find these engines (or these reasons), with these times; return the backends as they are opened."""
    opened: list[str] = []

    def open_it(name: str, backend: str, *_: object) -> Engine:
        opened.append(backend)
        found = engines[backend]
        if isinstance(found, str):
            raise EngineFailed(found)
        return found

    monkeypatch.setattr(select, "candidates", lambda *_: [(backend, "fp32") for backend in engines])
    monkeypatch.setattr(select, "open_candidate", open_it)
    monkeypatch.setattr(select, "median_ms", lambda engine: ms[engine.provider])
    return opened


def test_the_fastest_that_is_right_wins_and_every_other_has_a_reason(
        weights: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, slow, good = Altered("wrong", shift=0.05), Altered("slow"), Altered("good")
    lost = Altered("lost", runs=0)
    table(monkeypatch, {"tensorrt": "not installed", "cuda": wrong, "coreml": lost, "openvino": slow, "ort": good},
          {"wrong": 0.1, "lost": 0.1, "slow": 9.0, "good": 3.0})
    choice = select.choose("refiner", folder=weights, store=store)
    assert choice.engine is good and not good.closed
    assert wrong.closed and slow.closed and lost.closed
    reasons = {a.backend: a.reason for a in choice.attempts}
    assert reasons["tensorrt"] == "not installed"
    assert reasons["cuda"] == "computes something else than the CPU: 26 dB, 50 are needed"
    assert "fell off the bus" in reasons["coreml"]
    assert reasons["openvino"] == "slower than good"
    assert reasons["ort"] == ""


def test_a_card_must_beat_the_cpu(weights: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    card, cpu = Altered("card"), Altered("cpu")
    table(monkeypatch, {"cuda": card, "ort": cpu}, {"card": 4.0, "cpu": 3.0})
    assert select.choose("refiner", folder=weights, store=store).engine is cpu
    assert card.closed


def test_nothing_that_works_is_told_with_all_reasons(weights: Path, store: Store,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    table(monkeypatch, {"cuda": "no card", "ort": Altered("ort", shift=1)}, {})
    with pytest.raises(EngineFailed, match="runs on no engine here: cuda: no card; ort: computes something else"):
        select.choose("refiner", folder=weights, store=store)


def test_the_choice_is_remembered_until_something_changes(weights: Path, store: Store,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    good = Altered("good CPU")
    opened = table(monkeypatch, {"cuda": "no card", "ort": good}, {"good CPU": 3.0})
    assert select.open_auto("refiner", 1, weights, store) is good
    assert opened == ["cuda", "ort"]
    assert select.open_auto("refiner", 1, weights, store) is good
    assert opened == ["cuda", "ort", "ort"], "the second start tries nothing else"
    assert [a.backend for a in select.report("refiner", 1, weights, store)] == ["cuda", "ort"]
    assert len(opened) == 3, "the report does not try again either"
    entry = store.save("a" * 32, b"engine", {"network": "refiner"})
    select.open_auto("refiner", 1, weights, store)
    assert opened[3:] == ["cuda", "ort"], "an engine was built meanwhile"
    store.judge(entry.key, "good")
    select.open_auto("refiner", 1, weights, store)
    assert len(opened) == 7, "and it turned out good"
    select.open_auto("refiner", 2, weights, store)
    assert len(opened) == 9, "other threads, other times"


def test_a_remembered_engine_that_now_computes_nonsense_is_chosen_anew(
        weights: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, cpu = Altered("good card CPU"), Altered("cpu CPU")
    table(monkeypatch, {"cuda": first, "ort": cpu}, {"good card CPU": 1.0, "cpu CPU": 3.0})
    assert select.open_auto("refiner", 1, weights, store) is first
    first.shift = 0.3
    assert select.open_auto("refiner", 1, weights, store) is cpu


@pytest.mark.parametrize("text", ["", "{}", '{"key": 1, "attempts": [{"a": 1}]}'])
def test_a_damaged_memory_is_no_harm(weights: Path, store: Store, text: str) -> None:
    select.open_auto("refiner", 1, weights, store).close()
    memory = store.folder / "choice-refiner.txt"
    assert memory.exists()
    memory.write_text(text)
    select.open_auto("refiner", 1, weights, store).close()
    assert '"attempts"' in memory.read_text()


def test_on_this_machine_it_runs_and_says_so(weights: Path, store: Store) -> None:
    engine = open_engine("refiner", "auto", 1, folder=weights)
    expected = open_ort("refiner", "fp32", networks.refiner()).run(networks.feeds())
    assert psnr_db(expected, engine.run(networks.feeds())) > 35
    attempts = select.report("refiner", 1, weights, store)
    assert [a.provider for a in attempts if not a.reason] == [engine.provider]
    assert {a.backend for a in attempts} >= {"tensorrt", "tensorrt_rtx", "cuda", "openvino", "ort"}
    assert all(a.provider or a.reason for a in attempts)


def test_a_backend_can_be_named(weights: Path, store: Store) -> None:
    engine = open_engine("refiner", "ort", 1, folder=weights)
    assert engine.provider in ("ONNX Runtime CPU, int8, 1 thread", "ONNX Runtime CPU, fp32, 1 thread")
    assert open_engine("refiner", "ort", 1, "int8", weights).provider == "ONNX Runtime CPU, int8, 1 thread"
    with pytest.raises(EngineFailed, match="no CUDA"):
        open_engine("refiner", "cuda", folder=weights)
    with pytest.raises(EngineFailed, match=r"tensorrt: TensorRT is not installed \(pip install"):
        open_engine("refiner", "tensorrt", folder=weights)


def test_the_null_engine_says_what_it_is_and_changes_nothing(weights: Path) -> None:
    engine = open_engine("refiner", "null", folder=weights)
    assert engine.provider == "none: the network is off"
    assert all(not value.any() for value in engine.run(networks.feeds()).values())
    with pytest.raises(ValueError, match="no input is called"):
        engine.run({"lips": networks.feeds()["mouth"]})


def test_engines_built_here_are_used_only_when_good(weights: Path, store: Store,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")
    from engines import backends
    from engines.flavours import RTX
    from engines.plans import make_plan

    card = Card("GeForce RTX 4090", 89, 24564, 13020)
    monkeypatch.setattr(backends, "find_card", lambda: card)

    def reason() -> str:
        with pytest.raises(EngineFailed) as error:
            backends.open_candidate("refiner", "tensorrt_rtx", "fp16", None, weights, store)
        return str(error.value)

    assert "no fp16 engine was built yet (build_engines.py --precision fp16)" in reason()
    plan = make_plan("refiner", RTX, "fp16", (), card, weights)
    store.save(plan.key, b"engine", plan.facts)
    assert "is not used: untried" in reason()
    store.judge(plan.key, "good")
    assert "cudaStreamCreateWithFlags" in reason(), "only now the card is touched, and here is none"
    monkeypatch.setattr(backends, "find_card", lambda: replace(card, name="NVIDIA H200", sm=90))
    assert "NVIDIA H200 is no RTX card" in reason()


def test_whole_generators_are_opened_when_one_was_built_and_is_good(weights: Path, store: Store,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, str, str]] = []
    engine = Altered("the card")

    def open_it(name: str, backend: str, precision: str, *_: object) -> Engine:
        opened.append((name, backend, precision))
        if backend == "tensorrt":
            raise EngineFailed("not installed")
        return engine

    monkeypatch.setattr(select, "open_candidate", open_it)
    assert select.open_whole(weights, store) == {} and opened == []
    store.save("b" * 32, b"engine", {"network": "generator-1024"})
    assert select.open_whole(weights, store) == {} and opened == []
    store.judge("b" * 32, "good")
    assert select.open_whole(weights, store) == {1024: engine}
    assert opened == [("generator-1024", "tensorrt", "fp16"), ("generator-1024", "tensorrt_rtx", "fp16")]


def test_an_engine_leaves_the_arithmetic_of_its_thread_alone(weights: Path) -> None:
    engine = open_engine("refiner", "ort", 1, "fp32", weights)
    engine.run(networks.feeds())
    tiny = np.array([1e-40], np.float32)
    assert (tiny * np.float32(1)).any(), "MediaPipe fails in a thread that flushes denormals"


def test_the_spare_takes_over_in_the_same_call_with_the_constants(weights: Path) -> None:
    lines: list[str] = []
    first, spare = Altered("the card", runs=2), Altered("the CPU")
    engine = Fallback(first, [lambda: spare], lines.append)
    feeds = networks.feeds()
    engine.run(feeds)
    other = networks.feeds(2)["mouth"]
    engine.run({"mouth": feeds["mouth"]})
    assert engine.provider == "the card"
    got = engine.run({"mouth": other})
    expected = Altered("x").run({**feeds, "mouth": other})
    for name in expected:
        np.testing.assert_array_equal(got[name], expected[name])
    assert engine.provider == "the CPU" and first.closed
    assert lines == ["the card was lost (the card fell off the bus); the CPU goes on"]


def test_spares_that_fail_are_passed_over_until_none_is_left() -> None:
    def broken() -> Engine:
        raise EngineFailed("cannot be opened")

    last = Altered("last", runs=1)
    engine = Fallback(Altered("first", runs=0), [broken, lambda: Altered("second", runs=0), lambda: last],
                      lambda _: None)
    engine.run(networks.feeds())
    assert engine.provider == "last"
    with pytest.raises(EngineLost, match="every engine was lost, at last last"):
        engine.run(networks.feeds())


def test_a_wrong_call_is_no_lost_device() -> None:
    engine = Fallback(Altered("first"), [lambda: Altered("second")])
    with pytest.raises(ValueError, match="never given"):
        engine.run({})
    assert engine.provider == "first"
    engine.close()


def test_a_golden_frame_sees_what_is_wrong() -> None:
    reference = open_ort("refiner", "fp32", networks.refiner(), 1)
    frame = make_frame(reference.inputs, reference.dtypes)
    assert all(value.std() > 0.05 for value in frame.values())
    assert compare(reference, reference) > 100
    assert compare(Altered("x", shift=0.01), reference) == pytest.approx(40, abs=0.1)
    nan = {name: np.full_like(value, np.nan) for name, value in frame.items()}
    assert psnr_db(frame, nan) == -np.inf
    assert psnr_db(frame, {name: value[..., :-1] for name, value in frame.items()}) == -np.inf


def test_one_core_stays_free(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, expected in ((1, 1), (2, 1), (8, 7), (None, 1)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert default_threads() == expected
