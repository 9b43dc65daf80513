"""The file that a command writes, next to the model or where the user says."""

from __future__ import annotations

import shlex
from pathlib import Path

# Suffixes that stand for the format of a file, where others may be a part of its name.
FORMATS = (
    *(".h5", ".hdf5", ".keras", ".json", ".npy", ".npz", ".zip", ".gz", ".csv"),
    ".txt",
)


def beside(model: Path, suffix: str) -> Path:
    """The path of the output: that of the model with another suffix."""
    if not model.is_dir():
        return model.with_suffix(suffix)
    # The paths . and .. have no name.
    folder = model if model.name.strip(".") else model.resolve()
    return folder.with_name(f"{folder.name}{suffix}")


def named(output: str, suffix: str, what: str) -> str:
    """The path of the output that a user named; a suffix is added if it has none.

    Args:
        output: the path.
        suffix: that it must have.
        what: what has this suffix, for the message.

    Raises:
        Misuse: it has another suffix.
    """
    from gru2np_runtime.files.arrays import Misuse, lacks_suffix

    if lacks_suffix(output) and output != "-":
        return f"{output}{suffix}"
    own = Path(output).suffix
    if own in ("", suffix):
        return output
    stem = output.removesuffix(own) if own in FORMATS else output
    raise Misuse(
        f"{output!r}: expected a name that ends in {suffix}, as {what}, got "
        f"{own!r}: -o {shlex.quote(f'{stem}{suffix}')}"
    )
