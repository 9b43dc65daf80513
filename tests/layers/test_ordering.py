"""Nodes on the order of elements: options taken and refused, by each Keras."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers
from meanings import meaning_of
from spellings import ONE, check_operation, check_refused_operation, convert


@pytest.mark.parametrize(
    ("class_name", "options", "expected"),
    [
        (
            "Argmax",
            {"axis": -1, "keepdims": True},
            layers.ArgExtreme(
                function="argmax",
                axis=-1,
                keepdims=True,
                signs_zeros=True,
                skips_nan=True,
            ),
        ),
        ("Sort", {}, layers.Ordered(function="sort")),
        (
            "Argsort",
            {"axis": 1, "direction": "DESCENDING"},
            layers.Ordered(function="argsort", axis=1, descending=True),
        ),
        ("TopK", {"k": 3, "sorted": True}, layers.TopK(k=3)),
        (
            "Cumsum",
            {"axis": 1, "reverse": True, "exclusive": None},
            layers.Cumulative(function="cumsum", axis=1, reverse=True),
        ),
    ],
)
def test_spelling(class_name, options, expected):
    check_operation(class_name, options, ONE, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "message"),
    [
        ("Argmax", {"axis": None}, "samples are mixed"),
        ("Argmax", {"axis": 0}, "after the batch axis"),
        ("Argmin", {"axis": 1, "output_type": "int16"}, "expected one of"),
        ("Sort", {"axis": None}, "samples are mixed"),
        ("Argsort", {"direction": "UP"}, "expected one of"),
        ("TopK", {"k": 3, "sorted": False}, "use sorted=True"),
        ("TopK", {"k": 0}, "at least 1"),
        ("Cumsum", {"axis": None}, "samples are mixed"),
        ("Cumprod", {"axis": 1, "dtype": "int32"}, "cast it before"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, message):
    check_refused_operation(class_name, options, ONE, message)


def test_ties_are_those_of_the_backend():
    jax, torch = (meaning_of("keras-3", "3.15.1", name) for name in ("jax", "torch"))
    top = convert("ops.TopK", {"k": 2}, call=ONE, meaning=jax)
    assert top.signs_zeros
    assert not convert("ops.Argmax", {"axis": 1}, call=ONE, meaning=jax).skips_nan
    for name, options in (("Argmax", {"axis": 1}), ("TopK", {"k": 2})):
        (problem,) = convert(f"ops.{name}", options, call=ONE, meaning=torch)
        assert "save the model with TensorFlow or JAX" in problem.reason


def test_older_releases_took_both_zeros_for_equal():
    old = meaning_of("keras-3", "3.5.0", "tensorflow")
    assert not convert("ops.Argmax", {"axis": 1}, call=ONE, meaning=old).signs_zeros
