"""Normalization: attributes and inputs that are refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.BatchNormalization, {"epsilon": -1.0}, "epsilon is -1.0"),
        (layers.BatchNormalization, {"epsilon": "nan"}, "epsilon is nan"),
        (layers.LayerNormalization, {"axes": []}, "axes is empty"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.BatchNormalization(axis=2), [(None, 4)]),
        (layers.LayerNormalization(axes=[0]), [(None, 4)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
