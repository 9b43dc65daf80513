"""Depthwise and separable convolution: options that are taken and refused."""

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
        (
            "DepthwiseConv2D",
            {**TWO, "depth_multiplier": 2, "depthwise_initializer": {}},
            {"depth_multiplier": 2},
        ),
        ("SeparableConv2D", {**FILTERS, "pointwise_constraint": None}, {"filters": 4}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        ("SeparableConv2D", {**FILTERS, "groups": 2}, "groups", "already a group"),
        ("DepthwiseConv2D", {**TWO, "depth_multiplier": 0}, "depth_multiplier", "at"),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    check_refused_option(class_name, options, option, reason)


@pytest.mark.parametrize(
    ("class_name", "options"),
    [
        ("DepthwiseConv2D", TWO),
        ("SeparableConv2D", FILTERS),
    ],
)
def test_what_theano_does_is_refused(class_name, options):
    (problem,) = convert(class_name, {"name": "layer", **options}, meaning=THEANO)
    assert "of Theano are not supported" in problem.reason
