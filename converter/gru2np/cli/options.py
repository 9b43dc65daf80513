"""Options of several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

QUIET = click.option(
    "-q", "--quiet", is_flag=True, help="Print only warnings on standard error."
)
FORCE = click.option("-f", "--force", is_flag=True, help="Replace an existing output.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class Existing(click.Path):
    """A path that exists; the error of another one names one that is like it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The path."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            # Imported only for an error: help must be fast.
            from gru2np_runtime.hints import like_path

            text = error.message.removesuffix(".") + like_path(value)
            raise click.BadParameter(text, ctx, param) from None


FILE = Existing(exists=True, dir_okay=False)


class Stored(Existing):
    """A path that exists, or the prefix of a TensorFlow checkpoint."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The path; what is no path of either kind is refused."""
        if Path(f"{value}.index").is_file():
            return value
        return super().convert(value, param, ctx)


STORED = Stored(exists=True)
WEIGHTS = click.option(
    "--weights",
    type=STORED,
    metavar="FILE",
    help="The weights of an architecture JSON: a file, or the prefix or folder of a "
    "TensorFlow checkpoint.",
)
SAVED_BY = click.option(
    "--saved-by",
    metavar="KERAS",
    callback=lambda context, option, value: _checked_keras(value),
    help="The Keras that saved the file, if the file does not say: 3.5-jax, "
    "2.2.4-theano, tf-1.15.",
)


CUSTOM_OBJECTS = click.option(
    "--custom-objects",
    "objects",
    type=FILE,
    metavar="FILE.py",
    help="A Python file of yours, which is run: its dict custom_objects has your own "
    "layers, cells and functions by name.",
)


def objects_of_both(path: str | None) -> tuple[Any, str | None]:
    """The custom objects of a file, and the file if it has those of Keras too.

    Args:
        path: of the file, which is run; None if there is none.
    """
    if path is None:
        return None, None
    from gru2np.verification.keras_objects import KERAS_OBJECTS
    from gru2np_runtime.custom_objects import objects_of, run_file

    module = run_file(path)
    return objects_of(module, path), path if hasattr(module, KERAS_OBJECTS) else None


def _checked_keras(text: str | None) -> str | None:
    """The text, if it names a Keras."""
    if text is not None:
        from gru2np.generations.saved_by import parsed

        try:
            parsed(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return text


# May be a directory: the readers open some, and refuse others with the reason.
EXISTING = Existing(exists=True)
