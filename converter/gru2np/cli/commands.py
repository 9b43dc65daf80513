"""Exit codes, errors, and help with examples, for all commands.

This module imports neither NumPy nor h5py, so that ``gru2np --help`` is fast.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# The runtime's command line has the same table.
EXIT_CODES = {
    "done": 0,
    "differs": 1,  # verify ran, and outputs differ; an audit found something
    "usage": 2,  # an argument, a missing path, an existing output without --force
    "refused": 3,  # any Gru2npError: the model, the bundle or the data; a missing extra
    "internal": 70,  # an error of this program, with its traceback
    "interrupted": 130,
    "broken_pipe": 141,  # the reader of the output stopped
}


# Errors of a full disk, which standard output may be on.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Refused(click.ClickException):
    """A Gru2npError, as click shows it."""

    exit_code = EXIT_CODES["refused"]


class Misused(click.ClickException):
    """A Misuse, as click shows it, without the usage line: it says what to do."""

    exit_code = EXIT_CODES["usage"]


class Command(click.Command):
    """A command whose help ends with examples, one on each line.

    Args:
        options: of ``click.Command``.
        examples: command lines.
        more: keyword arguments of ``click.Command``.
    """

    def __init__(self, *options: Any, examples: tuple[str, ...] = (), **more: Any):
        super().__init__(*options, **more)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)


def _write_examples(examples: Iterable[str], formatter: click.HelpFormatter) -> None:
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"  {example}\n")


class Commands(click.Group):
    """The group of commands; turns errors into a message and an exit code."""

    command_class = Command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first example of each command."""
        commands = (self.get_command(ctx, name) for name in self.list_commands(ctx))
        examples = [
            c.examples[0] for c in commands if isinstance(c, Command) and c.examples
        ]
        _write_examples(examples, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            result = super().invoke(ctx)
            # A full disk must raise here, not when Python flushes at exit.
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(EXIT_CODES["interrupted"])
        except BrokenPipeError:
            _discard_output()
            ctx.exit(EXIT_CODES["broken_pipe"])
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                _discard_output()
            shown = _shown(error)
            if shown is not None:
                raise shown from error
            sys.excepthook(type(error), error, error.__traceback__)
            click.echo(
                "Error: this is a bug in gru2np, not a problem of your file.", err=True
            )
            ctx.exit(EXIT_CODES["internal"])
        return result


def _discard_output() -> None:
    """Keep Python from raising the error again when it flushes at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _shown(error: Exception) -> click.ClickException | None:
    """The error as click shows it; None for an internal error."""
    # Imported only now, after an error: help must be fast.
    from gru2np_runtime import Gru2npError
    from gru2np_runtime.files.arrays import Misuse

    if isinstance(error, Misuse):
        return Misused(str(error))
    if isinstance(error, OSError) and error.errno in _FULL:
        # For named files the error is caught where they are written.
        return Refused(f"standard output cannot be written: {error.strerror}")
    return Refused(str(error)) if isinstance(error, Gru2npError) else None


def print_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    """Print version and kernel; unlike click's option it imports them only then."""
    if value and not ctx.resilient_parsing:
        from gru2np_runtime import __version__
        from gru2np_runtime.kernels.c.library import status

        click.echo(f"gru2np {__version__}\n{status()}")
        ctx.exit()


def print_json(record: object) -> None:
    """Print JSON with letters as they are; what cannot be printed is escaped."""
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    click.echo("\n".join(map(_escaped, text.split("\n"))))


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(x if x.isprintable() else json.dumps(x)[1:-1] for x in line)


def say(quiet: bool) -> Callable[[str], None]:
    """A function that prints notes on standard error, unless ``quiet``."""

    def note(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    return note
