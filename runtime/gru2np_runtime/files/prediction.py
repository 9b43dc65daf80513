"""Prediction from file to file, in constant memory.

``gru2np predict`` and ``python -m gru2np_runtime predict`` are both this.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from gru2np_runtime.data import shape_text
from gru2np_runtime.errors import Gru2npError, InputError
from gru2np_runtime.files.arrays import Misuse, spool
from gru2np_runtime.files.inputs import open_inputs
from gru2np_runtime.files.outputs import RowWriter, write_npz, write_table
from gru2np_runtime.files.partial import Partial, begun_with, check_partial
from gru2np_runtime.files.tables import TableOptions, fits_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gru2np_runtime.files.arrays import FileArray
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
    """An array that was written: its name, shape with rows, and NumPy's dtype name."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Prediction(NamedTuple):
    """The rows that were scored, how many at once, and outputs in the model's order."""

    rows: int
    batch_size: int
    outputs: list[Output]


class Interrupted(KeyboardInterrupt):
    """Stopped by Ctrl-C, with rows that ``resume`` continues; its text says so."""


def predict_file(
    model: Model,
    source: Place,
    target: Place,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
    table: TableOptions | None = None,
    bundle: FilePath | None = None,
    resume: bool = False,
    force: bool = False,
) -> Prediction:
    """Score the rows of a file, batch by batch.

    Args:
        model: a loaded model.
        source: a ``.npy``, a ``.npz`` with the arrays by input name, or a table;
            recognised by content.
        target: a ``.npy``, a ``.npz`` with the arrays by output name, or a ``.csv``; a
            path is replaced when the file is whole. A stream gets a table for a table,
            else a ``.npy`` if the model has one output and a ``.npz`` if several.
        batch_size: rows at once; if None 1024, or as many as are 64 MiB. A stateful
            model takes the batch it was built for.
        progress: called with rows done and rows in all after each batch.
        table: how to read a table.
        bundle: of the model. Without it no later run can continue an interrupted one.
        resume: continue an interrupted run, if there was one.
        force: begin anew, whatever an interrupted run left.

    Raises:
        InputError: the data does not fit the model, or is no data; ``target`` stays
            as it was.
        Misuse: the target cannot hold what the model gives, or an interrupted run's
            rows are there.
        Interrupted: Ctrl-C, after rows that are kept.
    """
    path = target if isinstance(target, (str, os.PathLike)) else None
    if path is not None:
        _check_target(model, path, resume=resume, force=force)
    with ExitStack() as stack:
        folder = None if path is None else Path(path).parent
        options = table or TableOptions()
        inputs, of_table = open_inputs(model, source, options, stack, folder)
        kind = _kind(model, path, of_table)
        size = _rows_at_once(model, inputs, batch_size)
        run = _Run(model, inputs, size, batch_size, kind, progress)
        # From here on the data is known to fit: a stream gets all or nothing.
        if isinstance(target, (str, os.PathLike)):
            journal = None
            if bundle is not None and model.stateful is None:
                journal = {**begun_with(bundle), **run.begun_with()}
            place = Partial(target, len(model.output_names), journal, resume=resume)
            writers = _to_file(run, place)
        else:
            writers = _to_stream(run, target, stack)
    outputs = [
        Output(name, writer.shape, writer.dtype.name)
        for name, writer in zip(model.output_names, writers)
    ]
    return Prediction(run.rows, size, outputs)


def _check_target(model: Model, path: FilePath, *, resume: bool, force: bool) -> None:
    """Refuse before any work is done."""
    _kind(model, path, of_table=False)
    check_partial(path, resume=resume, force=force)
    if resume and model.stateful is not None:
        raise Misuse(
            "a stateful model carries its states from row to row, and those of an "
            "interrupted run are gone: begin anew with --force"
        )


def _kind(model: Model, path: FilePath | None, of_table: bool) -> str:
    """What is written: ``npy``, ``npz`` or ``csv``."""
    suffix = "" if path is None else Path(path).suffix
    several = len(model.output_names) > 1
    if suffix == ".csv" or (path is None and of_table):
        for name, shape in zip(model.output_names, model.output_shapes):
            if not fits_table(shape):
                raise Misuse(
                    f"no row of a table holds output {name!r} {shape_text(shape)}, "
                    "whose sizes are open: name an .npy or .npz file with -o"
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
            f"{str(path)!r}: expected a name that ends in .npy, .npz or .csv, got "
            f"{suffix!r}: name an .npy, .npz or .csv file with -o"
        )
    return "npy"


