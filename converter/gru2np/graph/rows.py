"""Which axis of a tensor is that of the samples, and how many rows each sample has.

Almost all tensors have the samples along axis 0, one row for each.  A transpose moves
them, a reshape folds other axes into the rows, and what is computed from sizes is the
same for all samples.  Keras computes such tensors for one batch after the other; so the
outputs of a model depend on the batches, unless no operation mixes samples.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from gru2np_runtime import layers as runtime
from gru2np_runtime.activations import axes_of
from gru2np_runtime.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np.ir import Shape
    from gru2np_runtime import Layer


class Rows(NamedTuple):
    """Where the samples are.

    Attributes:
        axis: of the samples.
        times: rows of each sample along axis 0; None if the input decides.
    """

    axis: int
    times: int | None


class Tensors(NamedTuple):
    """What a layer is called with, and what it gives.

    Attributes:
        rows: of each input; None for one that is the same for all samples.
        shapes: of the inputs.
        outputs: shapes of the outputs.
    """

    rows: Sequence[Rows | None]
    shapes: Sequence[Shape]
    outputs: Sequence[Shape]


# One row for each sample.
SAMPLES = Rows(0, 1)
# Layers that broadcast what is the same for all samples.
BROADCASTING = (
    *(runtime.Binary, runtime.Select, runtime.LogicalAnd, runtime.LogicalOr),
)


class MixesSamplesError(Exception):
    """The operation would mix samples; the message says how."""


def rows_after(
    layer: Layer,
    given: Sequence[Rows | None],
    shapes: Sequence[Shape],
    outputs: Sequence[Shape],
) -> Rows | None:
    """The rows of an output; None if it is the same for all samples.

    Args:
        layer: of the runtime.
        given: the rows of its inputs.
        shapes: of its inputs.
        outputs: the shapes of its outputs.

    Raises:
        MixesSamplesError: the layer would take another axis for that of the samples.
    """
    rule = _SPECIAL.get(type(layer))
    if rule is not None:
        return rule(layer, Tensors(given, shapes, outputs))
    varied = {row for row in given if row is not None}
    if not varied:
        return None
    if len(varied) > 1:
        raise MixesSamplesError(
            "takes tensors whose samples are along different axes or folded in "
            "different ways; transpose or reshape them to (batch, ...) before"
        )
    (row,) = varied
    if None in given:
        _check_constants(layer, row, given, shapes)
    if row.times != 1 and getattr(layer, "stateful", False):
        raise MixesSamplesError("is stateful, and takes several rows of each sample")
    return row if row.axis == 0 else _turned(layer, row, shapes)


def _check_constants(
    layer: Layer, row: Rows, given: Sequence[Rows | None], shapes: Sequence[Shape]
) -> None:
    """Refuse what is the same for all samples where it is not broadcast to them."""
    rank = max(len(shape) for shape in shapes)
    for kind, shape in zip(given, shapes, strict=True):
        fits = len(shape) == rank and shape[row.axis : row.axis + 1] == (1,)
        if kind is None and not (fits and isinstance(layer, BROADCASTING)):
            raise MixesSamplesError(
                "takes a tensor that the model computes from sizes alone, which is the "
                "same for all samples; add or multiply it to one that is not"
            )


def _turned(layer: Layer, row: Rows, shapes: Sequence[Shape]) -> Rows:
    """The rows after a layer that is given samples along another axis than the first.

    Raises:
        MixesSamplesError: it is not known to leave that axis alone.
    """
    axis, rank = row.axis, len(shapes[0])
    if _over_first_axis(layer) and axis == 1 and len(shapes) == 1:
        return row if getattr(layer, "return_sequences", True) else SAMPLES
    keeps = _KEEPING.get(type(layer))
    if keeps is None or not keeps(layer, axis, rank):
        raise MixesSamplesError(
            f"takes a tensor whose samples are along axis {axis}, after a transpose; "
            "transpose it back before this layer"
        )
    return row


def _over_first_axis(layer: Layer) -> bool:
    """Whether a layer runs over time along axis 0, and returns no states."""
    if not isinstance(layer, Recurrent):
        return False
    return layer.time_major and not layer.return_state


def _along(layer: Layer, axis: int, rank: int) -> bool:
    function = getattr(layer, "function", "linear")
    return all(over % rank != axis for over in axes_of(function))


def _always(layer: Layer, axis: int, rank: int) -> bool:
    return True


def _not_last(layer: Layer, axis: int, rank: int) -> bool:
    return axis != rank - 1


def _binary(layer: Layer, axis: int, rank: int) -> bool:
    assert isinstance(layer, runtime.Binary)
    return _spreads(layer.constant_shape, axis, rank)


def _channels(layer: Layer, axis: int, rank: int) -> bool:
    assert isinstance(layer, runtime.BatchNormalization)
    return layer.axis % rank != axis


def _axes(layer: Layer, axis: int, rank: int) -> bool:
    assert isinstance(layer, runtime.LayerNormalization)
    return all(over % rank != axis for over in layer.axes)


def _chosen(layer: Layer, axis: int, rank: int) -> bool:
    assert isinstance(layer, runtime.Select)
    return _spreads(layer.condition_shape, axis, rank)


def _spreads(constant: Sequence[int], axis: int, rank: int) -> bool:
    """Whether a constant is the same along an axis of what it is broadcast to."""
    padded = (*(1,) * (rank - len(constant)), *constant)
    return padded[axis : axis + 1] in ((), (1,))


def _joined(layer: Layer, axis: int, rank: int) -> bool:
    assert isinstance(layer, runtime.Concatenate)
    return layer.axis % rank != axis


# Layers that leave an axis alone: from a layer, the axis and the rank of its input.
_KEEPING: dict[type[Layer], Callable[[Layer, int, int], bool]] = {
    runtime.Activated: _along,
    runtime.Activation: _along,
    runtime.BatchNormalization: _channels,
    runtime.Binary: _binary,
    runtime.Cast: _always,
    runtime.Clip: _always,
    runtime.Dense: _not_last,
    runtime.Identity: _always,
    runtime.Joined: _joined,
    runtime.LayerNormalization: _axes,
    runtime.OnesLike: _always,
    runtime.Select: _chosen,
    runtime.Unary: _always,
    runtime.ZerosLike: _always,
}


def _of_turn(layer: Layer, of: Tensors) -> Rows | None:
    assert isinstance(layer, runtime.Turned)
    (row,) = of.rows
    if row is None:
        return None
    if row.times != 1:
        raise MixesSamplesError("moves the batch axis, along which others were folded")
    return Rows(layer.order.index(row.axis), 1)


def _of_item(layer: Layer, of: Tensors) -> Rows | None:
    """The first axis goes: that of the samples must be another one."""
    (row,) = of.rows
    if row is None:
        return None
    if row.axis == 0:
        raise MixesSamplesError(
            "picks a sample of the batch; expected a slice that leaves the batch "
            "whole, as x[:, ...] does"
        )
    return Rows(row.axis - 1, 1)


def _of_shape(layer: Layer, of: Tensors) -> Rows | None:
    """A reshape whose rows hold whole samples, or whole parts of one sample."""
    assert isinstance(layer, runtime.Shaped)
    row, first = of.rows[0], layer.sizes[0]
    if row is None:
        return None
    if row.axis != 0:
        raise MixesSamplesError(
            f"reshapes a tensor whose samples are along axis {row.axis}, after a "
            "transpose; transpose it back before"
        )
    if first != (-1,):
        return _first_rows(first, of)
    held = [size for size in of.shapes[0][1:] if size is not None]
    wanted = [size for size in of.outputs[0][1:] if size is not None]
    known = len(held) == len(of.shapes[0]) - 1 and len(wanted) == len(of.outputs[0]) - 1
    if known:
        before, after = prod(held), prod(wanted)
        if row.times is not None and after and not row.times * before % after:
            return Rows(0, row.times * before // after)
        if row.times is None and after and not before % after:
            return row
    elif row.times == 1 and len(wanted) == len(of.outputs[0]) - 1:
        # Folded by a free axis: rows of known size in samples of unknown size.
        free = [size for size in of.shapes[0][1:] if size is None]
        if len(free) == 1 and not prod(held) % max(1, prod(wanted)):
            return Rows(0, None)
    raise MixesSamplesError(
        "reshapes with -1 for the batch, to rows of which it is not known that each is "
        "of one sample; give tf.shape(x)[0] as the first size, x an input of the model"
    )


def _first_rows(first: tuple[int, ...], of: Tensors) -> Rows:
    """The rows for a first size that names the number of samples."""
    number, *places = first
    if number == 0:
        row = of.rows[places[0]]
        if row is not None and row.axis == 0:
            return row
        raise MixesSamplesError(
            "takes the shape of a tensor without samples along axis 0"
        )
    samples, times = 0, number
    free = False
    for i, axis in zip(places[::2], places[1::2], strict=True):
        row, size = of.rows[i], of.shapes[i][axis]
        if row == SAMPLES and axis in (0, -len(of.shapes[i])):
            samples += 1
        elif row is not None and axis % len(of.shapes[i]) == row.axis:
            raise MixesSamplesError(
                "takes the number of rows of a reshaped tensor for that of the samples"
            )
        elif size is None:
            free = True
        else:
            times *= size
    if samples != 1:
        raise MixesSamplesError(
            "gives a shape whose first size is not the number of samples times others"
        )
    return Rows(0, None if free else times)


def _of_full(layer: Layer, of: Tensors) -> Rows | None:
    assert isinstance(layer, runtime.Full)
    for i, size in enumerate(layer.sizes):
        number, *places = size
        pairs = list(zip(places[::2], places[1::2], strict=False))
        of_rows = number == 0 or any(
            of.rows[k] is not None and axis % len(of.shapes[k]) == of.rows[k].axis  # type: ignore[union-attr]
            for k, axis in pairs
        )
        if of_rows and i:
            raise MixesSamplesError("has the number of samples as a later size")
        if of_rows:
            return _first_rows(size, of)
    return None


def _of_spread(layer: Layer, of: Tensors) -> Rows | None:
    assert isinstance(layer, runtime.Spread)
    row = _first_rows(layer.sizes[0], of)
    if of.rows[0] not in (row, None):
        raise MixesSamplesError("broadcasts rows of one kind to those of another")
    return row


def _of_tile(layer: Layer, of: Tensors) -> Rows | None:
    row = of.rows[0]
    if row is not None and row.axis != 0:
        raise MixesSamplesError(
            f"tiles a tensor whose samples are along axis {row.axis}; transpose it back"
        )
    return row


def _constant(layer: Layer, of: Tensors) -> Rows | None:
    """The same for all samples."""
    (row,) = of.rows
    assert isinstance(layer, (runtime.SizeOf, runtime.Counting))
    axis = getattr(layer, "axis", None)
    if row is not None and axis is not None and axis % len(of.shapes[0]) == row.axis:
        raise MixesSamplesError("computes with the number of samples in a batch")
    return None


_SPECIAL: dict[type[Layer], Callable[[Layer, Tensors], Rows | None]] = {
    runtime.Counting: _constant,
    runtime.FirstItem: _of_item,
    runtime.Full: _of_full,
    runtime.Shaped: _of_shape,
    runtime.SizeOf: _constant,
    runtime.Spread: _of_spread,
    runtime.Tile: _of_tile,
    runtime.Turned: _of_turn,
}
