"""Layers that change the shape: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("Cropping1D", {"cropping": 2}, {"cropping": ((2, 2),)}),
        ("Reshape", {"target_shape": [-1, 2]}, {"target_shape": (-1, 2)}),
        ("ZeroPadding1D", {"padding": [0, 2]}, {"padding": ((0, 2),)}),
        ("ZeroPadding2D", {"padding": 2}, {"padding": ((2, 2), (2, 2))}),
        ("ZeroPadding2D", {"padding": [1, 2]}, {"padding": ((1, 1), (2, 2))}),
        ("Cropping2D", {"cropping": [[1, 0], [0, 2]]}, {"cropping": ((1, 0), (0, 2))}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
        ("Cropping1D", {"cropping": [-1, 1]}, "cropping"),
        ("Permute", {"dims": [1, 3]}, None),
        ("Reshape", {"target_shape": "2"}, None),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        ("Cropping2D", {"cropping": [[1, 2], 3]}, "cropping", "expected 2 pairs"),
        ("Cropping2D", {"cropping": [[1, 2], [True, 0]]}, "cropping", "integers"),
        ("ZeroPadding3D", {"padding": [[1, 2]]}, "padding", "expected 3 pairs"),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    check_refused_option(class_name, options, option, reason)
