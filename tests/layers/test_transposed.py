"""Transposed convolution: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import (
    THEANO,
    check_options,
    check_refused_option,
    convert,
)

TWO = {"kernel_size": [3, 2]}
FILTERS = {"filters": 4, **TWO}


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("Conv2DTranspose", FILTERS, {"output_padding": (), "dilation": (1, 1)}),
        (
            "Conv2DTranspose",
            {**FILTERS, "strides": 2, "output_padding": 1},
            {"output_padding": (1, 1), "strides": (2, 2)},
        ),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        ("Conv2DTranspose", {**FILTERS, "groups": 2}, "groups", "no transposed"),
        ("Conv2DTranspose", {**FILTERS, "output_padding": 1}, None, "expected 0 to 0"),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    check_refused_option(class_name, options, option, reason)


@pytest.mark.parametrize(
    ("class_name", "options"),
    [
        ("Conv2DTranspose", FILTERS),
    ],
)
def test_what_theano_does_is_refused(class_name, options):
    (problem,) = convert(class_name, {"name": "layer", **options}, meaning=THEANO)
    assert "of Theano are not supported" in problem.reason
