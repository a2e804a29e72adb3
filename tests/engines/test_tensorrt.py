"""The runtime of both TensorRTs against a stand-in for the card: order of the calls, buffers, constants, loss. Nothing
here shows that an engine computes the right numbers on a GPU; its golden frame does, on the user's card."""

from __future__ import annotations

import inspect
import re
from typing import Any

import networks
import numpy as np
import pytest
import standin

from engines import Engine, EngineFailed, EngineLost
from engines.cuda import Cuda
from engines.ort import open_ort
from engines.tensorrt import TrtEngine


@pytest.fixture(scope="module")
def reference() -> Engine:
    return open_ort("refiner", "fp32", networks.refiner(), 1)


class Card:
    """A stand-in card with one engine on it."""

    def __init__(self, reference: Engine, rtx: bool, **options: Any):
        self.cuda = standin.Runtime()
        self.kept: list[bytes] = []
        self.engine = TrtEngine("refiner", "stand-in", standin.module(self.cuda, reference, rtx), Cuda(self.cuda),
                                b"engine", keep=self.kept.append, **options)

    def calls(self) -> list[str]:
        calls, self.cuda._calls[:] = list(self.cuda._calls), []
        return calls


@pytest.fixture(params=[True, False], ids=["rtx", "tensorrt"])
def card(request: pytest.FixtureRequest, reference: Engine) -> Card:
    return Card(reference, request.param)


def test_numbers_go_in_and_come_out(card: Card, reference: Engine) -> None:
    assert dict(card.engine.inputs) == networks.INPUTS
    assert dict(card.engine.outputs) == networks.OUTPUTS
    for seed in (1, 2):
        feeds = networks.feeds(seed)
        expected = reference.run(feeds)
        for name, got in card.engine.run(feeds).items():
            np.testing.assert_array_equal(got, expected[name])


def test_results_are_not_overwritten_by_the_next_frame(card: Card) -> None:
    first = card.engine.run(networks.feeds(1))
    kept = first["mouth_out"].copy()
    card.engine.run(networks.feeds(2))
    np.testing.assert_array_equal(first["mouth_out"], kept)


@pytest.mark.parametrize("rtx", [True, False])
def test_a_frame_is_copied_in_run_and_copied_out_in_this_order(reference: Engine, rtx: bool) -> None:
    card = Card(reference, rtx)
    start = card.calls()
    assert start.count("cudaMalloc") == start.count("cudaHostAlloc") == 6
    assert ("cudaStreamBeginCapture" in start) is not rtx, "TensorRT-RTX records its own graph"
    run = "execute_async_v3" if rtx else "cudaGraphLaunch"
    card.engine.run(networks.feeds())
    assert card.calls() == [*["cudaMemcpyAsync"] * 3, run, *["cudaMemcpyAsync"] * 3, "cudaStreamSynchronize"]
    card.engine.run({"mouth": networks.feeds(2)["mouth"]})
    assert card.calls() == ["cudaMemcpyAsync", run, *["cudaMemcpyAsync"] * 3, "cudaStreamSynchronize"], \
        "buffers are made once, and what was left out stays on the card"


def test_a_constant_given_once_stays(card: Card, reference: Engine) -> None:
    feeds = networks.feeds()
    card.engine.run(feeds)
    other = networks.feeds(9)["face"]
    expected = reference.run({**feeds, "face": other})
    for name, got in card.engine.run({"face": other}).items():
        np.testing.assert_array_equal(got, expected[name])


def test_a_lost_card_is_told_apart_and_closing_is_safe(card: Card) -> None:
    card.engine.run(networks.feeds())
    card.cuda._lost = True
    with pytest.raises(EngineLost):
        card.engine.run(networks.feeds())
    card.engine.close()
    card.engine.close()
    with pytest.raises(EngineFailed, match="closed"):
        card.engine.run(networks.feeds())


def test_everything_is_given_back(card: Card) -> None:
    card.engine.run(networks.feeds())
    card.engine.close()
    assert card.cuda._memory == {}
    assert card.calls()[-1] == "cudaStreamDestroy"


def test_a_refused_engine_leaves_nothing_behind(reference: Engine) -> None:
    cuda = standin.Runtime()
    with pytest.raises(EngineFailed, match="refused here: no reason given"):
        TrtEngine("refiner", "x", standin.module(cuda, reference, True), Cuda(cuda), b"damaged")
    assert cuda._memory == {}
    cuda._lost = True
    with pytest.raises(EngineLost, match="cudaStreamCreateWithFlags: cudaErrorIllegalAddress"):
        Cuda(cuda)


def test_what_the_card_compiled_is_kept_for_the_next_start(reference: Engine) -> None:
    assert Card(reference, True).kept == [b"compiled kernels"]
    assert Card(reference, True, cache=b"of an earlier start").kept == [b"of an earlier start"]
    assert Card(reference, False).kept == []


def public(thing: Any) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def test_every_name_of_the_stand_in_exists_in_tensorrt_rtx(reference: Engine) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    module = standin.module(standin.Runtime(), reference, True)
    for name in public(module):
        assert hasattr(trt, name), name
        if name in ("TensorIOMode", "CudaGraphStrategy", "Runtime"):
            assert [n for n in public(getattr(module, name)) if not hasattr(getattr(trt, name), n)] == [], name
    assert hasattr(trt.ILogger, "Severity") and hasattr(trt.ILogger.Severity, "WARNING")
    for kind in (standin.IRuntimeConfig, standin.IExecutionContext, standin.ICudaEngine):
        missing = [name for name in public(kind) if not hasattr(getattr(trt, kind.__name__), name)]
        assert missing == [], kind
    assert [n for n in public(standin.IRuntimeCache) if not hasattr(trt.IRuntimeCache, n)] == []


def test_every_call_of_the_stand_in_exists_in_cuda_with_as_many_arguments() -> None:
    real = pytest.importorskip("cuda.bindings.runtime")
    for name in public(standin.Runtime):
        assert hasattr(real, name), name
        mine = getattr(standin.Runtime, name)
        if callable(mine):
            declared = re.match(rf"{name}\((.*?)\)", getattr(real, name).__doc__)
            assert declared, name
            assert len(declared[1].split(",")) == len(inspect.signature(mine).parameters) - 1, name
    assert hasattr(real.cudaMemcpyKind, "cudaMemcpyHostToDevice") and hasattr(
        real.cudaMemcpyKind, "cudaMemcpyDeviceToHost")
    assert hasattr(real.cudaStreamCaptureMode, "cudaStreamCaptureModeThreadLocal")


def test_the_probe_asks_for_names_that_exist() -> None:
    real = pytest.importorskip("cuda.bindings.runtime")
    from engines import card

    for name in re.findall(r'call\("(\w+)"', card._ASK) + re.findall(r"runtime\.(cuda\w+)", card._ASK):
        assert hasattr(real, name), name
    for field in re.findall(r"\bcard\.(\w+)", card._ASK):
        assert hasattr(real.cudaDeviceProp, field), field
