"""Products of two tensors: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("Dot", {"axes": -1}, {"axes": (-1, -1), "normalize": False}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
        ("Dot", {"axes": [1, 2, 3]}, "axes"),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)
