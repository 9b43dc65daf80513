"""Softmax over an axis of length 1 is a constant: warned of, wherever it stands."""

import numpy as np
import pytest

import goldens
import gru2np
from example_files import example
from gru2np.convert import convert
from gru2np.graph.constants import constant_functions
from gru2np_runtime import layers, load
from gru2np_runtime.graph import Graph, Node, Port
from shared_files import CASES

OWN = CASES / "own_softmax_over_time" / "m.keras"
WINDOW = {"kernel_size": (3,), "strides": (1,), "dilation": (1,)}


def graph(layer, *shape):
    """A graph of one layer on one input."""
    outputs = layer.output_shapes((None, *shape))
    return Graph(
        [Port("x", (None, *shape), "float32")],
        [Node("own", "own", [("x", 0)])],
        [Port("y", outputs[0], "float32", ("own", 0))],
        {"own": layer},
    )


def soft(name="softmax", **options):
    return {"function": name, **options} if options else name


def gru(units, **options):
    return layers.GRU(units=units, **options)


CONSTANT = [
    (layers.Activation(function="softmax"), (5, 1), "softmax", "1"),
    (layers.Activation(function="log_softmax"), (5, 1), "log_softmax", "0"),
    (layers.Activation(function="sparsemax"), (1,), "sparsemax", "1"),
    (layers.Activation(function=soft(axis=1)), (1, 4), "softmax", "1"),
    (layers.Activation(function=soft(axis=[1, 2])), (1, 1), "softmax", "1"),
    (layers.Softmax(axes=(-1,), masked_scores="added"), (5, 1), "softmax", "1"),
    (layers.Dense(units=1, activation="softmax"), (5, 3), "softmax", "1"),
    (layers.Conv(filters=1, activation="softmax", **WINDOW), (9, 3), "softmax", "1"),
    (gru(1, activation="softmax"), (5, 3), "softmax", "1"),
    (gru(1, recurrent_activation="softmax"), (5, 3), "softmax", "1"),
    (
        layers.TimeDistributed(
            layers={"layer": layers.Dense(units=1, activation="softmax")}
        ),
        (5, 3),
        "softmax",
        "1",
    ),
    (
        layers.TimeDistributed(layers={"layer": layers.Activation(function="softmax")}),
        (5, 1),
        "softmax",
        "1",
    ),
]
OTHERS = [
    (layers.Activation(function="softmax"), (5, 2)),
    (layers.Activation(function="softmax"), (5, None)),
    (layers.Activation(function="sigmoid"), (5, 1)),
    (layers.Activation(function=soft(axis=1)), (5, 1)),
    (layers.Activation(function=soft(axis=[1, 2])), (5, 1)),
    (layers.Dense(units=1, activation="sigmoid"), (5, 3)),
    (layers.Dense(units=2, activation="softmax"), (5, 1)),
    (gru(1), (5, 3)),
    (gru(2, activation="softmax"), (5, 1)),
]


@pytest.mark.parametrize(("layer", "shape", "function", "number"), CONSTANT)
def test_it_is_warned_of_by_name(layer, shape, function, number):
    titles = {"own": ("mine", "Layer")}
    (text,) = {
        text.replace("'own/layer' (layer)", "'mine' (Layer)")
        for text in constant_functions(graph(layer, *shape), titles)
    }
    assert text.startswith(
        f"layer 'mine' (Layer): {function} over an axis of length 1 gives {number} "
    )
    assert "--custom-objects FILE.py" in text


@pytest.mark.parametrize(("layer", "shape"), OTHERS)
def test_others_are_not(layer, shape):
    assert constant_functions(graph(layer, *shape), {}) == []


def test_no_fixture_is_warned_of():
    for golden in goldens.some(goldens.all_goldens(), 7):
        if not goldens.refused(golden):
            with convert(*golden.files()) as conversion:
                found = conversion.built.warnings
                assert not [
                    text for text in found if "over an axis of length 1" in text
                ]


@pytest.mark.skipif(not OWN.exists(), reason="shared/cases is not here")
def test_export_and_inspect_say_it(tmp_path):
    """A softmax of the user's own over time, as many a file holds it."""
    exported = gru2np.export(OWN, tmp_path / "m.npz")
    (note,) = [text for text in exported.notes if "length 1" in text]
    assert note.startswith("layer 'activation' (Activation): softmax over an axis of")
    assert note in gru2np.inspect(OWN).meaning


@pytest.mark.skipif(not OWN.exists(), reason="shared/cases is not here")
@pytest.mark.parametrize("name", ["softmax", "activation"])
def test_their_own_function_gives_the_numbers_of_their_model(tmp_path, name):
    """By the name of the function, which Keras has too, or by that of the layer."""
    own = {name: example("custom_objects").softmax_over_time}
    exported = gru2np.export(OWN, tmp_path / "m.npz", custom_objects=own)
    assert not [text for text in exported.notes if "length 1" in text]
    x, y = (np.load(OWN.with_name(f"{letter}.npy")) for letter in "xy")
    model = load(tmp_path / "m.npz", custom_objects=own)
    np.testing.assert_allclose(model.predict(x), y, atol=1e-6)
