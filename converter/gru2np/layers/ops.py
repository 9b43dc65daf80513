"""Spelling of the ``keras.ops`` nodes that fill and convert tensors.

With those of comparisons and of logic, Keras 3 computes masks of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.arguments import build, number_type, tensors
from gru2np.layers.mask_rules import IDLES, STOPS, Idles
from gru2np.layers.spec import operation
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
    "ops.BroadcastTo": operation(broadcast_to, IDLES),
    "ops.Cast": operation(cast, Idles(lambda layer: False, casts=True)),
    "ops.OnesLike": operation(ones_like, STOPS),
    "ops.ZerosLike": operation(zeros_like, STOPS),
}
