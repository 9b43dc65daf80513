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
from gru2np_runtime.files.arrays import Misuse, check_output, lacks_suffix, spool
from gru2np_runtime.files.inputs import open_inputs
from gru2np_runtime.files.outputs import RowWriter, write_npz, write_table
from gru2np_runtime.files.partial import Partial, bundle_conditions, check_partial
from gru2np_runtime.files.tables import TableOptions, fits_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gru2np_runtime.files.arrays import FileArray
    from gru2np_runtime.layer import Array
    from gru2np_runtime.model import Model

    FilePath = str | os.PathLike[str]
    # A path, or an open stream such as standard input.
    PathOrStream = FilePath | BinaryIO
    Progress = Callable[[int, int], object]

BATCH_SIZE = 1024
# The most bytes of a batch; rows with many elements come in smaller batches.
BATCH_BYTES = 2**26


class Output(NamedTuple):
    """A written array: its name, its shape with rows, and the name of its dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Prediction(NamedTuple):
    """What was predicted.

    Attributes:
        rows: their number.
        batch_size: rows at once.
        outputs: in the model's order.
        target: path of the output; None for a stream.
    """

    rows: int
    batch_size: int
    outputs: list[Output]
    target: str | None = None


class Interrupted(KeyboardInterrupt):
    """Stopped by Ctrl-C; the message says how to resume."""


def predict_file(
    model: Model,
    source: PathOrStream,
    target: PathOrStream,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
    table: TableOptions | None = None,
    bundle: FilePath | None = None,
    resume: bool = False,
    force: bool = False,
) -> Prediction:
    """Run a model on the rows of a file, batch by batch.

    Args:
        model: a loaded model.
        source: a ``.npy``, a ``.npz`` with the arrays by input name, or a table;
            recognised by content.
        target: a ``.npy``, a ``.npz`` with the arrays by output name, or a ``.csv``; a
            path is replaced when the file is complete. A stream gets a table if the
            source is one, else a ``.npy`` for one output or a ``.npz`` for several. A
            path without a suffix gets that of the same format.
        batch_size: rows at once; if None 1024, or fewer: 64 MiB of rows. A stateful
            model has its declared batch size.
        progress: called after each batch with the numbers of finished and of all rows.
        table: how to read a table.
        bundle: path of the model; without it an interrupted run cannot be resumed.
        resume: continue an interrupted run if there is one.
        force: start again, and delete the rows of an interrupted run.

    Raises:
        InputError: the source cannot be read or does not fit the model; ``target`` is
            not changed.
        Misuse: the format of the target cannot hold the outputs, or the rows of an
            interrupted run are there.
        Interrupted: Ctrl-C, after rows that are kept.
    """
    path = target if isinstance(target, (str, os.PathLike)) else None
    if path is not None and not lacks_suffix(path):
        _check_target(model, path, resume=resume, force=force)
    with ExitStack() as stack:
        folder = None if path is None else Path(path).parent
        options = table or TableOptions()
        inputs, of_table = open_inputs(model, source, options, stack, folder)
        if path is not None and lacks_suffix(path):
            path = f"{os.fspath(path)}.{_kind(model, None, of_table)}"
            read = [p for p in (bundle, source) if isinstance(p, (str, os.PathLike))]
            check_output(path, force=force, inputs=read)
            _check_target(model, path, resume=resume, force=force)
        kind = _kind(model, path, of_table)
        size = _rows_at_once(model, inputs, batch_size)
        run = _Run(model, inputs, size, batch_size, kind, progress)
        # The shapes are checked by now, before anything is written to a stream.
        if path is not None:
            conditions = None
            if bundle is not None and model.stateful is None:
                conditions = {**bundle_conditions(bundle), **run.conditions()}
            partial = Partial(path, len(model.output_names), conditions, resume=resume)
            writers = _to_file(run, partial)
        else:
            assert not isinstance(target, (str, os.PathLike))
            writers = _to_stream(run, target, stack)
    outputs = [
        Output(name, writer.shape, writer.dtype.name)
        for name, writer in zip(model.output_names, writers)
    ]
    return Prediction(run.rows, size, outputs, None if path is None else str(path))


def _check_target(model: Model, path: FilePath, *, resume: bool, force: bool) -> None:
    """Check the target before any work is done."""
    _kind(model, path, of_table=False)
    check_partial(path, resume=resume, force=force)
    if resume and model.stateful is not None:
        raise Misuse(
            "a run of a stateful model cannot be resumed, because its states are lost: "
            "start again with --force"
        )


def _kind(model: Model, path: FilePath | None, of_table: bool) -> str:
    """The format of the output: ``npy``, ``npz`` or ``csv``."""
    suffix = "" if path is None else Path(path).suffix
    several = len(model.output_names) > 1
    if suffix == ".csv" or (path is None and of_table):
        for name, shape in zip(model.output_names, model.output_shapes):
            if not fits_table(shape):
                raise Misuse(
                    f"output {name!r} {shape_text(shape)} has several free sizes, "
                    "which a row of a table cannot show: name an .npy or .npz file "
                    "with -o"
                )
        return "csv"
    if suffix == ".npz" or (path is None and several):
        return "npz"
    if several:
        raise Misuse(
            f"the model gives {len(model.output_names)} outputs "
            f"({', '.join(model.output_names)}): name an .npz file with -o"
        )
    if suffix != ".npy" and path is not None:
        raise Misuse(
            f"{str(path)!r}: expected a name that ends in .npy, .npz or .csv, got "
            f"{suffix!r}: name an .npy, .npz or .csv file with -o"
        )
    return "npy"


def _rows_at_once(model: Model, inputs: Sequence[FileArray], asked: int | None) -> int:
    """The batch size; checks that the rows fit that of a stateful model."""
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
    """A run of a model on its inputs.

    Attributes:
        size: rows in a batch.
        asked: the batch size of the user; None if not given.
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

    def conditions(self) -> dict[str, str]:
        """The conditions of this run apart from the bundle, by name."""
        shapes = ", ".join(f"{x.dtype.name} {x.shape}" for x in self.inputs)
        size, kind = str(self.size), f".{self.kind}"
        return {"input": shapes, "batch size": size, "output": kind}

    def batches(self, start: int, stop: int | None = None) -> Iterator[list[Array]]:
        """The inputs of each batch from row ``start`` on."""
        # Without rows there is one empty batch, which gives the shape of the output.
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
            start: the number of rows that are written already.
            done: called after each batch with the number of rows and its inputs.

        Raises:
            InputError: an output has fewer rows than the input.
        """
        rows = start
        for batch in self.batches(start):
            # Without a batch size the model bounds its memory itself.
            outputs = self.model.predict(
                dict(zip(self.model.input_names, batch)), batch_size=self.asked
            )
            for writer, output in zip(writers, _listed(outputs)):
                # An operation may change the number of rows, if all are one batch.
                count = len(output) if self.size >= self.rows else self.rows
                writer.add(output, count)
            rows += len(batch[0])
            done(rows, batch)
            if self.progress is not None:
                self.progress(rows, self.rows)
        if any(writer.missing for writer in writers):
            raise InputError(
                f"the model does not give one row for each of {self.rows} rows: run "
                "all rows at once (--batch-size)"
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
    """Write to a stream: a ``.npy`` directly, other formats through temporary files."""
    count, direct = len(run.model.output_names), run.kind == "npy"
    writers = [RowWriter(target if direct else spool(stack)) for _ in range(count)]
    run.score(writers)
    if not direct:
        run.join(writers, target)
    target.flush()
    return writers


def _to_file(run: _Run, partial: Partial) -> list[RowWriter]:
    """Write to a file that is replaced when all rows are done.

    Raises:
        Gru2npError: the file cannot be written.
        Interrupted: Ctrl-C, after rows that are kept.
    """
    try:
        with partial:
            start = partial.skip(lambda rows: chain.from_iterable(run.batches(0, rows)))
            if start and run.progress is not None:
                run.progress(start, run.rows)
            run.score(partial.writers, start, partial.done)
            partial.finish(None if run.kind == "npy" else run.join)
    except KeyboardInterrupt:
        if partial.kept:
            raise Interrupted(
                f"{partial.kept:,} rows are kept in {partial.folder}: the same command "
                "with --resume continues from there."
            ) from None
        raise
    except OSError as error:
        # A full disk raises here; errors without a number are not from the disk.
        if error.errno is None:
            raise
        kept = f"; {partial.kept:,} rows are kept, and --resume continues from there"
        raise Gru2npError(
            f"{partial.target}: cannot be written: {error.strerror}"
            f"{kept if partial.kept else ''}"
        ) from error
    return partial.writers
