"""Fast plans give what the plain recurrence gives, for every option they take."""

import itertools
import pickle
import threading

import numpy as np
import pytest

from gru2np_runtime import layers
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.kernels.numpy.recurrence import NumPyRecurrence, recurrent
from gru2np_runtime.kernels.plain.recurrent import Recurrence
from gru2np_runtime.model import Model

UNITS, FEATURES = 5, 3
HARD = {"function": "hard_sigmoid", "slope": 0.2}
CELLS = {
    "gru": {"op": "GRU"},
    "gru-reset-before": {"op": "GRU", "reset_after": False},
    "gru-hard": {"op": "GRU", "recurrent_activation": HARD},
    "gru-hard-reset-before": {
        "op": "GRU",
        "recurrent_activation": HARD,
        "reset_after": False,
    },
    "gru-no-bias": {"op": "GRU", "use_bias": False},
    "gru-relu": {"op": "GRU", "activation": "relu", "recurrent_activation": "tanh"},
    "lstm": {"op": "LSTM"},
    "lstm-hard": {"op": "LSTM", "recurrent_activation": HARD},
    "lstm-linear": {"op": "LSTM", "activation": "linear", "use_bias": False},
    "simple-rnn": {"op": "SimpleRNN"},
    "simple-rnn-relu": {"op": "SimpleRNN", "activation": "relu", "use_bias": False},
}
MASKED = ("previous", "state", "zero", "zero_in_input_order")


def both(cell, dtype="float32", **options):
    """The fast plan and the plain one of a layer with random weights."""
    options = {**CELLS[cell], **options}
    layer = getattr(layers, options.pop("op"))(units=UNITS, dtype=dtype, **options)
    rng = np.random.default_rng(7)
    weights = {
        name: rng.normal(scale=0.5, size=shape).astype(dtype)
        for name, shape in layer.weight_shapes((None, None, FEATURES)).items()
    }
    fast = recurrent(layer, weights, {})
    assert isinstance(fast, NumPyRecurrence)
    return fast, Recurrence(layer, weights)


def agree(fast, plain, x, mask=None, states=(), previous=None):
    """Outputs and states are equal to rounding, in shape and dtype."""
    rows = x.shape[fast.batch_axis]
    results = []
    for plan in (fast, plain):
        carry = plan.begin(rows, states)
        carry.previous = previous
        outputs, after = plan.advance(x, mask, carry)
        results.append([*outputs, *after.states, after.previous])
    tolerance = 1e-5 if x.dtype == np.float32 else 1e-12
    for got, wanted in zip(*results):
        assert got.shape == wanted.shape
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def some(rows, time, dtype="float32"):
    rng = np.random.default_rng(rows * 1000 + time)
    x = rng.normal(size=(rows, time, FEATURES)).astype(dtype)
    return x, rng.random((rows, time)) < 0.6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
def test_whole_sequences(cell, dtype):
    fast, plain = both(cell, dtype, return_sequences=True, return_state=True)
    # A linear LSTM grows without bound, and so does what rounding adds to it.
    long = 30 if cell == "lstm-linear" else 300
    for rows, time in [(1, 1), (1, 9), (1, long), (2, 7), (130, 4), (0, 3), (3, 0)]:
        agree(fast, plain, some(rows, time, dtype)[0])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("masked_output", MASKED)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_masks(cell, masked_output, return_sequences, go_backwards):
    fast, plain = both(
        cell,
        dtype="float64",
        masked_output=masked_output,
        return_sequences=return_sequences,
        go_backwards=go_backwards,
        return_state=True,
    )
    rng = np.random.default_rng(3)
    for rows, time in [(1, 6), (1, 130), (4, 6), (129, 2), (3, 0)]:
        x, mask = some(rows, time, "float64")
        agree(fast, plain, x, mask)
        agree(fast, plain, x, np.zeros_like(mask))
        states = [rng.normal(size=(rows, *shape)) for shape in fast.state_shapes()]
        agree(fast, plain, x, mask, states)
        agree(fast, plain, x, mask, states, states[0] + 1)


