"""Normalization: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("BatchNormalization", {"axis": [2]}, {"axis": 2}),
        ("BatchNormalization", {"axis": [2, 1]}, {"axes": (2, 1)}),
        ("BatchNormalization", {"axis": 1, "renorm": True}, {"axis": 1}),
        ("BatchNormalization", {"renorm": False, "synchronized": True}, {"axis": -1}),
        ("LayerNormalization", {"axis": 1}, {"axes": (1,), "rms_scaling": False}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
        ("BatchNormalization", {"axis": [1, []]}, None),
        ("BatchNormalization", {"renorm": 1}, "renorm"),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)
