"""A model's inputs from a file: told by content, checked, but not read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.files.arrays import FileArray, Misuse, file_arrays, spool
from gru2np_runtime.files.tables import (
    TableOptions,
    is_text,
    read_table,
    unfit_for_tables,
)
from gru2np_runtime.graph import Port

if TYPE_CHECKING:
    from contextlib import ExitStack

    from gru2np_runtime.model import Model

    FilePath = str | os.PathLike[str]
    Place = FilePath | BinaryIO


def open_inputs(
    model: Model,
    source: Place,
    table: TableOptions | None,
    stack: ExitStack,
    folder: FilePath | None,
) -> tuple[list[FileArray], bool]:
    """One array for each input of the model, and whether they came as a table.

    Raises:
        InputError: the data does not fit the model, or is no data.
        Misuse: the options of a table are given for what is none.
    """
    label, file = _seekable(source, stack, folder)
    ports = [
        Port(name, port.shape, port.dtype)
        for name, port in zip(model.input_names, model.graph.inputs)
    ]
    if is_text(file):
        unfit = unfit_for_tables(ports)
        if unfit is None:
            found = read_table(file, label, ports, table, stack, folder)
            return _by_name(model, found, label), True
        file.seek(0)
        raise InputError(
            f"{label}: expected a .npy or .npz file, got a file that begins with "
            f"{file.read(6)!r}; {unfit}"
        )
    if table is not None and table != TableOptions():
        raise Misuse(f"{label} is no table, so it has no header and no columns")
    return _by_name(model, file_arrays(file, label, stack, folder), label), False


def _seekable(
    source: Place, stack: ExitStack, folder: FilePath | None
) -> tuple[str, BinaryIO]:
    """The source as a file that can be sought in, and what messages call it."""
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
    # The disk holds more than memory.
    copy = spool(stack, folder)
    shutil.copyfileobj(stream, copy, 1 << 20)
    copy.flush()
    return label, copy


def _by_name(
    model: Model, given: FileArray | dict[str, FileArray], label: str
) -> list[FileArray]:
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
        for name, port, array in zip(names, model.graph.inputs, arrays)
    }
    model._arrays(stand_ins)
    return arrays
