"""Parts of a model: tensors by name, and the layers between them."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

import gru2np
from conversions import opened
from exports import exported, refusal
from goldens import flat
from gru2np.convert import converted
from gru2np.generations import interpret
from gru2np.graph.parts import part_of
from modelfiles import golden, model_of

TWICE = "keras-2.2/nested_twice"
SHARED = "keras-3.15/shared_layers"
STATES = "keras-2.2/encoder_decoder"


def part(case, outputs=None, inputs=None, **options):
    """A part of a fixture as the runtime loads it, and what ``export`` returned."""
    return exported(model_of(case), outputs=outputs, inputs=inputs, **options)


def problems(case, outputs=None, inputs=None):
    """The text with which a part is refused."""
    return refusal(
        model_of(case), kind=gru2np.InputError, outputs=outputs, inputs=inputs
    )


@pytest.mark.parametrize(
    "names",
    ["gru:1,gru#2", ["gru:1", "gru#2"], ("gru:1,gru#2",), " gru:1 , gru#2 ,"],
)
def test_names_are_a_text_or_several(names):
    assert part_of(names, None).outputs == ("gru:1", "gru#2")
    assert part_of(names, None).inputs == ()


def test_a_shape_has_commas_of_its_own():
    found = part_of(None, "a=(None,20),b:1=(None,3,4):int32")
    assert found.inputs == ("a=(None,20)", "b:1=(None,3,4):int32")


@pytest.mark.parametrize("nothing", [None, "", (), [""], ","])
def test_no_names_are_no_part(nothing):
    assert part_of(nothing, nothing) is None


def test_outputs_have_the_order_and_the_names_of_the_user():
    model, _ = part(STATES, "gru_encoder,encoder:2,encoder:1")
    assert model.output_names == ["gru_encoder", "encoder:2", "encoder:1"]
    assert model.input_names == ["source"]
    # The first, of a layer with several outputs.
    assert model.output_shapes[0][-1] == model.graph.outputs[0].shape[-1]


def test_inputs_have_the_order_of_the_user_and_come_first():
    case = "keras-3.15/several_inputs_outputs"
    model, _ = part(case)
    names = model.input_names[::-1]
    assert part(case, inputs=names)[0].input_names == names
    assert part(case, inputs=names[:1])[0].input_names == names


def test_what_is_left_out_and_what_stays_is_said():
    _, about = part(STATES, "scores", "encoder:1,encoder:2")
    notes = "\n".join(about.notes)
    assert "still needs the model's input 'target', which stays" in notes
    assert "does not need the model's input 'source', which is left out" in notes


def test_an_output_of_the_model_that_is_cut_is_no_output():
    model, about = part("keras-3.15/arithmetic", inputs="subtract")
    whole, _ = part("keras-3.15/arithmetic")
    assert "subtract" in whole.output_names
    assert "subtract" not in model.output_names
    assert "'subtract', an output of the model, is an input of the part" in str(about)


def test_only_the_weights_of_the_part_are_in_the_bundle():
    whole, _ = part(STATES)
    first, _ = part(STATES, "encoder")
    assert {path.split("/")[0] for path in first.weights} == {"encoder"}
    for path, weight in first.weights.items():
        np.testing.assert_array_equal(weight, whole.weights[path])


def test_a_tensor_inside_a_nested_model_is_an_output():
    golden_, (whole, _) = golden(TWICE), part(TWICE)
    nested = [node.name for node in whole.graph.nodes if "/" in node.name]
    inputs = dict(zip(whole.input_names, golden_.arrays(0, "x"), strict=True))
    activations = whole.activations(inputs)
    for name in nested:
        # The first call has no number in a bundle.
        model, _ = part(TWICE, name if "#" in name else f"{name}#0")
        (y,) = flat(model.predict({n: inputs[n] for n in model.input_names}))
        np.testing.assert_allclose(y, activations[name], atol=1e-6)


def test_a_call_is_named_by_its_number():
    text = problems(SHARED, "memory")
    assert "called" in text or "no layer is named" in text
    with opened(SHARED) as raw:
        model, readings = interpret(raw)
        several = next(x for x in model.layers if len(x.calls) > 1)
        text = problems(SHARED, several.name)
        assert f"name the call, {several.name}#0" in text
        for number in range(len(several.calls)):
            name = f"{several.name}#{number}"
            made = converted(raw, model, readings, None, part_of(name, None))
            assert made.built.outputs.names == [name]


@pytest.mark.parametrize(
    ("outputs", "inputs", "text"),
    [
        ("encoderr", None, "no layer is named 'encoderr': did you mean encoder"),
        ("zzz", None, "no layer is named 'zzz'; gru2np inspect lists the names"),
        ("scores,scores", None, "--outputs scores,scores: one tensor is named twice"),
        ("encoder,encoder:0", None, "encoder,encoder:0: one tensor is named twice"),
        ("scores:x", None, "--outputs scores:x: expected NAME"),
        ("scores=(3,)", None, "expected NAME"),
        ("scores:unmasked", None, "only an input can be unmasked"),
        ("scores#1", None, "expected scores or scores#0: scores is called once"),
        ("scores", "gru_encoder", "no output of the part depends on it"),
        ("scores", "source,decoder", "--inputs source: no output of the part"),
        ("scores", "scores", "--outputs scores: it is an input of the part too"),
        (None, "encoder:1=(None,99)", "it is (None, 4) in the model, not"),
        (None, "encoder:1:mask", "in the model it has no mask"),
        (None, "source:mask", "an input of the model has no mask"),
        (None, "encoder:1=(None,x)", "expected NAME"),
        (None, "encoder:1=(None,4):text", "expected NAME"),
    ],
)
def test_what_is_no_part_is_refused(outputs, inputs, text):
    assert text in problems(STATES, outputs, inputs)


def test_all_problems_are_said_at_once():
    text = problems(STATES, "one,two", "three")
    assert "3 problems" in text
    assert all(f"named {name!r}" in text for name in ("one", "two", "three"))


def test_an_input_inside_a_nested_model_is_refused():
    with opened(TWICE) as raw:
        model, _ = interpret(raw)
    outer = next(layer for layer in model.layers if layer.model is not None)
    inner = outer.model.layers[-1].name
    text = problems(TWICE, inputs=f"{outer.name}/{inner}#0")
    assert f"it is inside the model {outer.name!r}, and only outputs may be" in text


def test_an_output_that_a_layer_does_not_give_is_refused():
    text = problems(STATES, "scores:7,encoder:3")
    assert "'scores' gives no output 7 in this model" in text
    assert "'encoder' gives no output 3 in this model" in text
    assert part(STATES, "encoder:2")[0].output_names == ["encoder:2"]


def test_models_nested_in_one_another_take_no_time():
    """Each is called twice by the one around it: 2 to the power of 50 calls."""
    from gru2np.graph.parts import needs_of
    from gru2np.ir import Call, KerasLayer, KerasModel, TensorRef

    inner = None
    for depth in range(50):
        source = KerasLayer("InputLayer", "x", {}, training={})
        first, second = (TensorRef("x", 0, 0), TensorRef("y", 0, 0))
        calls = (Call((first,)), Call((second,)))
        kind = "Dense" if inner is None else "Functional"
        layer = KerasLayer(kind, "y", {}, training={}, calls=calls, model=inner)
        last = TensorRef("y", 1, 0)
        inner = KerasModel(
            f"m{depth}", (source, layer), (first,), (last,), sequential=False, config={}
        )
    assert needs_of(inner, inner.outputs).calls == {"y": {0, 1}, "x": set()}


def test_calls_of_a_stateful_layer_are_all_or_none():
    case = "keras-3.15/stateful_shared"
    with opened(case) as raw:
        model, _ = interpret(raw)
    layer = next(x for x in model.layers if len(x.calls) > 1)
    text = problems(case, f"{layer.name}#0")
    assert "its calls pass states to each other" in text


@pytest.mark.parametrize("case", ["keras-3.15/encoder_decoder", STATES])
def test_layers_that_cannot_be_read_are_refused_where_they_are_needed(case):
    """A call with a dict of tensors, which the reader of the file does not know."""
    with opened(case) as raw:
        config = _with_dict(raw.config, "scores")
        changed = dataclasses.replace(raw, config=config)
        model, readings = interpret(changed)
        with pytest.raises(gru2np.UnsupportedModelError, match="a dict of tensors"):
            converted(changed, model, readings)
        made = converted(changed, model, readings, None, part_of("decoder", None))
        assert made.built.outputs.names == ["decoder"]


def _with_dict(config, name):
    """An architecture in which a layer is called with a dict of tensors."""
    config = copy.deepcopy(config)
    for spec in config["config"]["layers"]:
        if spec["name"] == name:
            call = spec["inbound_nodes"][0]
            if isinstance(call, list):
                spec["inbound_nodes"] = [{"x": call[0]}]
            else:
                call["args"] = [{"x": call["args"][0]}]
    return config
