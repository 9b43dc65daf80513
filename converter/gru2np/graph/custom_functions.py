"""What custom functions return: they are run on small inputs, because no file says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gru2np.errors import UnsupportedModelError
from gru2np_runtime import layers as runtime
from gru2np_runtime.errors import CustomObjectError
from gru2np_runtime.layers.custom import DTYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gru2np.ir import Array, Shape
    from gru2np_runtime import Layer

# What a size that the model leaves open is in two runs, from axis 0 on.  A size of the
# result that differs between the two is open too.  Sizes are large enough for slices.
OPEN_SIZES = ((41, 43, 47, 37, 31), (29, 53, 59, 23, 19))
# The same where the inputs of both would have more numbers than the first, and the most
# numbers that small ones have.
MOST_NUMBERS = (2**23, 2**26)
SMALL_SIZES = ((3, 7, 11, 3, 2), (2, 5, 7, 2, 3))
# Of the axes behind them.
LAST_SIZES = (2, 3)


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
    # Random inputs may be none that the function is meant for.
    with np.errstate(all="ignore"):
        try:
            results, number = _probed(layer, shapes, dtypes)
        except MemoryError as error:
            raise _unfit(layer, "it needs more memory than there is") from error
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
    choice = _open_sizes(layer, shapes)
    runs = [_run(layer, shapes, dtypes, sizes) for sizes in choice]
    _check_again(layer, runs[0], _run(layer, shapes, dtypes, choice[0]))
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
        batches = [sizes[0] or open_sizes[0] for open_sizes in choice]
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


def _open_sizes(
    layer: runtime.Function, shapes: Sequence[Shape]
) -> tuple[Sequence[int], ...]:
    """What open sizes are in two runs, so that the inputs are not too large."""
    for choice, most in zip((OPEN_SIZES, SMALL_SIZES), MOST_NUMBERS, strict=True):
        runs = [
            (*sizes, *[last] * max(map(len, shapes)))
            for sizes, last in zip(choice, LAST_SIZES, strict=True)
        ]
        inputs = [_sized(shape, sizes) for shape in shapes for sizes in runs]
        if sum(map(math.prod, inputs)) <= most:
            return tuple(runs)
    raise _unfit(
        layer,
        f"its inputs of shapes {[*shapes]} are too large to see at export what it "
        "returns: in its place give a subclass of gru2np_runtime.Layer",
    )


def _sized(shape: Shape, open_sizes: Sequence[int]) -> list[int]:
    pairs = zip(shape, open_sizes, strict=False)
    return [open_size if size is None else size for size, open_size in pairs]


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
    ids: int = 1,
) -> list[Array]:
    """Random floats; of other dtypes random numbers below ``ids``, by default zeros."""
    rng = np.random.default_rng(0)
    inputs = []
    for shape, dtype in zip(shapes, dtypes, strict=True):
        sizes = _sized(shape, open_sizes)
        floating = dtype.startswith("float")
        x = rng.normal(size=sizes) if floating else rng.integers(ids, size=sizes)
        inputs.append(x.astype(layer.dtype if floating else dtype))
    return inputs


def _check_again(
    layer: runtime.Function, first: Sequence[Array], again: Sequence[Array]
) -> None:
    """Refuse a function that gives other results for the same inputs."""
    if len(first) != len(again) or not all(map(_alike, first, again)):
        raise _unfit(
            layer,
            "it gives other results for the same inputs when it runs again: at "
            "prediction nothing may be random",
        )


def _alike(y: Array, other: Array) -> bool:
    if y.dtype.kind not in "biuf" or y.dtype != other.dtype:
        return y.dtype == other.dtype
    return y.shape == other.shape and np.allclose(
        y, other, rtol=1e-4, atol=1e-5, equal_nan=True
    )


def _check_per_step(
    layer: runtime.Function, shapes: Sequence[Shape], dtypes: Sequence[str]
) -> None:
    """Refuse a function that gives other numbers if it gets one step or one row."""
    (sizes, _) = _open_sizes(layer, shapes)
    inputs = _inputs(layer, shapes, dtypes, sizes, ids=2)
    try:
        whole = layer.compute(tuple(inputs), None)
    except CustomObjectError:  # there may be one id only
        inputs = _inputs(layer, shapes, dtypes, sizes)
        whole = layer.compute(tuple(inputs), None)
    _compare_part(layer, inputs, whole, 0, range(len(inputs)))
    # Those that may have the time axis, as for the runtime's ``Stream``.
    rank = max(x.ndim for x in inputs)
    timed = [i for i, x in enumerate(inputs) if x.ndim == rank and x.shape[1:2] != (1,)]
    is_sequence = rank > 2 or any(
        shapes[i][1:2] == (None,) or y.ndim > 2 for i in timed for y in whole
    )
    if is_sequence and len({inputs[i].shape[1] for i in timed}) == 1:
        _compare_part(layer, inputs, whole, 1, timed)


def _compare_part(
    layer: runtime.Function,
    inputs: Sequence[Array],
    whole: Sequence[Array],
    axis: int,
    cut: Collection[int],
) -> None:
    """Compare the last row or step of all results with what it gives alone.

    Args:
        layer: the function.
        inputs: whole.
        whole: the results for them.
        axis: 0 for rows, 1 for steps.
        cut: the inputs that have the axis.
    """
    part = [
        np.take(x, [-1], axis=axis) if i in cut else x for i, x in enumerate(inputs)
    ]
    unit = ("row", "time step")[axis]
    try:
        ones = layer.compute(tuple(part), None)
    except CustomObjectError as error:
        raise _unfit(
            layer,
            f"it is decorated with per_step, but does not take one {unit}: {error}",
        ) from error
    size = max(inputs[i].shape[axis] for i in cut)
    for y, one in zip(whole, ones, strict=False):
        has_axis = y.ndim > axis and y.shape[axis] == size
        if not has_axis or not _alike(np.take(y, [-1], axis=axis), one):
            raise _unfit(
                layer,
                f"it is decorated with per_step, but computes a {unit} from others "
                "too: remove the decorator",
            )


def _unfit(layer: runtime.Function, reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"custom function {layer.function.own_name!r}: {reason}"
    )
