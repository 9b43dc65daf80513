"""Inputs that are drawn to fit a model, or read from files."""

from __future__ import annotations

import numpy as np
import pytest

import gru2np
from gru2np.convert import convert
from gru2np.verification import samples
from gru2np_runtime.graph import walk
from modelfiles import model_of


def drawn(name, seed=0):
    with convert(model_of(name)) as conversion:
        names = conversion.built.inputs.names
        graph, weights = conversion.built.graph, conversion.weights
        return samples.draw(graph, weights, names, seed)


def test_drawn_ids_are_rows_of_the_embedding_and_some_steps_are_masked():
    (ids,) = drawn("keras-3.15/embedding_mask").values()
    rows = gru2np_layer("keras-3.15/embedding_mask", "embedding").input_dim
    assert ids.min() == 0
    assert ids.max() < rows
    assert (ids[0, -2:] == 0).all()


def gru2np_layer(name, op):
    with convert(model_of(name)) as conversion:
        return next(x for _, x in walk(conversion.built.graph) if x.op == op)


def test_drawn_steps_hold_the_mask_value_and_a_seed_gives_the_same():
    (x,) = drawn("keras-3.15/masking_gru").values()
    with convert(model_of("keras-3.15/masking_gru")) as conversion:
        layers = [layer for _, layer in walk(conversion.built.graph)]
    for value in {layer.mask_value for layer in layers if layer.op == "masking"}:
        masked = (x == np.float32(value)).all(-1)
        assert masked.any()
        assert not masked.all(-1).any()
    (again,) = drawn("keras-3.15/masking_gru").values()
    np.testing.assert_array_equal(x, again)


def test_a_stateful_model_gets_several_batches():
    (x,) = drawn("keras-3.15/stateful_stack").values()
    assert len(x) == 3


def test_given_arrays_go_by_name_by_order_or_alone(tmp_path):
    x, y = np.zeros((2, 3)), np.ones((2, 4))
    for given in ({"b": y, "a": x}, [x, y]):
        found = samples.by_name(given, ["a", "b"], "input")
        assert [a.shape for a in found.values()] == [(2, 3), (2, 4)]
    np.savez(tmp_path / "both.npz", x, y)
    assert samples.by_name(tmp_path / "both.npz", ["a", "b"], "input")["b"].max() == 1
    np.savez(tmp_path / "one.npz", whatever=x)
    assert "a" in samples.by_name(tmp_path / "one.npz", ["a"], "input")
    for wrong in ({"a": x}, [x], {"a": x, "c": y}, x):
        with pytest.raises(gru2np.InputError, match=r"expected|an array"):
            samples.by_name(wrong, ["a", "b"], "input")
