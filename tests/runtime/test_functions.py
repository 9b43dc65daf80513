"""Activation functions against their definitions, element by element."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gru2np_runtime.activations import (
    FUNCTIONS,
    activate,
    axes_of,
    check_activation,
    function_of,
)
from gru2np_runtime.functions import ACCURATE, FASTER, erf, relu, row_sums

DTYPES = ("float32", "float64")


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softplus(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def expm1_below(x, alpha):
    return x if x > 0 else alpha * math.expm1(x)


# name: (specification, definition for one number).
DEFINITIONS = {
    "celu": ("celu", lambda x: expm1_below(x, 1)),
    "celu_alpha": (
        {"function": "celu", "alpha": 0.4},
        lambda x: max(x, 0) + 0.4 * math.expm1(min(x, 0) / 0.4),
    ),
    "elu": ("elu", lambda x: expm1_below(x, 1)),
    "elu_alpha": ({"function": "elu", "alpha": 0.3}, lambda x: expm1_below(x, 0.3)),
    "exponential": ("exponential", lambda x: math.exp(x) if x < 700 else math.inf),
    "gelu": ("gelu", lambda x: 0.5 * x * math.erfc(-x * 0.7071067690849304)),
    "gelu_approximate": (
        {"function": "gelu", "approximate": True},
        lambda x: (
            0.5
            * x
            * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
        ),
    ),
    "hard_shrink": ("hard_shrink", lambda x: x if abs(x) > 0.5 else 0),
    "hard_sigmoid_keras_2": (
        {"function": "hard_sigmoid", "slope": 0.2},
        lambda x: min(max(0.2 * x + 0.5, 0), 1),
    ),
    "hard_sigmoid_keras_3": (
        {"function": "hard_sigmoid", "slope": 1 / 6},
        lambda x: min(max(x + 3, 0), 6) / 6,
    ),
    "hard_silu": ("hard_silu", lambda x: x * min(max(x + 3, 0), 6) / 6),
    "hard_tanh": ("hard_tanh", lambda x: min(max(x, -1), 1)),
    "leaky_relu": (
        {"function": "relu", "negative_slope": 0.2},
        lambda x: x if x > 0 else 0.2 * x,
    ),
    "linear": ("linear", lambda x: x),
    "log_sigmoid": ("log_sigmoid", lambda x: -softplus(-x)),
    "mish": ("mish", lambda x: x * math.tanh(softplus(x))),
    "relu": ("relu", lambda x: max(x, 0)),
    "relu6": ({"function": "relu", "max_value": 6}, lambda x: min(max(x, 0), 6)),
    "relu_all": (
        {"function": "relu", "negative_slope": 0.1, "max_value": 2, "threshold": 0.25},
        lambda x: min(x, 2) if x > 0.25 else 0.1 * (x - 0.25),
    ),
    "selu": ("selu", lambda x: 1.0507009873554805 * expm1_below(x, 1.6732632423543772)),
    "sigmoid": ("sigmoid", sigmoid),
    "silu": ("silu", lambda x: x * sigmoid(x)),
    "soft_shrink": (
        "soft_shrink",
        lambda x: math.copysign(max(abs(x) - 0.5, 0), x),
    ),
    "softplus": ("softplus", softplus),
    "softsign": ("softsign", lambda x: x / (1 + abs(x))),
    "sparse_plus": (
        "sparse_plus",
        lambda x: 0 if x <= -1 else x if x >= 1 else 0.25 * (x + 1) ** 2,
    ),
    "sparse_sigmoid": ("sparse_sigmoid", lambda x: min(max(0.5 * (x + 1), 0), 1)),
    "squareplus": ("squareplus", lambda x: 0.5 * (x + math.sqrt(x * x + 4))),
    "tanh": ("tanh", math.tanh),
    "tanh_shrink": ("tanh_shrink", lambda x: x - math.tanh(x)),
    "threshold": (
        {"function": "threshold", "threshold": 0.5, "value": -1.5},
        lambda x: x if x > 0.5 else -1.5,
    ),
}
# NumPy before 1.24 itself warns of a NaN.
OLD = tuple(map(int, np.__version__.split(".")[:2])) < (1, 24)
NAN_IN_EXPM1 = f"{'ignore' if OLD else 'error'}:invalid value encountered in expm1"
SIZES = (0, 1e-30, 1e-3, 0.3, 0.5, 1, 1.7, 2.5, 3, 6, 20, 87, 89, 1e4)
POINTS = [sign * size for size in SIZES for sign in (1, -1)]


def name_of(specification):
    if isinstance(specification, str):
        return specification
    return specification["function"]


def test_every_function_is_tested():
    tested = {name_of(specification) for specification, _ in DEFINITIONS.values()}
    along_axis = {name for name in FUNCTIONS if axes_of(name)}
    assert tested | along_axis == set(FUNCTIONS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DEFINITIONS)
def test_function_is_its_definition(name, dtype):
    specification, definition = DEFINITIONS[name]
    x = np.array(POINTS, dtype)
    y = function_of(check_activation(specification))(x)
    assert y.dtype == x.dtype
    with np.errstate(over="ignore"):
        expected = np.array([definition(float(value)) for value in x]).astype(dtype)
    rtol, atol = (1e-5, 1e-6) if dtype == "float32" else (1e-12, 1e-12)
    if name == "squareplus":
        # 1e4 - sqrt(1e8 + 4) cancels, in Keras too.
        atol = 2e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(y, expected, rtol=rtol, atol=atol)


@pytest.mark.filterwarnings(NAN_IN_EXPM1)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DEFINITIONS)
def test_infinities_and_nan_raise_no_warning(name, dtype):
    x = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38], dtype)
    y = function_of(check_activation(DEFINITIONS[name][0]))(x)
    assert y.dtype == x.dtype
    keeps_nan = name not in ("hard_shrink", "threshold")
    assert np.isnan(y[2]) == keeps_nan


@pytest.mark.parametrize("shape", [(0, 4), (2, 0, 4), (3, 2, 4)])
@pytest.mark.parametrize("name", [*DEFINITIONS, "softmax", "glu", "sparsemax"])
def test_shape_is_kept(name, shape):
    specification = DEFINITIONS.get(name, (name,))[0]
    y = function_of(check_activation(specification))(np.ones(shape, "float32"))
    assert y.shape == (shape if name != "glu" else (*shape[:-1], 2))


def test_erf_is_as_exact_as_its_numbers():
    x = np.concatenate([np.linspace(-7, 7, 20001), np.logspace(-300, 2, 500)])
    exact = np.array([math.erf(value) for value in x])
    np.testing.assert_allclose(erf(x), exact, rtol=5e-16, atol=3e-16)
    single = erf(x.astype("float32"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, exact, atol=2e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [-1, 1, [1, 2]])
def test_softmax_adds_up_to_one(axis, dtype):
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(dtype)
    softmax = function_of(check_activation({"function": "softmax", "axis": axis}))
    axes = axis if isinstance(axis, int) else tuple(axis)
    e = np.exp(x.astype("float64"))
    np.testing.assert_allclose(softmax(x), e / e.sum(axes, keepdims=True), rtol=1e-6)
    # Shifted by the largest, so that nothing overflows.
    np.testing.assert_allclose(softmax(x + x.dtype.type(1e4)).sum(axes), 1, rtol=1e-6)
    assert softmax(x).dtype == x.dtype


def test_log_softmax_is_the_logarithm_of_softmax():
    x = np.random.default_rng(2).normal(size=(3, 4))
    expected = np.log(FUNCTIONS["softmax"](x))
    np.testing.assert_allclose(FUNCTIONS["log_softmax"](x), expected, rtol=1e-12)


def test_glu_gates_the_first_half_by_the_second():
    x = np.array([[1.0, -2.0, 0.0, 30.0]])
    np.testing.assert_allclose(FUNCTIONS["glu"](x), [[0.5, -2.0]], rtol=1e-9)


def test_sparsemax_is_that_of_keras():
    # Keras 3.15 printed these; the paper's would be 0.55, 0.45, 0.
    y = FUNCTIONS["sparsemax"](np.array([[0.5, 0.4, -1.0]]))
    np.testing.assert_allclose(y, [[0.3, 0.2, 0.0]], atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 64, 100, ACCURATE, ACCURATE + 1, 5000])
def test_sums_of_rows_are_as_exact_as_those_of_numpy(length, dtype):
    x = np.random.default_rng(0).normal(1, 1, (3, FASTER // length + 2, length))
    x = x.astype(dtype)
    x[0, 1, 0] = np.nan
    got, wanted = row_sums(x), x.sum(axis=-1, keepdims=True, dtype=np.float64)
    assert got.dtype == x.dtype
    np.testing.assert_allclose(got, wanted, 20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", [(3,), (1025,), (5, 8192), (3, 5000, 7)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relu_in_place_is_relu_at_every_size(shape, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    x.reshape(-1)[:3] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(activate("relu", x.copy()), relu(x))
    turned = np.asfortranarray(x)
    np.testing.assert_array_equal(activate("relu", turned.copy(order="F")), relu(x))
