"""Step by step equals the whole sequence, for every fixture that runs forward."""

from __future__ import annotations

import numpy as np
import pytest

import goldens
from goldens import loaded
from gru2np_runtime import InputError, layers, load
from gru2np_runtime.data import Structure
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.model import Model
from gru2np_runtime.run import batches
from layer_examples import weights_of
from spatial_examples import window

CASES = [
    golden
    for golden in goldens.all_goldens()
    if not goldens.refused(golden)
    and (
        goldens.EVERY
        or golden.folder.parent.name in ("keras-2.2", "tf-2.10", "keras-3.15")
    )
]


def says_why(model, message):
    """The refusal names the layer in the way, or says that there is no time."""
    assert message.startswith("this model cannot run step by step: ")
    names = [node.name for node in model.graph.nodes]
    assert any(repr(name) in message for name in names) or "no layer" in message


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_steps_equal_the_sequence(golden):
    """At every step the output is that of ``predict`` on the sequence so far."""
    model = load(golden.bundle())
    inputs = golden.arrays(0, "x")
    try:
        state = model.initial_state(inputs[0].shape[0])
    except InputError as error:
        says_why(model, str(error))
        return
    per_step = model.stream.per_step_inputs
    per_step_outputs = model.stream.per_step_outputs
    lengths = {x.shape[1] for x, over in zip(inputs, per_step) if over}
    if len(lengths) > 1:
        pytest.skip("sequences of different lengths cannot be stepped together")
    (steps,) = lengths
    whole_shapes = [
        shape[1] for shape, over in zip(model.input_shapes, per_step) if over
    ]
    for t in range(steps):
        given = [x[:, t] if over else x for x, over in zip(inputs, per_step)]
        y, state = model.step(dict(zip(model.input_names, given)), state)
        if None not in whole_shapes and t + 1 < steps:
            continue
        so_far = [x[:, : t + 1] if over else x for x, over in zip(inputs, per_step)]
        model.reset_states()
        expected = goldens.flat(model.predict(dict(zip(model.input_names, so_far))))
        for got, wanted, over in zip(goldens.flat(y), expected, per_step_outputs):
            wanted = wanted[:, -1] if over else wanted
            assert got.shape == wanted.shape
            assert got.dtype == wanted.dtype
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def with_its_end(*after):
    """A sequence times the state that a GRU ends in, and layers after that."""
    rng = np.random.default_rng(2)
    parts = {
        "gru": layers.GRU(units=3, return_sequences=True, return_state=True),
        "times": layers.Multiply(),
        **{f"after_{i}": layer for i, layer in enumerate(after)},
    }
    nodes = [Node("gru", "gru", [("x", 0)])]
    nodes.append(Node("times", "times", [("gru", 0), ("gru", 1)]))
    names = list(parts)
    for before, name in zip(names[1:], names[2:]):
        nodes.append(Node(name, name, [(before, 0)]))
    weights = {
        f"{name}/{weight}": rng.normal(scale=0.5, size=shape).astype("float32")
        for name, layer in parts.items()
        if name != "times"
        for weight, shape in layer.weight_shapes((None, None, 3)).items()
    }
    ports = [Port("x", (None, None, 3), "float32")]
    graph = Graph(ports, nodes, [], parts)
    shape = graph.infer_nodes()[0][names[-1]][0]
    outputs = [Port("y", shape, "float32", (names[-1], 0))]
    return Model(Graph(ports, nodes, outputs, parts), weights)


@pytest.mark.parametrize("after", [(), (layers.Dense(units=2),)])
def test_a_sequence_that_its_end_changes_is_not_cut(monkeypatch, after):
    """A step gives what the sequence so far gives; parts of a whole one do not."""
    model = with_its_end(*after)
    x = np.random.default_rng(1).normal(size=(2, 1000, 3)).astype("float32")
    state = model.initial_state(2)
    for t in range(4):
        y, state = model.step(x[:, t], state)
        wanted = model.predict(x[:, : t + 1])[:, -1]
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
    whole = model.predict(x)
    monkeypatch.setattr(batches, "BYTES", 1)
    np.testing.assert_allclose(model.predict(x), whole, rtol=1e-5, atol=1e-6)


