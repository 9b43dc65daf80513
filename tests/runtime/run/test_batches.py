"""Large inputs run in parts, in bounded memory, with the same numbers."""

import tracemalloc

import numpy as np
import pytest

from gru2np_runtime import Layer, layers
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.model import Model
from gru2np_runtime.run import batches


def stack(*parts, features=3, names=None):
    """A model of layers one after the other, with random weights."""
    rng = np.random.default_rng(0)
    own, weights, nodes = {}, {}, []
    before, shape = ("x", 0), (None, None, features)
    for i, layer in enumerate(parts):
        name = f"{layer.op}_{i}"
        own[name] = layer
        for weight, size in layer.weight_shapes(shape).items():
            values = rng.normal(scale=0.3, size=size)
            weights[f"{name}/{weight}"] = values.astype("float32")
        nodes.append(Node(name, name, [before]))
        before, shape = (name, 0), layer.output_shapes(shape)[0]
    return Model(
        Graph(
            [Port("x", (None, None, features), "float32")],
            nodes,
            [Port("y", shape, "float32", before)],
            own,
        ),
        weights,
    )


def models():
    sequence = {"return_sequences": True}
    return {
        "sequences": stack(layers.GRU(units=8, **sequence), layers.Dense(units=2)),
        "last": stack(layers.LSTM(units=8, **sequence), layers.SimpleRNN(units=4)),
        "causal": stack(
            layers.Conv(
                filters=4,
                kernel_size=(3,),
                strides=(1,),
                dilation=(1,),
                padding="causal",
            ),
            layers.GRU(units=8, **sequence),
        ),
    }


@pytest.mark.parametrize("name", models())
@pytest.mark.parametrize("shape", [(600, 40, 3), (1, 3000, 3), (3, 1500, 3)])
def test_parts_equal_the_whole(monkeypatch, name, shape):
    model = models()[name]
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    whole = model.predict(x)
    monkeypatch.setattr(batches, "BYTES", 1)
    arrays = [x]
    assert model._batches.rows(arrays) == (None if shape[0] < 129 else 128)
    assert model._batches.steps([x[:128]]) == (None if shape[1] < 129 else 128)
    np.testing.assert_allclose(model.predict(x), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", models())
def test_memory_does_not_grow_with_time(monkeypatch, name):
    """Peak memory without the output, for 8,000 steps and for four times as many."""
    model = models()[name]
    x = np.random.default_rng(1).normal(size=(1, 32_000, 3)).astype("float32")
    whole = model.predict(x)
    monkeypatch.setattr(batches, "BYTES", 2**16)

    def run(time):
        tracemalloc.start()
        y = model.predict(x[:, :time])
        peak = tracemalloc.get_traced_memory()[1] - y.nbytes
        tracemalloc.stop()
        return y, peak

    run(8_000)
    _, before = run(8_000)
    y, after = run(32_000)
    np.testing.assert_allclose(y, whole, rtol=1e-5, atol=1e-6)
    assert after < 1.5 * before + 2**16


def einsum(units):
    """A Dense layer written out."""
    return layers.EinsumDense(
        equation="abc,cd->abd", output_shape=(None, units), bias_axes="d"
    )


@pytest.mark.parametrize(
    "parts",
    [
        [einsum(4)],
        [layers.SReLU(shared_axes=[1]), layers.ParametricSoftplus(shared_axes=[1])],
        [layers.Unary(function="negative"), layers.Clip(lower=-1.0, upper=1.0)],
        [layers.RNN(layers={"cell_0": layers.GRUCell(units=4)})],
        [layers.TimeDistributed(layers={"layer": layers.Highway()})],
    ],
    ids=lambda parts: parts[0].op,
)
def test_rows_run_in_batches(monkeypatch, parts):
    model = stack(*parts)
    x = np.random.default_rng(1).normal(size=(300, 20, 3)).astype("float32")
    whole = model.predict(x)
    monkeypatch.setattr(batches, "BYTES", 1)
    assert model._batches.rows([x]) == 128
    np.testing.assert_allclose(model.predict(x), whole, rtol=1e-5, atol=1e-6)


class Own(Layer):
    """A layer of the user's own, of which nothing is known."""

    def forward(self, weights, *inputs, mask=None):
        return inputs[0] - inputs[0].mean(axis=0)


class Apart(Own):
    """One whose author says that its rows are apart."""

    independent_rows = True


@pytest.mark.parametrize(
    ("layer", "rows"),
    [(Own(), None), (Apart(), 128), (layers.GRU(units=8, time_major=True), None)],
    ids=lambda value: getattr(value, "op", ""),
)
def test_only_independent_rows_run_in_batches(monkeypatch, layer, rows):
    monkeypatch.setattr(batches, "BYTES", 1)
    x = np.ones((300, 20, 3), "float32")
    assert stack(layer)._batches.rows([x]) == rows
