"""Layers that change the shape: what is refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.Cropping, {"cropping": [(1, -1)]}, "cropping is -1"),
        (layers.Flatten, {"data_format": "last"}, "data_format is 'last'"),
        (layers.Permute, {"dims": [0, 1]}, "dims is"),
        (layers.RepeatVector, {"n": 0}, "n is 0"),
        (layers.Reshape, {"target_shape": [-1, -1]}, "more than one -1"),
        (layers.Reshape, {"target_shape": [0]}, "target_shape is 0"),
        (layers.ZeroPadding, {"padding": []}, "expected pairs"),
        (layers.ZeroPadding, {"padding": [(1,)]}, "expected pairs"),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Permute(dims=[2, 1]), [(None, 4)]),
        (layers.RepeatVector(n=2), [(None, 4, 4)]),
        (layers.Reshape(target_shape=[3, -1]), [(None, 4)]),
        (layers.ZeroPadding(padding=[(1, 1)]), [(None, 4)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
