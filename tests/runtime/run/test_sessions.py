"""Sessions: whoever else is in the batch, each gives what it gives alone."""

from __future__ import annotations

import numpy as np
import pytest

from goldens import flat
from gru2np_runtime import InputError
from streamed import CASES, Streamed

# Companies of three sessions; each is there five times.
ROUNDS = ((0,), (2, 0, 1), (1, 0), (0, 2), (2, 1, 0), (1, 2), (1, 2))


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_whatever_streams_has_sessions(golden, kernel):
    """To the bit as alone, and as near to ``step`` as float32 is."""
    case = Streamed(golden)
    wanted = [case.step_alone(session, 5) for session in range(3)]
    streams = case.model.streams(1)
    ids = [streams.open() for _ in range(3)]
    times = [0, 0, 0]
    for sessions in ROUNDS:
        x = case.at(sessions, [times[s] for s in sessions])
        outputs = flat(streams.step([ids[s] for s in sessions], x))
        for row, session in enumerate(sessions):
            for y, expected in zip(outputs, wanted[session][times[session]]):
                assert y[row].tobytes() == expected[0].tobytes()
            times[session] += 1
    state = case.model.initial_state(1)
    for t, expected in enumerate(wanted[0]):
        y, state = case.model.step(case.at([0], [t]), state)
        for got, one in zip(flat(y), expected):
            assert (got.shape, got.dtype) == (one.shape, one.dtype)
            np.testing.assert_allclose(got, one, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_blocks_of_whatever_streams(golden, kernel):
    """To the bit as alone, and near single steps."""
    case = Streamed(golden)
    cuts = ((0, 21), (21, 22), (22, 27))
    try:
        wanted = case.blocks_alone(0, cuts)
    except InputError as error:
        assert "step(ids, x) gives it" in str(error)  # noqa: PT017
        return
    steps = case.step_alone(0, 27)
    streams = case.model.streams(2)
    ids = [streams.open(), streams.open()]
    for cut, expected in zip(cuts, wanted):
        outputs = flat(streams.advance(ids, case.block([1, 0], *cut)))
        for i, (y, one) in enumerate(zip(outputs, expected)):
            assert y[1].tobytes() == one[0].tobytes()
            near = steps[cut[1] - 1][i]
            if case.model.stream.per_step_outputs[i]:
                near = np.stack([step[i] for step in steps[slice(*cut)]], axis=1)
            assert (one.shape, one.dtype) == (near.shape, near.dtype)
            np.testing.assert_allclose(one, near, rtol=2e-6, atol=2e-6)
