"""Converts reshaping; its meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.generations.records import is_integer
from gru2np.layers.convolutional import data_format
from gru2np.layers.dtype_rules import ANY
from gru2np.layers.mask_rules import IDLES, MEASURED, MOVES, Idles
from gru2np.layers.spec import unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def flatten(config: Config) -> Layer:
    """Flatten; ``data_format`` is new in Keras 2.2."""
    return config.build(runtime.Flatten, data_format=data_format(config))


def reshape(config: Config) -> Layer:
    """Reshape; ``target_shape`` excludes the batch."""
    return config.build(runtime.Reshape, target_shape=config.value("target_shape"))


def permute(config: Config) -> Layer:
    """Permute; ``dims`` count from 1, because axis 0 is the batch."""
    return config.build(runtime.Permute, dims=config.value("dims"))


def repeat_vector(config: Config) -> Layer:
    """RepeatVector: ``n`` times along a new time axis."""
    return config.build(runtime.RepeatVector, n=config.integer("n"))


def at_ends(kind: type[Layer], key: str, rank: int) -> Callable[[Config], Layer]:
    """ZeroPadding or Cropping over ``rank`` spatial axes, by its option ``key``."""

    def convert(config: Config) -> Layer:
        pairs = _pairs(config, key, rank)
        return config.build(kind, data_format=data_format(config), **{key: pairs})

    return convert


def _pairs(config: Config, key: str, rank: int) -> list[tuple[int, ...]]:
    """A pair for each axis; one number means both ends, or all axes."""
    value = config.value(key, 1)
    if rank == 1:
        return [config.integers(key, 1, length=2, minimum=0)]
    if not isinstance(value, (list, tuple)) or not any(
        isinstance(pair, (list, tuple)) for pair in value
    ):
        ends = config.integers(key, 1, length=rank, minimum=0)
        return [(end, end) for end in ends]
    pairs = [pair if isinstance(pair, (list, tuple)) else [] for pair in value]
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        config.refuse(f"expected {rank} pairs", key, value)
    for end in (end for pair in pairs for end in pair):
        if not is_integer(end) or not 0 <= end < 2**31:
            config.refuse("expected integers of at least 0", key, value)
    return [tuple(pair) for pair in pairs]


def _reorders(layer: Layer) -> bool:
    assert isinstance(layer, runtime.Permute)
    return list(layer.dims) != sorted(layer.dims)


LAYERS = {
    "Flatten": unmasked(flatten, MOVES, None, ANY),
    "Permute": unmasked(permute, Idles(_reorders, casts=False), None, ANY),
    "RepeatVector": unmasked(repeat_vector, MEASURED, None, ANY),
    "Reshape": unmasked(reshape, IDLES, None, ANY),
    **{
        f"Cropping{rank}D": unmasked(
            at_ends(runtime.Cropping, "cropping", rank), IDLES, None, ANY
        )
        for rank in (1, 2, 3)
    },
    **{
        f"ZeroPadding{rank}D": unmasked(
            at_ends(runtime.ZeroPadding, "padding", rank), MOVES, None, ANY
        )
        for rank in (1, 2, 3)
    },
}
