"""Products of two tensors: what is refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.Dot, {"axes": [1]}, "expected two"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Dot(axes=[1, 1]), [(None, 2, 3, 4), (None, 2)]),
        (layers.Dot(axes=[0, 1]), [(None, 2), (None, 2)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
