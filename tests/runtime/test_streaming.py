"""Step by step equals the whole sequence, for every fixture that runs forward."""

import numpy as np
import pytest

import goldens
from gru2np_runtime import InputError, load

CASES = [
    golden
    for golden in goldens.all_goldens()
    if not goldens.refused(golden)
    and golden.folder.parent.name in ("keras-2.2", "tf-2.10", "keras-3.15")
]


def says_why(model, message):
    """The refusal names the layer in the way, or says that there is no time."""
    assert message.startswith("this model cannot run step by step: ")
    names = [node.name for node in model._graph.nodes]
    assert any(repr(name) in message for name in names) or "no layer" in message


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_steps_equal_the_sequence(golden):
    """At every step the output is that of ``predict`` on the sequence so far."""
    model = load(golden.bundle())
    inputs = golden.arrays(0, "x")
    try:
        state = model.initial_state(inputs[0].shape[0])
    except InputError as error:
        says_why(model, str(error))
        return
    per_step = model._streaming().per_step_inputs
    per_step_outputs = model._streaming().per_step_outputs
    lengths = {x.shape[1] for x, over in zip(inputs, per_step) if over}
    if len(lengths) > 1:
        pytest.skip("sequences of different lengths cannot be stepped together")
    (steps,) = lengths
    whole_shapes = [
        shape[1] for shape, over in zip(model.input_shapes, per_step) if over
    ]
    for t in range(steps):
        given = [x[:, t] if over else x for x, over in zip(inputs, per_step)]
        y, state = model.step(dict(zip(model.input_names, given)), state)
        if None not in whole_shapes and t + 1 < steps:
            continue
        so_far = [x[:, : t + 1] if over else x for x, over in zip(inputs, per_step)]
        model.reset_states()
        expected = goldens.flat(model.predict(dict(zip(model.input_names, so_far))))
        for got, wanted, over in zip(goldens.flat(y), expected, per_step_outputs):
            wanted = wanted[:, -1] if over else wanted
            assert got.shape == wanted.shape
            assert got.dtype == wanted.dtype
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
