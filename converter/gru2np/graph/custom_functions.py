"""What custom functions return: they are run on small inputs, because no file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np.errors import UnsupportedModelError
from gru2np_runtime import layers as runtime
from gru2np_runtime.layers.custom import DTYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.ir import Array, Shape
    from gru2np_runtime import Layer

# What a size that the model leaves open is in two runs, from axis 0 on.  A size of the
# result that differs between the two is open too.  Sizes are large enough for slices.
OPEN_SIZES = ((41, 43, 47, 37, 31), (29, 53, 59, 23, 19))


def with_results(layer: Layer, shapes: Sequence[Shape], dtypes: Sequence[str]) -> Layer:
    """The layer, a function in it with the shapes and the dtype of its results.

    Args:
        layer: any layer.
        shapes: of the inputs of a call.
        dtypes: of the same.

    Raises:
        CustomObjectError: the function fails.
        UnsupportedModelError: its results are no outputs of a layer, or an earlier
            call had others.
    """
    if isinstance(layer, runtime.TimeDistributed):
        inner = layer.layers["layer"]
        step = [(None, *shape[2:]) for shape in shapes]
        known = with_results(inner, step, dtypes)
        return (
            layer
            if known is inner
            else runtime.TimeDistributed(layers={"layer": known}, **layer.attributes())
        )
    if not isinstance(layer, runtime.Function):
        return layer
    results, number = _probed(layer, shapes, dtypes)
    if layer.results and (layer.results, layer.number) != (results, number):
        raise _unfit(
            layer,
            f"expected the results of its first call, {layer.results}, "
            f"at all calls, got {results}",
        )
    attributes = {**layer.attributes(), "results": results, "number": number}
    return runtime.Function(**attributes)


def _probed(
    layer: runtime.Function, shapes: Sequence[Shape], dtypes: Sequence[str]
) -> tuple[tuple[Shape, ...], str]:
    """The shapes of the results, and their dtype."""
    runs = [_run(layer, shapes, dtypes, sizes) for sizes in OPEN_SIZES]
    kinds = {y.dtype.name for y in runs[0]}
    if not runs[0] or len(kinds) > 1:
        raise _unfit(
            layer,
            f"expected results of one dtype, got {', '.join(sorted(kinds)) or 'none'}",
        )
    number = kinds.pop()
    number = layer.dtype if number.startswith("float") else number
    if number not in DTYPES:
        raise _unfit(layer, f"expected results of {', '.join(DTYPES)}, got {number}")
    results = []
    for first, second in zip(*(map(np.shape, run) for run in runs), strict=True):
        sizes = [shape[0] for shape in shapes]
        batches = [sizes[0] or open_sizes[0] for open_sizes in OPEN_SIZES]
        if [first[:1], second[:1]] != [(batch,) for batch in batches]:
            raise _unfit(
                layer,
                "expected results with the batch as their first axis, "
                f"got {first} for a batch of {batches[0]}",
            )
        pairs = zip(first, second, strict=True)
        results.append(tuple(a if a == b else None for a, b in pairs))
    if layer.function.per_step:
        _check_per_step(layer, shapes, dtypes)
    return tuple(results), number


def _run(
    layer: runtime.Function,
    shapes: Sequence[Shape],
    dtypes: Sequence[str],
    open_sizes: Sequence[int],
) -> list[Array]:
    return layer.compute(tuple(_inputs(layer, shapes, dtypes, open_sizes)), None)


def _inputs(
    layer: runtime.Function,
    shapes: Sequence[Shape],
    dtypes: Sequence[str],
    open_sizes: Sequence[int],
) -> list[Array]:
    """Random floats, and zeros of other dtypes, which every id may be."""
    rng = np.random.default_rng(0)
    inputs = []
    for shape, dtype in zip(shapes, dtypes, strict=True):
        sizes = [
            open_size if size is None else size
            for size, open_size in zip(shape, open_sizes, strict=False)
        ]
        floating = dtype.startswith("float")
        x = rng.normal(size=sizes) if floating else np.zeros(sizes)
        inputs.append(x.astype(layer.dtype if floating else dtype))
    return inputs


def _check_per_step(
    layer: runtime.Function, shapes: Sequence[Shape], dtypes: Sequence[str]
) -> None:
    """Refuse a function that gives other numbers if it gets one step or one row."""
    inputs = _inputs(layer, shapes, dtypes, OPEN_SIZES[0])
    whole = layer.compute(tuple(inputs), None)
    ranks = {x.ndim for x in inputs}
    axes = (0, 1) if min(ranks) > 2 and len({x.shape[1] for x in inputs}) == 1 else (0,)
    for axis in axes:
        part = layer.compute(tuple(np.take(x, [-1], axis=axis) for x in inputs), None)
        for y, one in zip(whole, part, strict=True):
            last = np.take(y, [-1], axis=axis) if y.ndim > axis else y
            if last.shape != one.shape or not np.allclose(
                last, one, rtol=1e-4, atol=1e-5, equal_nan=True
            ):
                unit = ("row", "time step")[axis]
                raise _unfit(
                    layer,
                    f"it is decorated with per_step, but computes a "
                    f"{unit} from others too: remove the decorator",
                )


def _unfit(layer: runtime.Function, reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"custom function {layer.function.own_name!r}: {reason}"
    )
