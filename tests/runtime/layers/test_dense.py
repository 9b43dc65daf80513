"""Dense and its relatives: what is refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers
from gru2np_runtime.layers import (
    EinsumDense,
)


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (layers.Dense, {"units": 0}, "units is 0"),
        (EinsumDense, {"equation": "ab,bc->ca", "output_shape": (3,)}, "the batch"),
        (EinsumDense, {"equation": "ab,bc", "output_shape": (3,)}, "illegal equation"),
        (
            EinsumDense,
            {"equation": "aab,bc->ac", "output_shape": (3,)},
            "different letters",
        ),
        (
            EinsumDense,
            {"equation": "ab,bc->ad", "output_shape": (3,)},
            "in another term",
        ),
    ],
)
def test_illegal_attributes_are_refused(kind, attributes, message):
    with pytest.raises(ValueError, match=message):
        kind(**attributes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Dense(units=3), [(None,)]),
    ],
    ids=lambda value: getattr(value, "op", str(value)),
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes):
    def both():
        layer.weight_shapes(*shapes)
        layer.output_shapes(*shapes)

    with pytest.raises(ValueError, match=r"\w"):
        both()
