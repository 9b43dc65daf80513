"""Custom cells in every recurrent layer, beside the formula written out as a loop."""

import io

import numpy as np
import pytest

import goldens
import gru2np
from custom_models import CELLS, OWN, golden, instead, model_of
from gru2np_runtime import Cell, CustomObjectError, Gru2npError, InputError, Layer
from gru2np_runtime import layers as runtime
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.model import Model

Leaky, Normalized = OWN["LeakyIntegrator"], OWN["NormalizedCell"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype(np.float32)
KERNEL = RNG.normal(size=(4, 6)).astype(np.float32)


def by_hand(x, order=None, integral=0.0, trace=0.0, mask=None):
    """The outputs of ``LeakyIntegrator(6)`` in order, and the states after them."""
    integral, trace = np.zeros((len(x), 6)) + integral, np.zeros((len(x), 2)) + trace
    outputs, y = [], np.zeros((len(x), 6))
    for t in order or range(x.shape[1]):
        new = 0.5 * integral + x[:, t] @ KERNEL
        newer = 0.9 * trace + x[:, t, :2]
        out = np.tanh(new) + newer.sum(axis=-1, keepdims=True)
        valid = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        integral, trace = np.where(valid, new, integral), np.where(valid, newer, trace)
        y = np.where(valid, out, y)
        outputs.append(y)
    return np.stack(outputs, axis=1), integral, trace


def model(layer, weights, *more):
    """A model of one layer; ``more`` are the sizes of initial states."""
    shape = (None, None, 4)
    states = [Port(f"s{i}", (None, size), "float32") for i, size in enumerate(more)]
    inputs = [("x", 0), *((port.name, 0) for port in states)]
    shapes = layer.output_shapes(shape, *(port.shape for port in states))
    ports = [Port(f"y{i}", s, "float32", ("rnn", i)) for i, s in enumerate(shapes)]
    graph = Graph(
        [Port("x", shape, "float32"), *states],
        [Node("rnn", "rnn", inputs)],
        ports,
        {"rnn": layer},
    )
    return Model(graph, {f"rnn/{name}": array for name, array in weights.items()})


def rnn(**options):
    return runtime.RNN(layers={"cell_0": Leaky(units=6)}, **options)


WEIGHTS = {"cell_0/kernel": KERNEL}


def run(layer, weights, *inputs):
    sizes = [state.shape[1] for state in inputs[1:]]
    bound = model(layer, weights, *sizes)
    values = dict(zip(("x", "s0", "s1"), inputs))
    return list(bound.graph_plan.run([*values.values()], None))


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_cell_over_time_gives_its_outputs_and_its_last_states():
    outputs, integral, trace = by_hand(X)
    close(run(rnn(return_sequences=True), WEIGHTS, X)[0], outputs)
    close(run(rnn(), WEIGHTS, X)[0], outputs[:, -1])
    found = run(rnn(return_state=True), WEIGHTS, X)
    for y, wanted in zip(found, (outputs[:, -1], integral, trace)):
        close(y, wanted)


def test_it_starts_from_initial_states_and_leaves_them_as_they_are():
    states = [RNG.normal(size=(3, size)).astype(np.float32) for size in (6, 2)]
    before = [state.copy() for state in states]
    found = run(rnn(return_state=True), WEIGHTS, X, *states)
    outputs, integral, trace = by_hand(X, None, *states)
    for y, wanted in zip(found, (outputs[:, -1], integral, trace)):
        close(y, wanted)
    np.testing.assert_array_equal(states[0], before[0])
    with pytest.raises(ValueError, match=r"expected initial states.*6.*2"):
        rnn().output_shapes((None, None, 4), (None, 6), (None, 6))


def test_it_runs_backwards_alone_and_in_bidirectional():
    outputs, *_ = by_hand(X, range(4, -1, -1))
    close(run(rnn(return_sequences=True, go_backwards=True), WEIGHTS, X)[0], outputs)
    both = runtime.Bidirectional(
        layers={
            "forward_layer": rnn(return_sequences=True),
            "backward_layer": rnn(return_sequences=True, go_backwards=True),
        }
    )
    weights = {
        f"{half}/cell_0/kernel": KERNEL for half in ("forward_layer", "backward_layer")
    }
    (y,) = run(both, weights, X)
    close(y, np.concatenate([by_hand(X)[0], outputs[:, ::-1]], axis=-1))


def test_a_stateful_layer_goes_on_where_it_stopped():
    layer = rnn(return_sequences=True, stateful=True)
    graph = model(layer, WEIGHTS).graph
    fixed = [Port("x", (3, None, 4), "float32")]
    stateful = Model(
        Graph(fixed, graph.nodes, graph.outputs, graph.layers),
        {"rnn/cell_0/kernel": KERNEL},
    )
    parts = [stateful.predict(X[:, :2]), stateful.predict(X[:, 2:])]
    close(np.concatenate(parts, axis=1), by_hand(X)[0])


def test_in_a_stack_with_cells_of_keras():
    layer = runtime.RNN(
        layers={
            "cell_0": runtime.SimpleRNNCell(units=4, activation="linear"),
            "cell_1": Leaky(units=6),
        },
        return_sequences=True,
    )
    weights = {
        "cell_0/kernel": np.eye(4, dtype=np.float32),
        "cell_0/recurrent_kernel": np.zeros((4, 4), np.float32),
        "cell_0/bias": np.zeros(4, np.float32),
        "cell_1/kernel": KERNEL,
    }
    close(run(layer, weights, X)[0], by_hand(X)[0])


def test_steps_equal_the_whole_sequence_and_a_copy_goes_on_alone():
    bound = model(rnn(return_sequences=True), WEIGHTS)
    wanted, *_ = by_hand(X)
    state = bound.initial_state(3)
    for t in range(5):
        if t == 2:
            copy = state.copy()
        y, state = bound.step(X[:, t], state)
        close(y, wanted[:, t])
    close(bound.step(X[:, 2], copy)[0], wanted[:, 2])
    restored = bound.restore_state(copy.arrays())
    close(bound.step(X[:, 3], restored)[0], wanted[:, 3])


def test_a_masked_step_keeps_the_states_and_repeats_the_output():
    mask = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 1, 1], [0] * 5], bool)
    bound = model(rnn(return_sequences=True), WEIGHTS)
    (y,) = bound.graph_plan.plans["rnn"].run([X], mask)
    close(y, by_hand(X, mask=mask)[0])


