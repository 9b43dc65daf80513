"""Every fixture gives what its Keras gave, with each kernel."""

import functools

import numpy as np
import pytest

import goldens
from gru2np_runtime import load

CASES = [golden for golden in goldens.all_goldens() if not goldens.refused(golden)]


@pytest.fixture(autouse=True)
def strict_numbers():
    # Underflow is lawful: a saturated sigmoid does it.
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        yield


@functools.cache
def bundle_of(golden):
    """The bundle, made once for both kernels."""
    return golden.bundle()


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_predict_equals_keras(golden, kernel):
    model = load(bundle_of(golden))
    for call in range(golden.calls):
        inputs = dict(zip(model.input_names, golden.arrays(call, "x")))
        outputs = goldens.flat(model.predict(inputs))
        expected = golden.arrays(call, "y")
        assert len(outputs) == len(expected)
        for i, (y, wanted) in enumerate(zip(outputs, expected)):
            golden.close(y, wanted, f"call {call}, output {i}")


@pytest.mark.parametrize(
    "golden", [g for g in CASES if g.taps()], ids=lambda golden: golden.name
)
def test_activations_are_the_outputs_of_the_layers(golden, kernel):
    model = load(bundle_of(golden))
    inputs = dict(zip(model.input_names, golden.arrays(0, "x")))
    activations = model.activations(inputs)
    for name, wanted in golden.taps().items():
        y = activations[name]
        golden.close(y[0] if isinstance(y, list) else y, wanted, name)


def test_there_are_cases():
    assert len(CASES) > 200
