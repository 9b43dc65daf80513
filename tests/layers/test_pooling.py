"""Pooling: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("GlobalAveragePooling1D", {}, {"keepdims": False}),
        ("MaxPooling1D", {"pool_size": 3, "strides": None}, {"strides": (3,)}),
        ("MaxPooling1D", {"pool_size": [3], "strides": 2}, {"strides": (2,)}),
        ("MaxPooling2D", {"pool_size": [2, 3], "strides": None}, {"strides": (2, 3)}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
        ("MaxPooling1D", {"pool_size": 0}, "pool_size"),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)


SPARSE = {"padding": "same", "strides": [2, 3, 1]}


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        ("MaxPooling3D", {**SPARSE, "pool_size": [2, 1, 2]}, "strides", "three axes"),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    check_refused_option(class_name, options, option, reason)
