"""Inputs to verify a model with: read from a file, or drawn so that they fit it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.errors import InputError, VerificationError
from gru2np.layers.recurrent import is_stateful
from gru2np.verification.input_usage import usages
from gru2np.verification.landmarks import strangers
from gru2np_runtime.files.arrays import map_arrays
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.ir import Array, FilePath
    from gru2np.verification.input_usage import Usage
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Graph, Port


ROWS = 3
# The first that every layer of the model takes is used for all free axes.
LENGTHS = (7, 12, 24, 48, 100, 200, 400, 1000, 4000)
# Numbers that no layer turns into a row of a table.
WHOLE_NUMBERS = 10


def has_states(graph: Layer) -> bool:
    """Whether a layer of a model keeps its states between calls."""
    return any(is_stateful(layer) for _, layer in walk(graph))


def declared_batch(graph: Graph) -> int | None:
    """The batch size the model was built for, None for any."""
    return graph.inputs[0].shape[0]


def draw(
    graph: Graph, weights: Mapping[str, Array], names: Sequence[str], seed: int
) -> dict[str, Array]:
    """Arrays that fit a model, the same for the same seed.

    Normal numbers, or those that a normalization makes normal; ids within the table
    where they feed an Embedding, members of a vocabulary and strangers where they are
    looked up; where steps can be masked, some rows are padded on the right, some on the
    left with a hole inside.  A stateful model gets several batches, so that states are
    carried over.

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
    """Shapes of the inputs with sizes for the free axes that every layer takes.

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
        sizes = [n for own in inferred.values() for shape in own for n in shape]
        if all(n is None or n > 0 for n in sizes):
            return tried
        reason = reason or "a layer is left with nothing"
    raise VerificationError(
        f"no inputs could be drawn that fit this model ({reason}): give some "
        "with --input"
    )


def array(
    rng: np.random.Generator, port: Port, shape: tuple[int, ...], usage: Usage
) -> Array:
    """An array for an input; nothing in it is masked on purpose."""
    if usage.rows is not None:
        return rng.integers(0, usage.rows, shape).astype(port.dtype)
    if port.dtype.startswith("float"):
        return _usual(usage, rng.normal(size=shape)).astype(port.dtype)
    if port.dtype == "bool":
        return rng.random(shape) < 0.7
    if usage.known:
        members = rng.choice(np.array(usage.known), shape)
        if usage.only_known:
            return members.astype(port.dtype)
        others = rng.choice(strangers(usage, port.dtype), shape)
        return np.where(rng.random(shape) < 0.7, members, others).astype(port.dtype)
    if usage.usual:
        numbers, limits = np.rint(_usual(usage, rng.normal(size=shape))), port.dtype
        least, most = np.iinfo(limits).min, np.iinfo(limits).max
        return np.clip(numbers, least, most).astype(port.dtype)
    return rng.integers(0, WHOLE_NUMBERS, shape).astype(port.dtype)


def _usual(usage: Usage, normal: Array) -> Array:
    """Normal numbers as the input's readers expect them, each reader's in turn."""
    for row in range(len(normal)) if usage.usual else ():
        centre, width = usage.usual[row % len(usage.usual)]
        normal[row] = (centre + width * normal[row : row + 1])[0]
    return normal


def _pad(array: Array, values: Sequence[float]) -> None:
    """Pad rows in turn: right, left with a hole inside, not at all.

    Two rows padded alike hold different values, where several mean padding.
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

    A ``.npz`` holds one array for each name; ``arr_0``, ``arr_1`` (what
    ``np.savez(path, a, b)`` writes) stand in order, and a single array needs no name.

    Args:
        value: what the caller or the user gave.
        names: the model's names, in order.
        what: ``input`` or ``expected output``, for messages.

    Raises:
        InputError: it is no such thing, or does not fit the names.
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
                f"got {sorted(arrays)}"
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
        raise InputError(f"{where}: {name!r} is no array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{where}: {name!r}: expected numbers, got {array.dtype}")
    return array


def _read(path: FilePath) -> Array | dict[str, Array]:
    try:
        with Path(path).open("rb") as file:
            return map_arrays(file, str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
