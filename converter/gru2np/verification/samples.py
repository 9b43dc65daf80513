"""Inputs to verify a model with: read from a file, or drawn to fit the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.errors import InputError, VerificationError
from gru2np.layers.recurrent import is_stateful
from gru2np.verification.input_usage import usages
from gru2np.verification.landmarks import out_of_vocabulary
from gru2np_runtime.files.arrays import map_arrays
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.ir import Array, FilePath
    from gru2np.verification.input_usage import Usage
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Graph, Port


ROWS = 3
# Sizes for free axes; all get the first one that every layer accepts.
LENGTHS = (7, 12, 24, 48, 100, 200, 400, 1000, 4000)
# Integers that no layer uses as ids are drawn below this.
INTEGERS = 10


def has_states(graph: Layer) -> bool:
    """Whether a layer of a model keeps its states between calls."""
    return any(is_stateful(layer) for _, layer in walk(graph))


def declared_batch(graph: Graph) -> int | None:
    """The batch size that the model declares; None for any."""
    return graph.inputs[0].shape[0]


def draw(
    graph: Graph, weights: Mapping[str, Array], names: Sequence[str], seed: int
) -> dict[str, Array]:
    """Arrays that fit a model, the same for the same seed.

    Floats are normal, or become normal in a normalization that reads them; ids are
    within their table; lookups get numbers in and out of their vocabulary.  If steps
    can be masked, some rows are padded on the right, some on the left with a masked
    part inside.  A stateful model gets several batches, so that states are carried.

    Raises:
        VerificationError: no size of the free axes fits the model.
    """
    rows = declared_batch(graph) or ROWS
    if has_states(graph) and declared_batch(graph):
        rows *= ROWS
    sizes = shapes(graph, declared_batch(graph) or rows)
    rng = np.random.default_rng(seed)
    known = usages(graph, weights)
    arrays = {}
    for name, port, shape in zip(names, graph.inputs, sizes, strict=True):
        usage = known[port.name]
        arrays[name] = array(rng, port, (rows, *shape[1:]), usage)
        if usage.mask_values and len(shape) > 1:
            _pad(arrays[name], usage.mask_values)
    return arrays


def shapes(graph: Graph, rows: int) -> list[tuple[int, ...]]:
    """Shapes of the inputs, with sizes for the free axes that every layer accepts.

    Raises:
        VerificationError: no size fits.
    """
    reason = ""
    for length in LENGTHS:
        tried = [
            (rows, *(length if n is None else n for n in port.shape[1:]))
            for port in graph.inputs
        ]
        try:
            inferred, _ = graph.infer_nodes(tried)
        except ValueError as error:
            reason = reason or str(error)
            continue
        sizes = [n for outputs in inferred.values() for shape in outputs for n in shape]
        if all(n is None or n > 0 for n in sizes):
            return tried
        reason = reason or "the output of a layer is empty"
    raise VerificationError(
        f"no drawn inputs fit this model ({reason}): give inputs with --input"
    )


def array(
    rng: np.random.Generator, port: Port, shape: tuple[int, ...], usage: Usage
) -> Array:
    """A random array for an input, with no padding."""
    if usage.rows is not None:
        return rng.integers(0, usage.rows, shape).astype(port.dtype)
    if port.dtype.startswith("float"):
        return _typical(usage, rng.normal(size=shape)).astype(port.dtype)
    if port.dtype == "bool":
        return rng.random(shape) < 0.7
    if usage.vocabulary:
        members = rng.choice(np.array(usage.vocabulary), shape)
        if usage.only_vocabulary:
            return members.astype(port.dtype)
        others = rng.choice(out_of_vocabulary(usage, port.dtype), shape)
        return np.where(rng.random(shape) < 0.7, members, others).astype(port.dtype)
    if usage.typical:
        numbers, limits = np.rint(_typical(usage, rng.normal(size=shape))), port.dtype
        least, most = np.iinfo(limits).min, np.iinfo(limits).max
        return np.clip(numbers, least, most).astype(port.dtype)
    return rng.integers(0, INTEGERS, shape).astype(port.dtype)


def _typical(usage: Usage, normal: Array) -> Array:
    """Normal numbers scaled for the layers that read the input, row by row in turn."""
    for row in range(len(normal)) if usage.typical else ():
        mean, deviation = usage.typical[row % len(usage.typical)]
        normal[row] = (mean + deviation * normal[row : row + 1])[0]
    return normal


def _pad(array: Array, values: Sequence[float]) -> None:
    """Pad rows in turn: on the right, on the left and inside, not at all.

    If several values mean padding, rows of one pattern get different ones.
    """
    steps = array.shape[1]
    for row in range(array.shape[0]):
        value = values[(row + row // ROWS) % len(values)]
        if row % ROWS == 0:
            array[row, steps - steps // 3 :] = value
        elif row % ROWS == 1:
            array[row, : steps // 4] = value
            array[row, steps // 2 : steps // 2 + steps // 6] = value


def by_name(value: Any, names: Sequence[str], what: str) -> dict[str, Array]:
    """Arrays by name, from an array, a list, a dict, or the path of a file.

    A ``.npz`` holds one array for each name; ``arr_0``, ``arr_1`` (which
    ``np.savez(path, a, b)`` writes) are in the model's order; a single array may have
    any name.

    Args:
        value: an array, a list, a dict or a path.
        names: the model's names, in order.
        what: ``input`` or ``expected output``, for messages.

    Raises:
        InputError: it cannot be read, or the names do not fit.
    """
    where = f"{what}s"
    if isinstance(value, (str, Path)) or hasattr(value, "__fspath__"):
        where = str(value)
        value = _read(value)
    if isinstance(value, dict):
        arrays = dict(value)
        positional = [f"arr_{i}" for i in range(len(names))]
        if len(names) == 1 and len(arrays) == 1:
            arrays = {names[0]: next(iter(arrays.values()))}
        elif set(arrays) == set(positional):
            arrays = {n: arrays[p] for n, p in zip(names, positional, strict=True)}
        if set(arrays) != set(names):
            raise InputError(
                f"{where}: expected an array for each {what}, {sorted(names)}, "
                f"got {sorted(arrays)}: np.savez(path, "
                f"{', '.join(f'{name}=...' for name in names)}) saves them"
            )
        return {name: _numbers(arrays[name], name, where) for name in names}
    items = value if isinstance(value, (list, tuple)) else [value]
    if len(names) == 1 and len(items) != 1:
        items = [value]
    if len(items) != len(names):
        raise InputError(
            f"{where}: expected {len(names)} arrays, for {list(names)}, "
            f"got {len(items)}"
        )
    pairs = zip(names, items, strict=True)
    return {name: _numbers(item, name, where) for name, item in pairs}


def _numbers(value: Any, name: str, where: str) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{where}: {name!r}: expected an array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{where}: {name!r}: expected numbers, got {array.dtype}")
    return array


def _read(path: FilePath) -> Array | dict[str, Array]:
    try:
        with Path(path).open("rb") as file:
            return map_arrays(file, str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
