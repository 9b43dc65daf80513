"""Small storage: kernels and tables of embeddings as float16 or int8.

They are widened to float32 when the bundle is loaded, so that everything is computed
in float32 as before.  Which weights these are, and along which axis the scales of int8
run, is a table; what is not in it stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.errors import UnsupportedModelError
from gru2np.text import plural
from gru2np_runtime.proof.replay import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

KINDS = ("float16", "int8")
# By name of the weight, the axis that each number of an output has an index of: a
# column of a kernel makes one number, and rounding in it troubles no other.  A row of a
# table is one vector, and rare ones are short.
AXES = {
    "kernel": -1,
    "recurrent_kernel": -1,
    "carry_kernel": -1,
    "pointwise_kernel": -1,
    "depthwise_kernel": -2,
    "embeddings": 0,
    "reverse_embeddings": -1,
}
# Where an op has it elsewhere: (..., filters, channels).
AXES_OF = {("conv_transpose", "kernel"): -2}
# Below a kilobyte there is nothing to gain; scales must not eat what int8 gains.
SMALLEST = 256
PER_SCALE = 4
LARGEST = 127


@dataclass(frozen=True)
class Stored:
    """A weight as it is stored.

    Attributes:
        array: its numbers.
        scales: of int8, a float32 for each index of ``axis``; else None.
        axis: counted from the first.
    """

    array: Array
    scales: Array | None = None
    axis: int = 0


def stored(array: Array, name: str, op: str, kind: str) -> Stored:
    """A weight made small, or as it is where the table or its numbers forbid it.

    Args:
        array: as the bundle would hold it.
        name: of the weight in its layer.
        op: of the layer.
        kind: ``float16`` or ``int8``.
    """
    axis = AXES_OF.get((op, name), AXES.get(name))
    if axis is None or op.startswith("custom>") or array.dtype == np.float64:
        return Stored(array)
    if array.size < SMALLEST or array.ndim < 2 or not np.isfinite(array).all():
        return Stored(array)
    if kind == "float16":
        # Beyond 65504 nothing would be left of a number.
        fits = np.abs(array).max() <= np.finfo(np.float16).max
        return Stored(array.astype(np.float16) if fits else array)
    along = axis % array.ndim
    if array.size < PER_SCALE * array.shape[along]:
        return Stored(array)
    return _in_bytes(array, along)


def _in_bytes(array: Array, axis: int) -> Stored:
    """Symmetric: the largest number of each index is 127, and 0 stays 0."""
    exact = array.astype(np.float64)
    others = tuple(i for i in range(array.ndim) if i != axis)
    largest = np.abs(exact).max(axis=others, keepdims=True)
    scales = (largest / LARGEST).astype(np.float32)
    steps = np.divide(exact, scales, out=np.zeros_like(exact), where=scales > 0)
    numbers = np.clip(np.rint(steps), -LARGEST, LARGEST).astype(np.int8)
    return Stored(numbers, scales.reshape(-1), axis)


def check_small(dtypes: Sequence[str], kind: str) -> None:
    """Refuse to make a float64 model small.

    Args:
        dtypes: what the layers of its weights compute in.
        kind: ``float16`` or ``int8``.

    Raises:
        UnsupportedModelError: a layer computes in float64.
    """
    if "float64" in dtypes:
        raise UnsupportedModelError(
            f"this model computes in float64, whose 16 digits {kind} would cut to "
            f"{3 if kind == 'float16' else 2}: export it without --store, or train it "
            "in float32"
        )


def unknown(kind: str, outputs: Sequence[str]) -> dict[str, Any]:
    """The manifest's record of a cost that is still to be measured."""
    nothing = {"largest_difference": 0.0, "relative": 0.0, "root_mean_square": 0.0}
    return {"dtype": kind, "inputs": "", "outputs": dict.fromkeys(outputs, nothing)}


def costs(storage: Mapping[str, Any]) -> str:
    """What small storage costs, in words.

    Args:
        storage: the record of the manifest, and ``weights``, how many are small.
    """
    weights, moved = plural(storage["weights"], "weight"), measured_text(storage)
    return f"{weights} as {storage['dtype']}; outputs move by up to {moved}"


def measured_text(storage: Mapping[str, Any]) -> str:
    """How far outputs move, and on which inputs that was measured."""
    far, most, usual = (
        max(own[key] for own in storage["outputs"].values())
        for key in ("largest_difference", "relative", "root_mean_square")
    )
    return (
        f"{short(far)}, {100 * most:.2g} % of the largest output, root mean square "
        f"{short(usual)} (inputs: {storage['inputs']})"
    )
