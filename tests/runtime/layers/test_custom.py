"""Custom layers and functions as layers: what they give is held to what they state."""

import pickle
import threading

import numpy as np
import pytest

from custom_models import ATTENTION, FILE, FUNCTIONS, OWN, golden, instead, model_of
from gru2np_runtime import (
    CustomObjectError,
    Gru2npError,
    Layer,
    layers,
    per_step,
    read_custom_objects,
)
from gru2np_runtime.custom import CustomFunction
from gru2np_runtime.run.dispatch import make_plan

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)


def function(given, **options):
    options = {
        "arguments": {},
        "results": [(None, None, 3)],
        "number": "float32",
        **options,
    }
    return layers.Function(function=CustomFunction("mine", given), **options)


def run(layer, *inputs):
    return make_plan(layer, {}).run(list(inputs), None)


def test_a_function_runs_as_a_layer():
    (y,) = run(function(lambda x, k: k * x, arguments={"k": 2.0}), X)
    np.testing.assert_array_equal(y, 2 * X)
    assert y.dtype == np.float32


def test_what_a_function_says_of_time_and_rows():
    said, unsaid = function(per_step(lambda x: x)), function(lambda x: x)
    assert (said.over_time(X.shape), said.independent_rows) == ("pointwise", True)
    assert (unsaid.over_time(X.shape), unsaid.independent_rows) == ("across", False)


def test_results_are_of_known_dtypes_and_have_a_batch():
    with pytest.raises(ValueError, match="number is 'int8', expected one of bool"):
        function(lambda x: x, number="int8")
    with pytest.raises(ValueError, match="results with a batch axis"):
        function(lambda x: x, results=[()]).output_shapes((2, 4, 3))


@pytest.mark.parametrize("value", ["mine", len, {"function": "mine"}])
def test_a_function_is_no_name(value):
    with pytest.raises(TypeError, match="a custom function"):
        layers.Function(function=value, arguments={}, results=[], number="float32")


@pytest.mark.parametrize("value", [[1], {1: 2}, {"a": object()}, {"a": {"b": b""}}])
def test_arguments_are_plain_values_by_name(value):
    with pytest.raises(TypeError, match="object of plain values"):
        function(lambda x: x, arguments=value)


def test_one_function_in_two_layers_that_uses_its_array_again():
    """The result of the first call must not be that of the second."""
    buffer = np.empty_like(X)

    def again(x):
        np.multiply(x, 2, out=buffer)
        return buffer

    layer = function(again)
    (first,), (second,) = run(layer, X), run(layer, -X)
    np.testing.assert_array_equal(first, 2 * X)
    np.testing.assert_array_equal(second, -2 * X)


def changed(**attributes):
    return model_of(ATTENTION, instead("AttentionWithContext", **attributes))


def returning(change):
    """The class with a forward pass whose result is changed."""
    forward = OWN["AttentionWithContext"].forward

    def run_changed(self, weights, *inputs, mask=None):
        return change(forward(self, weights, *inputs, mask=mask))

    return {"forward": run_changed}


INPUT = golden(ATTENTION).arrays(0, "x")[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: None, r"of the shapes \[\(5, 4\)\] that its output_shapes states"),
        (lambda y: [y], r"got \['list'\]"),
        (lambda y: y.tolist(), r"got \['list'\]"),
        (lambda y: (y, y), r"got \[\(5, 4\), \(5, 4\)\]"),
        (lambda y: y[:, :1], r"got \[\(5, 1\)\]"),
        (lambda y: 1j * y, "real numbers, got one of complex"),
        (lambda y: y > 0, "expected outputs of float32, got bool: state gives_dtype"),
        (lambda y: y[99], r"IndexError.*test_custom\.py, line \d+\)"),
    ],
)
def test_a_layer_that_gives_something_else_than_it_states_is_refused(change, words):
    model = changed(**returning(change))
    with pytest.raises(
        CustomObjectError, match=rf"layer AttentionWithContext.*{words}"
    ):
        model.predict(INPUT)


