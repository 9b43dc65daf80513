"""Layers that quantise their inputs, beside the same layers that do not.

The generation has dequantised all others: they are the layers that they were before
``model.quantize()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.generations.quantization import ADAPTED, INPUTS
from gru2np.layers.dtype_rules import FLOATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.dtype_rules import AcceptedDtypes
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

# The attribute that only layers of quantised inputs have.
_MARK = "epsilon"


def built(
    config: Config, plain: type[Layer], quantized: type[Layer], **attributes: Any
) -> Layer:
    """The layer, of the class that fits its inputs.

    Args:
        config: its options.
        plain: the class for inputs as they are.
        quantized: the class for quantised inputs.
        attributes: of both classes.
    """
    inputs = config.value(INPUTS, None)
    if inputs is None:
        return config.build(plain, **attributes)
    if config.value(ADAPTED, False):
        attributes["adapted"] = True
    return config.build(quantized, **attributes, **inputs)


def rule(
    plain: AcceptedDtypes, quantized: AcceptedDtypes = FLOATS
) -> Callable[[Any], AcceptedDtypes]:
    """The dtype rule of a layer: by default, only floats are quantised.

    Args:
        plain: the rule if it does not quantise its inputs.
        quantized: the rule if it does.
    """
    return lambda layer: quantized if hasattr(layer, _MARK) else plain
