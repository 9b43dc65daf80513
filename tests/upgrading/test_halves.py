"""A masked Bidirectional of an old Keras is two layers and a merge."""

import h5py
import numpy as np
import pytest

from modelfiles import changed
from upgraded_files import (
    arrays_of,
    config_of,
    layers_of,
    mask_of,
    old_weights,
    sources_of,
    upgraded_file,
    upgraded_model,
)

CASE = "keras-2.2/mask_bidirectional"
MERGES = {"ave": "Average", "concat": "Concatenate", "mul": "Multiply", "sum": "Add"}


@pytest.fixture(scope="module")
def upgraded():
    return upgraded_file(CASE)


KEPT = ("input_1", "masking_1", "all")


def alone(path, mode):
    """The layer that returns all steps, alone behind its mask, with a merge mode."""

    def edit(config):
        model = config["config"]
        model["layers"] = [x for x in model["layers"] if x["name"] in KEPT]
        model["layers"][-1]["config"]["merge_mode"] = mode
        outputs = range(2 if mode is None else 1)
        model["output_layers"] = [["all", 0, i] for i in outputs]

    changed(CASE, path, edit)
    with h5py.File(path, "r+") as file:
        weights = file["model_weights"]
        for name in [x for x in weights if x not in KEPT]:
            del weights[name]
        names = [x for x in weights.attrs["layer_names"] if x.decode() in KEPT]
        weights.attrs["layer_names"] = names
    return path


def test_halves_get_the_mask_and_the_later_one_is_turned(upgraded):
    data, draft = upgraded
    layers = layers_of(data)
    for half, backwards in (("forward_all", False), ("backward_all", True)):
        layer = layers[half]
        assert layer["class_name"] == "GRU"
        assert layer["config"]["go_backwards"] is backwards
        assert layer["config"]["zero_output_for_mask"] is False
        assert mask_of(layer) == "masking_1_mask"
    turned = layers["backward_all_steps"]
    assert turned["class_name"] == "Flip"
    assert turned["config"]["axis"] == 1
    assert sources_of(turned) == [[("backward_all", 0, 0)]]
    assert layers["forward_all_steps"]["class_name"] == "Multiply"
    assert "two layers and a merge" in draft.words["all/forward_layer"]


def test_the_merge_has_the_name_of_the_layer(upgraded):
    layers = layers_of(upgraded[0])
    both = [[("forward_all_steps", 0, 0), ("backward_all_steps", 0, 0)]]
    assert sources_of(layers["all"]) == both


def test_a_layer_that_returns_its_last_step_stays_one(upgraded):
    assert layers_of(upgraded[0])["last"]["class_name"] == "Bidirectional"


def test_without_a_merge_both_are_outputs(upgraded):
    layers = layers_of(upgraded[0])
    assert "apart" not in layers
    assert layers["forward_apart"]["class_name"] == "LSTM"
    assert layers["backward_apart_steps"]["class_name"] == "Flip"


def test_each_half_has_its_own_weights(upgraded):
    old = old_weights(CASE)
    arrays = list(arrays_of(upgraded[0]).values())
    scaled = np.repeat(np.float32([1.2, 1.2, 1]), 2)
    for half in ("forward_layer", "backward_layer"):
        kernel = old[f"all/{half}/kernel"] * scaled
        assert any(np.array_equal(kernel, array) for array in arrays), half


@pytest.mark.parametrize("mode", MERGES)
def test_every_merge_mode_has_its_layer(tmp_path, mode):
    data, _ = upgraded_model(alone(tmp_path / "m.h5", mode))
    layer = layers_of(data)["all"]
    assert layer["class_name"] == MERGES[mode]
    assert layer["config"].get("axis", -1) == -1
    assert config_of(data)["config"]["output_layers"] == ["all", 0, 0]


def test_without_a_merge_the_model_has_two_outputs(tmp_path):
    data, _ = upgraded_model(alone(tmp_path / "m.h5", None))
    outputs = config_of(data)["config"]["output_layers"]
    assert outputs == [["forward_all_steps", 0, 0], ["backward_all_steps", 0, 0]]


def test_states_are_outputs_of_the_halves():
    data, draft = upgraded_file("tf-2.10/mask_behind_initial_state")
    layers = layers_of(data)
    assert "two layers and a merge" in draft.words["both/forward_layer"]
    read = [("h", 0, 0), ("c", 0, 0)]
    for half, state in zip(("forward_both", "backward_both"), read, strict=True):
        assert state in sources_of(layers[half])[0]
        given = layers[half]["inbound_nodes"][0]["kwargs"]["initial_state"]
        assert tuple(given["config"]["keras_history"]) == state


def test_a_mask_made_in_a_model_takes_the_model_apart():
    """The layer is called twice, with a mask of its own each time."""
    data, draft = upgraded_file("keras-2.2/mask_bidirectional_shared")
    layers = layers_of(data)
    assert draft.words["inner"] == [
        "written as its layers, which have masks of their own"
    ]
    assert "inner" not in layers
    for half in ("forward_both", "backward_both"):
        calls = layers[half]["inbound_nodes"]
        masks = [c["kwargs"]["mask"]["config"]["keras_history"][0] for c in calls]
        assert len(set(masks)) == 2
    merges = [
        [x["config"]["keras_history"] for x in call["args"][0]]
        for call in layers["both"]["inbound_nodes"]
    ]
    assert merges == [
        [["forward_both_steps", 0, 0], ["backward_both_steps", 0, 0]],
        [["forward_both_steps_1", 0, 0], ["backward_both_steps_1", 0, 0]],
    ]
