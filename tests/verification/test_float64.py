"""Float64 as the third party."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np.verification import float64
from gru2np.verification.comparison import Tolerance, compare
from gru2np.verification.evidence import Case
from gru2np.verification.settings import Settings
from gru2np.verification.verify import Request, verifying
from gru2np_runtime import layers
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.run.dispatch import make_plan
from needs_keras import needs_keras
from planted import bundles_of, saved_by_keras, scaled

ONE = Tolerance(1e-6, 0.0)


def test_what_the_last_digit_of_the_inputs_moves_is_rounding():
    """A gate that is about to tip, before which large numbers were added up."""
    x = np.array([1.00002], np.float32)
    found = compare("y", x, np.array([1.0], np.float32), ONE)
    arrays = x, np.array([1.0], np.float32), np.array([1.0])

    def heard(moved):
        return float64.judge(found, arrays, lambda: moved, lenient=True)

    assert heard(1e-5).verdict == "rounding"
    assert heard(1e-6).verdict == "differ"


def test_the_last_digit_of_float32_is_changed_and_nothing_else():
    x = np.array([[3.0, 0.0, -1e6]])
    moved = float64.nudged(x)
    assert (moved != x).tolist() == [[True, False, True]]
    np.testing.assert_allclose(moved, x, rtol=2e-7)
    ids = np.arange(3)
    assert float64.nudged(ids) is ids


CHAOS = """
import sys
import numpy as np
from keras import Input, Model, layers
x = Input((60, 3), name="x")
y = layers.SimpleRNN(24, return_sequences=True, name="first")(x)
y = layers.GRU(4, name="second")(y)
model = Model(x, layers.Dense(2, name="out")(y))
rng = np.random.default_rng(0)
model.set_weights([rng.normal(size=w.shape) * 0.4 for w in model.get_weights()])
first = model.get_layer("first")
kernel, recurrent, bias = first.get_weights()
first.set_weights([kernel, recurrent * FACTOR, bias])
model.save(sys.argv[1])
"""
LEFT_OUT = "this model amplifies rounding so much that no two programs agree on it"


@needs_keras
def test_a_bundle_that_is_chaotic_alone_differs_and_no_case_is_left_out(tmp_path):
    model = saved_by_keras(CHAOS.replace("FACTOR", "0.2"), tmp_path / "model.keras")
    faults = {"huge": ("first", scaled("recurrent_kernel", 20.0), "")}
    honest, wrong = bundles_of(model, faults, tmp_path)
    request = Request(settings=Settings(layers=True))
    with verifying(model, [honest, wrong], request) as (_, (right, found)):
        pass
    assert right.agrees
    assert not any(LEFT_OUT in note for note in found.notes)
    assert not any(own.agrees for own in found.evidence.cases)
    assert {own.name for own in found.evidence.cases} >= {"typical", "one-row"}
    assert found.first_difference.name == "first"


@needs_keras
def test_a_model_that_is_chaotic_in_keras_too_is_left_out(tmp_path):
    model = saved_by_keras(CHAOS.replace("FACTOR", "4.0"), tmp_path / "model.keras")
    with verifying(model, [None], Request()) as (_, (found,)):
        pass
    out = {note.split()[1] for note in found.notes if LEFT_OUT in note}
    assert out == {"typical", "one-row", "odd-batch"}
    assert found.agrees


def rnn(factor):
    """A graph that makes much of a last digit, and its weights."""
    rng = np.random.default_rng(0)
    layer = layers.SimpleRNN(units=24)
    weights = {
        name: (rng.normal(size=shape) * factor).astype(np.float32)
        for name, shape in layer.weight_shapes((None, None, 3)).items()
    }
    model = layer.bind(**weights)
    return model.graph, model.weights


@pytest.mark.parametrize(("keras_moves", "reason"), [(10.0, True), (0.0, False)])
def test_that_a_last_digit_decides_is_believed_only_with_keras(keras_moves, reason):
    graph, weights = rnn(1.6)
    x = np.random.default_rng(1).normal(size=(3, 200, 3)).astype(np.float32)
    theirs = load_of(graph, weights, x)
    ours = theirs[::-1]
    compared = compare("y", ours, theirs, Tolerance(1e-6, 1e-5))
    case = Case(
        *("typical", "", 0, 1, {"x": x}, {"y": theirs}, {"y": ours}), (compared,)
    )
    exact = float64.Exact(graph, weights, [np.zeros(0)])
    asked = []

    def moved(output):
        asked.append(output)
        return keras_moves

    heard = float64.judge_case(case, exact, [[x]], moved, always=False, lenient=True)
    assert heard.compared[0].amplified is reason
    assert asked == [0]
    assert not heard.agrees


def load_of(graph, weights, x):
    return make_plan(graph, weights).run([x], None)[0]


def test_a_boundary_value_is_not_nudged():
    """A step that is padding would be none any more, and everything would move."""
    x = np.array([[-7.5, -7.5, 1.0]])
    moved = float64.nudged(x, np.array([-7.5], np.float32))
    assert (moved != x).tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (layers.NotEqual(value=0.1), [[0.1, 0.2]]),
        (layers.Masking(mask_value=0.7), [[[0.7, 0.7], [0.7, 0.1]]]),
    ],
    ids=lambda value: getattr(value, "op", ""),
)
def test_numbers_are_compared_in_float64_as_in_float32(layer, x):
    x = np.array(x, "float32")
    shapes = [(None, *x.shape[1:])]
    graph = Graph(
        [Port("x", shapes[0], "float32")],
        [Node("layer", "layer", [("x", 0)])],
        [Port("y", layer.output_shapes(*shapes)[0], "float32", ("layer", 0))],
        {"layer": layer},
    )
    (expected,) = make_plan(layer, {}).run([x], None)
    (y,) = float64.plan(graph, {}).run([float64.wide(x)], None)
    np.testing.assert_array_equal(y.astype(expected.dtype), expected)
