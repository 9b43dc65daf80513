"""Layers and operations as Keras spells them, converted one by one."""

from __future__ import annotations

from gru2np.ir import Call, KerasLayer, Numbers, TensorRef
from gru2np.layers import LAYERS
from gru2np.layers.spec import Config, Refused
from meanings import meaning_of

KERAS_2 = meaning_of("keras-2", "2.2.4")
KERAS_3 = meaning_of("keras-3", "3.15.1")
THEANO = meaning_of("keras-2", "2.1.4", "theano")

# Calls of operations: with one tensor, and with two.
X, Y, C = (TensorRef(name, 0, 0) for name in "xyc")
ONE, TWO = Call((X,)), Call((X, Y))


def convert(class_name, options, *, call=None, meaning=KERAS_2, training=()):
    """The runtime layer, or the problems."""
    calls = (call,) if call else ()
    layer = KerasLayer(class_name, "layer", options, calls, training=dict(training))
    return _converted(layer, meaning)


def convert_operation(name, options=(), call=ONE):
    """The same of a node of ``keras.ops``, as in ``convert_operation("Add")``."""
    layer = KerasLayer(f"ops.{name}", "node", dict(options), (call,), training={})
    return _converted(layer, KERAS_3)


def _converted(layer, meaning):
    problems = []
    none = lambda *_: None  # noqa: E731
    config = Config(layer, layer.name, meaning, problems.append, none, none)
    try:
        return LAYERS[layer.class_name].convert(config)
    except Refused:
        return problems


def check_options(class_name, options, attributes, *, meaning=KERAS_2):
    """Assert that options become attributes, next to those that every layer has."""
    usual = {"name": "layer", "trainable": True, "dtype": "float64"}
    layer = convert(class_name, {**usual, **options}, meaning=meaning)
    found = layer.attributes()
    assert {name: found[name] for name in attributes} == attributes
    assert layer.dtype == options.get("dtype", "float64")


def check_refused_option(class_name, options, option, reason=""):
    """Assert that a layer is refused for one option, by its name."""
    problems = convert(class_name, options)
    assert [problem.option for problem in problems] == [option]
    assert "layer 'layer" in str(problems[0])
    assert reason in problems[0].reason


def check_operation(name, options, call, expected):
    """Assert that a node of ``keras.ops`` becomes this layer."""
    layer = convert_operation(name, options, call)
    assert type(layer) is type(expected)
    assert layer.attributes() == expected.attributes()


def check_refused_operation(name, options, call, message):
    """Assert that a node of ``keras.ops`` is refused by its name, with this reason."""
    problems = convert_operation(name, options, call)
    assert message in str(problems[0])
    assert "layer 'node'" in str(problems[0])


def numbers(values, dtype):
    """A constant of a number type, as a file has it."""
    found = Numbers(values)
    found.dtype = dtype
    return found


def with_constant(value, position=1):
    """A call with one tensor, and with a constant at this position."""
    return Call((X,), constants=((position, value),))
