"""Examples of operations that move, pick, order, sum and scale elements."""

from __future__ import annotations

from gru2np_runtime import layers

T = "T"
# Their last input is indices.
WITH_INDICES = ("one_hot", "pick", "take_along")
MATRIX = {"constant": [1.0, -2.0, 0.5, 3.0, 0.25, -1.0, 2.0, 1.5]}
BATCH, TIME = (1, 0, 0), (1, 0, 1)


def pooled(kind):
    return kind(pool_size=(2,), strides=(2,), padding="same")


def examples():
    """(layer, shapes of its inputs) with every option away from its default."""
    x, both, heads = [(T, 4)], [(T, 4), (T, 4)], [(T, 2, 3)] * 3
    return [
        (layers.ArgExtreme(function="argmax", axis=-1, signs_zeros=True), x),
        (layers.ArgExtreme(function="argmin", axis=1, keepdims=True), x),
        (
            layers.ArgExtreme(
                function="argmax", axis=2, skips_nan=True, refuses_ties=True
            ),
            x,
        ),
        (pooled(layers.AveragePooled), x),
        (
            layers.Contraction(
                axes=[-1], constant_axes=[0], constant_shape=[4, 2], **MATRIX
            ),
            x,
        ),
        (
            layers.Contraction(
                axes=[1], constant_axes=[-1], constant_shape=[2, 4], **MATRIX
            ),
            [(4, 3)],
        ),
        (layers.Counting(axis=1), x),
        (layers.Cumulative(function="cumsum", axis=-1, reverse=True), x),
        (layers.Cumulative(function="cumprod", axis=1, exclusive=True), x),
        (layers.Difference(axis=1), x),
        (layers.Difference(n=2), x),
        (layers.DotProductAttention(causal=True, scale=[0.5]), heads),
        (layers.DotProductAttention(has_bias=True), [*heads, (2, T, T)]),
        (layers.Einsum(equation="abc,adc->abd"), both),
        (layers.Einsum(equation="abc,abc->ab"), both),
        (layers.Einsum(equation="abc->ac"), x),
        (
            layers.Einsum(equation="dc,abc->abd", constant_first=True, **_of(2, 4)),
            x,
        ),
        (layers.FirstItem(index=0), [(T, 4)]),
        (layers.Flip(axes=[1]), x),
        (layers.Flip(axes=[-1]), x),
        (layers.Full(sizes=[BATCH, TIME, (3,)], value=0.5), x),
        (layers.Lifted(rank=4), x),
        (pooled(layers.MaxPooled), x),
        (layers.Moved(sources=[1], targets=[-1]), [(T, 4, 3)]),
        (layers.Moved(sources=[2, 3], targets=[3, 2]), [(T, 4, 3)]),
        (layers.Norm(axes=[-1], order=3.0, keepdims=True), x),
        (layers.Norm(axes=[1, 2]), x),
        (layers.Normalized(axes=[-1], least=1e-7), x),
        (layers.Normalized(axes=[1], bound="square", least=1e-12), x),
        (layers.OneHot(depth=3), [(T,)]),
        (layers.OneHot(depth=3, axis=1, on=2.0, off=-1.0), [(T,)]),
        (layers.Ordered(function="sort", axis=1), x),
        (layers.Ordered(function="argsort", descending=True), x),
        (layers.Pad(pads=[(0, 0), (1, 2), (0, 1)], value=0.5), x),
        (layers.Pad(pads=[(0, 0), (0, 0), (2, 1)], mode="reflect"), x),
        (layers.Pick(axis=2, shared=2), [(T, 4), (T, 3)]),
        (layers.Pick(axis=1, shared=1), [(5, 4), (3,)]),
        (layers.Repeat(repeats=[2], axis=1), x),
        (layers.Repeat(repeats=[1, 2, 1, 3], axis=-1), x),
        (layers.Roll(shifts=[2], axes=[1]), x),
        (layers.Roll(shifts=[-1], axes=[2]), x),
        (layers.Shaped(sizes=[BATCH, TIME, (2,), (2,)]), x),
        (layers.Shaped(sizes=[BATCH, (-1,)]), x),
        (layers.Shaped(sizes=[(1, 0, 0, 0, 1), (4,)]), x),
        (layers.Select(condition=[1, 0, 1, 0], condition_shape=[4]), both),
        (
            layers.Select(
                x=[0.5],
                constant_kind="float",
                condition=[1, 0, 1],
                condition_shape=[3, 1],
            ),
            [(3, 4)],
        ),
        (layers.SizeOf(axis=-1), x),
        (layers.Spread(sizes=[(0, 1)]), [(1, 4), (T, 4)]),
        (
            layers.Standardized(
                axes=[-1], epsilon=1e-3, scale=[1, 2, 3, 4], offset=[4, 3, 2, 1]
            ),
            x,
        ),
        (
            layers.Standardized(axes=[1, 2], epsilon=0.1, centred=False, squares=True),
            x,
        ),
        (layers.Summed(), [*both, (T, 4)]),
        (layers.Take(axis=2, indices=[3, 0], indices_shape=[2]), x),
        (layers.Take(axis=1, indices=[-1], from_end=True), x),
        (layers.TakeAlong(axis=2), [(T, 4), (T, 2)]),
        (layers.TakeAlong(axis=1), [(5, 4), (2, 1)]),
        (layers.Tile(sizes=[(1,), (1,), (3,)]), x),
        (layers.Tile(sizes=[(1,), (1, 1, 1), (1,)]), [(1, 4), (T, 4)]),
        (layers.TopK(k=2, function="indices", signs_zeros=True), x),
        (layers.TopK(k=2), x),
        (layers.Triangle(highest=0), [(T, 4)]),
        (layers.Triangle(lowest=1), [(T, 3, 4)]),
        (layers.Turned(order=[1, 0, 2]), x),
    ]


def _of(*shape):
    numbers = {"constant": [0.5 * n - 1 for n in range(shape[0] * shape[1])]}
    return {**numbers, "constant_shape": shape}
