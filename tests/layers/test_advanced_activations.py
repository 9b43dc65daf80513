"""Activation functions with trained parameters: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("PReLU", {"shared_axes": None}, {"shared_axes": ()}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
        ("PReLU", {"shared_axes": [-1]}, None),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)
