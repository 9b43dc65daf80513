"""Layers that merge several tensors: inputs that do not fit."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Add(), [(None, 5), (None, 4)]),
        (layers.Concatenate(), [(None, 4), (None, 4, 4)]),
        (layers.Subtract(), [(None, 4)] * 3),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
