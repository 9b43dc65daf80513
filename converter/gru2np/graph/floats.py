"""The floating point dtypes of tensors in Keras, where the runtime has float32.

The runtime computes half precision in float32.  The dtype in Keras still decides three
things: whether a cast changes anything, whether a layer casts its inputs, and whether
an operation outside of layers rounded to half precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.errors import Problem
from gru2np.layers.spec import HALF
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer

# Operations that only move, copy or cast elements, so that nothing is rounded.
MOVING = (
    *(runtime.BroadcastTo, runtime.Cast, runtime.ExpandDims, runtime.GetItem),
    *(runtime.Identity, runtime.Joined, runtime.Reshaped, runtime.Split),
    *(runtime.Squeeze, runtime.Stack, runtime.Transpose),
    *(runtime.OnesLike, runtime.ZerosLike),
    *(
        runtime.FirstItem,
        runtime.Flip,
        runtime.Moved,
        runtime.Pad,
        runtime.Repeat,
        runtime.Roll,
    ),
    *(runtime.Triangle, runtime.Turned, runtime.Take, runtime.Pick, runtime.TakeAlong),
    *(runtime.OneHot, runtime.Ordered, runtime.TopK, runtime.ArgExtreme),
    *(runtime.Shaped, runtime.Full, runtime.Tile, runtime.Spread, runtime.Lifted),
)


def result(layer: Layer, policy: str | None, inputs: Sequence[str], dtype: str) -> str:
    """The floating point dtype of an output in Keras; empty if it is another dtype.

    Args:
        layer: of the runtime.
        policy: the dtype that a layer of Keras computes in; None of an operation.
        inputs: the floating point dtypes of its inputs in Keras.
        dtype: of the output in the runtime.
    """
    if not dtype.startswith("float"):
        return ""
    if policy is not None:
        return policy
    if isinstance(layer, runtime.Cast):
        return layer.number
    floats = {name for name in inputs if name}
    if len(floats) == 1:
        return floats.pop()
    return dtype


def problem(
    layer: Layer, path: str, dtype: str, policies: Mapping[str, str], meaning: Meaning
) -> Problem | None:
    """Why an operation of half precision cannot be converted; None if it can.

    A model with half precision policies is computed in float32 as a whole, operations
    included.

    Args:
        layer: the operation.
        path: of it.
        dtype: of its output in Keras.
        policies: the dtypes that the layers of the model compute in, by path.
        meaning: of the model's Keras.
    """
    if dtype not in HALF or any(policy in HALF for policy in policies.values()):
        return None
    cast = isinstance(layer, runtime.Cast)
    if cast and meaning.numbers.rounds_to_half is None:
        reason = (
            "a cast to half precision, which some releases of JAX round and others "
            "leave out; remove it, or save the model with TensorFlow"
        )
    elif cast and not meaning.numbers.rounds_to_half:
        reason = "a cast to half precision; remove it, or cast to float32"
    elif not isinstance(layer, MOVING):
        reason = (
            f"an operation in {dtype}, which rounds at every step, in a model that "
            "computes in float32; cast its input to float32 before it"
        )
    else:
        return None
    return Problem(path, layer.op, reason)
