"""Layers that merge several tensors: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("Concatenate", {"axis": 1}, {"axis": 1}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)
