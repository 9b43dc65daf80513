"""Prediction from file to file, in constant memory.

``gru2np predict`` and ``python -m gru2np_runtime predict`` are both this.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from gru2np_runtime.errors import Gru2npError, InputError
from gru2np_runtime.files.arrays import Misuse, spool
from gru2np_runtime.files.inputs import open_inputs
from gru2np_runtime.files.outputs import ArraySink, TableSink, write_npz
from gru2np_runtime.files.partial import Partial, check_partial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gru2np_runtime.files.arrays import FileArray
    from gru2np_runtime.files.journal import Recovery
    from gru2np_runtime.files.tables import TableOptions
    from gru2np_runtime.layer import Array
    from gru2np_runtime.model import Model

    FilePath = str | os.PathLike[str]
    # A path, or an open stream such as standard input.
    Place = FilePath | BinaryIO
    Progress = Callable[[int, int], object]

BATCH_SIZE = 1024
# Rows of many numbers come in smaller batches: bytes that one may have.
BATCH_BYTES = 2**26


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


class Interrupted(KeyboardInterrupt):
    """Stopped from outside, with rows that ``resume`` goes on from.

    Attributes:
        rows: how many are done.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows


def predict_file(
    model: Model,
    source: Place,
    target: Place,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
    table: TableOptions | None = None,
    recovery: Recovery | None = None,
) -> Prediction:
    """Score the rows of a file, batch by batch.

    Args:
        model: a loaded model.
        source: a ``.npy``, a ``.npz`` with the arrays by input name, or a table; told
            by content.
        target: a ``.npy``, a ``.npz`` with the arrays by output name, or a ``.csv``; a
            path is replaced when the file is whole. A stream is given a table for a
            table, else a ``.npy`` where the model has one output.
        batch_size: rows at once; if not given 1024, or as many as are 64 MiB. A
            stateful model takes the batch it was built for.
        progress: called with rows done and rows in all after each batch.
        table: how to read a table.
        recovery: what a later run must have in common with this one to go on where it
            was interrupted; None where none can.

    Raises:
        InputError: the data does not fit the model, or is no data; nothing is changed
            at ``target``.
        Misuse: the target cannot hold what the model gives, or an interrupted run's
            rows are there.
        Interrupted: Ctrl-C, after rows that are kept.
    """
    path = target if isinstance(target, (str, os.PathLike)) else None
    if path is not None:
        recovery = _checked(model, path, recovery)
    with ExitStack() as stack:
        folder = None if path is None else Path(path).parent
        inputs, of_table = open_inputs(model, source, table, stack, folder)
        kind = _kind(model, path, of_table)
        size = _rows_at_once(model, inputs, batch_size)
        # From here on the data is known to fit: a stream gets all or nothing.
        count = len(model.output_names) if kind == "npz" else 1
        if isinstance(target, (str, os.PathLike)):
            if recovery is not None:
                also = _also_begun_with(inputs, size, kind)
                begun_with = {**recovery.begun_with, **also}
                recovery = recovery._replace(begun_with=begun_with)
            place = Partial(target, count, recovery)
            written = _kept(place, model, inputs, (size, batch_size), kind, progress)
        else:
            stream = _Stream(target, kind, count, stack)
            written = _score(stream, model, inputs, (size, batch_size), kind, progress)
    names = model.output_names
    outputs = [Output(n, shape, dtype) for n, (shape, dtype) in zip(names, written)]
    return Prediction(inputs[0].shape[0], size, outputs)


def _also_begun_with(
    inputs: Sequence[FileArray], size: int, kind: str
) -> dict[str, str]:
    shapes = ", ".join(f"{x.dtype.name} {x.shape}" for x in inputs)
    return {"input": shapes, "batch size": str(size), "output": f".{kind}"}


def _checked(
    model: Model, path: FilePath, recovery: Recovery | None
) -> Recovery | None:
    """The recovery that the model allows, before any work is done."""
    _kind(model, path, False)
    check_partial(path, recovery)
    if model._stateful is None:
        return recovery
    if recovery is not None and recovery.resume:
        raise Misuse(
            "a stateful model carries its states from row to row, and those of an "
            "interrupted run are gone: begin anew with --force"
        )
    return None


