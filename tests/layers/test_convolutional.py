"""Convolution: options that are taken and refused."""

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


def test_theano_pads_half_a_window():
    options = {"padding": "same", **FILTERS}
    conv = convert("Conv2D", {**options, "dilation_rate": 3}, meaning=THEANO)
    assert conv.before == (3, 2)
    lstm = convert("ConvLSTM2D", options, meaning=THEANO)
    assert (lstm.before, lstm.recurrent_before) == ((1, 1), (1, 1))
    assert convert("Conv2D", options).before == ()
    pooling = {"pool_size": [3, 2], "padding": "same"}
    assert convert("MaxPooling2D", pooling, meaning=THEANO).before == (1, 1)
    pooling = {"pool_size": [3, 2, 1], "padding": "same"}
    (problem,) = convert("MaxPooling3D", pooling, meaning=THEANO)
    assert "a negative number" in problem.reason


CONV = {"filters": 4, "kernel_size": [3]}


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        ("Conv1D", CONV, {"strides": (1,), "dilation": (1,), "padding": "valid"}),
        ("Conv1D", {**CONV, "kernel_size": 2}, {"kernel_size": (2,)}),
        ("Conv2D", FILTERS, {"kernel_size": (3, 2), "strides": (1, 1)}),
        ("Conv3D", {"filters": 4, "kernel_size": 2}, {"kernel_size": (2, 2, 2)}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
        ("Conv1D", {**CONV, "padding": "full"}, "padding"),
        ("Conv1D", {**CONV, "groups": 3}, None),
        ("Conv1D", {**CONV, "kernel_size": [3, 3]}, "kernel_size"),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)


SPARSE = {"padding": "same", "strides": [2, 3, 1]}


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        ("Conv2D", {**FILTERS, "padding": "causal"}, None, "expected one spatial axis"),
        ("Conv2D", {"filters": 4, "kernel_size": [3]}, "kernel_size", "expected 2"),
        ("Conv3D", {**SPARSE, "filters": 4, "kernel_size": 1}, "strides", "three axes"),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    check_refused_option(class_name, options, option, reason)
