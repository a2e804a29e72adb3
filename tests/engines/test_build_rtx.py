"""TensorRT-RTX really builds, without a card: every target, precision and network; cache, cancel, damage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import networks
import pytest

from engines import EngineFailed, build, builder
from engines.card import Card
from engines.engine import EngineLost
from engines.flavours import FLAVOURS, RTX, TENSORRT
from engines.plans import NETWORKS, make_model, make_plan
from engines.quantise import quantise
from engines.store import Store
from engines.tensorrt import deserialise
from engines.worker import build_apart

trt = pytest.importorskip("tensorrt_rtx", reason="needs the extra [rtx], which macOS has not")
ROOT = Path(__file__).resolve().parents[2]
CARD = Card("GeForce RTX 3060", 86, 12288, 13020)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = networks.refiner()
    symmetric = quantise(model, [networks.feeds(seed) for seed in range(2)], symmetric=True)
    return networks.ship(tmp_path_factory.mktemp("weights"), fp32=model, s8=symmetric)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "engines")


class Told(list[tuple[str, dict[str, Any]]]):
    def __call__(self, event: str, **fields: Any) -> None:
        self.append((event, fields))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self if name == event]


def wish(weights: Path, *targets: str, precision: str = "fp16", networks: tuple[str, ...] = ("refiner",)) -> build.Wish:
    return build.Wish(RTX, targets, None, networks, precision, 1, weights)


@pytest.mark.parametrize("target", builder.RTX_TARGETS)
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_every_network_builds_for_every_card(weights: Path, target: str, precision: str) -> None:
    # The larger picture in the precision that is used.
    for network in NETWORKS if precision == "fp16" else NETWORKS[:2]:
        shares: list[float] = []
        engine = builder.build(trt, make_model(network, precision, weights), (target,),
                               lambda share, shares=shares: shares.append(share) or True)
        assert 0 < len(engine) <= 25_000_000
        assert len(shares) > 20
        assert shares == sorted(shares) and 0 < shares[0] < shares[-1] <= 1


@pytest.mark.parametrize("network", NETWORKS)
def test_symmetric_int8_builds(weights: Path, network: str) -> None:
    assert builder.build(trt, make_model(network, "int8", weights), ("sm89",))


def test_float16_engines_are_smaller(weights: Path) -> None:
    sizes = [len(builder.build(trt, make_model("refiner", p, weights), ("sm89",))) for p in ("fp16", "fp32")]
    assert sizes[0] < sizes[1]


def test_the_int8_file_for_cpus_is_refused_with_the_name_of_a_node() -> None:
    model = quantise(networks.refiner(), [networks.feeds()])
    with pytest.raises(EngineFailed, match=r"the network was refused: w\d+_DequantizeLinear: .*Int32"):
        builder.build(trt, model, ("sm86",))


@pytest.mark.parametrize("cut", [0, 100, 5000])
def test_a_truncated_network_is_refused(cut: int) -> None:
    with pytest.raises(EngineFailed, match=r"the network was refused|must have at least one output"):
        builder.build(trt, networks.refiner()[:cut], ("sm86",))


@pytest.mark.parametrize("after", [1, 40])
def test_a_build_can_be_cancelled_and_the_next_one_works(after: int) -> None:
    calls: list[float] = []
    model = networks.refiner()
    with pytest.raises(builder.BuildCancelled):
        builder.build(trt, model, ("sm86",), lambda share: calls.append(share) or len(calls) < after)
    assert builder.build(trt, model, ("sm86",))


def test_unknown_targets_are_answered_with_the_known_ones() -> None:
    with pytest.raises(EngineFailed, match=r"unknown target sm90.*sm75, sm80"):
        builder.build(trt, networks.refiner(), ("sm86", "sm90"))


def test_without_a_driver_an_engine_is_refused_with_the_librarys_words(weights: Path) -> None:
    engine = builder.build(trt, make_model("refiner", "fp32", weights), ("sm86",))
    for data in (engine, engine[: len(engine) // 2], b"no engine"):
        with pytest.raises(EngineFailed, match=r"the engine was refused here: .+"):
            deserialise(trt, data)


def test_a_second_build_is_a_cache_hit_and_damage_is_a_miss(weights: Path, store: Store) -> None:
    told = Told()
    for expected in (False, True):
        assert build.build_all(wish(weights, "sm86"), store, told) == 0
        assert told.of("done")[-1]["cached"] is expected
    key = told.of("done")[0]["key"]
    path = store.folder / f"{key}.engine"
    path.write_bytes(path.read_bytes()[:-1])
    assert build.build_all(wish(weights, "sm86"), store, told) == 0
    assert told.of("done")[-1]["cached"] is False
    assert build.build_all(wish(weights, "sm89"), store, told) == 0
    assert told.of("done")[-1]["cached"] is False, "another target is another engine"
    assert len(store.entries()) == 2
    assert {entry.verdict for entry in store.entries()} == {"untried"}, "no card here can have tried them"


def test_the_child_reports_progress_and_stops_when_told(weights: Path) -> None:
    plan = make_plan("refiner", RTX, "fp32", ("sm86",), None, weights)
    shares: list[float] = []
    assert build_apart(plan, lambda share: shares.append(share) or True, 1)
    assert len(shares) > 20
    with pytest.raises(builder.BuildCancelled):
        build_apart(plan, lambda share: False)


def test_a_crash_of_the_builder_is_told_and_harms_nothing(weights: Path, store: Store, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorrt_rtx.py").write_text("import os, sys\nprint('odd noise', flush=True)\nos._exit(77)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = Told()
    assert build.build_all(wish(weights, "sm86"), store, told) == 1
    assert "the builder crashed (exit code 77" in told.of("failed")[0]["reason"]
    assert store.entries() == []


def test_failures_are_told_and_the_rest_is_built(weights: Path, store: Store) -> None:
    folder = networks.ship(store.folder.parent, fp32=(weights / "refiner-fp32.onnx").read_bytes(),
                           s8=quantise(networks.refiner(), [networks.feeds()]))
    told = Told()
    assert build.build_all(wish(folder, "sm86", precision="int8"), store, told) == 1
    assert "was refused" in told.of("failed")[0]["reason"]
    assert build.build_all(wish(folder, "sm86"), store, told) == 0


def command(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / "build_engines.py"), *arguments], capture_output=True, text=True,
                          env={**os.environ, "DIDLIVE_CACHE": str(cache), "PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize("backend", ["auto", "rtx", "none"])
def test_without_a_card_there_is_one_plain_sentence(backend: str, tmp_path: Path) -> None:
    result = command("--backend", backend, cache=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.strip().splitlines()) == 1
    assert "the network runs on the CPU" in result.stdout
    told = json.loads(command("--backend", backend, "--json", cache=tmp_path).stdout)
    assert told["event"] == "nothing"
    assert not (tmp_path / "engines").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    (("--target", "sm61"), "unknown target sm61"),
    (("--target", "sm86", "--backend", "tensorrt"), "use --backend rtx for targets"),
    (("--target", "sm86", "--network", "voice"), "no engine is built of 'voice'"),
])
def test_what_cannot_be_built_is_told(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    result = command(*arguments, cache=tmp_path)
    assert result.returncode == 2
    assert words in result.stdout


def test_auto_takes_the_flavour_that_fits_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(card: Card) -> None:
        monkeypatch.setattr(build, "find_card", lambda: card)

    monkeypatch.setattr(type(TENSORRT), "load", lambda self: trt if self is RTX else _absent(self))
    found(CARD)
    assert build.choose_flavour("auto", ()) == (RTX, CARD)
    found(Card("NVIDIA H200", 90, 143771, 13020))
    with pytest.raises(build.NothingToDo, match=r"TensorRT is not installed.*no RTX card .sm90.; it needs TensorRT"):
        build.choose_flavour("auto", ())
    with pytest.raises(EngineFailed, match="no RTX card"):
        build.choose_flavour("rtx", ())
    monkeypatch.setattr(type(TENSORRT), "load", lambda self: trt)
    assert build.choose_flavour("auto", ())[0] is TENSORRT
    assert build.choose_flavour("auto", ("sm86",)) == (RTX, None)


def _absent(flavour: Any) -> Any:
    raise EngineFailed(f"{flavour.label} is not installed")


def test_keys_of_tensorrt_hold_the_card_and_those_of_rtx_its_target(weights: Path) -> None:
    facts = {name: flavour.facts(trt, "fp16", ("sm86",), CARD) for name, flavour in FLAVOURS.items()}
    assert facts["tensorrt"]["card"] == CARD.name and facts["tensorrt"]["driver"] == CARD.driver
    assert facts["rtx"]["targets"] == ["sm86"] and "card" not in facts["rtx"]
    assert make_plan("refiner", RTX, "fp16", (), CARD, weights).targets == ("sm86",)
    with pytest.raises(EngineFailed, match="name a target"):
        make_plan("refiner", RTX, "fp16", (), None, weights)


def test_an_engine_that_fails_its_golden_frame_is_not_good(weights: Path, store: Store,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan("refiner", RTX, "fp16", ("sm86",), None, weights)
    store.save(plan.key, b"engine", plan.facts)
    answers = iter([20.0, 60.0, EngineLost("the card is gone")])

    class Ran:
        def __init__(self, *_: object) -> None: ...
        def close(self) -> None: ...

    def compare(*_: object) -> float:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(build, "TrtEngine", Ran)
    monkeypatch.setattr(build, "Cuda", Ran)
    monkeypatch.setattr(build, "compare", compare)
    verdicts = [build.try_engine(plan, b"engine", store, weights) for _ in range(3)]
    assert verdicts == ["wrong numbers: 20 dB, 45 are needed", "good", "the card is gone"]
    entry = store.find(plan.key)
    assert entry is not None and entry.verdict == "the card is gone"
