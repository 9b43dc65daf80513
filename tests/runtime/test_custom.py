"""Custom functions: what they get, what they may return, and what is said of them."""

import functools
import pickle
import sys

import numpy as np
import pytest

from gru2np_runtime import CustomObjectError, layers, per_step
from gru2np_runtime.activations import axes_of, check_activation, function_of
from gru2np_runtime.custom import CustomFunction, failed, raising, real_numbers
from gru2np_runtime.run.dispatch import make_plan

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2


def named(function):
    return CustomFunction("mine", function)


def add_in_place(x):
    x += 1
    return x


def module_function(x):
    return -x


def test_a_function_is_its_name_in_a_manifest():
    function = named(module_function)
    assert function == "custom>mine"
    assert function.own_name == "mine"
    again = pickle.loads(pickle.dumps(function))
    assert (again, again.function) == (function, module_function)


def test_per_step_marks_a_function_and_nothing_else_does():
    assert named(per_step(lambda x: x)).per_step is True
    assert named(lambda x: x).per_step is None
    assert axes_of(named(per_step(lambda x: x))) == ()
    assert axes_of(named(lambda x: x)) == (1,)


class Callable:
    def __call__(self, x, mask=None):
        return x


def wrapped(function):
    @functools.wraps(function)
    def inner(*arguments, **options):
        return function(*arguments, **options)

    return inner


def test_a_parameter_mask_is_seen_in_everything_that_can_be_called():
    for function in (
        lambda x, mask: x,
        lambda x, *, mask=None: x,
        Callable(),
        Callable().__call__,
        functools.partial(lambda x, k, mask=None: x, k=2),
        wrapped(lambda x, mask: x),
    ):
        assert named(function).takes_mask
    for function in (lambda x: x, np.tanh, functools.partial(lambda x, k: x, k=2)):
        assert not named(function).takes_mask


def test_a_function_cannot_change_its_inputs():
    x = X.copy()
    for function in (named(add_in_place), named(lambda x: np.exp(x, out=x))):
        with pytest.raises(CustomObjectError, match=r"'mine' failed.*must not change"):
            function.activate(x)
    with pytest.raises(CustomObjectError, match="read-only"):
        named(lambda xs: add_in_place(xs[1])).call([x, x])
    np.testing.assert_array_equal(x, X)


def test_a_result_is_an_array_of_its_own():
    buffer = np.zeros_like(X)

    def again(x):
        np.add(x, 1, out=buffer)
        return buffer

    first = named(again).activate(X)
    second = named(again).activate(X + 1)
    np.testing.assert_array_equal(first, X + 1)
    np.testing.assert_array_equal(second, X + 2)
    same = named(lambda x: x).activate(X)
    assert same.flags.writeable
    assert not np.shares_memory(same, X)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x[:, :1], r"expected an array of shape \(2, 3\).*got \(2, 1\)"),
        (lambda x: x.sum(), r"got \(\)"),
        (lambda x: x.tolist(), "got list"),
        (lambda x: None, "got NoneType"),
        (lambda x: x * 1j, "real numbers, got one of complex"),
        (lambda x: x.astype(object), "real numbers, got one of object"),
        (lambda x: x.astype(str), "real numbers, got one of <U"),
        (lambda x: 1 / 0, r"ZeroDivisionError: division by zero \(.*test_custom.py"),
        (lambda x, y: x, "missing 1 required positional argument"),
        (lambda x: sys.exit(0), "SystemExit: 0"),
    ],
)
def test_what_no_activation_returns_is_refused_by_its_name(function, words):
    with pytest.raises(CustomObjectError, match=f"custom function 'mine'.*{words}"):
        named(function).activate(X)


def test_a_result_is_given_the_dtype_of_the_input():
    y = named(lambda x: x > 0).activate(X)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, (X > 0).astype(np.float32))
    assert named(lambda x: x.astype(np.float64)).activate(X).dtype == np.float32


def test_an_activation_of_every_layer_that_has_one():
    function = named(per_step(lambda x: x * x))
    assert check_activation(function) is function
    assert function_of(function) == function.activate
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 5)).astype(np.float32)
    bias = rng.normal(size=5).astype(np.float32)
    dense = layers.Dense(units=5, activation=function).bind(kernel=kernel, bias=bias)
    np.testing.assert_allclose(dense.predict(x), (x @ kernel + bias) ** 2, rtol=1e-4)
    conv = layers.Conv(
        filters=5,
        kernel_size=(1,),
        strides=(1,),
        dilation=(1,),
        padding="valid",
        activation=function,
    )
    y = make_plan(conv, {"kernel": kernel[None], "bias": bias}).run([x], None)[0]
    np.testing.assert_allclose(y, (x @ kernel + bias) ** 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("option", ["activation", "recurrent_activation"])
@pytest.mark.parametrize(
    "kind", [layers.GRU, layers.LSTM, layers.SimpleRNN], ids=lambda kind: kind.op
)
def test_a_gate_of_every_recurrent_layer(kind, option):
    """The function is Keras' own, so the layer without it tells what is right."""
    if kind is layers.SimpleRNN and option == "recurrent_activation":
        return
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 5, 3)).astype(np.float32)
    function = np.tanh if option == "activation" else lambda x: 1 / (1 + np.exp(-x))
    given = kind(units=4, return_sequences=True, **{option: named(function)})
    plain = kind(units=4, return_sequences=True)
    weights = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in plain.weight_shapes((None, None, 3)).items()
    }
    found, wanted = (layer.bind(**weights) for layer in (given, plain))
    np.testing.assert_allclose(found.predict(x), wanted.predict(x), atol=2e-6)
    state, other = found.initial_state(2), wanted.initial_state(2)
    for t in range(5):
        y, state = found.step(x[:, t], state)
        expected, other = wanted.step(x[:, t], other)
        np.testing.assert_allclose(y, expected, atol=2e-6)


def test_a_recurrent_layer_steps_without_per_step():
    weights = {"kernel": np.ones((3, 2)), "bias": np.zeros(2)}
    x = np.ones((1, 3), np.float32)
    function = named(lambda x: -x)
    rnn = layers.SimpleRNN(units=2, activation=function, return_sequences=True)
    model = rnn.bind(recurrent_kernel=np.zeros((2, 2)), **weights)
    y, _ = model.step(x, model.initial_state(1))
    np.testing.assert_array_equal(y, [[-3, -3]])


def test_an_error_names_the_line_of_the_user_and_no_line_of_ours():
    def largest(x):
        return np.zeros((0,)).max()

    with pytest.raises(CustomObjectError) as caught:
        named(largest).activate(X)
    line = largest.__code__.co_firstlineno + 1
    assert str(caught.value).endswith(f"({__file__}, line {line})")
    assert "(" not in str(failed("it", ValueError("no line at all")))
    with pytest.raises(MemoryError), raising("it"):
        raise MemoryError
    with pytest.raises(KeyError), raising("it", passing=KeyError):
        raise KeyError


def test_real_numbers_are_copied():
    y = real_numbers("it", X, "float64")
    assert y.dtype == np.float64
    assert not np.shares_memory(real_numbers("it", X, "float32"), X)
