"""Prediction from file to file, in constant memory.

``gru2np predict`` and ``python -m gru2np_runtime predict`` are both this.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from gru2np_runtime._arrays import Misuse, RowWriter, map_arrays, replacing, write_npz
from gru2np_runtime._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime._layer import Array
    from gru2np_runtime._model import Model

    FilePath = str | os.PathLike[str]
    # A path, or an open stream such as standard input.
    Place = FilePath | BinaryIO

BATCH_SIZE = 1024


class Output(NamedTuple):
    """One array that was written.

    Attributes:
        name: the model's name for it.
        shape: its shape, rows included.
        dtype: NumPy's name.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


class Prediction(NamedTuple):
    """What a prediction from file to file did.

    Attributes:
        rows: how many rows were scored.
        batch_size: how many at once.
        outputs: what was written, in the model's order.
    """

    rows: int
    batch_size: int
    outputs: list[Output]


def predict_file(
    model: Model,
    source: Place,
    target: Place,
    *,
    batch_size: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Prediction:
    """Score the rows of a file, batch by batch.

    Args:
        model: a loaded model.
        source: a ``.npy``, or a ``.npz`` with the arrays by input name.
        target: a ``.npy``, or a ``.npz`` with the arrays by output name; a path is
            replaced when the file is whole. A stream is given a ``.npy`` where the
            model has one output.
        batch_size: rows at once, 1024 if not given; a stateful model takes the batch
            it was built for.
        progress: called with rows done and rows in all after each batch.

    Raises:
        InputError: the data does not fit the model, or is no data; nothing is left
            at ``target``.
        Misuse: the target cannot hold what the model gives.
    """
    to_path = isinstance(target, (str, os.PathLike))
    several = len(model.output_names) > 1
    joined = str(target).endswith(".npz") if to_path else several
    if several and not joined:
        raise Misuse(
            f"the model gives {len(model.output_names)} outputs "
            f"({', '.join(model.output_names)}): name an .npz file with -o"
        )
    with ExitStack() as stack:
        label, file = _opened(source, stack)
        inputs = _inputs(model, map_arrays(file, label), label)
        rows = inputs[0].shape[0]
        size = _rows_at_once(model, rows, batch_size)
        # From here on the data is known to fit: a stream gets all or nothing.
        if isinstance(target, (str, os.PathLike)):
            sink = stack.enter_context(replacing(target))
        else:
            sink = target
        names = model.output_names
        files = [_spool(stack) for _ in names] if joined else [sink]
        writers = [RowWriter(file) for file in files]
        _score(model, inputs, size, writers, progress)
        if joined:
            write_npz(sink, dict(zip(names, files)))
        sink.flush()
    outputs = [
        Output(name, writer.shape, writer.dtype.name)
        for name, writer in zip(names, writers)
    ]
    return Prediction(rows, size, outputs)


def _opened(source: Place, stack: ExitStack) -> tuple[str, BinaryIO]:
    """The source as a file that can be mapped, and what messages call it."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        label = str(path)
        try:
            stream: BinaryIO = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise InputError(f"{label}: cannot be read: {error.strerror}") from None
        if path.is_file():
            return label, stream
    else:
        label, stream = "standard input", source
    # A pipe can be neither mapped nor sought in; the disk holds more than memory.
    spool = _spool(stack)
    shutil.copyfileobj(stream, spool, 1 << 20)
    spool.flush()
    spool.seek(0)
    return label, spool


def _spool(stack: ExitStack) -> BinaryIO:
    file: Any = tempfile.TemporaryFile()  # noqa: SIM115
    spool: BinaryIO = stack.enter_context(file)
    return spool


def _inputs(model: Model, given: Array | dict[str, Array], label: str) -> list[Array]:
    """One array for each input of the model, checked but not read."""
    names = model.input_names
    if not isinstance(given, dict):
        if len(names) > 1:
            raise InputError(
                f"{label}: one array, but the model has {len(names)} inputs: save "
                f"them by name, np.savez(path, {', '.join(f'{n}=...' for n in names)})"
            )
        given = {names[0]: given}
    elif len(given) == len(names) and not set(names) & set(given):
        # One array needs no name, and np.savez(path, a, b) numbers its arrays.
        numbered = [f"arr_{i}" for i in range(len(names))]
        if len(names) == 1 or sorted(numbered) == sorted(given):
            keys = list(given) if len(names) == 1 else numbered
            given = {name: given[key] for name, key in zip(names, keys)}
    if set(given) != set(names):
        raise InputError(
            f"{label}: expected arrays {', '.join(names)}, "
            f"got {', '.join(given) or 'none'}"
        )
    arrays = [given[name] for name in names]
    # The model checks stand-ins that take no memory, so that nothing is read here.
    stand_ins = {
        name: np.broadcast_to(
            np.zeros((), port.dtype if array.dtype.kind in "biuf" else array.dtype),
            array.shape,
        )
        for name, port, array in zip(names, model._graph.inputs, arrays)
    }
    model._arrays(stand_ins)
    return arrays


def _rows_at_once(model: Model, rows: int, asked: int | None) -> int:
    """The batch size; rows that a stateful model cannot take are refused here."""
    if asked is not None and asked < 1:
        raise InputError(f"batch size: expected at least 1, got {asked}")
    if not model._stateful:
        return asked or BATCH_SIZE
    declared = model.input_shapes[0][0]
    if declared is None:
        return asked or max(rows, 1)
    model._stateful_batch(rows, asked or declared)
    return declared


def _score(
    model: Model,
    inputs: Sequence[Array],
    size: int,
    writers: Sequence[RowWriter],
    progress: Callable[[int, int], object] | None,
) -> None:
    rows = inputs[0].shape[0]
    # No rows are one empty batch: it says what shape nothing has.
    for start in range(0, max(rows, 1), size):
        batch = {n: x[start : start + size] for n, x in zip(model.input_names, inputs)}
        outputs = _listed(model.predict(batch, batch_size=size))
        whole = start == 0 and size >= rows
        for writer, output in zip(writers, outputs):
            writer.add(output, len(output) if whole else rows)
        if progress is not None:
            progress(min(start + size, rows), rows)


def _listed(outputs: Any) -> list[Array]:
    if isinstance(outputs, dict):
        return list(outputs.values())
    return outputs if isinstance(outputs, list) else [outputs]
