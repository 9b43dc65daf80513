"""Open the inputs of a model in a file: recognise its format, and check shapes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.files.arrays import (
    FileArray,
    Misuse,
    file_arrays,
    holds_arrays,
    spool,
)
from gru2np_runtime.files.tables import TableOptions, read_table
from gru2np_runtime.graph import Port

if TYPE_CHECKING:
    from contextlib import ExitStack

    from gru2np_runtime.model import Model

    FilePath = str | os.PathLike[str]
    PathOrStream = FilePath | BinaryIO


def open_inputs(
    model: Model,
    source: PathOrStream,
    table: TableOptions,
    stack: ExitStack,
    folder: FilePath | None,
) -> tuple[list[FileArray], bool]:
    """One array for each input of the model, and whether the file is a table.

    Raises:
        InputError: the file cannot be read, or its arrays do not fit the model.
        Misuse: there are options for a table, but the file is no table.
    """
    label, file = _seekable(source, stack, folder)
    of_table = not holds_arrays(file, label)
    if of_table:
        ports = [
            Port(name, port.shape, port.dtype)
            for name, port in zip(model.input_names, model.graph.inputs)
        ]
        arrays = list(read_table(file, label, ports, table, stack, folder).values())
    elif table != TableOptions():
        raise Misuse(
            f"{label} is not a table: leave out --header, --no-header and --columns"
        )
    else:
        arrays = _by_name(model, file_arrays(file, label, stack, folder), label)
    _check(model, arrays)
    return arrays, of_table


def _seekable(
    source: PathOrStream, stack: ExitStack, folder: FilePath | None
) -> tuple[str, BinaryIO]:
    """The name of the source in messages, and a seekable file."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        label = str(path)
        try:
            stream: BinaryIO = stack.enter_context(path.open("rb"))
        except OSError as error:
            way = ": name a .npy, .npz or .csv file" * path.is_dir()
            raise InputError(
                f"{label}: cannot be read: {error.strerror}{way}"
            ) from None
        if path.is_file():
            return label, stream
    else:
        label, stream = "standard input", source
    # A pipe is copied to disk, which may be larger than memory.
    copy = spool(stack, folder)
    shutil.copyfileobj(stream, copy, 1 << 20)
    copy.flush()
    return label, copy


def _by_name(
    model: Model, arrays: FileArray | dict[str, FileArray], label: str
) -> list[FileArray]:
    """The arrays of a file in the order of the model's inputs."""
    names = model.input_names
    if not isinstance(arrays, dict):
        if len(names) > 1:
            raise InputError(
                f"{label}: got one array, but the model has {len(names)} inputs: save "
                f"them by name, np.savez(path, {', '.join(f'{n}=...' for n in names)})"
            )
        return [arrays]
    if len(names) == len(arrays) == 1:
        return list(arrays.values())
    # np.savez(path, a, b) numbers its arrays.
    numbered = [f"arr_{i}" for i in range(len(names))]
    for keys in (names, numbered):
        if set(keys) == set(arrays):
            return [arrays[key] for key in keys]
    from gru2np_runtime.hints import nearest

    missing = [name for name in names if name not in arrays]
    guesses = (nearest(key, missing) for key in arrays if key not in names)
    saved = f": np.savez('x.npz', {', '.join(f'{name}=...' for name in names)})"
    raise InputError(
        f"{label}: expected arrays {', '.join(names)}, "
        f"got {', '.join(arrays) or 'none'}{next(filter(None, guesses), saved)}"
    )


def _check(model: Model, arrays: list[FileArray]) -> None:
    """Check shapes and dtypes with broadcast zeros, which take no memory.

    Raises:
        InputError: a shape or a dtype does not fit.
    """
    stand_ins = {}
    for name, port, array in zip(model.input_names, model.graph.inputs, arrays):
        dtype = port.dtype if array.dtype.kind in "biuf" else array.dtype
        stand_ins[name] = np.broadcast_to(np.zeros((), dtype), array.shape)
    model.input_arrays(stand_ins)