def _rows_at_once(model: Model, inputs: Sequence[FileArray], asked: int | None) -> int:
    """The batch size; rows that a stateful model cannot take are refused here."""
    if asked is not None and asked < 1:
        raise InputError(f"batch size: expected at least 1, got {asked}")
    rows = inputs[0].shape[0]
    if model.stateful is not None:
        declared = model.input_shapes[0][0]
        if declared is None:
            return asked or max(rows, 1)
        model.stateful.batch_size(rows, asked or declared)
        return declared
    row_bytes = sum(x.row_bytes for x in inputs)
    return asked or max(1, min(BATCH_SIZE, BATCH_BYTES // max(row_bytes, 1)))


class _Run(NamedTuple):
    """A model, its inputs, and how they are scored.

    Attributes:
        size: rows in a batch.
        asked: the batch size that the user asked for, if any.
        kind: ``npy``, ``npz`` or ``csv``.
    """

    model: Model
    inputs: Sequence[FileArray]
    size: int
    asked: int | None
    kind: str
    progress: Progress | None

    @property
    def rows(self) -> int:
        return self.inputs[0].shape[0]

    def begun_with(self) -> dict[str, str]:
        """What the bytes of the output depend on besides the bundle, by name."""
        shapes = ", ".join(f"{x.dtype.name} {x.shape}" for x in self.inputs)
        size, kind = str(self.size), f".{self.kind}"
        return {"input": shapes, "batch size": size, "output": kind}

    def batches(self, start: int, stop: int | None = None) -> Iterator[list[Array]]:
        """The inputs of each batch, from one row to another or to the last."""
        # No rows are one empty batch: it says what shape nothing has.
        rows = max(self.rows, 1)
        for first in range(start, rows if stop is None else min(stop, rows), self.size):
            yield [x.rows(first, first + self.size) for x in self.inputs]

    def score(
        self,
        writers: Sequence[RowWriter],
        start: int = 0,
        done: Callable[[int, list[Array]], None] = lambda rows, batch: None,
    ) -> None:
        """Write the outputs of all rows from ``start`` on.

        Args:
            writers: one for each output.
            start: how many rows are written already.
            done: called with rows done and the inputs of the last batch.

        Raises:
            InputError: batches have fewer rows of the outputs than of the inputs.
        """
        rows = start
        for batch in self.batches(start):
            # Asked for nothing, the model bounds its own memory within the batch.
            outputs = self.model.predict(
                dict(zip(self.model.input_names, batch)), batch_size=self.asked
            )
            for writer, output in zip(writers, _listed(outputs)):
                # An operation may make fewer rows of a batch; one batch may be all.
                whole = len(output) if self.size >= self.rows else self.rows
                writer.add(output, whole)
            rows += len(batch[0])
            done(rows, batch)
            if self.progress is not None:
                self.progress(rows, self.rows)
        if any(writer.missing for writer in writers):
            raise InputError(
                f"the model does not give a row for each of {self.rows} rows: score "
                "them all at once (--batch-size)"
            )

    def join(self, writers: Sequence[RowWriter], file: BinaryIO) -> None:
        """Write the outputs into one file."""
        write = write_npz if self.kind == "npz" else write_table
        write(file, dict(zip(self.model.output_names, writers)))


def _listed(outputs: Any) -> list[Array]:
    if isinstance(outputs, dict):
        return list(outputs.values())
    return outputs if isinstance(outputs, list) else [outputs]


def _to_stream(run: _Run, target: BinaryIO, stack: ExitStack) -> list[RowWriter]:
    """Score to a stream, from which nothing can be taken back."""
    count, as_is = len(run.model.output_names), run.kind == "npy"
    writers = [RowWriter(target if as_is else spool(stack)) for _ in range(count)]
    run.score(writers)
    if not as_is:
        run.join(writers, target)
    target.flush()
    return writers


def _to_file(run: _Run, place: Partial) -> list[RowWriter]:
    """Score to a file that is replaced when all rows are done.

    Raises:
        Gru2npError: the place cannot be written.
        Interrupted: Ctrl-C, after rows that are kept.
    """
    try:
        with place:
            start = place.skip(lambda rows: chain.from_iterable(run.batches(0, rows)))
            if start and run.progress is not None:
                run.progress(start, run.rows)
            run.score(place.writers, start, place.done)
            place.finish(None if run.kind == "npy" else run.join)
    except KeyboardInterrupt:
        if place.kept:
            raise Interrupted(
                f"{place.kept:,} rows are kept in {place.folder}: the same command "
                "with --resume continues from there."
            ) from None
        raise
    except OSError as error:
        # A full disk shows only here; errors without a number are not the disk's.
        if error.errno is None:
            raise
        kept = f"; {place.kept:,} rows are kept, and --resume continues from there"
        raise Gru2npError(
            f"{place.target}: cannot be written: {error.strerror}"
            f"{kept if place.kept else ''}"
        ) from error
    return place.writers
