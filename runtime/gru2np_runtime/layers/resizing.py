"""Resizing of spatial axes, by interpolation or by repeating steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import Layer, across, no_products
from gru2np_runtime.layers.axes import (
    DATA_FORMATS,
    check_choice,
    check_minimum,
    check_rank,
)
from gru2np_runtime.layers.resampling import INTERPOLATIONS, resampled
from gru2np_runtime.layers.reshaping import Reshaping
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


class Resizing(Layer):
    """Spatial axes resized to ``sizes`` steps, or by ``factors``, with interpolation.

    Keras 3.15 ``keras/src/layers/preprocessing/image_preprocessing/resizing.py`` and
    ``keras/src/layers/reshaping/up_sampling2d.py``.
    """

    op = "resizing"
    independent_rows = True
    over_time = across
    multiply_adds = no_products
    sizes: tuple[int, ...] = ()
    factors: tuple[int, ...] = ()
    interpolation: str = "bilinear"
    data_format: str = "channels_last"

    def check(self) -> None:
        """Either ``sizes`` or ``factors`` has one number >= 1 per spatial axis."""
        if bool(self.sizes) == bool(self.factors):
            raise ValueError(
                f"{self.op}: expected either sizes or factors, got {self.sizes} and "
                f"{self.factors}"
            )
        check_minimum(self.op, "sizes", self.sizes, 1)
        check_minimum(self.op, "factors", self.factors, 1)
        check_choice(self.op, "interpolation", self.interpolation, INTERPOLATIONS)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_space(self, space: Shape) -> Shape:
        """The sizes of the spatial axes of the output."""
        if self.sizes:
            return self.sizes
        return tuple(None if n is None else n * m for n, m in zip(space, self.factors))

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *sizes, channels), or (batch, channels, *sizes)."""
        check_rank(self.op, shapes[0], len(self.sizes or self.factors) + 2)
        batch, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        sizes = self.output_space(tuple(space))
        return (shape_from_channels_last((batch, *sizes, channels), self.data_format),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        if 0 in x.shape[1:-1]:
            raise InputError(
                f"{self.op}: expected spatial axes of at least 1 step, got an input of "
                f"shape {inputs[0].shape}"
            )
        for axis, size in enumerate(self.output_space(x.shape[1:-1]), start=1):
            x = resampled(x, axis, size or 0, self.interpolation)
        return from_channels_last(x, self.data_format)


class UpSampling(Reshaping, Spatial):
    """Each step of a spatial axis repeated ``size`` times."""

    op = "up_sampling"
    per_axis = "size"
    size: tuple[int, ...]
    data_format: str = "channels_last"

    def check(self) -> None:
        """``size`` has one number >= 1 for each spatial axis."""
        check_minimum(self.op, "size", self.size, 1)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's shape, with spatial axes ``size`` times as long."""
        check_rank(self.op, shapes[0], len(self.size) + 2)
        batch, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        longer = [None if n is None else n * size for n, size in zip(space, self.size)]
        return (shape_from_channels_last((batch, *longer, channels), self.data_format),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        for axis, size in enumerate(self.size, start=1):
            x = x.repeat(size, axis=axis)
        return from_channels_last(x, self.data_format)


LAYERS = {layer.op: layer for layer in (Resizing, UpSampling)}
