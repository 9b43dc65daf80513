"""Converts local connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.convolutional import check_backend, data_format, ending
from gru2np.layers.dtype_rules import FLOATS
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import IN_LAYER, unmasked
from gru2np_runtime.layers import LocallyConnected

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def locally_connected(rank: int) -> Callable[[Config], Layer]:
    """Local connections over ``rank`` spatial axes."""

    def convert(config: Config) -> Layer:
        implementation = config.integer("implementation", 1)
        if implementation not in (1, 2):
            config.refuse(
                "the kernel is stored as a sparse matrix, which is not supported; "
                "implementations 1 and 2 are",
                "implementation",
                implementation,
            )
        padding = config.choice("padding", ("valid", "same"), "valid")
        # Never measured on CNTK, so rank 1 is refused too.
        check_backend(config, padding, rank=2)
        return config.build(
            LocallyConnected,
            filters=config.integer("filters"),
            kernel_size=config.integers("kernel_size", length=rank),
            strides=config.integers("strides", 1, length=rank),
            padding=padding,
            dense=implementation == 2,
            data_format=data_format(config),
            **ending(config),
        )

    return convert


LAYERS = {
    f"LocallyConnected{rank}D": unmasked(
        locally_connected(rank), MEASURED, IN_LAYER, FLOATS
    )
    for rank in (1, 2)
}
