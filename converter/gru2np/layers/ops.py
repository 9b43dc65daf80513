"""Spelling of the ``keras.ops`` nodes that fill and convert tensors.

With those of comparisons and of logic, Keras 3 computes masks of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.arguments import build, number_type, tensors
from gru2np.layers.spec import IDLE, LayerSpec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def zeros_like(config: Config) -> Layer:
    """ZerosLike; without ``dtype``, the input's own."""
    tensors(config, 1)
    return build(config, runtime.ZerosLike, number=number_type(config))


def ones_like(config: Config) -> Layer:
    """OnesLike; without ``dtype``, the input's own."""
    tensors(config, 1)
    return build(config, runtime.OnesLike, number=number_type(config))


def broadcast_to(config: Config) -> Layer:
    """BroadcastTo."""
    tensors(config, 1)
    return build(config, runtime.BroadcastTo, shape=config.value("shape"))


def cast(config: Config) -> Layer:
    """Cast."""
    tensors(config, 1)
    number = number_type(config)
    if not number:
        config.refuse("the option is missing in the file", "dtype")
    return build(config, runtime.Cast, number=number)


LAYERS = {
    "ops.BroadcastTo": LayerSpec(broadcast_to, mask=IDLE),
    "ops.Cast": LayerSpec(cast, mask=IDLE),
    "ops.OnesLike": LayerSpec(ones_like),
    "ops.ZerosLike": LayerSpec(zeros_like),
}
