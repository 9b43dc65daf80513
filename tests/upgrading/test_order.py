"""Layers stand in the order in which Keras 3 itself numbers their weights."""

import copy
import json

import pytest

import goldens
from gru2np.generations import interpret
from gru2np.ir import RawModel
from gru2np.layers.custom import Specs
from gru2np.upgrading.draft import numbered
from gru2np.upgrading.order import OWN_NAMES, UnclearOrder, ordered
from modelfiles import with_keys
from upgraded_files import arrays_of, layers_of, old_weights, upgraded_file

STRUCTURES = json.loads((goldens.FIXTURES / "keras3_structures.json").read_text())
# The features of a layer that no other reads.
OUTPUT = 3
NAMES = ["branches", "masked_branches", "numbering", "out_of_order", "shared_outputs"]


def model_of(record):
    """The model of an architecture that Keras 3 wrote, without its weights.

    The options of its layers are not recorded; their sizes are those of the tensors.
    """
    config = completed(copy.deepcopy(record), record)
    raw = RawModel(config, STRUCTURES["keras"], None, "keras", "m.keras", "")
    return interpret(raw)[0]


def completed(value, whole):
    """The records with the options that Keras always writes."""
    if isinstance(value, list):
        return [completed(item, whole) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in ("Dense", "GRU"):
        value["config"]["units"] = size_of(value["config"]["name"], whole)
    value = {key: completed(item, whole) for key, item in value.items()}
    if value.get("module") != "keras.layers":
        return value
    return with_keys(value, "keras-3", STRUCTURES["keras"])


def size_of(name, value):
    """The features of what a layer gives; ``OUTPUT`` if no other reads it."""
    items = value.values() if isinstance(value, dict) else value
    for item in items:
        if isinstance(item, dict) and item.get("keras_history", [None])[0] == name:
            return item["shape"][-1]
        if isinstance(item, (dict, list)):
            found = size_of(name, item)
            if found != OUTPUT:
                return found
    return OUTPUT


def paths_of(record, *, backwards=False):
    """The weight path of each layer, its order in the file turned if wanted."""
    model = model_of(record)
    if backwards:
        layers = list(reversed(record["config"]["layers"]))
        record = {**record, "config": {**record["config"], "layers": layers}}
        model = model_of(record)
    model = numbered(ordered(numbered(model), Specs(None), set()))
    return {layer.path: layer.name for layer in model.layers if layer.path}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backwards", [False, True])
def test_weights_have_the_paths_that_keras_gives_them(name, backwards):
    structure = STRUCTURES["models"][name]
    found = paths_of(structure["config"], backwards=backwards)
    recorded = {
        path.removesuffix("/vars"): group["name"]
        for path, group in structure["weights"].items()
        if path.count("/") == 2
    }
    inputs = {path for path in recorded if path.startswith("layers/input_layer")}
    assert recorded.keys() - inputs
    for path in recorded.keys() - inputs:
        assert found[path] == recorded[path]


def test_weights_of_an_old_file_are_those_of_their_layers():
    """Two layers of one class, of which the second in the file is the first read."""
    case = "keras-1.0.5-theano/masking_gru"
    old = old_weights(case)
    data, _ = upgraded_file(case)
    order = [
        name for name, layer in layers_of(data).items() if layer["class_name"] == "GRU"
    ]
    assert len(order) > 1
    arrays = arrays_of(data)
    for number, name in enumerate(order):
        path = f"layers/gru_{number}" if number else "layers/gru"
        assert arrays[f"{path}/cell/vars/0"].shape == old[f"{name}/kernel"].shape


@pytest.mark.parametrize(
    "name", ["concatenate", "concatenate_12", "not_equal_1", "any"]
)
def test_names_that_keras_gives_to_its_own_operations(name):
    assert OWN_NAMES.fullmatch(name)


@pytest.mark.parametrize("name", ["concatenate_layer", "many", "concatenate_a", "gru"])
def test_other_names_are_no_clash(name):
    assert not OWN_NAMES.fullmatch(name)


def branches(width):
    """A model of 2021: a Dense before a mask, a Dense before ``width`` layers."""

    def layer(class_name, name, source, **options):
        config = {"name": name, **options}
        nodes = [[[source, 0, 0, {}]]] if isinstance(source, str) else source
        return {
            "class_name": class_name,
            "name": name,
            "config": config,
            "inbound_nodes": nodes,
        }

    layers = [
        layer("InputLayer", "x", [], batch_input_shape=[None, 4, 3], dtype="float32"),
        layer("Dense", "masked", "x", units=3, activation="linear", use_bias=True),
        layer("Masking", "masking", "masked", mask_value=0.0),
        layer("Dense", "other", "x", units=3, activation="linear", use_bias=True),
    ]
    last = "other"
    for number in range(width):
        name = f"act_{number}"
        layers.append(layer("Activation", name, last, activation="tanh"))
        last = name
    layers += [
        layer("GRU", "left", "masking", units=2),
        layer("GRU", "right", last, units=2),
        layer("Concatenate", "out", [[["left", 0, 0, {}], ["right", 0, 0, {}]]]),
    ]
    config = {
        "name": "m",
        "layers": [with_keys(one, "tf.keras", "2.10.1") for one in layers],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["out", 0, 0]],
    }
    spec = {"class_name": "Functional", "config": config}
    raw = RawModel(spec, "2.10.0", "tensorflow", "hdf5", "m.h5", "")
    return interpret(raw)[0]


def test_an_order_that_only_the_masks_decide_is_refused():
    with pytest.raises(UnclearOrder, match="'other' and 'masked' in an order"):
        ordered(branches(2), Specs(None), set())


@pytest.mark.parametrize(("width", "first"), [(0, "masked"), (9, "other")])
def test_an_order_that_masks_cannot_change(width, first):
    model = ordered(branches(width), Specs(None), set())
    names = [layer.name for layer in model.layers if layer.class_name == "Dense"]
    assert names[0] == first
