"""Models that carry their states from call to call."""

import pickle

import numpy as np
import pytest

import goldens
from goldens import loaded
from gru2np_runtime import InputError, load

KERAS_3 = goldens.FIXTURES / "keras-3.15"


def test_a_declared_batch_binds_only_stateful_models():
    golden, model = loaded("keras-3.15/fixed_batch")
    (x,) = golden.arrays(0, "x")[:1]
    assert model.input_shapes[0][0] is not None
    rows = goldens.flat(model.predict(golden.arrays(0, "x")))[0]
    again = [np.concatenate([a, a]) for a in golden.arrays(0, "x")]
    twice = goldens.flat(model.predict(again if len(again) > 1 else again[0]))[0]
    np.testing.assert_allclose(twice[: len(x)], rows, atol=1e-6)


def test_a_stateful_model_accepts_its_batch_size_only():
    golden, model = loaded("keras-3.15/stateful")
    (x,) = golden.arrays(0, "x")
    expected = [golden.arrays(call, "y")[0] for call in range(golden.calls)]
    golden.close(goldens.flat(model.predict(x))[0], expected[0])
    with pytest.raises(InputError, match=r"built for batches of \d+, got"):
        model.predict(x[:1])
    with pytest.raises(InputError, match="this stateful model was built for"):
        model.predict(x, batch_size=1)
    # What was refused has not moved the state.
    golden.close(goldens.flat(model.predict(golden.arrays(1, "x")))[0], expected[1])
    model.reset_states()
    golden.close(goldens.flat(model.predict(x))[0], expected[0])
    model.reset_states()
    # Looking inside does not move it either.
    model.activations(x)
    golden.close(goldens.flat(model.predict(x))[0], expected[0])
    # Two batches in one call are two calls.
    model.reset_states()
    both = np.concatenate([x, *golden.arrays(1, "x")])
    y = goldens.flat(model.predict(both, batch_size=len(x)))[0]
    golden.close(y, np.concatenate(expected[:2]))


def test_a_pickled_stateful_model_keeps_its_state():
    golden = goldens.Golden(KERAS_3 / "stateful")
    model = load(golden.bundle())
    model.predict(dict(zip(model.input_names, golden.arrays(0, "x"))))
    again = pickle.loads(pickle.dumps(model))
    inputs = dict(zip(model.input_names, golden.arrays(1, "x")))
    for y, wanted in zip(goldens.flat(again.predict(inputs)), golden.arrays(1, "y")):
        golden.close(y, wanted)
