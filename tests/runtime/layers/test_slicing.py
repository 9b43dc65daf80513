"""Operations that slice, join and turn tensors: what is refused."""

from __future__ import annotations

import pytest

from gru2np_runtime import layers


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.GetItem(items=[(None,) * 3, (5,)]), [(None, 5)]),
        (layers.GetItem(items=[(None,), (0,), (0,)]), [(None, 5)]),
        (layers.GetItem(items=[(None,) * 3, (0,), (0,)]), [(None, 5)]),
        (layers.Squeeze(axes=[1]), [(None, 2)]),
        (layers.Split(axis=1, sections=2), [(None, 5)]),
        (layers.Split(axis=1, sections=2), [(None, None)]),
        (layers.Split(axis=1, bounds=[5]), [(None, 5)]),
        (layers.Split(axis=1, squeeze=True), [(None, 10**6)]),
        (layers.Reshaped(target_shape=[3]), [(None, 2, 2)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(*shapes)


@pytest.mark.parametrize(
    ("layer", "dtypes", "message"),
    [
        (layers.Joined(), ("float32", "int32"), "together"),
        (layers.Stack(axis=1), ("float32", "int32"), "together"),
    ],
)
def test_number_types_that_libraries_treat_differently_are_refused(
    layer, dtypes, message
):
    with pytest.raises(ValueError, match=message):
        layer.output_dtype(*dtypes)
