"""Cuts: a model in two halves is the whole, with the masks handed over."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import goldens
import gru2np
from conversions import opened
from exports import exported, refusal
from gru2np.bundle import in_memory
from gru2np.convert import converted
from gru2np.generations import interpret
from gru2np.graph.cutting import cut
from gru2np.graph.parts import part_of
from gru2np.readers import open_model
from gru2np_runtime import load
from gru2np_runtime.bundle.manifest_writer import encode_name
from modelfiles import golden, model_of, with_class

# Graphs with masks on several ways; ``make proof`` takes every fixture.
CASES = [
    "keras-2.2/encoder_decoder",
    "keras-2.2/mask_bidirectional",
    "keras-2.2/mask_concatenate_two",
    "keras-2.2/mask_initial_state",
    "keras-2.2/mask_merges_three",
    "keras-2.2/mask_nested_model",
    "keras-2.2/mask_through",
    "keras-2.2/mask_time_distributed",
    "keras-2.2/nested_twice",
    "keras-3.15/arithmetic",
    "keras-3.15/attention_mask_arguments",
    "keras-3.15/attention_masked",
    "keras-3.15/mask_argument",
    "keras-3.15/mask_at_casts",
    "keras-3.15/mask_concatenate_two",
    "keras-3.15/mask_initial_state",
    "keras-3.15/mask_merges_two",
    "keras-3.15/heads_masked",
    "keras-3.15/heads_taking_masks",
    "keras-3.15/masking_gru",
    "tf-2.10/attention_masked",
    "tf-2.10/heads_masked",
    "tf-2.10/mask_merges_two",
]


def cases():
    """The fixtures that are cut."""
    found = [golden for golden in goldens.all_goldens() if not goldens.refused(golden)]
    return [golden for golden in found if goldens.EVERY or golden.name in CASES]


def cuts(model):
    """The first output of every call of a layer, by name."""
    for layer in model.layers:
        for call in range(len(layer.calls)):
            number = f"#{call}" if len(layer.calls) > 1 else ""
            yield encode_name(layer.name) + number


def halves(raw, model, readings, name):
    """What comes behind a tensor, and what comes before it; None if there is no cut."""
    try:
        behind = converted(raw, model, readings, None, part_of(None, name))
    except (gru2np.InputError, gru2np.UnsupportedModelError):
        # Nothing is behind it, or the masks would be others.
        return None
    own = {ref.layer for ref in model.inputs}
    new = [x for x in behind.built.inputs.names if x not in own]
    names = [name, f"{name}:mask"] if len(new) > 1 else [name]
    before = converted(raw, model, readings, None, part_of(names, None))
    return [load(in_memory(half)[0]) for half in (before, behind)]


def of(model, arrays):
    """The outputs of a model by name, from those arrays that it takes."""
    outputs = goldens.flat(
        model.predict({name: arrays[name] for name in model.input_names})
    )
    return dict(zip(model.output_names, outputs, strict=True))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_two_halves_are_the_whole(case):
    """A mistake in a mask shows: a half without the mask gives other numbers."""
    done = 0
    with open_model(*case.files()) as raw:
        raw = dataclasses.replace(raw, saved_by=case.saved_by)
        model, readings = interpret(raw)
        whole = load(in_memory(converted(raw, model, readings))[0])
        if whole.stateful is not None:
            return
        arrays = dict(zip(whole.input_names, case.arrays(0, "x"), strict=True))
        expected = of(whole, arrays)
        for name in cuts(model):
            found = halves(raw, model, readings, name)
            if found is None:
                continue
            done += 1
            new = [x for x in found[1].input_names if x not in arrays]
            tensors = dict(zip(new, of(found[0], arrays).values(), strict=True))
            y = of(found[1], {**arrays, **tensors})
            for output, array in y.items():
                np.testing.assert_allclose(
                    array, expected[output], rtol=1e-5, atol=1e-6, err_msg=name
                )
    assert done or goldens.EVERY


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_what_comes_before_a_tensor_gives_it_as_the_whole_does(case):
    with open_model(*case.files()) as raw:
        raw = dataclasses.replace(raw, saved_by=case.saved_by)
        model, readings = interpret(raw)
        whole = load(in_memory(converted(raw, model, readings))[0])
        if whole.stateful is not None:
            return
        arrays = dict(zip(whole.input_names, case.arrays(0, "x"), strict=True))
        expected = whole.activations(arrays)
        for name in cuts(model):
            node = name.removesuffix("#0")
            if node not in expected:
                continue
            try:
                part = converted(raw, model, readings, None, part_of(name, None))
            except gru2np.UnsupportedModelError:
                # The part would have other masks than the whole.
                continue
            (y,) = of(load(in_memory(part)[0]), arrays).values()
            theirs = expected[node]
            theirs = theirs[0] if isinstance(theirs, (list, tuple)) else theirs
            np.testing.assert_allclose(y, theirs, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_part_without_the_attention_that_removes_a_mask_is_refused():
    """In Keras 3.15 the first attention takes the mask, and the second has none."""
    text = refusal(model_of("keras-3.15/heads_taking_masks"), outputs="second")
    assert "layers would get other masks than in the whole model" in text


def test_a_mask_that_layers_behind_use_is_an_input_and_is_said():
    case = golden("keras-3.15/attention_masked")
    model, about = exported(case.files()[0], inputs="mask_v")
    assert model.input_names == ["mask_v", "q", "mask_v_mask"]
    port = model.graph.inputs[-1]
    assert (port.shape, port.dtype) == ((None, 6), "bool")
    assert "'mask_v' carries a mask that 'both', 'scores', 'value_only'" in str(about)
    # A mask that says that all is valid gives other numbers.
    arrays = dict(zip(["q", "v"], case.arrays(0, "x"), strict=True))
    first, _ = exported(case.files()[0], outputs="mask_v,mask_v:mask")
    arrays.update(of(first, arrays))
    assert first.output_names == ["mask_v", "mask_v_mask"]
    right, wrong = (
        of(model, {**arrays, "mask_v_mask": mask})["both"]
        for mask in (arrays["mask_v_mask"], np.ones((len(arrays["q"]), 6), bool))
    )
    case.close(right, case.arrays(0, "y")[0])
    assert np.abs(right - wrong).max() > 1e-3


def test_a_mask_that_nothing_uses_is_no_input():
    model, about = exported(
        model_of("keras-3.15/attention_masked"), inputs="mask_q", outputs="conv1d"
    )
    assert model.input_names == ["mask_q"]
    assert "carries a mask" not in str(about)


def test_the_mask_of_a_tensor_without_one_is_refused():
    text = refusal(model_of("keras-2.2/encoder_decoder"), outputs="encoder:mask")
    assert "its output has no mask" in text


def test_masks_of_another_backend_are_a_note():
    """The file names no backend, and on JAX the mask is another."""
    with opened("keras-3.15/mask_at_idle_operations") as raw:
        model, readings = interpret(raw)
        assert readings.backends
        for name in cuts(model):
            try:
                made = converted(raw, model, readings, None, part_of(None, name))
            except (gru2np.InputError, gru2np.UnsupportedModelError):
                continue
            notes = "\n".join(made.built.notes)
            if "the file names no backend" in notes:
                assert "the part takes" in notes
                return
    pytest.fail("no cut has other inputs on another backend")


def behind_a_lambda(path, **options):
    """A Sequential model whose layer before the GRU is a Lambda; that layer's name."""
    case = "keras-2.2/convolution_stack"
    with opened(case) as raw:
        layers = interpret(raw)[0].layers
    before = next(i for i, x in enumerate(layers) if x.class_name == "GRU") - 1
    keys = ("function", "function_type", "output_shape", "output_shape_type")
    code = {**dict.fromkeys(keys, "code"), "arguments": {}, **options}
    with_class(case, path, layers[before].name, "Lambda", **code)
    return layers[before].name