@pytest.mark.parametrize("cell", ["gru", "gru-reset-before", "lstm", "simple-rnn"])
def test_time_major_backwards_and_masked(cell):
    for back, sequences in itertools.product([False, True], repeat=2):
        fast, plain = both(
            cell, time_major=True, go_backwards=back, return_sequences=sequences
        )
        for rows, time in [(1, 6), (3, 5)]:
            x, mask = some(rows, time)
            x, mask = np.ascontiguousarray(x.swapaxes(0, 1)), mask.T.copy()
            agree(fast, plain, x)
            agree(fast, plain, x, mask)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_in_parts_is_the_whole(cell):
    fast, _ = both(cell, return_sequences=True)
    for rows in (1, 3):
        x, mask = some(rows, 11)
        whole = fast.run([x], mask)[0]
        carry, parts = fast.begin(rows, ()), []
        for t in range(0, 11, 4):
            now = slice(t, t + 4)
            outputs, carry = fast.advance(x[:, now], mask[:, now], carry)
            parts.append(outputs[0])
        np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-6)


def test_outputs_belong_to_the_caller():
    """A later call does not write into what an earlier one gave."""
    fast, _ = both("gru", return_sequences=True, return_state=True)
    outputs, carry = fast.advance(some(1, 9)[0], None, fast.begin(1, ()))
    before = [array.copy() for array in (*outputs, *carry.states)]
    fast.advance(some(1, 8)[0], None, fast.begin(1, ()))
    for array, copy in zip((*outputs, *carry.states), before):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("cell", ["gru", "gru-hard", "lstm", "simple-rnn"])
def test_as_exact_as_the_plain_recurrence(cell):
    """The largest error against float64 is at most twice the plain one's."""
    options = {**CELLS[cell], "units": 64, "return_sequences": True}
    kind = getattr(layers, options.pop("op"))
    rng = np.random.default_rng(0)
    shapes = kind(**options).weight_shapes((None, None, 16))
    exact = {k: rng.normal(scale=0.1, size=s) for k, s in shapes.items()}
    single = {k: w.astype("float32") for k, w in exact.items()}
    exact = {k: w.astype("float64") for k, w in single.items()}
    x = rng.normal(size=(1, 500, 16)).astype("float32")
    reference = Recurrence(kind(dtype="float64", **options), exact)
    wanted = reference.run([x.astype("float64")], None)[0]
    layer = kind(**options)
    fast, plain = (
        np.abs(plan.run([x], None)[0] - wanted).max()
        for plan in (recurrent(layer, single, {}), Recurrence(layer, single))
    )
    assert fast <= max(2 * plain, 5e-7)


def model_of(*parts, features=FEATURES):
    """A model of layers one after the other, with random weights."""
    rng = np.random.default_rng(5)
    own, weights, nodes = {}, {}, []
    before, shape = ("x", 0), (None, None, features)
    for i, layer in enumerate(parts):
        name = f"{layer.op}_{i}"
        own[name] = layer
        for weight, size in layer.weight_shapes(shape).items():
            values = rng.normal(scale=0.4, size=size).astype(layer.dtype)
            weights[f"{name}/{weight}"] = values
        nodes.append(Node(name, name, [before]))
        before, shape = (name, 0), layer.output_shapes(shape)[0]
    dtype = parts[0].dtype
    ports = [Port("x", (None, None, features), dtype)]
    return Model(Graph(ports, nodes, [Port("y", shape, dtype, before)], own), weights)


