"""Small storage: kernels and embedding tables as float16 or int8.

They are widened to float32 when the bundle is loaded, so that everything is computed
in float32 as before.  ``Layer.storage_axes`` states which weights these are, and which
axis of an int8 weight has one scale for each index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.errors import InputError, UnsupportedModelError
from gru2np.text import plural
from gru2np_runtime.custom import OWN
from gru2np_runtime.layers import layer_class
from gru2np_runtime.proof.replay import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.ir import Array


KINDS = ("float16", "int8")
# Below a kilobyte nothing is gained.
LEAST_SIZE = 256
# With fewer elements for each scale, the scales would cost what int8 saves.
LEAST_PER_SCALE = 4
LARGEST = 127


@dataclass(frozen=True)
class Stored:
    """A weight as it is stored.

    Attributes:
        array: its elements.
        scales: of int8, a float32 for each index of ``axis``; else None.
        axis: not negative.
    """

    array: Array
    scales: Array | None = None
    axis: int = 0


def stored(array: Array, name: str, op: str, kind: str) -> Stored:
    """A weight made small, or unchanged if its layer or its elements rule that out.

    Args:
        array: the weight at full precision.
        name: of the weight in its layer.
        op: of the layer.
        kind: ``float16`` or ``int8``.
    """
    if op.startswith(OWN) or array.dtype == np.float64:
        return Stored(array)
    axis = layer_class(op).storage_axes[name]
    if isinstance(axis, str):
        return Stored(array)
    if array.size < LEAST_SIZE or array.ndim < 2 or not np.isfinite(array).all():
        return Stored(array)
    if kind == "float16":
        # Elements above 65504 would become infinite.
        fits = np.abs(array).max() <= np.finfo(np.float16).max
        return Stored(array.astype(np.float16) if fits else array)
    axis %= array.ndim
    if array.size < LEAST_PER_SCALE * array.shape[axis]:
        return Stored(array)
    return _quantized(array, axis)


def _quantized(array: Array, axis: int) -> Stored:
    """Symmetric int8: the largest magnitude at each index is 127, and 0 stays 0."""
    exact = array.astype(np.float64)
    others = tuple(i for i in range(array.ndim) if i != axis)
    largest = np.abs(exact).max(axis=others, keepdims=True)
    scales = (largest / LARGEST).astype(np.float32)
    steps = np.divide(exact, scales, out=np.zeros_like(exact), where=scales > 0)
    numbers = np.clip(np.rint(steps), -LARGEST, LARGEST).astype(np.int8)
    return Stored(numbers, scales.reshape(-1), axis)


def check_small(dtypes: Sequence[str], kind: str) -> None:
    """Refuse an unknown kind, and a model that computes in float64.

    Args:
        dtypes: of the layers that have weights.
        kind: ``float16`` or ``int8``.

    Raises:
        InputError: there is no such kind.
        UnsupportedModelError: a layer computes in float64.
    """
    if kind not in KINDS:
        raise InputError(f"store: expected {' or '.join(KINDS)}, got {kind!r}")
    if "float64" in dtypes:
        raise UnsupportedModelError(
            f"this model computes in float64, whose 16 digits {kind} would cut to "
            f"{3 if kind == 'float16' else 2}: export it without --store, or train it "
            "in float32"
        )


def unknown(kind: str, outputs: Sequence[str]) -> dict[str, Any]:
    """The manifest's record of a cost that is not measured yet."""
    nothing = {"largest_difference": 0.0, "relative": 0.0, "root_mean_square": 0.0}
    return {"dtype": kind, "inputs": "", "outputs": dict.fromkeys(outputs, nothing)}


def costs(storage: Mapping[str, Any]) -> str:
    """The cost of small storage in words.

    Args:
        storage: the record of the manifest, plus ``weights``, the number of small ones.
    """
    weights, moved = plural(storage["weights"], "weight"), measured_text(storage)
    return f"{weights} as {storage['dtype']}; outputs move by up to {moved}"


def measured_text(storage: Mapping[str, Any]) -> str:
    """How far outputs move, and on which inputs that was measured."""
    largest, relative, root_mean_square = (
        max(output[key] for output in storage["outputs"].values())
        for key in ("largest_difference", "relative", "root_mean_square")
    )
    return (
        f"{short(largest)}, {100 * relative:.2g} % of the largest output, root mean "
        f"square {short(root_mean_square)} (inputs: {storage['inputs']})"
    )