def test_features_are_the_rows_of_the_kernel_behind_a_lambda(tmp_path):
    """Legacy files state no shape of a tensor, but the GRU behind reads features."""
    path = tmp_path / "model.h5"
    name = behind_a_lambda(path)
    model, _ = exported(path, inputs=name)
    (port,) = model.graph.inputs
    gru = model.weights["gru_1/kernel"]
    assert (port.shape, port.dtype) == ((None, None, len(gru)), "float32")


def test_a_lambda_with_a_function_for_masks_may_make_one(tmp_path):
    path = tmp_path / "model.h5"
    name = behind_a_lambda(path, mask=["code"])
    text = refusal(path, kind=gru2np.InputError, inputs=name)
    assert "has a function that computes a mask" in text
    assert exported(path, inputs=f"{name}:unmasked")[0].input_names == [name]
    masked, _ = exported(path, inputs=f"{name}:mask")
    assert masked.input_names == [name, f"{name}_mask"]


def test_a_part_that_another_backend_does_not_have_is_a_note(monkeypatch):
    def of_one_backend(model, raw, meaning, specs, part):
        if "JAX" in meaning.writer:
            raise gru2np.UnsupportedModelError("there is none")
        return cut(model, raw, meaning, specs, part)

    monkeypatch.setattr("gru2np.convert.cut", of_one_backend)
    case = model_of("keras-3.15/attention_masked")
    assert "reads it, there is none" in str(exported(case, outputs="conv1d")[1])


