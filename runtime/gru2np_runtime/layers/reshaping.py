"""Layers that change the shape and keep the values."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import Layer, across, no_products
from gru2np_runtime.layers.axes import (
    DATA_FORMATS,
    check_choice,
    check_minimum,
    check_rank,
)
from gru2np_runtime.layers.windows import (
    Spatial,
    from_channels_last,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape


class Reshaping(Layer):
    """A layer whose output holds numbers of its input, or zeros of padding."""

    keeps_dtype = True
    independent_rows = True
    over_time = across
    multiply_adds = no_products


class Flatten(Reshaping):
    """All axes but the batch flattened; ``channels_first`` moves the channels last."""

    op = "flatten"
    data_format: str = "channels_last"

    def check(self) -> None:
        """``data_format`` is a known one."""
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, elements)."""
        return ((shapes[0][0], _known_count(shapes[0][1:])),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        if x.ndim > 1:
            x = to_channels_last(x, self.data_format)
        return x.reshape(x.shape[0], prod(x.shape[1:]))


class Reshape(Reshaping):
    """Another shape after the batch axis; one size may be -1, to be inferred."""

    op = "reshape"
    target_shape: tuple[int, ...]

    def check(self) -> None:
        """Sizes are positive, or -1 at most once."""
        sizes = [size for size in self.target_shape if size != -1]
        check_minimum(self.op, "target_shape", sizes, 1)
        if len(self.target_shape) - len(sizes) > 1:
            raise ValueError(f"reshape: more than one -1 in {self.target_shape}")

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *target_shape)."""
        elements = _known_count(shapes[0][1:])
        if elements is None:
            free = [None if size == -1 else size for size in self.target_shape]
            return ((shapes[0][0], *free),)
        return ((shapes[0][0], *self.resolve(elements)),)

    def resolve(self, elements: int) -> tuple[int, ...]:
        """The target shape, with -1 replaced, for a sample with n elements.

        Raises:
            InputError: the shape does not have n elements.
        """
        known = prod(size for size in self.target_shape if size != -1)
        free = -1 in self.target_shape
        if elements % known if free else elements != known:
            raise InputError(
                f"reshape: {elements} elements do not fit the shape {self.target_shape}"
            )
        return tuple(elements // known if n == -1 else n for n in self.target_shape)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        y: Array = x.reshape(x.shape[0], *self.resolve(prod(x.shape[1:])))
        return y


class Permute(Reshaping):
    """Permuted axes: axis i of the output is axis ``dims[i - 1]`` of the input."""

    op = "permute"
    dims: tuple[int, ...]

    def check(self) -> None:
        """``dims`` has every axis but the batch once."""
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"permute: dims is {self.dims}, expected each of 1 to "
                f"{len(self.dims)} once"
            )

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ...) permuted."""
        check_rank(self.op, shapes[0], len(self.dims) + 1)
        return ((shapes[0][0], *(shapes[0][axis] for axis in self.dims)),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        return np.transpose(inputs[0], (0, *self.dims))


class RepeatVector(Reshaping):
    """(batch, features) repeated n times: (batch, n, features)."""

    op = "repeat_vector"
    n: int

    def check(self) -> None:
        """``n`` is at least 1."""
        check_minimum(self.op, "n", [self.n], 1)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, n, features)."""
        check_rank(self.op, shapes[0], 2)
        return ((shapes[0][0], self.n, shapes[0][1]),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, features)."""
        return inputs[0][:, None].repeat(self.n, axis=1)


class ZeroPadding(Reshaping, Spatial):
    """Zeros before and after each spatial axis: a pair of ``padding`` for each."""

    op = "zero_padding"
    per_axis = "padding"
    padding: tuple[tuple[int, ...], ...]
    data_format: str = "channels_last"

    def check(self) -> None:
        """There is one pair of numbers >= 0 for each spatial axis."""
        _check_pairs(self.op, "padding", self.padding)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape, with longer spatial axes."""
        check_rank(self.op, shapes[0], len(self.padding) + 2)
        batch, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        longer = [
            None if size is None else size + before + after
            for size, (before, after) in zip(space, self.padding)
        ]
        return (shape_from_channels_last((batch, *longer, channels), self.data_format),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        return from_channels_last(
            np.pad(x, [(0, 0), *self.padding, (0, 0)]), self.data_format
        )


class Cropping(Reshaping, Spatial):
    """Steps cut before and after each spatial axis: a pair of ``cropping`` for each."""

    op = "cropping"
    per_axis = "cropping"
    cropping: tuple[tuple[int, ...], ...]
    data_format: str = "channels_last"

    def check(self) -> None:
        """There is one pair of numbers >= 0 for each spatial axis."""
        _check_pairs(self.op, "cropping", self.cropping)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape, with shorter spatial axes."""
        check_rank(self.op, shapes[0], len(self.cropping) + 2)
        batch, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        shorter = [
            None if size is None else stop - start
            for size, (start, stop) in zip(space, self.bounds(tuple(space)))
        ]
        return (
            shape_from_channels_last((batch, *shorter, channels), self.data_format),
        )

    def bounds(self, space: Shape) -> list[tuple[int, int]]:
        """Start and stop of the steps that are kept along each axis.

        Raises:
            InputError: no step would be left.
        """
        bounds = []
        for size, (before, after) in zip(space, self.cropping):
            if size is not None and size <= before + after:
                raise InputError(
                    f"cropping: {before} + {after} leaves nothing of {size} steps"
                )
            bounds.append((before, (size or 0) - after))
        return bounds

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        bounds = [(None, None), *self.bounds(x.shape[1:-1])]
        slices = [slice(start, stop) for start, stop in bounds]
        return from_channels_last(x[tuple(slices)], self.data_format)


def _known_count(shape: Shape) -> int | None:
    """The number of elements; None if a size is None."""
    known = [size for size in shape if size is not None]
    return prod(known) if len(known) == len(shape) else None


def _check_pairs(op: str, name: str, pairs: tuple[tuple[int, ...], ...]) -> None:
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"{op}: {name} is {pairs}, expected pairs, one for each spatial axis"
        )
    for pair in pairs:
        check_minimum(op, name, pair, 0)


LAYERS = {
    layer.op: layer
    for layer in (
        Cropping,
        Flatten,
        Permute,
        RepeatVector,
        Reshape,
        ZeroPadding,
    )
}
