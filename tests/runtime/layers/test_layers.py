"""Every layer: the table, and shapes and dtypes as they are stated."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from gru2np_runtime.layers import FAMILY, layer_class
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import (
    examples,
    identity,
    run_random,
    sized,
)

FAMILIES = sorted({path.split(".")[0] for path in FAMILY.values()})


@pytest.mark.parametrize("family", FAMILIES)
def test_family_is_the_table_of_the_module(family):
    table = import_module(f"gru2np_runtime.layers.{family}").LAYERS
    names = {op: kind.__name__ for op, kind in table.items()}
    assert names == {
        op: path.split(".")[1]
        for op, path in FAMILY.items()
        if path.split(".")[0] == family
    }


def test_a_type_checker_knows_every_class():
    """The others would be layers of any attributes to it."""
    tree = ast.parse(Path(layers.__file__).read_text("utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    paths = {
        f"{node.module.rpartition('.')[2]}.{alias.asname}"
        for node in imported
        for alias in node.names
        if alias.asname
    }
    assert paths == set(FAMILY.values())


@pytest.mark.parametrize("op", FAMILY)
def test_op_leads_to_its_class(op):
    kind = layer_class(op)
    assert kind.op == op
    assert getattr(layers, kind.__name__) is kind
    assert kind.__name__ in layers.__all__


def test_unknown_op_and_name():
    with pytest.raises(KeyError):
        layer_class("unknown")
    with pytest.raises(AttributeError, match="no layer 'Unknown'"):
        layers.Unknown  # noqa: B018


EXAMPLES = [e for dtype in ("float32", "float64") for e in examples(dtype)]
RECURRENT = {
    op
    for op, path in FAMILY.items()
    if path.startswith(("cells.", "recurrent.", "wrappers."))
}


def test_every_layer_is_tested():
    elsewhere = {*RECURRENT, "function"}  # in test_custom.py
    assert {layer.op for layer, _ in EXAMPLES} | elsewhere == set(FAMILY)


@pytest.mark.parametrize(("batch", "steps"), [(3, 5), (1, 4), (2, 1), (0, 4)])
@pytest.mark.parametrize("example", EXAMPLES, ids=identity)
def test_shape_and_dtype_are_as_stated(example, batch, steps):
    layer, pattern = example
    shapes = sized(pattern, batch, steps)
    try:
        (told,) = layer.output_shapes(*shapes)
    except InputError:
        pytest.skip("too few steps")
    inputs, _, y = run_random(layer, shapes)
    assert y.shape == told
    assert y.dtype == layer.output_dtype(*(x.dtype.name for x in inputs))
    # With open sizes, what is told is the same or open.
    (open_shape,) = layer.output_shapes(*sized(pattern, None, None))
    assert len(open_shape) == len(told)
    assert all(open_shape[i] in (None, size) for i, size in enumerate(told))
    expected = layer.weight_shapes(*sized(pattern, None, None))
    assert list(expected) == list(layer.weight_shapes(*shapes))


@pytest.mark.parametrize("example", EXAMPLES, ids=identity)
def test_nothing_writes_into_its_inputs(example):
    layer, pattern = example
    shapes = sized(pattern, 2, 4)
    inputs, weights, _ = run_random(layer, shapes)
    again, same_weights, _ = run_random(layer, shapes)
    for i, array in enumerate(inputs):
        np.testing.assert_array_equal(array, again[i])
    for name, array in weights.items():
        np.testing.assert_array_equal(array, same_weights[name])


@pytest.mark.parametrize(
    ("layer", "arrays"),
    [
        (layers.Conv(filters=1, kernel_size=(4,), strides=(1,), dilation=(1,)), [3]),
        (layers.MaxPooling(pool_size=(4,), strides=(1,)), [3]),
        (layers.Cropping(cropping=[(1, 2)]), [3]),
        (layers.Reshape(target_shape=(5, -1)), [3]),
        (layers.Add(), [3, 4]),
        (layers.Concatenate(), [3, 4]),
        (layers.Dot(axes=(1, 1)), [3, 4]),
        (layers.LogicalAnd(), [3, 4]),
    ],
    ids=lambda value: getattr(value, "op", ""),
)
def test_lengths_that_do_not_fit_are_input_errors(layer, arrays):
    inputs = [np.zeros((2, steps, 2), "float32") for steps in arrays]
    weights = {"kernel": np.zeros((4, 2, 1)), "bias": np.zeros(1)}
    with pytest.raises(InputError):
        make_plan(layer, weights).run(inputs, None)
    with pytest.raises(ValueError, match=r"."):
        layer.output_shapes(*(x.shape for x in inputs))