def stepping_models():
    """Stacks that step at once, and one that steps layer by layer."""
    every = {"return_sequences": True}
    for cell, options in CELLS.items():
        options = dict(options)
        kind = getattr(layers, options.pop("op"))
        for dtype in ("float32", "float64"):
            stack = [
                kind(units=6, dtype=dtype, **every, **options),
                layers.Dense(units=4, activation="relu", dtype=dtype),
                kind(units=3, dtype=dtype, **options),
                layers.Dense(units=2, activation="softmax", dtype=dtype),
            ]
            yield f"{cell}-{dtype}", stack, True
    wide = [layers.GRU(units=150, **every), layers.GRU(units=130)]
    yield "wide", wide, True
    apart = [layers.Activation(function="tanh"), layers.LSTM(units=3, **every)]
    yield "layer by layer", apart, False


STEPPING = {name: (stack, whole) for name, stack, whole in stepping_models()}


@pytest.fixture
def numpy_kernel(monkeypatch):
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")


@pytest.mark.usefixtures("numpy_kernel")
@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("name", STEPPING)
def test_steps_are_the_sequence(name, rows):
    parts, whole = STEPPING[name]
    model = model_of(*parts)
    dtype = model.graph.inputs[0].dtype
    x = some(rows, 7, dtype)[0]
    state = model.initial_state(rows)
    assert (model.stream.chain is not None) == whole
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    for t in range(7):
        y, state = model.step(x[:, t], state)
        wanted = model.predict(x[:, : t + 1])
        wanted = wanted[:, -1] if wanted.ndim == 3 else wanted
        assert y.shape == wanted.shape
        assert y.dtype == wanted.dtype
        np.testing.assert_allclose(y, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("numpy_kernel")
@pytest.mark.parametrize("name", ["lstm-float32", "gru-float32", "layer by layer"])
def test_a_stepping_state_is_copied_stored_and_sent(name):
    """Copies, arrays and pickles do not move with the state they came from."""
    model = model_of(*STEPPING[name][0])
    x = some(2, 6)[0]
    state = model.initial_state(2)
    for t in range(3):
        y, state = model.step(x[:, t], state)
    before = y.copy()
    arrays = state.arrays()
    others = [
        state.copy(),
        pickle.loads(pickle.dumps(state)),
        model.restore_state(arrays),
    ]
    wanted, state = model.step(x[:, 3], state)
    np.testing.assert_array_equal(y, before)
    for other in others:
        for now in (other.arrays(), arrays):
            for layer, own in now.items():
                for got, stored in zip(own, arrays[layer]):
                    np.testing.assert_array_equal(got, stored)
        np.testing.assert_array_equal(model.step(x[:, 3], other)[0], wanted)


@pytest.mark.usefixtures("numpy_kernel")
def test_one_model_serves_many_threads():
    model = model_of(layers.GRU(units=16, return_sequences=True), layers.LSTM(units=4))
    inputs = [some(1, 50 + i)[0] for i in range(8)]
    wanted = [model.predict(x) for x in inputs]
    got = [[] for _ in inputs]

    def work(i):
        for _ in range(20):
            got[i].append(model.predict(inputs[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results, expected in zip(got, wanted):
        for y in results:
            np.testing.assert_array_equal(y, expected)


@pytest.mark.usefixtures("numpy_kernel")
def test_the_plan_can_be_printed():
    model = model_of(layers.GRU(units=2), layers.Dense(units=1))
    assert model.plan().splitlines() == [
        "layer    op     runs",
        "───────  ─────  ────────────────────────────",
        "gru_0    gru    numpy: sequence, batch, step",
        "dense_1  dense  plain",
        "step: all layers in one chain",
    ]


@pytest.mark.usefixtures("numpy_kernel")
def test_infinite_inputs_raise_no_warning():
    for kind in ("GRU", "LSTM", "SimpleRNN"):
        model = model_of(getattr(layers, kind)(units=3), layers.Dense(units=1))
        x = np.array([[[np.inf, -np.inf, 3e38]] * 3], "float32")
        model.predict(x)
        state = model.initial_state(1)
        for t in range(3):
            _, state = model.step(x[:, t], state)
