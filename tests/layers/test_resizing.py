"""UpSampling and Resizing: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("UpSampling1D", {"size": 2}, {"size": (2,)}),
        ("UpSampling2D", {"size": 2}, {"size": (2, 2)}),
        ("UpSampling2D", {"size": [3, 2], "interpolation": "area"}, {"size": (3, 2)}),
        (
            "UpSampling2D",
            {"size": [4, 2], "interpolation": "bicubic", "dtype": "float32"},
            {"factors": (4, 2), "interpolation": "bicubic"},
        ),
        (
            "Resizing",
            {"height": 3, "width": 4, "fill_value": 1.0, "dtype": "float32"},
            {"sizes": (3, 4)},
        ),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        (
            "UpSampling2D",
            {"size": 3, "interpolation": "bicubic"},
            "size",
            "differs between backends",
        ),
        ("UpSampling2D", {"interpolation": "gaussian"}, "interpolation", "one of"),
        (
            "UpSampling2D",
            {"interpolation": "bilinear", "dtype": "float64"},
            "interpolation",
            "in float32",
        ),
        (
            "Resizing",
            {"height": 3, "width": 4, "antialias": True},
            "antialias",
            "not supported",
        ),
        (
            "Resizing",
            {"height": 3, "width": 4, "interpolation": "bicubic"},
            "interpolation",
            "one of",
        ),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    check_refused_option(class_name, options, option, reason)
