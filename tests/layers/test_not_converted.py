"""Every layer that an installed Keras exports is proven, or refused with a reason."""

from __future__ import annotations

import inspect
import io
import json
from importlib import import_module
from importlib.util import find_spec

import h5py
import pytest

import goldens
import gru2np
from gru2np.generations.releases import line
from gru2np.layers import LAYERS, NOT_CONVERTED
from meanings import LINES
from modelfiles import with_keys

# What Keras exports beside layers, and the layer that a model's input is read from.
NO_LAYERS = {
    "Input": "a function",
    "InputLayer": "the input of a model, read with its graph",
    "InputSpec": "a description of a shape",
}


def exported(package):
    """The public names of every class that ``package.layers`` exports."""
    if find_spec(package) is None:
        pytest.skip(f"needs gru2np[verify]: no {package} here")
    names = {}
    for name, item in vars(import_module(package).layers).items():
        if inspect.isclass(item):
            names.setdefault(item, set()).add(name)
    return list(names.values())


def proven(*generations):
    """Classes that stand in a fixture of these generations which is converted."""
    return {
        class_name
        for golden in goldens.all_goldens()
        if not goldens.refused(golden) and golden.name.startswith(generations)
        for class_name in golden.facts["classes"]
    }


KERAS = pytest.mark.parametrize(
    ("package", "generations"),
    # Keras 2 and 3 spell most layers alike: there any file will do.
    [("keras", ("keras-3",)), ("tf_keras", ("keras-", "tf-"))],
)


@pytest.mark.tensorflow
@KERAS
def test_every_exported_layer_is_converted_or_refused_with_a_reason(
    package, generations
):
    known = {*LAYERS, *NOT_CONVERTED, *NO_LAYERS}
    classes = exported(package)
    assert len(classes) > 100
    assert [sorted(names) for names in classes if not names & known] == []


@pytest.mark.tensorflow
@KERAS
def test_every_exported_layer_that_is_converted_is_proven(package, generations):
    found = proven(*generations)
    converted = [names for names in exported(package) if names & set(LAYERS)]
    assert [sorted(names) for names in converted if not names & found] == []


@pytest.mark.tensorflow
def test_the_list_of_refusals_is_short():
    """Of what this Keras exports, most is converted."""
    classes = exported("keras")
    images = {"aug_mix", "image_preprocessing"}
    refused = [
        names
        for names in classes
        if names & set(NOT_CONVERTED) and not names & set(LAYERS)
    ]
    module = import_module("keras").layers
    spoken = [
        names
        for names in refused
        if not images & set(getattr(module, min(names)).__module__.split("."))
    ]
    assert len(spoken) <= 15, spoken
    assert len(refused) < len(classes) / 3


def test_nothing_is_both_converted_and_refused():
    assert not set(LAYERS) & set(NOT_CONVERTED)


@pytest.mark.parametrize("class_name", sorted(NOT_CONVERTED))
def test_a_refusal_says_why(tmp_path, class_name):
    """The reason stands in the message, and not that nobody knows the class."""
    # The newest release that has it, or a file from nowhere.
    releases = [own for name in LINES for own in line(name).releases]
    own = [one for one in releases if class_name in line(one.line).classes(one)][-1]
    spec = {"class_name": class_name, "config": {"batch_shape": [None, 3]}}
    spec = with_keys(spec, own.line, own.name)
    spec["config"]["name"] = "odd"
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [spec]}}
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = own.writes
        file.attrs["backend"] = "tensorflow"
        file.create_group("model_weights").attrs["layer_names"] = []
    with pytest.raises(gru2np.UnsupportedModelError) as caught:
        gru2np.export(tmp_path / "model.h5", io.BytesIO())
    (problem,) = caught.value.problems
    assert (problem.layer, problem.class_name) == ("odd", class_name)
    assert problem.reason.startswith(NOT_CONVERTED[class_name])
    assert len(problem.reason.split()) > 3


@pytest.mark.parametrize(
    "class_name", ["Hashing", "RandomCrop", "StringLookup", "TextVectorization"]
)
def test_refused_layers_say_why(class_name):
    assert class_name not in LAYERS
    assert len(NOT_CONVERTED[class_name]) > 20
