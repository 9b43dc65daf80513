"""Dense and its relatives: options that are taken and refused."""

from __future__ import annotations

import pytest

from spellings import check_options, check_refused_option


@pytest.mark.parametrize(
    ("class_name", "options", "attributes"),
    [
        (
            "Dense",
            {
                "units": 3,
                "activation": {
                    "module": "keras.layers",
                    "class_name": "LeakyReLU",
                    "config": {
                        "name": "leaky",
                        "negative_slope": 0.5,
                        "dtype": "float32",
                    },
                },
            },
            {"units": 3, "activation": {"function": "relu", "negative_slope": 0.5}},
        ),
        ("Dense", {"units": 3, "lora_rank": None}, {"activation": "linear"}),
    ],
)
def test_options_become_attributes(class_name, options, attributes):
    check_options(class_name, options, attributes)


@pytest.mark.parametrize(
    ("class_name", "options", "option"),
    [
        (
            "Dense",
            {
                "units": 1,
                "activation": {"class_name": "ELU", "config": {"beta": 1}},
            },
            "beta",
        ),
        ("Dense", {"units": True}, "units"),
        ("Dense", {"units": 2.0}, "units"),
        ("Dense", {}, "units"),
        ("Dense", {"units": 2, "lora_rank": 4}, "lora_rank"),
        ("Dense", {"units": 2, "quantization_config": {}}, "quantization_config"),
        ("Dense", {"units": 2, "dtype": "int8"}, "dtype"),
        ("Dense", {"units": 2, "unheard_of": 1}, "unheard_of"),
    ],
)
def test_what_could_change_numbers_is_refused_by_name(class_name, options, option):
    check_refused_option(class_name, options, option)
