"""Shapes of ``tf.shape``, followed to the tensors that they are of."""

from __future__ import annotations

import copy

import pytest

import gru2np
from conversions import converted_with, opened, records_of
from gru2np.generations.computed_sizes import resolved
from gru2np.ir import Call, ComputedSize, KerasLayer, KerasModel, TensorRef


def ref(name, output=0):
    return TensorRef(name, 0, output)


def layer(kind, name, *inputs, constants=(), **config):
    calls = (Call(tuple(ref(i) for i in inputs), constants=constants),)
    return KerasLayer(kind, name, config, calls, training={})


def model(*layers, outputs):
    source = KerasLayer("InputLayer", "x", {}, training={})
    return KerasModel(
        "model",
        (source, *layers),
        (ref("x"),),
        tuple(ref(name) for name in outputs),
        sequential=False,
        config={},
    )


SHAPE = layer("ops.Shape", "shape", "x")
FIRST = layer("ops.GetItem", "first", "shape", constants=((1, 0),))
SECOND = layer("ops.GetItem", "second", "shape", constants=((1, [1]),))


def reshape(*sizes):
    return layer("ops.Reshape", "y", "x", newshape=list(sizes))


@pytest.mark.parametrize(
    ("between", "sizes", "expected"),
    [
        ([], [ref("first"), -1, 4], [(1, 0, 0), -1, 4]),
        (
            [layer("ops.Multiply", "rows", "first", "second")],
            [ref("rows"), 4],
            [(1, 0, 0, 0, 1), 4],
        ),
        (
            [layer("ops.Multiply", "rows", "second", constants=((1, 3),))],
            [-1, ref("rows")],
            [-1, (3, 0, 1)],
        ),
        (
            [layer("ops.Cast", "rows", "second", dtype="int32")],
            [-1, ref("rows")],
            [-1, (1, 0, 1)],
        ),
    ],
)
def test_sizes_are_read_from_the_tensors(between, sizes, expected):
    made = resolved(
        model(SHAPE, FIRST, SECOND, *between, reshape(*sizes), outputs=["y"])
    )
    assert [inner.class_name for inner in made.layers] == [
        "InputLayer",
        "ops.ComputedReshape",
    ]
    found = made.layers[1].config["newshape"]
    assert [s.size if isinstance(s, ComputedSize) else s for s in found] == expected


def test_a_whole_shape_and_a_stack():
    whole = layer("ops.BroadcastTo", "y", "x", shape=ref("shape"))
    made = resolved(model(SHAPE, whole, outputs=["y"]))
    assert made.layers[1].config["shape"] == [ComputedSize((0, 0))]
    stack = layer("ops.Stack", "stack", "first", constants=((1, -1), (2, 3)))
    again = layer("ops.Reshape", "y", "x", newshape=ref("stack"))
    made = resolved(model(SHAPE, FIRST, stack, again, outputs=["y"]))
    assert made.layers[1].config["newshape"] == [ComputedSize((1, 0, 0)), -1, 3]


def test_a_number_computed_from_a_size_reads_it():
    root = layer("ops.Cast", "y", "second", dtype="float32")
    made = resolved(model(SHAPE, SECOND, root, outputs=["y"]))
    assert made.layers[1].class_name == "ops.SizeOf"
    assert made.layers[1].config["axis"] == 1
    assert made.layers[1].calls[0].inputs == (ref("x"),)


@pytest.mark.parametrize(
    "layers",
    [
        # A shape computed from numbers, a sum of sizes, a shape as an output.
        [reshape(ref("x"), 4)],
        [SHAPE, FIRST, layer("ops.Add", "s", "first", "first"), reshape(ref("s"), 4)],
        [SHAPE, layer("ops.Cast", "y", "shape", dtype="float32")],
    ],
)
def test_what_is_not_followed_is_refused(layers):
    with pytest.raises(gru2np.UnsupportedModelError, match="give the sizes as numbers"):
        resolved(model(*layers, outputs=["y"]))


def test_products_of_products_are_followed_no_further_than_some():
    """A hostile file could double the factors with every layer."""
    layers = [layer("ops.Multiply", "m0", "first", "second")]
    for i in range(40):
        layers.append(layer("ops.Multiply", f"m{i + 1}", f"m{i}", f"m{i}"))
    with pytest.raises(gru2np.UnsupportedModelError, match="does not follow"):
        resolved(
            model(SHAPE, FIRST, SECOND, *layers, reshape(ref("m40"), 4), outputs=["y"])
        )


def test_the_number_of_samples_is_no_number():
    with opened("tf-2.10/computed_shapes") as raw:
        config = copy.deepcopy(dict(raw.config))
        items = [
            record["inbound_nodes"][0]
            for record in records_of(config, "SlicingOpLambda")
            if record["inbound_nodes"][0][3]["slice_spec"] == -1
        ]
        items[0][3]["slice_spec"] = 0
        with pytest.raises(gru2np.Gru2npError, match="number of samples"):
            converted_with(raw, config)
