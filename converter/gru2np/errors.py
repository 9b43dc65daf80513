"""The errors of the converter and of the runtime.

Gru2npError                       the root; everything below is one of these
├── BundleError (ValueError)      from gru2np_runtime: a bundle that breaks a rule
├── CustomObjectError (TypeError) from gru2np_runtime: a custom class or function fails
├── InputError (ValueError)       from gru2np_runtime: data that does not fit
├── ModelFileError (ValueError)   a file that is damaged, hostile or not a model
├── UnsupportedModelError (NotImplementedError)
│                                 a model that cannot be converted faithfully
└── VerificationError (RuntimeError)
                                  no Keras can run the model, or its outputs differ
                                  from the ones to be recorded
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gru2np_runtime.errors import (
    BundleError,
    CustomObjectError,
    Gru2npError,
    InputError,
    plain_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "BundleError",
    "CustomObjectError",
    "Gru2npError",
    "InputError",
    "ModelFileError",
    "Problem",
    "UnsupportedModelError",
    "VerificationError",
]


@contextmanager
def naming(bundle: str | os.PathLike[str]) -> Iterator[None]:
    """Put the bundle's path before the message of a BundleError raised inside."""
    try:
        yield
    except BundleError as error:
        raise BundleError(f"{os.fspath(bundle)}: {error}") from None


def check_path(value: object, name: str, example: str, *, other: str = "") -> None:
    """Check an argument that is a path.

    Args:
        value: the argument.
        name: its name.
        example: how the function is called.
        other: what the argument may be beside a path.

    Raises:
        InputError: it is no path.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise InputError(
            f"{name}: expected a path{other}, got {type(value).__name__}: {example}"
        )


def check_apart(
    out: str | os.PathLike[str],
    sources: Iterable[str | os.PathLike[str] | None],
    suffix: str,
) -> None:
    """Refuse to replace a model by what is made of it.

    Args:
        out: path of the output.
        sources: paths of the model and its weights.
        suffix: of the output's name.

    Raises:
        InputError: the output is one of them.
    """
    target = Path(out)
    paths = [Path(path) for path in sources if path is not None]
    if target.exists() and any(p.exists() and target.samefile(p) for p in paths):
        raise InputError(
            f"out: {os.fspath(out)} is the model itself: name another file, "
            f"out={str(target.with_suffix(suffix))!r}"
        )


def shown(value: object, limit: int = 60) -> str:
    """A value from a file, on one line and not too long, for a message."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


# The ways on for every layer that cannot be converted.
WAYS_ON = (
    "Ways on: give a class or function of your own for it, by its name "
    "(--custom-objects FILE.py, in Python custom_objects=); or export the part of the "
    "model before it (--outputs NAME, in Python outputs=)"
)


class ModelFileError(Gru2npError, ValueError):
    """A file that is damaged, hostile or not a Keras model.

    Its message has lines that a terminal can show, whatever names are in the file.
    """

    def __init__(self, message: str) -> None:
        super().__init__(plain_lines(message))


class VerificationError(Gru2npError, RuntimeError):
    """No Keras can run the model, or its outputs differ from the bundle's."""


@dataclass(frozen=True)
class Problem:
    """One thing in a model that cannot be converted faithfully.

    Attributes:
        layer: path of the layer, nested models joined with ``/``.
        class_name: its Keras class.
        reason: what is wrong and what to do, one line.
        option: the option that causes it, if it is one option.
        value: the option's value in the file.
        custom: the names by which a custom object can be given for it.
    """

    layer: str
    class_name: str
    reason: str
    option: str | None = None
    value: object = None
    custom: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"layer {self.layer!r} ({self.class_name})"
        if self.option is None:
            return f"{where}: {self.reason}"
        return f"{where}, option {self.option}={shown(self.value)}: {self.reason}"


class UnsupportedModelError(Gru2npError, NotImplementedError):
    """A model that cannot be converted faithfully; lists all problems at once.

    Attributes:
        problems: all problems in the file; empty if the message is a text.
        ways_on: how to convert a part of the model without them.
    """

    def __init__(
        self,
        problems: Sequence[Problem] | str,
        ways_on: Sequence[str] = (),
        notes: Sequence[str] = (),
        what: str = "this model cannot be converted",
    ) -> None:
        self.problems = () if isinstance(problems, str) else tuple(problems)
        self.ways_on = tuple(ways_on)
        if isinstance(problems, str):
            text = problems
        elif len(problems) == 1:
            text = f"{what}: {problems[0]}"
        else:
            lines = "".join(f"\n  - {problem}" for problem in problems)
            count = f"{len(problems)} problems"
            text = f"{what}, {count}:{lines}"
        text = "\n".join([text, *notes, *way_on(self.problems, self.ways_on)])
        super().__init__(plain_lines(text))


def way_on(problems: Sequence[Problem], parts: Sequence[str]) -> Iterator[str]:
    """Sentences on what to do about the problems of a model together.

    Args:
        problems: of the model.
        parts: how to convert a part of the model without them.
    """
    names = {" or ".join(map(repr, p.custom)): None for p in problems if p.custom}
    if names:
        yield (
            "The code of custom classes and functions is never run from a model file. "
            "Write them with NumPy in a Python file, in a dict custom_objects by the "
            f"names {', '.join(names)}, and pass it with --custom-objects FILE.py "
            "(custom_objects= in Python): see docs/custom-objects.md"
        )
    for number, part in enumerate(parts):
        yield f"Or {part}" if names or number else part[0].upper() + part[1:]
    if problems and not names and not parts:
        yield WAYS_ON
