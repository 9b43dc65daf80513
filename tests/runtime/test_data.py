"""Inputs and outputs of a model: casts, structure, wrong data."""

import numpy as np
import pytest

from goldens import loaded
from gru2np_runtime import InputError


@pytest.fixture(scope="module")
def gru():
    return loaded("keras-3.15/get_weights_explained")


def test_numbers_of_any_kind_are_cast(gru):
    _, model = gru
    x = np.arange(15).reshape(5, 3, 1)
    expected = model.predict(x.astype(np.float32))
    for given in (x, x.tolist(), x.astype(np.float16), x.astype(np.float64), [x]):
        np.testing.assert_array_equal(model.predict(given), expected)
    assert expected.dtype == np.float32


X = np.zeros((5, 3, 1), np.float32)
WRONG = {
    "rank": (X[..., 0], r"expected 3 axes \(None, 3, 1\), got 2 axes \(5, 3\)"),
    "time": (X[:, :2], r"axis 1: expected 3 in \(None, 3, 1\), got 2 in \(5, 2, 1\)"),
    "features": (np.zeros((5, 3, 2)), "axis 2: expected 1 in"),
    "object": (np.full((5, 3, 1), None), "expected numbers .*, got Python objects"),
    "string": (np.full((5, 3, 1), "1"), "expected numbers"),
    "complex": (X.astype(complex), "expected numbers .*, got complex numbers .*x.real"),
    "ragged": ([[[1.0]], [[1.0], [2.0]]], "input 'input_layer'"),
    "none": (None, "expected numbers"),
    "dict": ({"other": X}, r"expected inputs \['input_layer'\], got \['other'\]"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_data_is_refused(gru, kind):
    x, message = WRONG[kind]
    with pytest.raises(InputError, match=message):
        gru[1].predict(x)


def test_several_inputs_come_as_list_or_dict():
    golden, model = loaded("keras-3.15/several_inputs_outputs")
    x = golden.arrays(0, "x")
    by_list = model.predict(x)
    by_name = model.predict(dict(zip(model.input_names, x)))
    for a, b, wanted in zip(by_list, by_name, golden.arrays(0, "y")):
        np.testing.assert_array_equal(a, b)
        golden.close(a, wanted)
    with pytest.raises(InputError, match="expected a list of 2 arrays or a dict"):
        model.predict(x[0])
    with pytest.raises(InputError, match="axis 0: expected batch size"):
        model.predict([x[0], x[1][:-1]])


def test_outputs_come_as_the_model_was_built():
    golden, model = loaded("keras-3.15/dict_outputs")
    outputs = model.predict(dict(zip(model.input_names, golden.arrays(0, "x"))))
    assert sorted(outputs) == golden.facts["output_names"]


def test_numbers_beyond_float32_are_infinite_without_a_warning():
    golden, model = loaded("keras-3.15/simple_rnn_by_hand")
    x = golden.arrays(0, "x")[0].astype(np.float64)
    x[0, 0, 0] = 1e300
    assert model.predict(x).dtype == np.float32
