"""A bundle names the custom objects that it needs; only the user gives them."""

import json

import numpy as np
import pytest

import goldens
import proofs
from bundle_edits import written
from custom_models import (
    ATTENTION,
    CELLS,
    FUNCTIONS,
    OWN,
    STEPS,
    bundle_of,
    golden,
    instead,
)
from gru2np_runtime import BundleError, CustomObjectError, load
from gru2np_runtime.bundle.container import MANIFEST, read_members


@pytest.fixture(scope="module")
def functions():
    return bundle_of(FUNCTIONS)


@pytest.fixture(scope="module")
def steps():
    return bundle_of(STEPS)


def manifest(bundle):
    return json.loads(bytes(read_members(bundle)[MANIFEST]))


def test_every_object_is_named_with_its_kind(functions, steps):
    assert manifest(bundle_of(CELLS))["custom"] == {
        "LeakyIntegrator": {"kind": "cell", "per_step": None},
        "NormalizedCell": {"kind": "cell", "per_step": None},
    }
    assert manifest(steps)["custom"] == {
        "LeakyIntegrator": {"kind": "cell", "per_step": None},
        "NormalizedCell": {"kind": "cell", "per_step": None},
        "scaled": {"kind": "function", "per_step": True},
        "swoosh": {"kind": "function", "per_step": True},
    }
    found = manifest(functions)["custom"]
    assert found["largest"] == {"kind": "function", "per_step": None}
    assert set(found) == {
        *("largest", "last_step", "reversed", "scaled", "scaled_inside"),
        *("softmax_over_time", "sum_over_time", "swoosh", "weighted"),
    }
    attention = manifest(bundle_of(ATTENTION))["custom"]
    assert {record["kind"] for record in attention.values()} == {"layer"}


def test_no_code_is_in_a_bundle(functions):
    for name, member in read_members(functions).items():
        assert name == MANIFEST or name.endswith(".npy")
        assert b"lambda" not in bytes(member)


@pytest.mark.parametrize("name", ["swoosh", "largest", "scaled_inside"])
def test_without_a_function_it_is_not_loaded(functions, name):
    own = {key: value for key, value in OWN.items() if key != name}
    with pytest.raises(BundleError) as caught:
        load(functions, custom_objects=own)
    text = str(caught.value)
    assert f"needs the custom function {name!r}, which is not in it" in text
    assert "--custom-objects FILE.py" in text
    assert f"load(..., custom_objects={{{name!r}: {name}}})" in text


def test_without_a_cell_it_is_not_loaded(steps):
    own = {key: OWN[key] for key in ("scaled", "swoosh", "NormalizedCell")}
    with pytest.raises(BundleError, match="the custom class 'LeakyIntegrator', which"):
        load(steps, custom_objects=own)
    with pytest.raises(BundleError, match="needs the custom"):
        load(steps)


def test_another_kind_of_object_than_at_export_is_refused(functions, steps):
    wrong = {**OWN, "swoosh": OWN["AttentionWithContext"]}
    with pytest.raises(BundleError, match="needs the custom function 'swoosh'"):
        load(functions, custom_objects=wrong)
    with pytest.raises(BundleError, match="needs the custom class 'LeakyIntegrator'"):
        load(steps, custom_objects={**OWN, "LeakyIntegrator": np.tanh})
    with pytest.raises(CustomObjectError, match=r"custom_objects\['swoosh'\]"):
        load(functions, custom_objects={**OWN, "swoosh": "swoosh"})
    with pytest.raises(CustomObjectError, match="expected a dict by name, got list"):
        load(functions, custom_objects=[1])


def test_a_class_with_other_weights_or_shapes_than_at_export_is_refused(steps):
    for attributes in (
        {"weight_shapes": lambda self, *shapes: {"kernel": (9, 9)}},
        {"output_size": lambda self: 9},
        {"__annotations__": {"more": "int"}},
    ):
        own = {**OWN, **instead("LeakyIntegrator", **attributes)}
        with pytest.raises(BundleError, match=r"leaky|dense|'more'"):
            load(steps, custom_objects=own)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (None, r"expected `\$\.custom` to name 'swoosh' as a function"),
        ({"kind": "layer", "per_step": None}, "to name 'swoosh' as a function"),
        ({"kind": "function", "per_step": 1}, "bool or null"),
    ],
)
def test_a_manifest_that_says_otherwise_is_refused(functions, record, words):
    changed = manifest(functions)
    del changed["custom"]["swoosh"]
    if record is not None:
        changed["custom"]["swoosh"] = record
    with pytest.raises(BundleError, match=words):
        load(written(functions, changed), custom_objects=OWN)


def test_a_function_that_the_graph_has_no_use_for_is_refused(functions):
    changed = manifest(functions)
    changed["custom"]["more"] = {"kind": "function", "per_step": None}
    with pytest.raises(BundleError, match="'more' is used nowhere"):
        load(written(functions, changed), custom_objects=OWN)


def function_layer(value):
    found = value["graph"]["layers"]
    return next(layer for layer in found.values() if layer["op"] == "function")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("function", "swoosh"),
        ("function", "custom>"),
        ("function", "os>system"),
        ("function", {"function": "tanh"}),
        ("function", 3),
        ("arguments", [1]),
        ("number", "complex64"),
        ("results", [[]]),
        ("results", "all"),
    ],
)
def test_a_hostile_function_layer_is_refused(functions, attribute, value):
    changed = manifest(functions)
    function_layer(changed)["attributes"][attribute] = value
    with pytest.raises(BundleError):
        load(written(functions, changed), custom_objects=OWN)


def test_a_function_gets_the_arguments_of_the_manifest_alone(functions):
    changed = manifest(functions)
    layer = changed["graph"]["layers"]["scaled"]
    layer["attributes"]["arguments"] = {"factor": 3.0, "evil": 1}
    model = load(written(functions, changed), custom_objects=OWN)
    with pytest.raises(
        CustomObjectError, match=r"'scaled'.*unexpected keyword.*'evil'"
    ):
        model.predict(golden(FUNCTIONS).arrays(0, "x")[0])


def test_its_proof_is_replayed_with_the_objects(functions):
    case = golden(FUNCTIONS)
    x, y = case.arrays(0, "x"), case.arrays(0, "y")
    proved = proofs.proved(functions, x, y)
    model = load(proved, custom_objects=OWN, check=True)
    for found, wanted in zip(goldens.flat(model.predict(x[0])), y, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5)
    wrong = {**OWN, "scaled": lambda x, **options: 2 * x}
    with pytest.raises(BundleError, match=r"sum_over_time|weighted"):
        load(proved, custom_objects=wrong, check=True)
