"""Converts trained activations; their meaning is in the runtime's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.dtype_rules import FLOATS
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import IN_LAYER, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def trained(kind: type[Layer]) -> Callable[[Config], Layer]:
    """A layer with trained parameters for every feature, shared along some axes."""

    def convert(config: Config) -> Layer:
        axes = config.value("shared_axes", None)
        return config.build(kind, shared_axes=[] if axes is None else axes)

    return convert


def srelu(config: Config) -> Layer:
    """SReLU of Keras 1."""
    return config.build(
        runtime.SReLU,
        shared_axes=config.value("shared_axes", []),
        left_is_capped=config.boolean("left_is_capped"),
    )


LAYERS = {
    "PReLU": unmasked(trained(runtime.PReLU), MEASURED, IN_LAYER, FLOATS),
    "ParametricSoftplus": unmasked(
        trained(runtime.ParametricSoftplus), MEASURED, IN_LAYER, FLOATS
    ),
    "SReLU": unmasked(srelu, MEASURED, IN_LAYER, FLOATS),
}
