"""The parts that are named where a model is refused are parts that convert."""

from __future__ import annotations

import pytest

from conversions import opened
from gru2np.convert import converted
from gru2np.errors import UnsupportedModelError
from gru2np.generations import interpret
from gru2np.graph.parts import part_of
from gru2np.graph.ways import ways_around

CASE = "keras-2.2/encoder_decoder"


def ways(names, case=CASE):
    with opened(case) as raw:
        return ways_around(interpret(raw)[0], names)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["scores"], ["before it: --outputs decoder"]),
        (
            ["encoder"],
            ["behind it: --inputs encoder:1,encoder:2"],
        ),
        # It gives outputs of the model, too: nothing behind it gives these.
        (["decoder"], ["before it: --outputs encoder:1,encoder:2"]),
        (["source"], []),
        (["nothing"], []),
        ([], []),
    ],
)
def test_the_parts_before_and_behind(names, expected):
    start = "convert the part of the model "
    assert [way.removeprefix(start) for way in ways(names)] == expected


@pytest.mark.parametrize("name", ["encoder", "decoder", "scores"])
def test_each_way_is_one(name):
    with opened(CASE) as raw:
        model, readings = interpret(raw)
        for way in ways_around(model, [name]):
            option, tensors = way.split()[-2:]
            inputs, outputs = (
                tensors if option == key else None for key in ("--inputs", "--outputs")
            )
            made = converted(raw, model, readings, None, part_of(outputs, inputs))
            assert name not in {layer.name for layer in _layers(made.model)}


def _layers(model):
    return [x for x in model.layers if x.class_name != "InputLayer"]


def test_a_layer_in_a_model_stands_for_the_model():
    with opened("keras-2.2/nested_twice") as raw:
        model, _ = interpret(raw)
    outer = next(layer for layer in model.layers if layer.model is not None)
    inner = outer.model.layers[-1].name
    assert ways_around(model, [f"{outer.name}/{inner}"]) == ways_around(
        model, [outer.name]
    )


@pytest.mark.parametrize(
    ("case", "layer", "shapes"),
    [
        ("keras-2.2/custom_functions", "weighted", "(None, 6, 4) and (None, 6, 1)"),
        ("keras-3.15/custom_functions", "last_step", "(None, 6, 4)"),
        ("keras-3.15/custom_attention", "additive", "(None, 4) and (None, 5, 3)"),
    ],
)
def test_a_refusal_says_what_a_custom_layer_is_called_with(case, layer, shapes):
    with opened(case) as raw, pytest.raises(UnsupportedModelError) as refusal:
        converted(raw, *interpret(raw))
    (problem,) = (p for p in refusal.value.problems if p.layer == layer)
    # Keras 2 files state no shapes: those behind code are not known.
    known = case.startswith("keras-3") or layer != "weighted"
    assert problem.reason.endswith(f"; it is called with {shapes}") == known
