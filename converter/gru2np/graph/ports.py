"""Inputs and outputs of a model: shapes, dtypes, and the structure of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.errors import Problem
from gru2np.generations.records import is_integer
from gru2np.layers.spec import computed_in, dtype_name
from gru2np_runtime.bundle.manifest import INPUT_DTYPES
from gru2np_runtime.bundle.manifest_writer import encode_name
from gru2np_runtime.data import Structure
from gru2np_runtime.graph import Port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.ir import KerasLayer


_REBUILD = (
    "build the model with the same layers on an input without the option, and load the "
    "weights into it"
)
UNEVEN = {
    "ragged": "ragged inputs, whose rows differ in length, are not supported: "
    f"{_REBUILD}; then give the rows one by one, or padded to one length with a "
    "Masking layer or a mask that leaves the padding out",
    "sparse": f"sparse inputs are not supported: {_REBUILD}",
}


def structure(
    keys: tuple[str, ...] | None, single: bool, names: Sequence[str]
) -> Structure:
    """The structure of a model's inputs or outputs; repeated names get a number."""
    if keys is not None:
        return Structure("dict", keys)
    unique: dict[str, None] = {}
    counts: dict[str, int] = {}
    for name in names:
        numbered = name
        while numbered in unique:
            counts[name] = counts.get(name, 0) + 1
            numbered = f"{name}_{counts[name]}"
        unique[numbered] = None
    return Structure("one" if single else "list", list(unique))


def input_port(layer: KerasLayer, problems: list[Problem]) -> Port | None:
    """The input of an input layer; None if it has a problem, which is noted."""
    shape = layer.config.get("batch_shape")
    dtype = layer.config.get("dtype", "float32")
    path = encode_name(layer.name)
    for key in ("sparse", "ragged"):
        if layer.config.get(key):
            problems.append(
                Problem(path, layer.class_name, UNEVEN[key], key, layer.config[key])
            )
            return None
    legal = isinstance(shape, list) and all(
        n is None or (is_integer(n) and 0 <= n < 2**31) for n in shape
    )
    if not legal or not shape:
        problems.append(
            Problem(
                path,
                layer.class_name,
                "the file does not state the shape of the model's input: build the "
                "model with an Input layer or input_shape and save it again",
                "batch_shape",
                shape,
            )
        )
        return None
    floating = dtype_name(dtype)
    name = dtype if floating is None else computed_in(floating)
    if not isinstance(name, str) or name not in INPUT_DTYPES:
        problems.append(
            Problem(
                path,
                layer.class_name,
                "inputs of this dtype are not supported",
                "dtype",
                dtype,
            )
        )
        return None
    return Port(path, tuple(shape), name)
