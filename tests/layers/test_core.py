"""The core layers: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("Dropout", {"rate": 0.5, "noise_shape": None, "seed": 1}, {}),
        ("Embedding", {"input_dim": 3, "output_dim": 2, "input_length": 4}, {}),
        ("Masking", {"mask_value": -1}, {"mask_value": -1.0}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
        ("Masking", {"mask_value": "0"}, "mask_value"),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)
