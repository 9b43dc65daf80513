"""What an error says to do: for inputs, states, attributes and weights."""

import numpy as np
import pytest

from goldens import loaded
from gru2np_runtime import InputError, layers

X = np.zeros((5, 3, 1), np.float32)
GRU = layers.GRU(units=2)
LSTM = layers.LSTM(units=2)
LSTM_WEIGHTS = {k: np.ones(s) for k, s in LSTM.weight_shapes((None, None, 1)).items()}
ONE_ROW = layers.GRU(units=2, reset_after=False)
KERNEL, RECURRENT, BIAS = np.ones((3, 6)), np.ones((2, 6)), np.ones((2, 6))


class Tensor:
    """As a tensor of another package, which NumPy cannot read."""

    def __array__(self, *_arguments, **_options):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@pytest.fixture(scope="module")
def gru():
    return loaded("keras-3.15/get_weights_explained")[1]


@pytest.fixture(scope="module")
def ids():
    """A model of whole numbers, of which it takes four."""
    return loaded("keras-3.15/categories_left_out")[1]


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")
@pytest.mark.parametrize(
    ("x", "way"),
    [
        (X[0], r"x\[None\] adds the batch axis"),
        (X[..., 0], r"x\[\.\.\., None\] adds the last axis"),
        (X[None], r"x\[0\] takes off the first axis"),
        ([X, X], r"np\.concatenate\(x\)"),
        (np.zeros((5, 1, 3)), r"axes 1 and 2 .* np\.swapaxes\(x, 1, 2\)"),
        (np.zeros((3, 5, 1)), r"axes 0 and 1 .* np\.swapaxes\(x, 0, 1\)"),
        (np.zeros((5, 9, 1)), r"model\.input_shapes"),
        (1.0, r"model\.input_shapes"),
        (None, r"got None: give an array"),
        ("x.npy", r"np\.load\(path\)"),
        (b"x", r"dtype='float32'"),
        ({1, 2}, r"dtype='float32'"),
        (X.astype("M8[s]"), r"got dates .*: give numbers: x.astype"),
        ([[1.0], [1.0, 2.0]], r"(?s)lists of different lengths: pad|Python objects"),
        (Tensor(), r"cuda:0 .* x\.detach\(\)\.cpu\(\)\.numpy\(\)"),
        (np.ma.masked_array(X, X == 0), r"x\.filled\(value\)"),
        ({"input_layre": X}, r"did you mean 'input_layer'\?"),
        ({0: X, "b": X}, r"predict\(\{'input_layer': \.\.\.\}\)"),
    ],
)
def test_inputs(gru, x, way):
    with pytest.raises(InputError, match=way):
        gru.predict(x)


def test_a_masked_array_without_masked_numbers_is_an_array(gru):
    y = gru.predict(np.ma.masked_array(X, False))
    np.testing.assert_array_equal(y, gru.predict(X))


@pytest.mark.parametrize(
    ("number", "way"),
    [
        (7.5, r"got 7\.5: round first, as in np\.rint"),
        (-0.5, r"got -0\.5: round first"),
        (np.nan, r"got nan: replace it first"),
        (-np.inf, r"got -inf: replace it first"),
        (1e30, r"np\.iinfo\('int32'\)\.max is 2147483647"),
        (2**31, r"got 2147483648: np\.iinfo"),
        (-(2**40), r"np\.iinfo\('int32'\)\.min is -2147483648"),
    ],
)
def test_an_integer_input_takes_whole_numbers_of_its_size(ids, number, way):
    """Keras cuts 7.5 off and lets 2**31 become negative: a guess, so it is refused."""
    x = np.zeros((2, 4), type(number))
    x[1, 2] = number
    with pytest.raises(InputError, match=way):
        ids.predict(x)


def test_whole_numbers_of_any_type_are_ids(ids):
    expected = ids.predict(np.array([[0, 1, 2, 3]], "int32"))
    for dtype in ("float64", "float16", "uint8", "int64"):
        got = ids.predict(np.array([[0, 1, 2, 3]], dtype))
        for y, y_expected in zip(got, expected):
            np.testing.assert_array_equal(y, y_expected)


@pytest.mark.parametrize("size", [X, "a", 2.5, 0, -1, True, None, 10**30])
def test_a_batch_size_is_an_integer(gru, size):
    if size is not None:
        with pytest.raises(InputError, match=r"batch_size: expected an integer from 1"):
            gru.predict(X, size)
    if size is X or size != 0:
        with pytest.raises(InputError, match=r"batch_size: .* from 0.* batch_size=1"):
            gru.initial_state(size)


