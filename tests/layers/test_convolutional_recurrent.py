"""ConvLSTM: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import KERAS_2, KERAS_3, check_options, check_refused_option, convert

TWO = {"kernel_size": [3, 2]}
FILTERS = {"filters": 4, **TWO}
SPARSE = {"padding": "same", "strides": [2, 3, 1]}


def test_zero_output_for_mask_of_conv_lstm():
    options = {**FILTERS, "zero_output_for_mask": True}
    heeded = convert("ConvLSTM2D", options, meaning=KERAS_3)
    assert heeded.masked_output == "zero"
    ignored = convert("ConvLSTM2D", {**options, "zeroes_masked": False})
    assert ignored.masked_output == KERAS_2.recurrent.masked_output


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        (
            "ConvLSTM2D",
            {**FILTERS, "recurrent_activation": "hard_sigmoid"},
            {"recurrent_activation": {"function": "hard_sigmoid", "slope": 0.2}},
        ),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option", "reason"),
    [
        (
            "ConvLSTM3D",
            {**SPARSE, "filters": 4, "kernel_size": 1},
            "strides",
            "three axes",
        ),
        ("ConvLSTM2D", {**FILTERS, "time_major": True}, None, "time_major"),
    ],
)
def test_other_options_are_refused(class_name, options, option, reason):
    check_refused_option(class_name, options, option, reason)


def test_a_function_that_changes_the_shape_of_a_gate_is_refused():
    layer = convert("ConvLSTM2D", {**FILTERS, "activation": "glu"}, meaning=KERAS_3)
    with pytest.raises(ValueError, match="changes the shape of a gate"):
        layer.output_shapes((None, 3, 7, 6, 2))
