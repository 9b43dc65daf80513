"""Products summed over axes: what is taken, and what would mix samples."""

from __future__ import annotations

import pytest

from gru2np.ir import Call
from gru2np_runtime import layers
from spellings import (
    ONE,
    TWO,
    X,
    check_operation,
    check_refused_operation,
    with_constant,
)

MATRIX = {"constant": [1, 2, 3, 4, 5, 6], "constant_shape": [3, 2]}
ROWS = with_constant([[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize(
    ("class_name", "options", "call", "expected"),
    [
        (
            "Einsum",
            {"subscripts": "btc, bsc -> bts"},
            TWO,
            layers.Einsum(equation="btc,bsc->bts"),
        ),
        ("Einsum", {"subscripts": "btc"}, ONE, layers.Einsum(equation="btc->bct")),
        (
            "Einsum",
            {"subscripts": "btc,cd->btd"},
            ROWS,
            layers.Einsum(equation="btc,cd->btd", **MATRIX),
        ),
        (
            "Dot",
            {},
            ROWS,
            layers.Contraction(axes=[-1], constant_axes=[-2], **MATRIX),
        ),
        (
            "Tensordot",
            {"axes": [[1], [0]]},
            ROWS,
            layers.Contraction(axes=[1], constant_axes=[0], **MATRIX),
        ),
        (
            "Tensordot",
            {},
            ROWS,
            layers.Contraction(axes=[-2, -1], constant_axes=[0, 1], **MATRIX),
        ),
        (
            "Matmul",
            {"transpose_b": True},
            ROWS,
            layers.Contraction(axes=[-1], constant_axes=[1], **MATRIX),
        ),
    ],
)
def test_spelling(class_name, options, call, expected):
    check_operation(class_name, options, call, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("Einsum", {"subscripts": "btc,bsc->tsb"}, TWO, "mixes samples"),
        ("Einsum", {"subscripts": "atc,bsc->ab"}, TWO, "mixes samples"),
        ("Einsum", {"subscripts": "...c,cd->...d"}, ROWS, "instead of ..."),
        ("Einsum", {"subscripts": "btt->bt"}, ONE, "a letter twice"),
        ("Einsum", {"subscripts": "bt,bt,bt->bt"}, Call((X, X, X)), "more than two"),
        ("Einsum", {"subscripts": "btc,bsc->bts"}, ONE, "expected 2 tensors"),
        ("Dot", {}, TWO, "use matmul or a Dot layer"),
        ("Dot", {}, with_constant(2.0), "multiply by it"),
        ("Dot", {}, with_constant([[1.0]], 0), "a constant before the tensor"),
        ("Tensordot", {"axes": [[0], [0]]}, ROWS, "after the batch axis"),
        ("Tensordot", {"axes": 3}, ROWS, "number of axes"),
        ("Matmul", {}, with_constant([[[1.0]]]), "no matrix"),
        ("Matmul", {"transpose_a": True}, ROWS, "transpose it before"),
    ],
)
def test_what_would_mix_samples_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
