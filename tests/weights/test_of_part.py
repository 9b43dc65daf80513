"""The weights of a part: by position in the whole model, else by names of layers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gru2np
from conversions import opened
from exports import exported
from gru2np.convert import converted
from gru2np.generations import interpret
from gru2np.graph.parts import part_of
from gru2np.ir import FlatStore, GroupStore
from modelfiles import changed, golden, model_of

CASE = "keras-2.2/encoder_decoder"


def of_another_class(config):
    """Make the last layer one of the author's own, whose weights nobody knows."""
    spec = config["config"]["layers"][-1]
    assert spec["name"] == "gru_decoder"
    spec["class_name"] = "MyDecoder"
    return config


def part_with(edit):
    """The weights of a part, by an open file that went through ``edit``."""
    with opened(CASE) as raw:
        raw = edit(raw)
        model, readings = interpret(raw)
        made = converted(raw, model, readings, None, part_of("gru_encoder", None))
        return dict(made.weights)


def same_as_in_the_file(weights):
    """Whether they are those of the whole model."""
    whole, _ = exported(model_of(CASE))
    assert set(weights) == {x for x in whole.weights if x.startswith("gru_encoder/")}
    for path, weight in weights.items():
        np.testing.assert_array_equal(weight, whole.weights[path])


def test_weights_of_layers_that_cannot_be_converted_are_left_alone(tmp_path):
    path = changed(CASE, tmp_path / "model.h5", of_another_class)
    model, _ = exported(path, outputs="gru_encoder")
    same_as_in_the_file(model.weights)


def test_weights_by_position_stay_where_they_are():
    """Weights of another session, in which all layers have other names."""

    def renamed(raw):
        groups = [(f"x{i}", arrays) for i, (_, arrays) in enumerate(raw.groups.groups)]
        groups = GroupStore(tuple(groups))
        return dataclasses.replace(raw, groups=groups, container="json+hdf5")

    same_as_in_the_file(part_with(renamed))


def test_weights_of_no_names_are_refused_behind_layers_that_are_unknown():
    def strange(raw):
        groups = [(f"x{i}", arrays) for i, (_, arrays) in enumerate(raw.groups.groups)]
        config = of_another_class(_copy(raw.config))
        groups = GroupStore(tuple(groups))
        return dataclasses.replace(
            raw, groups=groups, config=config, container="json+hdf5"
        )

    with pytest.raises(
        gru2np.UnsupportedModelError, match="the names of layers, but x"
    ):
        part_with(strange)

    def listed(raw):
        arrays = tuple(array for _, group in raw.groups.groups for array in group)
        config = of_another_class(_copy(raw.config))
        flat = FlatStore(arrays, named=False)
        return dataclasses.replace(raw, groups=None, flat=flat, config=config)

    with pytest.raises(gru2np.UnsupportedModelError, match="stored by position"):
        part_with(listed)


def test_a_list_of_arrays_is_matched_if_the_whole_model_is_known():
    def listed(raw):
        arrays = tuple(array for _, group in raw.groups.groups for array in group)
        flat = FlatStore(arrays, named=False)
        return dataclasses.replace(raw, groups=None, flat=flat)

    same_as_in_the_file(part_with(listed))


def test_paths_of_layers_are_those_of_the_whole_model():
    """The second Dense of a file is ``layers/dense_1``, alone in its part too."""
    case = golden("keras-3.15/encoder_decoder")
    whole, _ = exported(case.files()[0])
    last = next(path for path in whole.weights).split("/")[0]
    model, _ = exported(case.files()[0], outputs=last)
    for path, weight in model.weights.items():
        np.testing.assert_array_equal(weight, whole.weights[path])


def test_missing_weights_of_the_part_are_refused(tmp_path):
    def without(raw):
        groups = [group for group in raw.groups.groups if group[0] != "gru_encoder"]
        return dataclasses.replace(raw, groups=GroupStore(tuple(groups)))

    with pytest.raises(gru2np.ModelFileError, match="expected 1 layers with weights"):
        part_with(without)


def _copy(value):
    import copy

    return copy.deepcopy(value)
