"""What a layer's class states holds for what it computes."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import Layer, layers, per_step
from gru2np_runtime.custom import CustomFunction
from gru2np_runtime.errors import Unsupported
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.layer import STATED, across, no_products, stored
from gru2np_runtime.layers import FAMILY, layer_class
from gru2np_runtime.run.dispatch import make_plan
from layer_examples import T, examples, identity, inputs_of, sized, weights_of

ALONG_BATCH = {"function": "softmax", "axis": 0}
SEQUENCE = {"return_sequences": True}
CELL_KINDS = (layers.GRUCell, layers.LSTMCell, layers.SimpleRNNCell)
CELLS = {
    "cell_0": layers.LSTMCell(units=3),
    "cell_1": layers.GRUCell(units=2, reset_after=False),
}


def both(**options):
    """A layer of two halves."""
    turned = {**options, "go_backwards": True}
    return layers.Bidirectional(
        layers={
            "forward_layer": layers.GRU(units=2, **options),
            "backward_layer": layers.LSTM(units=3, **turned),
        }
    )


def at_every_step(inner):
    return layers.TimeDistributed(layers={"layer": inner})


def model(layer):
    """A model of one layer on four features."""
    return Graph(
        [Port("x", (None, 4), "float32")],
        [Node("layer", "layer", [("x", 0)])],
        [Port("y", (None, 3), "float32", ("layer", 0))],
        {"layer": layer},
    )


RECURRENT = [
    (layers.GRU(units=3, **SEQUENCE), [(T, 4)]),
    (layers.GRU(units=3, reset_after=False, activation="softmax"), [(T, 4), (3,)]),
    (layers.GRU(units=3, go_backwards=True, recurrent_activation="softmax"), [(T, 4)]),
    (layers.LSTM(units=3, return_state=True), [(T, 4), (3,), (3,)]),
    (layers.SimpleRNN(units=3, **SEQUENCE), [(T, 4)]),
    (layers.RNN(layers=CELLS, **SEQUENCE), [(T, 4)]),
    (both(**SEQUENCE), [(T, 4)]),
    (both(), [(T, 4)]),
    (at_every_step(layers.Dense(units=3)), [(T, 4)]),
    (at_every_step(model(layers.Dense(units=3))), [(T, 4)]),
    (model(layers.Dense(units=3)), [(4,)]),
]
# A custom function, whose open sizes only its results tell.
OWN = layers.Function(
    function=CustomFunction("doubled", per_step(lambda x: 2 * x)),
    arguments={},
    results=[(None, None, 4)],
    number="float32",
)
# They read, make or move the axis of the samples: their outputs have no row for each.
OF_SAMPLES = {"counting", "first_item", "lifted", "size_of", "turned"}
EXAMPLES = [*examples("float32"), *RECURRENT, (OWN, [(T, 4)])]
APART = [example for example in EXAMPLES if example[0].op not in OF_SAMPLES]
# Layers whose rows are not computed apart.
MIXING = [
    (layers.GRU(units=3, time_major=True), [(T, 4)]),
    (layers.LSTM(units=3, **SEQUENCE, time_major=True), [(T, 4)]),
    (both(time_major=True), [(T, 4)]),
    (layers.GRU(units=3, activation=ALONG_BATCH), [(T, 4)]),
    (layers.LSTM(units=3, recurrent_activation={**ALONG_BATCH, "axis": -2}), [(T, 4)]),
    (both(activation=ALONG_BATCH), [(T, 4)]),
    (layers.RNN(layers={"cell_0": layers.GRUCell(units=3, activation=ALONG_BATCH)}),
     [(T, 4)]),
]  # fmt: skip


def rows_and_whole(layer, pattern):
    """What a batch of three gives, whole and row by row."""
    rng = np.random.default_rng(0)
    shapes = sized(pattern, 3, 5)
    inputs, weights = inputs_of(layer, shapes, rng), weights_of(layer, shapes, rng)
    plan = make_plan(layer, weights)
    whole = plan.run(inputs, None)
    rows = [plan.run([x[i : i + 1] for x in inputs], None) for i in range(3)]
    return rows, whole


def test_every_layer_is_among_the_examples():
    cells = {op for op, path in FAMILY.items() if path.startswith("cells.")}
    assert {layer.op for layer, _ in EXAMPLES} | cells >= set(FAMILY)


@pytest.mark.parametrize("example", APART, ids=identity)
def test_independent_rows_are_the_same_in_a_batch(example):
    layer, pattern = example
    assert layer.independent_rows
    rows, whole = rows_and_whole(layer, pattern)
    for i, y in enumerate(whole):
        alone = np.concatenate([row[i] for row in rows])
        np.testing.assert_allclose(alone, y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("example", MIXING, ids=identity)
def test_other_rows_depend_on_each_other(example):
    layer, pattern = example
    assert not layer.independent_rows
    rows, whole = rows_and_whole(layer, pattern)
    alone = np.concatenate([row[0] for row in rows])
    assert alone.shape != whole[0].shape or np.abs(alone - whole[0]).max() > 1e-3


@pytest.mark.parametrize("kind", [layers.GRUCell, layers.LSTMCell])
def test_rows_of_a_cell_depend_on_each_other_along_the_batch_only(kind):
    assert kind(units=3).independent_rows
    assert kind(units=3, activation={**ALONG_BATCH, "axis": 1}).independent_rows
    assert not kind(units=3, recurrent_activation=ALONG_BATCH).independent_rows


def test_what_holds_a_layer_that_mixes_rows_mixes_them():
    mixing = layers.GRU(units=3, time_major=True)
    assert not at_every_step(mixing).independent_rows
    assert not model(mixing).independent_rows


@pytest.mark.parametrize(
    ("equation", "shape", "output"),
    [("...a,ab->...b", (6,), []), ("...ab,bac->...ac", (6, 4), [3])],
)
def test_no_letter_is_the_batch(equation, shape, output):
    """Where dots stand for no axis, sums or weights would go along the batch."""
    layer = layers.EinsumDense(equation=equation, output_shape=output)
    with pytest.raises(Unsupported, match="moves the batch"):
        layer.output_shapes(shape)


@pytest.mark.parametrize("missing", STATED)
def test_a_layer_of_the_package_states_everything(missing):
    stated = {
        "multiply_adds": no_products,
        "over_time": across,
        "independent_rows": True,
        "op": "invented",
        "__module__": "gru2np_runtime.layers.invented",
    }
    type("Invented", (Layer,), dict(stated))
    del stated[missing]
    with pytest.raises(TypeError, match=f"^Invented does not state its {missing}$"):
        type("Invented", (Layer,), dict(stated))
    # A base between says it for all below.
    base = type("Base", (layers.Dense,), {"__module__": stated["__module__"]})
    type("Invented", (base,), dict(stated))


def test_a_custom_class_inherits_no_facts_that_its_forward_may_change():
    class Own(layers.Conv):
        pass

    class Compared(layers.NotEqual):
        pass

    options = {"filters": 2, "kernel_size": [3], "strides": [1], "dilation": [1]}
    conv, own = layers.Conv(**options), Own(**options)
    shapes = [(1, 5, 3)], [(1, 3, 2)]
    assert (conv.independent_rows, own.independent_rows) == (True, False)
    assert (conv.multiply_adds(*shapes), own.multiply_adds(*shapes)) == (3 * 18, 0)
    assert (layers.NotEqual.compares_with, Compared.compares_with) == (
        "value",
        "",
    )


def test_facts_of_a_custom_class_are_inherited():
    class Own(layers.Dense):
        independent_rows = True

        def multiply_adds(self, inputs, outputs):
            return 7

    class Below(Own):
        pass

    assert Below.independent_rows
    assert Below(units=1).multiply_adds([(1, 2)], [(1, 1)]) == 7
    assert not Layer.independent_rows


@pytest.mark.parametrize("op", FAMILY)
def test_every_weight_has_its_storage_axes(op):
    """And nothing is said of a weight that no option makes."""
    cells = [(kind(units=3), [(4,)]) for kind in CELL_KINDS]
    weights = {
        name
        for layer, pattern in [*EXAMPLES, *cells]
        if layer.op == op
        for name in layer.weight_shapes(*sized(pattern, 1, 5))
        if name.partition("/")[0] not in layer.layers
    }
    assert weights == set(layer_class(op).storage_axes)


def test_a_layer_with_weights_states_its_storage_axes():
    stated = {
        "multiply_adds": no_products,
        "over_time": across,
        "independent_rows": True,
        "op": "invented",
        "weight_shapes": lambda self, *shapes: {"scale": (3,)},
        "__module__": "gru2np_runtime.layers.invented",
    }
    with pytest.raises(TypeError, match="Invented does not state its storage_axes"):
        type("Invented", (Layer,), dict(stated))
    type("Invented", (Layer,), {**stated, "storage_axes": stored(scale="few")})


# Counted by hand, as nobody else counts them.
@pytest.mark.parametrize(
    ("layer", "inputs", "outputs", "count"),
    [
        # glu halves what the units gave.
        (layers.Dense(units=6, activation="glu"), [(2, 5, 4)], [(2, 5, 3)], 10 * 4 * 6),
        (layers.Highway(), [(2, 4)], [(2, 4)], 2 * 2 * 4 * 4),
        (layers.MaxoutDense(units=3, pieces=5), [(2, 4)], [(2, 3)], 2 * 4 * 3 * 5),
        (layers.GRUCell(units=3), [(2, 4)], [(2, 3)], 2 * 3 * 3 * (4 + 3)),
        # Windows of 2 of 5 steps of 4 numbers give 4 times 3 filters.
        (
            layers.LocallyConnected(filters=3, kernel_size=[2], strides=[1]),
            [(2, 5, 4)],
            [(2, 4, 3)],
            2 * 4 * (2 * 4) * 3,
        ),
        (layers.Cosine(), [(2, 4), (2, 4)], [(2, 1, 1)], 3 * 2 * 4),
        (layers.Matmul(), [(2, 3, 4), (2, 4, 5)], [(2, 3, 5)], 2 * 3 * 4 * 5),
        (
            layers.Matmul(transpose_first=True),
            [(2, 4, 3), (2, 4, 5)],
            [(2, 3, 5)],
            2 * 3 * 4 * 5,
        ),
        (
            layers.ReversibleEmbedding(input_dim=9, output_dim=3),
            [(2, 5)],
            [(2, 5, 3)],
            0,
        ),
        (
            layers.ReversibleEmbedding(input_dim=9, output_dim=3),
            [(2, 5), (2, 5, 3)],
            [(2, 5, 9)],
            10 * 3 * 9,
        ),
    ],
    ids=lambda value: getattr(value, "op", str(value)).replace(" ", ""),
)
def test_products_are_counted(layer, inputs, outputs, count):
    assert layer.multiply_adds(inputs, outputs) == count


@pytest.mark.parametrize("op", FAMILY)
def test_no_products_are_those_of_a_layer_without_a_kernel(op):
    kinds = [own for own in EXAMPLES if own[0].op == op]
    if layer_class(op).multiply_adds is no_products:
        for layer, pattern in kinds:
            names = layer.weight_shapes(*sized(pattern, 1, 5))
            assert not [name for name in names if name.endswith("kernel")]