def _kind(model: Model, path: FilePath | None, of_table: bool) -> str:
    """What is written: ``npy``, ``npz`` or ``csv``."""
    suffix = "" if path is None else Path(path).suffix
    several = len(model.output_names) > 1
    if suffix == ".csv" or (path is None and of_table):
        for name, shape in zip(model.output_names, model.output_shapes):
            if len(shape) > 2:
                raise Misuse(
                    f"a table has one row a sample, and output {name!r} is {shape}: "
                    "name an .npy or .npz file with -o"
                )
        return "csv"
    if suffix == ".npz" or (path is None and several):
        return "npz"
    if several:
        raise Misuse(
            f"the model gives {len(model.output_names)} outputs "
            f"({', '.join(model.output_names)}): name an .npz file with -o"
        )
    if suffix not in ("", ".npy"):
        raise Misuse(
            f"{str(path)!r}: nothing is known of {suffix!r}: name an .npy, .npz or "
            ".csv file with -o"
        )
    return "npy"


def _rows_at_once(model: Model, inputs: Sequence[FileArray], asked: int | None) -> int:
    """The batch size; rows that a stateful model cannot take are refused here."""
    if asked is not None and asked < 1:
        raise InputError(f"batch size: expected at least 1, got {asked}")
    rows = inputs[0].shape[0]
    if model._stateful is not None:
        declared = model.input_shapes[0][0]
        if declared is None:
            return asked or max(rows, 1)
        model._stateful.batch_size(rows, asked or declared)
        return declared
    row_bytes = sum(x.row_bytes for x in inputs)
    return asked or max(1, min(BATCH_SIZE, BATCH_BYTES // max(row_bytes, 1)))


class _Stream:
    """A stream as the place of an output: nothing of it can be taken back."""

    def __init__(
        self, target: BinaryIO, kind: str, count: int, stack: ExitStack
    ) -> None:
        self._target = target
        joined = kind == "npz"
        self.files = [spool(stack) for _ in range(count)] if joined else [target]

    def go_on(self, sink: object, inputs: object) -> int:
        return 0

    def done(self, rows: int, inputs: object) -> None:
        return None

    def finish(
        self, join: Callable[[BinaryIO, Sequence[BinaryIO]], None] | None
    ) -> None:
        if join is not None:
            join(self._target, self.files)
        self._target.flush()


def _kept(place: Partial, *rest: Any) -> list[tuple[tuple[int, ...], str]]:
    """Score into a folder that keeps what is done."""
    again = ""
    try:
        with place:
            return _score(place, *rest)
    except KeyboardInterrupt:
        if place.kept:
            raise Interrupted(place.kept) from None
        raise
    except OSError as error:
        # A full disk shows only here; errors without a number are not the disk's.
        if error.errno is None:
            raise
        if place.kept:
            again = f"; {place.kept} rows are kept, and --resume goes on from there"
        raise Gru2npError(
            f"{place.target}: cannot be written: {error.strerror}{again}"
        ) from error


def _score(
    place: Partial | _Stream,
    model: Model,
    inputs: Sequence[FileArray],
    sizes: tuple[int, int | None],
    kind: str,
    progress: Progress | None,
) -> list[tuple[tuple[int, ...], str]]:
    """Shapes and dtypes of the outputs, once they are written."""
    names, rows, (size, asked) = model.output_names, inputs[0].shape[0], sizes
    sink: ArraySink | TableSink = (
        TableSink(place.files[0], names) if kind == "csv" else ArraySink(place.files)
    )

    def batches(count: int) -> Iterator[Array]:
        for start in range(0, min(count, rows), size):
            for x in inputs:
                yield x.rows(start, start + size)

    done = place.go_on(sink, batches)
    if done and progress is not None:
        progress(done, rows)
    # No rows are one empty batch: it says what shape nothing has.
    for start in range(done, max(rows, 1), size):
        batch = [x.rows(start, start + size) for x in inputs]
        given = dict(zip(model.input_names, batch))
        # Asked for nothing, the model bounds its own memory within the batch.
        outputs = _listed(model.predict(given, batch_size=asked))
        sink.add(outputs, -1 if start == 0 and size >= rows else rows)
        place.done(min(start + size, rows), batch)
        if progress is not None:
            progress(min(start + size, rows), rows)

    def join(whole: BinaryIO, files: Iterable[BinaryIO]) -> None:
        write_npz(whole, dict(zip(names, files)))

    place.finish(join if kind == "npz" else None)
    return sink.written()


def _listed(outputs: Any) -> list[Array]:
    if isinstance(outputs, dict):
        return list(outputs.values())
    return outputs if isinstance(outputs, list) else [outputs]
