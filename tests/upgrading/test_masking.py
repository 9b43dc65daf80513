"""Masks of other rules than Keras 3's are kept away, or passed as arguments."""

import pytest

from gru2np.upgrading.masks import OPERATIONS
from upgraded_files import layers_of, mask_of, refusal_of, sources_of, upgraded_file

PASSED = "its mask is passed as an argument"
STOPPED = "the masks of its inputs are removed"


@pytest.fixture(scope="module")
def merges():
    return upgraded_file("keras-2.2/mask_merges_two")


def test_a_merge_that_keras_3_masks_reads_tensors_without_masks(merges):
    data, draft = merges
    layers = layers_of(data)
    stopped = [path for path, words in draft.words.items() if STOPPED in words]
    assert stopped
    for path in stopped:
        nodes = [{"args": node["args"]} for node in layers[path]["inbound_nodes"]]
        read = sources_of({"inbound_nodes": nodes})
        assert read
        for name, *_ in (tensor for call in read for tensor in call):
            stop = layers[name]
            assert stop["class_name"] == "Multiply"
            assert stop["inbound_nodes"][0]["args"][1] == 1.0


def test_one_tensor_is_stopped_once(merges):
    layers = layers_of(merges[0])
    stops = [sources_of(x)[0] for name, x in layers.items() if "_unmasked" in name]
    assert len({tuple(read) for read in stops}) == len(stops) > 0


def test_a_mask_that_keras_3_does_not_make_is_built_and_passed(merges):
    data, draft = merges
    layers = layers_of(data)
    passed = [path for path, words in draft.words.items() if PASSED in words]
    assert passed
    for path in passed:
        maker = layers[mask_of(layers[path])]
        written = {class_name for class_name, *_ in OPERATIONS.values()}
        assert maker["class_name"] in written


def test_a_mask_of_masking_is_written_as_keras_writes_it():
    layers = layers_of(upgraded_file("keras-2.2/mask_bidirectional")[0])
    mask = layers["masking_1_mask"]
    assert mask["class_name"] == "Any"
    assert mask["config"]["axis"] == [-1]
    assert sources_of(mask) == [[("masking_1_differs", 0, 0)]]
    differs = layers["masking_1_differs"]
    assert differs["class_name"] == "NotEqual"
    assert sources_of(differs) == [[("input_1", 0, 0)]]
    assert differs["inbound_nodes"][0]["args"][1] == 0.0


def test_a_model_whose_masks_differ_inside_is_taken_apart():
    data, draft = upgraded_file("tf-2.10/mask_behind_initial_state")
    words = "written as its layers, which have masks of their own"
    assert draft.words["inner"] == [words]
    layers = layers_of(data)
    assert "inner" not in layers
    assert layers["inner_gru"]["class_name"] == "GRU"


def test_what_cannot_be_passed_is_refused_in_words():
    error = refusal_of("keras-2.1-theano/mask_initial_state_bidirectional")
    for problem in error.problems:
        assert problem.reason.count("Keras 3") >= 1
        assert "{" not in problem.reason


def test_a_model_without_masks_gets_none():
    data, draft = upgraded_file("keras-2.2/shared_layers")
    for layer in layers_of(data).values():
        for node in layer.get("inbound_nodes", ()):
            assert node["kwargs"].get("mask") is None
    said = {word for words in draft.words.values() for word in words}
    assert said.isdisjoint({PASSED, STOPPED})