# A layer of one's own before the cut: nothing is known of its mask.


def with_custom_layer(config, name):
    """An architecture in which a layer is of a class of one's own."""
    import copy

    config = copy.deepcopy(config)
    for spec in config["config"]["layers"]:
        if spec["config"]["name"] == name:
            spec["class_name"] = "MyVectors"
            spec["module"] = "mine"
            spec["registered_name"] = "mine>MyVectors"
    return config


def parted(case, name, outputs=None, inputs=None):
    """A part of a fixture in which a layer is of a class of one's own."""
    with opened(case) as raw:
        raw = dataclasses.replace(raw, config=with_custom_layer(raw.config, name))
        model, readings = interpret(raw)
        return converted(raw, model, readings, None, part_of(outputs, inputs))


def test_whether_a_custom_layer_makes_a_mask_is_for_the_user_to_say():
    case = "keras-2.2/mask_through_functional"
    with opened(case) as raw:
        model, _ = interpret(raw)
    masking = next(x.name for x in model.layers if x.class_name == "Masking")
    shape = f"{masking}=(None,6,3):float32"
    with pytest.raises(gru2np.InputError) as caught:
        parted(case, masking, inputs=shape)
    text = str(caught.value)
    assert "would use its mask, but whether it has one is not known" in text
    assert f"{masking}:mask if it has one" in text
    for word, names in (
        ("mask", [masking, f"{masking}_mask"]),
        ("unmasked", [masking]),
    ):
        made = parted(case, masking, inputs=f"{masking}:{word}=(None,6,3):float32")
        assert made.built.inputs.names == names


def test_a_shape_that_the_file_does_not_state_is_asked_for():
    case = "keras-2.2/mask_through_functional"
    with opened(case) as raw:
        model, _ = interpret(raw)
    masking = next(x.name for x in model.layers if x.class_name == "Masking")
    with pytest.raises(gru2np.InputError) as caught:
        parted(case, masking, inputs=f"{masking}:unmasked")
    assert "the file does not state its shape" in str(caught.value)
    assert f"as in {masking}=" in str(caught.value)


def test_sequential_models_state_what_each_layer_was_built_with():
    pool = "max_pooling1d"
    made = parted("keras-3.15/convolution_stack", pool, inputs=f"{pool}:unmasked")
    (port,) = made.built.graph.inputs
    assert (port.shape, port.dtype) == ((None, None, 5), "float32")


def test_files_of_keras_3_state_the_shape_of_every_tensor():
    made = parted("keras-3.15/attention_masked", "mask_q", inputs="mask_q:mask")
    ports = {port.name: (port.shape, port.dtype) for port in made.built.graph.inputs}
    assert ports["mask_q"] == ((None, 5, 4), "float32")
    assert ports["mask_q_mask"] == ((None, 5), "bool")