def test_a_layer_gives_its_own_dtype_and_an_array_of_its_own():
    y = changed(**returning(lambda y: y.astype(np.float64))).predict(INPUT)[0]
    assert y.dtype == np.float32
    golden(ATTENTION).close(y, golden(ATTENTION).arrays(0, "y")[0])

    class Last(Layer):
        gives_dtype = "int64"

        def output_shapes(self, *shapes):
            return (shapes[0][:1],)

        def forward(self, weights, *inputs, mask=None):
            return inputs[0][:, -1].argmax(axis=-1)

    (y,) = run(Last(), X)
    assert y.dtype == np.int64
    assert y.flags.writeable

    class Same(Layer):
        def forward(self, weights, *inputs, mask=None):
            return inputs[0]

    (y,) = run(Same(), X)
    assert y.flags.writeable
    assert not np.shares_memory(y, X)


def test_a_layer_cannot_change_its_inputs_or_its_mask():
    def write(self, weights, *inputs, mask=None):
        mask[:] = True

    with pytest.raises(CustomObjectError, match="must not change its inputs"):
        changed(forward=write).predict(INPUT)
    x = INPUT.copy()

    def add(self, weights, *inputs, mask=None):
        inputs[0][...] = 0

    with pytest.raises(CustomObjectError, match="must not change its inputs"):
        changed(forward=add).predict(x)
    np.testing.assert_array_equal(x, INPUT)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"output_shapes": lambda self, *s: None}, "output_shapes: expected a tuple"),
        ({"output_shapes": lambda self, *s: s[0]}, "output_shapes: expected a tuple"),
        ({"output_shapes": lambda self, *s: (("a",),)}, "output_shapes: expected a tu"),
        ({"output_shapes": lambda self, *s: ((-1,),)}, "output_shapes: expected a tup"),
        ({"output_shapes": lambda self, *s: 1 / 0}, "ZeroDivisionError.*line"),
        ({"weight_shapes": lambda self, *s: [3]}, "expected a dict of shapes by name"),
        ({"weight_shapes": lambda self, *s: {"W": 3}}, "a tuple of sizes for 'W', got"),
        ({"weight_shapes": lambda self, *s: {1: (3,)}}, "expected a dict of shapes"),
        ({"weight_shapes": lambda self, *s: 1 / 0}, "ZeroDivisionError.*line"),
        ({"check": lambda self: 1 / 0}, "ZeroDivisionError.*line"),
        ({"from_options": staticmethod(lambda o: None)}, "expected a dict of attribut"),
        ({"from_options": staticmethod(lambda o: {1: 2})}, "expected a dict of attrib"),
        ({"from_options": staticmethod(lambda o: 1 / 0)}, "ZeroDivisionError"),
        ({"from_options": staticmethod(lambda o: {"zz": 1})}, "unknown attribute 'zz'"),
        ({"non_trainable": 5}, "non_trainable: expected a tuple of names, got 5"),
    ],
)
def test_a_class_that_states_nonsense_is_refused_at_export(attributes, words):
    with pytest.raises(Gru2npError, match=words):
        changed(**attributes)


def test_threads_share_a_model():
    model, x = model_of(FUNCTIONS), golden(FUNCTIONS).arrays(0, "x")[0]
    wanted, found = model.predict(x), []
    threads = [
        threading.Thread(target=lambda: found.append(model.predict(x)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for outputs in found:
        for y, expected in zip(outputs, wanted):
            np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("case", [ATTENTION, "keras-3.15/custom_steps"])
def test_a_model_can_be_pickled_with_its_objects(case):
    # As they are from the last reading of their file, which pickle looks at.
    own = read_custom_objects(FILE)
    model, x = model_of(case, own), golden(case).arrays(0, "x")[0]
    again = pickle.loads(pickle.dumps(model))
    for y, wanted in zip(again.predict(x), model.predict(x)):
        np.testing.assert_array_equal(y, wanted)


def test_a_lambda_of_python_is_not_pickled_and_pickle_says_so():
    with pytest.raises(Exception, match=r"[Cc]an't pickle|get local"):
        pickle.dumps(model_of(FUNCTIONS))
