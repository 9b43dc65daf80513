"""Converts adaptive pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.convolutional import data_format
from gru2np.layers.dtype_rules import FLOATS
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def adaptive(kind: type[Layer], rank: int) -> Callable[[Config], Layer]:
    """Adaptive pooling over ``rank`` spatial axes."""

    def convert(config: Config) -> Layer:
        return config.build(
            kind,
            output_size=config.integers("output_size", length=rank),
            data_format=data_format(config),
        )

    return convert


LAYERS = {
    f"Adaptive{name}Pooling{rank}D": unmasked(
        adaptive(kind, rank), MEASURED, None, FLOATS
    )
    for name, kind in (
        ("Average", runtime.AdaptiveAveragePooling),
        ("Max", runtime.AdaptiveMaxPooling),
    )
    for rank in (1, 2, 3)
}
