"""Converts nodes that turn round, shift, repeat, pad, cut and move elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.arguments import (
    NOT_HERE,
    axes,
    axis,
    build,
    tensors,
    whole_number,
    whole_numbers,
)
from gru2np.layers.mask_rules import MAY_IDLE, STOPS, Idles
from gru2np.layers.spec import operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

FAR = 2**31


def flip(config: Config) -> Layer:
    """Flip, and Reverse of TensorFlow."""
    tensors(config, 1)
    return build(config, runtime.Flip, axes=axes(config))


def flip_columns(config: Config) -> Layer:
    """Fliplr: along axis 1."""
    tensors(config, 1)
    return build(config, runtime.Flip, axes=[1])


def roll(config: Config) -> Layer:
    """Roll by one shift for each axis; one shift serves several axes in Keras 3."""
    tensors(config, 1)
    over = axes(config)
    shifts = whole_numbers(config, "shift", config.value("shift"))
    if len(shifts) == 1:
        shifts = shifts * len(over)
    return build(config, runtime.Roll, shifts=shifts, axes=over)


def repeat(config: Config) -> Layer:
    """Repeat by one number, or one for each element."""
    tensors(config, 1)
    repeats = whole_numbers(config, "repeats", config.value("repeats"))
    return build(config, runtime.Repeat, repeats=repeats, axis=axis(config, None))


def pad(config: Config) -> Layer:
    """Pad of axes after the batch axis."""
    tensors(config, 1)
    mode = config.value("mode", "constant")
    if not isinstance(mode, str) or mode.lower() not in (
        *("constant", "reflect", "symmetric"),
    ):
        config.refuse(
            f"{NOT_HERE}: pad with constant, reflect or symmetric", "mode", mode
        )
    width = config.value("pad_width")
    if not isinstance(width, list) or not all(isinstance(pair, list) for pair in width):
        config.refuse(
            "expected (before, after) for each axis, the batch included",
            "pad_width",
            width,
        )
    pairs = [whole_numbers(config, "pad_width", pair) for pair in width]
    value = 0.0
    if config.value("constant_values", None) is not None:
        value = config.number("constant_values")
    return build(config, runtime.Pad, pads=pairs, mode=mode.lower(), value=value)


def triangle(config: Config) -> Layer:
    """Tril and Triu, from the diagonal ``k``."""
    tensors(config, 1)
    k = whole_number(config, "k", config.value("k", 0))
    if config.operation == "Tril":
        return build(config, runtime.Triangle, highest=k)
    return build(config, runtime.Triangle, lowest=k)


def band(config: Config) -> Layer:
    """BandPart of TensorFlow: some diagonals below the main one, and some above."""
    tensors(config, 1)
    below, above = (
        whole_number(config, key, config.value(key))
        for key in ("num_lower", "num_upper")
    )
    return build(
        config,
        runtime.Triangle,
        lowest=-below if below >= 0 else -FAR,
        highest=above if above >= 0 else FAR,
    )


def difference(config: Config) -> Layer:
    """Diff; 0 times is refused, which changes nothing."""
    tensors(config, 1)
    return build(
        config,
        runtime.Difference,
        n=config.integer("n", 1),
        axis=axis(config, -1),
    )


def moved(config: Config) -> Layer:
    """Moveaxis of axes other than the batch."""
    tensors(config, 1)
    return build(
        config,
        runtime.Moved,
        sources=axes(config, "source"),
        targets=axes(config, "destination"),
    )


def swapped(config: Config) -> Layer:
    """Swapaxes of two axes other than the batch."""
    tensors(config, 1)
    first, second = (axis(config, None, key) for key in ("axis1", "axis2"))
    return build(
        config, runtime.Moved, sources=[first, second], targets=[second, first]
    )


def _shifts(layer: Layer) -> bool:
    assert isinstance(layer, runtime.Roll)
    return any(layer.shifts)


def _moves(layer: Layer) -> bool:
    """Whether axes move for certain; of -1 and 2 only an input can tell."""
    assert isinstance(layer, runtime.Moved)
    signs = {axis < 0 for axis in (*layer.sources, *layer.targets)}
    return len(signs) == 1 and layer.sources != layer.targets


# Roll by 0, and axes moved to their own places, may return their input itself.
ROLLED = Idles(_shifts, casts=False, measured=False)
MOVED = Idles(_moves, casts=False, measured=False)
LAYERS = {
    "ops.BandPart": operation(band, STOPS),
    "ops.Diff": operation(difference, STOPS),
    "ops.Flip": operation(flip, STOPS),
    "ops.Fliplr": operation(flip_columns, STOPS),
    "ops.Moveaxis": operation(moved, MOVED),
    "ops.Pad": operation(pad, MAY_IDLE),
    "ops.Repeat": operation(repeat, MAY_IDLE),
    "ops.Roll": operation(roll, ROLLED),
    "ops.Swapaxes": operation(swapped, MOVED),
    "ops.Tril": operation(triangle, STOPS),
    "ops.Triu": operation(triangle, STOPS),
}
