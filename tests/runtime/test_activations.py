"""Specifications of activation functions."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime.activations import (
    FUNCTIONS,
    PARAMETERS,
    axes_of,
    check_activation,
    gate_activation,
)


def test_gates_along_an_axis_are_independent():
    x = np.random.default_rng(3).normal(size=(2, 6))
    both = gate_activation("softmax", 2)(x)
    np.testing.assert_allclose(both[:, :3], FUNCTIONS["softmax"](x[:, :3]))
    np.testing.assert_allclose(both.sum(axis=1), 2)
    assert gate_activation("tanh", 2) is FUNCTIONS["tanh"]


def test_specification_has_one_spelling():
    assert check_activation({"function": "elu", "alpha": 1}) == "elu"
    assert check_activation({"function": "relu", "max_value": "inf"}) == "relu"
    softmax = {"function": "softmax", "axis": (2,)}
    assert check_activation(softmax) == {"function": "softmax", "axis": 2}


@pytest.mark.parametrize(
    "specification",
    [
        "unknown",
        "hard_sigmoid",
        "threshold",
        {"function": "relu", "slope": 1.0},
        {"function": "relu", "max_value": True},
        {"function": "relu", "max_value": 1e39},
        {"function": "gelu", "approximate": 1},
        {"function": "softmax", "axis": 1.0},
        {"function": "softmax", "axis": 2**63},
        {"function": "elu", "alpha": 10**400},
        {"function": "softmax", "axis": []},
        {"function": "glu", "axis": [1, 2]},
    ],
)
def test_illegal_specification_is_refused(specification):
    with pytest.raises(ValueError, match="activation"):
        check_activation(specification)


@pytest.mark.parametrize("specification", [None, 3, ["relu"], {}, {"function": 1}])
def test_what_is_no_specification_is_refused(specification):
    with pytest.raises(TypeError, match="activation"):
        check_activation(specification)


def test_parameters_belong_to_functions():
    assert set(PARAMETERS) <= set(FUNCTIONS)


def test_axes_of():
    assert axes_of("relu") == ()
    assert axes_of(check_activation({"function": "elu", "alpha": 2})) == ()
    assert axes_of("glu") == (-1,)
    assert axes_of(check_activation({"function": "softmax", "axis": [1, 2]})) == (1, 2)
