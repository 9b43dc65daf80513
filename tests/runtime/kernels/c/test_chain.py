"""Chains of layers in one call of the compiled kernel."""

import numpy as np
import pytest

from gru2np_runtime.kernels.c import library as c_library
from gru2np_runtime.kernels.c.chain import CompiledChain
from kernel_cases import MOST_UNITS, STORAGES, chain_model, check_blocks


@pytest.mark.parametrize("batch", [1, 3, 100, 200])
def test_a_chain_steps_in_one_call(library, use, monkeypatch, batch):
    use(library)
    x = np.random.default_rng(1).normal(size=(batch, 12, 5)).astype(np.float32)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    plain = chain_model()
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    model = chain_model()
    state = model.initial_state(batch)
    results = []
    for t in range(12):
        y, state = model.step(x[:, t], state)
        if t == 4:
            # A copy goes its own way.
            other = state.copy()
            model.step(x[:, 0], other)
        if t == 7:
            state = model.restore_state(state.arrays())
        results.append(y)
    assert isinstance(model.stream.chain, CompiledChain)
    assert model.graph_plan.chain is model.stream.chain
    assert plain.graph_plan.chain is None
    np.testing.assert_allclose(model.predict(x), results[-1], rtol=1e-5, atol=1e-6)
    for t, y in enumerate(results):
        wanted = plain.predict(x[:, : t + 1])
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("time", [1, 16, 31, 32, 33, 70])
@pytest.mark.parametrize("batch", [1, 2, 97, 1000])
def test_a_chain_predicts_in_one_call(
    library, use, monkeypatch, batch, time, return_sequences
):
    use(library)
    x = np.random.default_rng(2).normal(size=(time, batch, 5)).astype(np.float32)
    x = x.swapaxes(0, 1)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    wanted = chain_model(return_sequences=return_sequences).predict(x)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    model = chain_model(return_sequences=return_sequences)
    assert model.graph_plan.chain.return_sequences == return_sequences
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=1e-6)
    nothing = np.zeros((0, time, 5), np.float32)
    assert model.predict(nothing).shape == (0, *wanted.shape[1:])
    assert model.step(nothing[:, 0], model.initial_state(0))[0].shape == (0, 3)


@pytest.mark.parametrize("units", range(1, MOST_UNITS + 1))
def test_blocks_of_every_number_of_units_and_no_number(library, units):
    found = c_library.open_library(library)
    for width in range(c_library.level(found) + 1):
        for storage in STORAGES:
            check_blocks(found, width, units, storage)
