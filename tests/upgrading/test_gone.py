"""Layers that Keras 3 does not have are built of layers that it has."""

import numpy as np
import pytest

from upgraded_files import (
    arrays_of,
    layers_of,
    old_weights,
    sources_of,
    upgraded_file,
)

CASE = "keras-1.2/dense_layers"
DONE = ["several layers do what it did"]


@pytest.fixture(scope="module")
def upgraded():
    return upgraded_file(CASE)


def arrays_named(data, class_name, wanted):
    """The variables of the so-manyth layer of a class, by its name."""
    names = [
        name for name, one in layers_of(data).items() if one["class_name"] == class_name
    ]
    number = names.index(wanted)
    group = class_name.lower() + (f"_{number}" if number else "")
    found = arrays_of(data)
    return [found[path] for path in sorted(found) if f"layers/{group}/vars/" in path]


def test_a_thresholded_relu_is_a_relu_with_a_threshold():
    data, _ = upgraded_file("keras-2.2/thresholded_relu")
    found = [x for x in layers_of(data).values() if x["class_name"] == "ReLU"]
    assert found
    for one in found:
        assert one["config"]["threshold"] > 0
        assert one["config"]["negative_slope"] == 0.0
        assert one["config"]["max_value"] is None
        assert "theta" not in one["config"]


def test_a_highway_is_two_dense_layers_and_a_sum(upgraded):
    data, draft = upgraded
    layers = layers_of(data)
    assert draft.words["highway_1"] == DONE
    assert layers["highway_1"]["class_name"] == "Add"
    assert layers["highway_1_carry"]["config"]["activation"] == "sigmoid"
    both = [[("highway_1_changed", 0, 0), ("highway_1_kept", 0, 0)]]
    assert sources_of(layers["highway_1"]) == both


def test_its_weights_are_those_of_the_two(upgraded):
    old = old_weights(CASE)
    for part, prefix in (("carry", "carry_"), ("transformed", "")):
        arrays = arrays_named(upgraded[0], "Dense", f"highway_1_{part}")
        for name, array in zip(("kernel", "bias"), arrays, strict=False):
            np.testing.assert_array_equal(array, old[f"highway_1/{prefix}{name}"])
        assert arrays


def test_a_maxout_is_the_largest_piece_of_one_dense_layer(upgraded):
    data, draft = upgraded
    old = old_weights(CASE)["maxoutdense_1/kernel"]
    pieces, features, units = old.shape
    layers = layers_of(data)
    assert draft.words["maxoutdense_1"] == DONE
    assert layers["maxoutdense_1"]["class_name"] == "GlobalMaxPooling1D"
    shape = layers["maxoutdense_1_pieces"]["config"]["target_shape"]
    assert shape == [pieces, units]
    kernel = arrays_named(data, "Dense", "maxoutdense_1_linear")[0]
    assert kernel.shape == (features, pieces * units)
    for number in range(pieces):
        columns = slice(number * units, (number + 1) * units)
        np.testing.assert_array_equal(kernel[:, columns], old[number])
