"""Which models are fused into one chain, by kernel."""

import numpy as np
import pytest

from gru2np_runtime import Model, layers
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.kernels.c import library as c_library

EVERY = {"return_sequences": True}
FEATURES = 3


class Dense(layers.Dense):
    """A user's own layer: what it gives is its author's business."""

    def forward(self, weights, *inputs, mask=None):
        return 1.0 - super().forward(weights, *inputs)


def time_distributed(layer, **options):
    return layers.TimeDistributed(layers={"layer": layer}, **options)


def model_of(*parts, shape=(None, None, FEATURES), dtype="float32", fork=False):
    """A model of layers one after the other, with random weights.

    ``fork``: the first layer's output is an output of the model too.
    """
    rng = np.random.default_rng(5)
    own, weights, nodes, shapes = {}, {}, [], [shape]
    before = ("x", 0)
    for i, layer in enumerate(parts):
        name = f"{i}_{layer.op}"
        own[name] = layer
        expected, outputs = layer.infer(shapes[-1])
        for weight, size in expected.items():
            values = rng.normal(scale=0.4, size=size).astype(layer.dtype)
            weights[f"{name}/{weight}"] = values
        nodes.append(Node(name, name, [before]))
        before = (name, 0)
        shapes.append(outputs[0])
    ports = [Port("y", shapes[-1], dtype, before)]
    if fork:
        ports.append(Port("z", shapes[1], dtype, (nodes[0].name, 0)))
    return Model(Graph([Port("x", shape, dtype)], nodes, ports, own), weights)


# Layers, and the kernels that run them as one chain.
MODELS = {
    "gru and dense": ([layers.GRU(units=4), layers.Dense(units=2)], "c numpy"),
    "one lstm": ([layers.LSTM(units=4)], "c numpy"),
    "states that nobody reads": (
        [layers.LSTM(units=4, return_state=True), layers.Dense(units=2)],
        "c numpy",
    ),
    "dense first": (
        [layers.Dense(units=5), layers.SimpleRNN(units=4, **EVERY)],
        "c numpy",
    ),
    "a dense layer over time": (
        [layers.GRU(units=4, **EVERY), time_distributed(layers.Dense(units=2))],
        "c numpy",
    ),
    "dropout over time": (
        [layers.GRU(units=4, **EVERY), time_distributed(layers.Identity())],
        "c numpy",
    ),
    "dropout between": (
        [layers.GRU(units=4, **EVERY), layers.Identity(), layers.LSTM(units=3)],
        "c numpy",
    ),
    "softmax at the end": (
        [layers.GRU(units=4), layers.Dense(units=2, activation="softmax")],
        "c numpy",
    ),
    "softmax inside": (
        [
            layers.GRU(units=4, **EVERY),
            layers.Dense(units=2, activation="softmax"),
            layers.GRU(units=3),
        ],
        "c",
    ),
    "an activation that c lacks": (
        [layers.GRU(units=4), layers.Dense(units=2, activation="elu")],
        "numpy",
    ),
    "a cell that c lacks": (
        [layers.GRU(units=4, activation="elu"), layers.Dense(units=2)],
        "c numpy",
    ),
    "cells of both kernels": (
        [layers.GRU(units=4, activation="elu", **EVERY), layers.LSTM(units=2)],
        "numpy",
    ),
    "another layer": (
        [layers.GRU(units=4, **EVERY), layers.LayerNormalization()],
        "",
    ),
    "a layer of the user's own": ([layers.GRU(units=4), Dense(units=2)], ""),
    "float64 inside": (
        [layers.GRU(units=4), layers.Dense(units=2, dtype="float64")],
        "",
    ),
    "no recurrent layer": ([layers.Dense(units=2), layers.Dense(units=2)], ""),
    "backwards": ([layers.GRU(units=4, go_backwards=True)], ""),
    "time first": ([layers.GRU(units=4, time_major=True)], ""),
}


@pytest.mark.parametrize("kernel", ["c", "numpy"])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_a_chain(name, kernel, monkeypatch):
    if kernel == "c" and isinstance(c_library.open_library(c_library.LIBRARY), str):
        pytest.skip("no compiled kernel here")
    monkeypatch.setenv("GRU2NP_KERNEL", kernel)
    parts, kernels = MODELS[name]
    model = model_of(*parts)
    fused = kernel in kernels.split()
    text = model.plan().splitlines()[-1]
    assert (text == "step: all layers in one chain") == fused
    if name in ("backwards", "time first", "no recurrent layer"):
        assert model.graph_plan.chain is None
        return
    # A step at a time it gives what the sequence up to there does.
    x = np.random.default_rng(1).normal(size=(2, 5, FEATURES)).astype("float32")
    state = model.initial_state(2)
    for t in range(5):
        y, state = model.step(x[:, t], state)
        wanted = model.predict(x[:, : t + 1])
        wanted = wanted[:, -1] if wanted.ndim == 3 else wanted
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", ["c", "numpy"])
def test_a_second_output_breaks_the_chain(kernel, monkeypatch):
    monkeypatch.setenv("GRU2NP_KERNEL", kernel)
    parts = [layers.GRU(units=4, **EVERY), layers.GRU(units=3)]
    assert model_of(*parts).stream.chain is not None
    assert model_of(*parts, fork=True).stream.chain is None


@pytest.mark.parametrize("kernel", ["c", "numpy"])
def test_a_mask_breaks_the_chain(kernel, monkeypatch):
    monkeypatch.setenv("GRU2NP_KERNEL", kernel)
    plain = model_of(layers.GRU(units=4))
    (node,) = plain.graph.nodes
    ports = [*plain.graph.inputs, Port("m", (None, None), "bool")]
    masked = Node(node.name, node.layer, node.inputs, ("m", 0))
    graph = Graph(ports, [masked], plain.graph.outputs, plain.graph.layers)
    assert plain.stream.chain is not None
    assert Model(graph, plain.weights).stream.chain is None


@pytest.mark.parametrize("kernel", ["c", "numpy"])
def test_a_recurrent_layer_inside_time_distributed_is_no_step(kernel, monkeypatch):
    """It begins anew at every step, and runs through a sequence of its own."""
    monkeypatch.setenv("GRU2NP_KERNEL", kernel)
    model = model_of(
        time_distributed(layers.GRU(units=4)),
        layers.GRU(units=3),
        shape=(None, None, 6, FEATURES),
    )
    x = np.random.default_rng(2).normal(size=(2, 4, 6, FEATURES)).astype("float32")
    state = model.initial_state(2)
    for t in range(4):
        y, state = model.step(x[:, t], state)
        wanted = model.predict(x[:, : t + 1])
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
