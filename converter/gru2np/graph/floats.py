"""The types of floating point numbers that Keras had, where the runtime has float32.

Half precision computes in float32.  What a tensor was to Keras decides three things all
the same: whether a cast changes anything, whether a layer casts what it is given, and
whether an operation outside of layers rounded to half precision.
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

# They give on numbers as they are.
MOVING = (
    *(runtime.BroadcastTo, runtime.Cast, runtime.ExpandDims, runtime.GetItem),
    *(runtime.Identity, runtime.Joined, runtime.Reshaped, runtime.Split),
    *(runtime.Squeeze, runtime.Stack, runtime.Transpose),
    *(runtime.OnesLike, runtime.ZerosLike),
)


def result(layer: Layer, policy: str | None, given: Sequence[str], dtype: str) -> str:
    """The floating point type of what a layer gives; empty where it is another.

    Args:
        layer: of the runtime.
        policy: what a layer of Keras computes in; None of an operation.
        given: the same of its inputs.
        dtype: of what it gives, in the runtime.
    """
    if not dtype.startswith("float"):
        return ""
    if policy is not None:
        return policy
    if isinstance(layer, runtime.Cast):
        return layer.number
    floats = {name for name in given if name}
    if len(floats) == 1:
        return floats.pop()
    return dtype


def problem(
    layer: Layer, path: str, found: str, policies: Mapping[str, str], meaning: Meaning
) -> Problem | None:
    """Why an operation of half precision cannot be converted; None where it can.

    Models of half precision policies are computed in float32 as a whole, and so are
    their operations.

    Args:
        layer: the operation.
        path: of it.
        found: the type of what it gives.
        policies: what the layers of the model compute in, by path.
        meaning: of the model's Keras.
    """
    if found not in HALF or any(policy in HALF for policy in policies.values()):
        return None
    cast = isinstance(layer, runtime.Cast)
    if cast and meaning.numbers.rounds_to_half is None:
        reason = (
            "a cast to half precision, which JAX rounds in some releases and leaves "
            "out in others; leave it out yourself, or save the model with TensorFlow"
        )
    elif cast and not meaning.numbers.rounds_to_half:
        reason = "a cast to half precision; leave it out, or cast to float32"
    elif not isinstance(layer, MOVING):
        reason = (
            f"an operation in {found}, which rounds at every step, in a model that "
            "computes in float32; cast its input to float32 before it"
        )
    else:
        return None
    return Problem(path, layer.op, reason)
