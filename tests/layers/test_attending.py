"""DotProductAttention: options taken and refused."""

from __future__ import annotations

import pytest

from gru2np.ir import Call
from gru2np_runtime import layers
from spellings import X, Y, check_operation, check_refused_operation, with_constant

THREE = Call((X, Y, Y))


@pytest.mark.parametrize(
    ("options", "call", "expected"),
    [
        ({"is_causal": True}, THREE, layers.DotProductAttention(causal=True)),
        ({"scale": 0.5}, THREE, layers.DotProductAttention(scale=[0.5])),
        ({}, Call((X, Y, Y), mask=X), layers.DotProductAttention(has_mask=True)),
        (
            {"flash_attention": None},
            Call((X, Y, Y), arguments={"bias": X}),
            layers.DotProductAttention(has_bias=True),
        ),
    ],
)
def test_spelling(options, call, expected):
    check_operation("DotProductAttention", options, call, expected)


@pytest.mark.parametrize(
    ("options", "call", "message"),
    [
        ({"attn_logits_soft_cap": 2.0}, THREE, "only some backends"),
        ({"scale": "x"}, THREE, "expected a number"),
        ({}, with_constant([1.0]), "that are tensors"),
    ],
)
def test_what_is_not_plain_is_refused(options, call, message):
    check_refused_operation("DotProductAttention", options, call, message)