def test_no_state_is_carried_over_what_the_end_changes():
    model = with_its_end(layers.GRU(units=3))
    with pytest.raises(
        InputError, match=r"'after_0' .*changes when the sequence goes on"
    ):
        model.initial_state(1)


@pytest.mark.parametrize("kernel", ["c", "numpy"])
def test_a_layer_that_does_nothing_still_casts(monkeypatch, kernel):
    """Dropout in float64 after a GRU in float32, whole and by step."""
    monkeypatch.setenv("GRU2NP_KERNEL", kernel)
    parts = {"gru": layers.GRU(units=3), "drop": layers.Identity(dtype="float64")}
    nodes = [Node("gru", "gru", [("x", 0)]), Node("drop", "drop", [("gru", 0)])]
    ports = [Port("x", (None, None, 3), "float32")]
    outputs = [Port("y", (None, 3), "float64", ("drop", 0))]
    weights = {
        f"gru/{weight}": np.ones(shape, "float32")
        for weight, shape in parts["gru"].weight_shapes((None, None, 3)).items()
    }
    model = Model(Graph(ports, nodes, outputs, parts), weights)
    assert model.predict(np.ones((2, 4, 3), "float32")).dtype == np.float64
    y, _ = model.step(np.ones((2, 3), "float32"), model.initial_state(2))
    assert y.dtype == np.float64


def test_the_last_step_of_a_sequence_runs_step_by_step():
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "arithmetic")
    model = load(golden.bundle())
    x, context = golden.arrays(0, "x")
    state = model.initial_state(len(x))
    for t in range(x.shape[1]):
        y, state = model.step({"x": x[:, t], "context": context}, state)
    whole = golden.arrays(0, "y")
    np.testing.assert_allclose(y[2], whole[2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(y[3], whole[3][:, -1], rtol=1e-4, atol=1e-5)


def test_conv_lstm_runs_step_by_step():
    golden, model = loaded("keras-3.15/conv_lstm_stateful")
    (x,), (expected,) = golden.arrays(0, "x"), golden.arrays(0, "y")
    state = model.initial_state(batch_size=2)
    for t in range(x.shape[1]):
        y, state = model.step(x[:, t], state)
        golden.close(y, expected[:, t], f"step {t}")
    ((h, c),) = state.arrays().values()
    golden.close(h, expected[:, -1], "h")
    assert c.shape == h.shape == expected.shape[:1] + expected.shape[2:]


def test_an_image_next_to_a_sequence_has_no_time_axis():
    """The rows of an image are no time steps; a GRU starts from what is seen there."""
    named = {
        "conv": layers.Conv(filters=3, **window(2)),
        "pooling": layers.AdaptiveMaxPooling(output_size=(1, 2)),
        "flat": layers.Flatten(),
        "gru": layers.GRU(units=6, return_sequences=True),
    }
    image, words = (None, 7, 6, 2), (None, None, 4)
    graph = Graph(
        [Port("image", image, "float32"), Port("words", words, "float32")],
        [
            Node("conv", "conv", [("image", 0)]),
            Node("pooling", "pooling", [("conv", 0)]),
            Node("flat", "flat", [("pooling", 0)]),
            Node("gru", "gru", [("words", 0), ("flat", 0)]),
        ],
        [Port("y", (None, None, 6), "float32", ("gru", 0))],
        named,
    )
    rng = np.random.default_rng(0)
    weights = {
        f"{name}/{key}": value
        for name, shape in (("conv", image), ("gru", words))
        for key, value in weights_of(named[name], [shape], rng).items()
    }
    model = Model(graph, weights, name="caption", outputs=Structure("one", ["y"]))
    seen, said = rng.normal(size=(2, 7, 6, 2)), rng.normal(size=(2, 5, 4))
    y = model.predict([seen, said])
    state = model.initial_state(batch_size=2)
    for t in range(5):
        step, state = model.step([seen, said[:, t]], state)
        np.testing.assert_allclose(step, y[:, t], rtol=1e-5, atol=1e-6)
