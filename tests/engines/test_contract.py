"""One suite over every backend that runs here; what cannot be opened must say why."""

from __future__ import annotations

from pathlib import Path

import networks
import numpy as np
import pytest

from engines import Engine, EngineFailed
from engines.backends import BACKENDS, BUILT, open_candidate


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return networks.ship(tmp_path_factory.mktemp("weights"), fp32=networks.refiner())


@pytest.fixture(params=sorted([*BACKENDS, *BUILT]))
def engine(request: pytest.FixtureRequest, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("DIDLIVE_CACHE", str(tmp_path))
    try:
        return open_candidate("refiner", request.param, "fp32", 1, weights)
    except EngineFailed as reason:
        assert str(reason) and "\n" not in str(reason)
        pytest.skip(f"{request.param}: {reason}")


def test_every_backend_keeps_the_contract(engine: Engine) -> None:
    assert engine.name == "refiner" and engine.provider
    assert dict(engine.inputs) == networks.INPUTS and dict(engine.outputs) == networks.OUTPUTS
    assert set(engine.dtypes) == {*engine.inputs, *engine.outputs}
    feeds = networks.feeds()
    before = {name: value.copy() for name, value in feeds.items()}
    first = engine.run(feeds)
    kept = {name: value.copy() for name, value in first.items()}
    for name, value in first.items():
        assert value.shape == engine.outputs[name] and value.dtype == engine.dtypes[name]
        assert value.flags.c_contiguous and np.isfinite(value).all()
    again = engine.run({"mouth": feeds["mouth"]})
    for name in first:
        np.testing.assert_array_equal(first[name], kept[name], "results belong to the caller")
        np.testing.assert_array_equal(again[name], kept[name], "same inputs, same numbers")
    for name, value in feeds.items():
        np.testing.assert_array_equal(value, before[name], "inputs are not changed")
    with pytest.raises(ValueError, match="no input is called"):
        engine.run({"lips": feeds["mouth"]})
    engine.close()
    engine.close()
    with pytest.raises(EngineFailed, match="closed"):
        engine.run(feeds)