def test_a_state_is_one_of_the_model(gru):
    x = X[:1, 0]
    state = gru.initial_state()
    for wrong, way in (
        (None, r"got None: state = model\.initial_state\(batch_size\)"),
        (state.arrays(), r"got a dict: state = model\.restore_state\(arrays\)"),
        (X, r"got a ndarray: state = model\.initial_state"),
        (
            LSTM.bind(**LSTM_WEIGHTS).initial_state(),
            r"expected one of the layers .*lstm",
        ),
    ):
        with pytest.raises(InputError, match=way):
            gru.step(x, wrong)
    other = layers.GRU(units=3)
    shapes = other.weight_shapes((None, None, 3))
    state = other.bind(**{k: np.ones(s) for k, s in shapes.items()}).initial_state()
    with pytest.raises(InputError, match=r"arrays of shape \[\('batch', 2\)\]"):
        GRU_STEP.step(np.ones((1, 3)), state)
    with pytest.raises(InputError, match=r"step takes one time step, x\[:, t\]"):
        gru.step(X, gru.initial_state(5))
    with pytest.raises(InputError, match=r"state = model\.initial_state\(5\)"):
        gru.step(X[:, 0], gru.initial_state(4))


@pytest.mark.parametrize(
    "arrays", [None, 3, [], {}, {"no": []}, {"gru": None}, {"gru": ["a"]}, {"gru": [1]}]
)
def test_arrays_of_a_state(arrays):
    with pytest.raises(InputError, match=r"state\.arrays\(\)|np\.load"):
        GRU_STEP.restore_state(arrays)


@pytest.mark.parametrize(
    ("make", "way"),
    [
        (
            lambda: layers.GRU(untis=2),
            r"'untis': did you mean 'units'\? GRU has units=",
        ),
        (lambda: layers.GRU(quux=2), r"attribute 'quux': GRU has units=, dtype="),
        (lambda: layers.GRU(2), r"got 2 without one: GRU\(units=2\)"),
        (lambda: layers.GRU(), r"'units' is missing: GRU\(units=\.\.\.\)"),
        (lambda: GRU.bind(KERNEL), r"by name, got 1 .* bind\(kernel=\.\.\., recurr"),
    ],
)
def test_attributes(make, way):
    with pytest.raises(TypeError, match=way):
        make()


def test_the_name_of_a_layer():
    with pytest.raises(AttributeError, match="did you mean 'GRU'"):
        _ = layers.Gru


@pytest.mark.parametrize(
    ("layer", "weights", "way"),
    [
        (GRU, {"bias": BIAS[0]}, r"reset_after=False\)\.bind\(bias=bias, "),
        (GRU, {"bias": BIAS[:1]}, r"reset_after=False\)\.bind\(bias=bias\[0\], "),
        (ONE_ROW, {}, r"two rows are of reset_after=True"),
        (GRU, {"bias": BIAS.reshape(-1)}, r"bias\.reshape\(2, 6\)"),
        (GRU, {"kernel": KERNEL.T}, r"transposed: kernel=kernel\.T"),
        (GRU, {"recurrent_kernel": RECURRENT.T}, r"recurrent_kernel\.T"),
        (
            GRU,
            {"kernel": RECURRENT, "recurrent_kernel": KERNEL},
            r"kernel= and recurrent_kernel= seem to be swapped",
        ),
        (GRU, {"kernel": np.ones((3, 8))}, r"3 gates of units=2 are 6 columns"),
        (GRU, {"kernel": "a"}, r"gru: kernel: expected numbers"),
        (GRU, {"kernel": KERNEL * 1j}, r"got complex numbers"),
        (GRU, {"kernel": None}, r"kernel: .* got None"),
        (GRU, {"recurent_kernel": 1}, r"got .*recurent_kernel: bind\("),
    ],
)
def test_weights(layer, weights, way):
    right = {"kernel": KERNEL, "recurrent_kernel": RECURRENT, "bias": BIAS}
    with pytest.raises(InputError, match=way):
        layer.bind(**{**right, **weights})


def test_a_weight_with_a_wrong_name():
    with pytest.raises(InputError, match="did you mean 'recurrent_kernel'"):
        GRU.bind(kernel=KERNEL, recurent_kernel=RECURRENT, bias=BIAS)


GRU_STEP = GRU.bind(kernel=KERNEL, recurrent_kernel=RECURRENT, bias=BIAS)
