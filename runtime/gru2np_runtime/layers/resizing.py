"""Other numbers of steps along spatial axes, made of those there are."""

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
    """Spatial axes of ``sizes`` steps, or ``factors`` times as long.

    Keras 3.15 ``keras/src/layers/preprocessing/image_preprocessing/resizing.py`` and
    ``keras/src/layers/reshaping/up_sampling2d.py``.
    """

    op = "resizing"
    rows_apart = True
    over_time = across
    multiply_adds = no_products
    sizes: tuple[int, ...] = ()
    factors: tuple[int, ...] = ()
    interpolation: str = "bilinear"
    data_format: str = "channels_last"

    def check(self) -> None:
        """One number of at least 1 for each spatial axis, in one of two ways."""
        if bool(self.sizes) == bool(self.factors):
            raise ValueError(f"{self.op}: expected either sizes or factors")
        check_minimum(self.op, "sizes", self.sizes, 1)
        check_minimum(self.op, "factors", self.factors, 1)
        check_choice(self.op, "interpolation", self.interpolation, INTERPOLATIONS)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_space(self, space: Shape) -> Shape:
        """What becomes of the spatial axes."""
        if self.sizes:
            return self.sizes
        return tuple(None if n is None else n * m for n, m in zip(space, self.factors))

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, *sizes, channels), or (batch, channels, *sizes)."""
        check_rank(self.op, shapes[0], len(self.sizes or self.factors) + 2)
        batch, *space, channels = shape_to_channels_last(shapes[0], self.data_format)
        wanted = self.output_space(tuple(space))
        return (shape_from_channels_last((batch, *wanted, channels), self.data_format),)

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, *space, channels), or (batch, channels, *space)."""
        x = to_channels_last(inputs[0], self.data_format)
        if 0 in x.shape[1:-1]:
            raise InputError(f"{self.op}: nothing to resize in {inputs[0].shape}")
        for axis, size in enumerate(self.output_space(x.shape[1:-1]), start=1):
            x = resampled(x, axis, size or 0, self.interpolation)
        return from_channels_last(x, self.data_format)


class UpSampling(Reshaping, Spatial):
    """Every step of a spatial axis ``size`` times."""

    op = "up_sampling"
    per_axis = "size"
    size: tuple[int, ...]
    data_format: str = "channels_last"

    def check(self) -> None:
        """One number of at least 1 for each spatial axis."""
        check_minimum(self.op, "size", self.size, 1)
        check_choice(self.op, "data_format", self.data_format, DATA_FORMATS)

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The spatial axes longer by a factor."""
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
