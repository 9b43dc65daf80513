"""The gates of recurrent layers, and their equations."""

import numpy as np
import pytest

import gru2np
from gru2np.inspection.gates import GATES, equations
from gru2np_runtime import layers
from modelfiles import fixture

GRU = "keras-2.2/get_weights_explained"


@pytest.fixture(scope="module")
def report():
    return gru2np.inspect(fixture(GRU))


def test_get_weights_explained(report):
    (gates,) = report.gates
    assert gates.columns == {"z": (0, 2), "r": (2, 4), "h": (4, 6)}
    assert gates.shapes["kernel"] == (1, 6)
    assert gates.bias_rows == ("added to x @ kernel", "added to h @ recurrent_kernel")
    assert gates.reset_after is True
    text = str(report)
    assert "kernel            (1, 6)  columns 0-1 z, 2-3 r, 4-5 h" in text
    assert "row 1: added to h @ recurrent_kernel" in text
    assert "z update gate, r reset gate, h candidate" in text
    assert "hh = linear(x @ Wh + b0h + r * (h @ Uh + b1h))" in text
    # Every number of get_weights() stands under its gate and unit.
    rows = [line for line in text.splitlines() if line.startswith("    bias, row 1")]
    shown = [float(number) for number in rows[0].split("row 1")[1].split()]
    np.testing.assert_allclose(shown, gates.values["bias"][1], atol=5e-5)


def test_the_equations_are_what_the_runtime_computes():
    """The printed lines, run as Python, give what the layer gives."""
    rng = np.random.default_rng(3)
    functions = {"tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
    for layer in (
        layers.GRU(units=3, reset_after=True),
        layers.GRU(units=3, reset_after=False),
        layers.GRU(units=3, reset_after=True, use_bias=False),
        layers.GRU(units=3, reset_after=False, use_bias=False),
        layers.LSTM(units=3),
        layers.LSTM(units=3, use_bias=False),
        layers.SimpleRNN(units=3),
    ):
        shapes = layer.weight_shapes((None, None, 2))
        weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        x = rng.normal(size=(4, 2))
        scope = {"x": x, "h": np.zeros((4, 3)), "c": np.zeros((4, 3)), **functions}
        for i, gate in enumerate(GATES[layer.op]):
            columns = slice(3 * i, 3 * (i + 1))
            suffix = "" if layer.op == "simple_rnn" else gate
            scope[f"W{suffix}"] = weights["kernel"][:, columns]
            scope[f"U{suffix}"] = weights["recurrent_kernel"][:, columns]
            for row, bias in enumerate(
                np.atleast_2d(weights.get("bias", np.zeros(12)))
            ):
                number = str(row) if getattr(layer, "reset_after", False) else ""
                scope[f"b{number}{suffix}"] = bias[columns]
        for line in equations(layer):
            name, _, expression = line.replace("'", "_").partition(" = ")
            scope[name.strip()] = eval(expression, scope)
        expected = layer.bind(**weights)(x[:, None])
        np.testing.assert_allclose(scope["h_"], expected, atol=1e-6)