def test_a_cell_is_a_layer_of_one_step_too():
    layer = Normalized(units=2)
    assert layer.output_shapes((None, 3)) == ((None, 2),)
    assert layer.state_sizes() == (2,)
    assert layer.output_size() == 2
    assert not rnn().independent_rows


def changed(name="LeakyIntegrator", **attributes):
    return model_of(CELLS, instead(name, **attributes))


def returning(change):
    """The cell with another result of every step."""

    def forward(self, weights, *inputs, mask=None):
        return change(Leaky.forward(self, weights, *inputs))

    return {"forward": forward}


def hand_over(self, weights, *inputs, mask=None):
    inputs[1][...] = 0


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (returning(lambda y: None), "not iterable"),
        (returning(lambda y: y[0]), r"expected the output and the states, arrays of"),
        (returning(lambda y: y[:2]), r"\[\(5, 4\), \(5, 4\), \(5, 2\)\], got"),
        (returning(lambda y: (*y, y[0])), "expected the output and the states"),
        (returning(lambda y: (y[0][:, :1], *y[1:])), r"got \[\(5, 1\)"),
        (returning(lambda y: (1j * y[0], *y[1:])), "real numbers, got one of complex"),
        (returning(lambda y: y[0] @ y[1]), r"ValueError.*test_custom_cells\.py, line"),
        ({"output_size": lambda self: 7}, r"arrays of shapes \[\(5, 7\)"),
        ({"state_sizes": lambda self: (self.units,)}, "not enough values to unpack"),
        ({"forward": hand_over}, "must not change its inputs"),
    ],
)
def test_a_step_that_gives_something_else_is_refused(attributes, words):
    x = golden(CELLS).arrays(0, "x")[0]
    bound = changed(**attributes)
    with pytest.raises(CustomObjectError, match=f"cell LeakyIntegrator.*{words}"):
        bound.predict(x)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"state_sizes": Cell.state_sizes}, "does not state its state_sizes: return"),
        ({"state_sizes": lambda self: ()}, r"size of each state, got \(\)"),
        ({"state_sizes": lambda self: 3}, "size of each state, got 3"),
        ({"state_sizes": lambda self: (4, -1)}, r"got \(4, -1\)"),
        ({"state_sizes": lambda self: ("4",)}, r"got \('4',\)"),
        ({"state_sizes": lambda self: 1 / 0}, r"ZeroDivisionError.*line"),
        ({"output_size": lambda self: None}, "size of each state"),
        ({"weight_shapes": lambda self, *s: 1 / 0}, r"ZeroDivisionError.*line"),
        ({"weight_shapes": lambda self, *s: {}}, "nothing in the architecture owns"),
        ({"weight_shapes": lambda self, *s: {"k": 3}}, "a tuple of sizes"),
        ({"__init__": lambda self, **options: None}, "no attribute 'units'"),
    ],
)
def test_a_cell_that_states_nonsense_is_refused_at_export(attributes, words):
    with pytest.raises(Gru2npError, match=words):
        changed(**attributes)


def test_in_a_stack_a_cell_is_held_to_the_same():
    with pytest.raises(CustomObjectError, match=r"cell NormalizedCell.*got 3"):
        changed("NormalizedCell", state_sizes=lambda self: 3)


@pytest.mark.parametrize("kind", [Layer, runtime.Dense])
def test_a_layer_is_no_cell(kind):
    class LeakyIntegrator(kind):
        units: int
        leak: float = 0.5

    with pytest.raises(
        gru2np.UnsupportedModelError, match=r"gru2np_runtime\.Cell; got"
    ):
        model_of(CELLS, {"LeakyIntegrator": LeakyIntegrator})


def test_without_its_cells_a_model_is_refused_with_their_names():
    with pytest.raises(gru2np.UnsupportedModelError) as caught:
        gru2np.export(golden(CELLS).files()[0], io.BytesIO())
    text = str(caught.value)
    assert "custom_objects by the names 'LeakyIntegrator', 'NormalizedCell'" in text
    assert "--custom-objects FILE.py" in text


def test_state_of_another_size_is_refused():
    bound = model(rnn(), WEIGHTS)
    with pytest.raises(InputError, match=r"\[\('batch', 6\), \('batch', 2\)\]"):
        bound.restore_state({"rnn": [np.zeros((3, 6)), np.zeros((3, 6))]})


def test_a_cell_computes_in_the_precision_of_its_layer():
    layer = runtime.RNN(
        layers={"cell_0": Leaky(units=6, dtype="float64")}, dtype="float64"
    )
    weights = {name: array.astype(np.float64) for name, array in WEIGHTS.items()}
    (y,) = goldens.flat(run(layer, weights, X.astype(np.float64)))
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, by_hand(X.astype(np.float64))[0][:, -1], rtol=1e-12)
