"""Nodes that scale vectors by their length, mean or variance."""

from __future__ import annotations

import math

import pytest

from gru2np.ir import Call
from gru2np_runtime import layers
from spellings import ONE, TWO, X, check_operation, check_refused_operation

ALONG = Call((X,), constants=((1, [1.0, 2.0]), (2, [3.0, 4.0])))


@pytest.mark.parametrize(
    ("class_name", "options", "call", "expected"),
    [
        ("Norm", {"axis": -1}, ONE, layers.Norm(axes=[-1])),
        (
            "Norm",
            {"axis": [1, 2], "ord": "euclidean", "keepdims": None},
            ONE,
            layers.Norm(axes=[1, 2]),
        ),
        (
            "Norm",
            {"axis": 1, "ord": math.inf},
            ONE,
            layers.Norm(axes=[1], order=math.inf),
        ),
        ("Normalize", {}, ONE, layers.Normalized(axes=[-1], least=1e-7)),
        (
            "Normalize",
            {"axis": 1, "order": 1, "epsilon": 0.5},
            ONE,
            layers.Normalized(axes=[1], order=1.0, least=0.5),
        ),
        (
            "L2Normalize",
            {"axis": -1},
            ONE,
            layers.Normalized(axes=[-1], bound="square", least=1e-12),
        ),
        (
            "LayerNorm",
            {"epsilon": 0.01},
            ALONG,
            layers.Standardized(
                axes=[-1], epsilon=0.01, scale=[1.0, 2.0], offset=[3.0, 4.0]
            ),
        ),
        (
            "RMSNorm",
            {"axis": -1, "scale": [1.0, 2.0]},
            ONE,
            layers.Standardized(
                axes=[-1], epsilon=1e-7, centred=False, squares=True, scale=[1.0, 2.0]
            ),
        ),
    ],
)
def test_spelling(class_name, options, call, expected):
    check_operation(class_name, options, call, expected)


@pytest.mark.parametrize(
    ("class_name", "options", "call", "message"),
    [
        ("Norm", {"axis": None}, ONE, "over all axes"),
        ("Norm", {"axis": 1, "ord": 0}, ONE, "an order above 0"),
        ("Norm", {"axis": [1, 2], "ord": math.inf}, ONE, "norms of"),
        ("Normalize", {"axis": None}, ONE, "over all axes"),
        ("Normalize", {"axis": [1, 2]}, ONE, "take for a matrix"),
        ("L2Normalize", {"axis": 0}, ONE, "after the batch axis"),
        ("LayerNorm", {}, TWO, "multiply and add"),
        ("LayerNorm", {"rms_scaling": True}, ALONG, "which Keras leaves out"),
        (
            "RMSNorm",
            {"scale": {"class_name": "__keras_tensor__"}},
            ONE,
            "multiply by it",
        ),
        ("RMSNorm", {"axis": 1, "scale": [1.0]}, ONE, "other than the last"),
    ],
)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    check_refused_operation(class_name, options, call, message)
