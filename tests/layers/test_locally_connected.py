"""Locally connected layers: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option

TWO = {"kernel_size": [3, 2]}
FILTERS = {"filters": 4, **TWO}


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("LocallyConnected2D", {**FILTERS, "implementation": 2}, {"dense": True}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        (
            "LocallyConnected1D",
            {"filters": 2, "kernel_size": 3, "implementation": 3},
            "implementation",
            "sparse matrix",
        ),
        (
            "LocallyConnected1D",
            {"filters": 2, "kernel_size": 3, "padding": "same"},
            None,
            "needs dense=true",
        ),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    check_refused_option(class_name, options, option, reason)
