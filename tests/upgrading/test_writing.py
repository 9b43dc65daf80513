"""What is written of a file of Keras 3.15 is what Keras 3.15 itself wrote."""

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest

import goldens
from gru2np.upgrading import target
from upgraded_files import arrays_of, config_of, layers_of, upgraded_file

# Files that say it in other words, with the reason.
OTHERWISE = {
    "activation_objects": "the layers in its options have other names",
    "bfloat16_model": "weights in half precision are stored as float32",
    "called_by_name": "a model called with a dict is called with a list",
    "called_with_lists": "a list of one tensor",
    "keras_operations": "arguments that are None are left out",
    "lora": "adapters are merged into kernels",
    "quantised_int4": "quantised weights are written in full",
}
RECORD = json.loads((goldens.FIXTURES / "upgraded.json").read_text("utf-8"))
OWN = [
    golden.folder / "model.keras"
    for golden in goldens.all_goldens()
    if golden.name.startswith("keras-3.15/")
    and not goldens.refused(golden)
    and (golden.folder / "model.keras").is_file()
    and golden.folder.name not in OTHERWISE
    and RECORD["files"][golden.name]["outcome"] == "equal"
]
# Keys of records that change nothing, and of calls that say what Keras does anyway.
UNSAID = ("build_config", "compile_config", "shared_object_id")
ANYWAY = {
    "mask": (None, [None, None]),
    "training": (False,),
    "constant_values": (None,),
}


def said(value):
    """A record without what changes nothing; layers of a model by name."""
    if isinstance(value, list):
        items = [said(item) for item in value]
        if items and isinstance(items[0], dict) and "inbound_nodes" in items[0]:
            return {item["name"]: item for item in items}
        return items
    if not isinstance(value, dict):
        return value
    record = {
        key: said(item)
        for key, item in value.items()
        if key not in UNSAID and item not in ANYWAY.get(key, ())
    }
    states = record.get("initial_state")
    if isinstance(states, list) and len(states) == 1:
        record["initial_state"] = states[0]
    if isinstance(record.get("dtype"), str) and "name" in record:
        record["dtype"] = said(target_policy(record["dtype"]))
    return record


def used(file):
    """The arrays that inference uses: no count of data, and nothing of an optimizer."""
    arrays = arrays_of(file).items()
    return {
        path: array
        for path, array in arrays
        if array.dtype.kind != "i" and not path.startswith("optimizer/")
    }


def target_policy(name):
    """The policy of a dtype that Keras wrote as its name."""
    record = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}}
    return {**record, "registered_name": None}


@pytest.fixture(params=OWN, ids=lambda path: path.parent.name)
def pair(request):
    """A file that Keras wrote, and what is written of it."""
    name = request.param.parent.name
    data, _ = upgraded_file(f"keras-3.15/{name}")
    return request.param, data


def test_the_architecture_is_that_of_keras(pair):
    theirs, ours = (said(config_of(file)) for file in pair)
    assert ours == theirs


def test_every_array_is_where_keras_has_it(pair):
    # An upgraded model has seen no data.
    theirs, ours = map(used, pair)
    assert ours.keys() == theirs.keys()
    for path, array in theirs.items():
        np.testing.assert_array_equal(ours[path], array, err_msg=path)


def test_nearly_all_files_are_compared():
    assert len(OWN) > 150


def test_two_files_of_one_model_are_equal():
    first, _ = upgraded_file("keras-2.2/nested_twice")
    second, _ = upgraded_file("keras-2.2/nested_twice")
    assert first == second


def test_the_archive_is_that_of_keras():
    data, _ = upgraded_file("keras-2.2/gru")
    with zipfile.ZipFile(BytesIO(data)) as archive:
        names = archive.namelist()
        metadata = archive.read("metadata.json")
    assert names == ["metadata.json", "config.json", "model.weights.h5"]
    assert target.release().writes.encode() in metadata


def test_tensors_that_are_passed_by_name_are_written_as_tensors():
    data, _ = upgraded_file("tf-2.10/heads")
    layers = layers_of(data)
    (call,) = layers["plain"]["inbound_nodes"]
    assert call["kwargs"]["value"]["config"]["keras_history"] == ["v", 0, 0]
    # Keras would build the layer of the shape of the query alone.
    assert "build_config" not in layers["plain"]
    (call,) = layers["scores"]["inbound_nodes"]
    assert call["kwargs"]["return_attention_scores"] is True
