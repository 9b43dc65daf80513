"""How every command ends: exit codes, errors, help with examples.

Nothing here imports NumPy or h5py, so that ``gru2np --help`` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# What each exit code says; the runtime's own command line has the same table.
EXIT_CODES = {
    "done": 0,
    "differs": 1,  # verify ran, and outputs differ
    "usage": 2,  # an argument, a missing path, an existing output without --force
    "refused": 3,  # any Gru2npError: the model, the bundle or the data; a missing extra
    "internal": 70,  # an error of this program, with its traceback
    "interrupted": 130,
    "broken_pipe": 141,  # whoever read the output stopped reading
}


# What a disk without room says, of a result on standard output too.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Refused(click.ClickException):
    """A Gru2npError on its way out."""

    exit_code = EXIT_CODES["refused"]


class Misused(click.ClickException):
    """A Misuse on its way out: it says what to do, so no usage stands before it."""

    exit_code = EXIT_CODES["usage"]


class Command(click.Command):
    """A command whose help ends with examples, each on a line of its own.

    Args:
        examples: command lines.
        options: those of ``click.Command``.
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
    """The group: turns every error into its text and its exit code, in one place."""

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
            # What is left in the buffer must fail here, if it must, and not at exit.
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(EXIT_CODES["interrupted"])
        except BrokenPipeError:
            _let_go_of_output()
            ctx.exit(EXIT_CODES["broken_pipe"])
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                _let_go_of_output()
            refusal = _refusal(error)
            if refusal is not None:
                raise refusal from error
            sys.excepthook(type(error), error, error.__traceback__)
            click.echo(
                "Error: this is a mistake in gru2np itself, not in your file.", err=True
            )
            ctx.exit(EXIT_CODES["internal"])
        return result


def _let_go_of_output() -> None:
    """Python would complain once more when it flushes at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refusal(error: Exception) -> click.ClickException | None:
    """The error as click shows it; None if nobody foresaw it."""
    # Whoever raised one of these has imported the module that it is in.
    from gru2np_runtime import Gru2npError
    from gru2np_runtime.files.arrays import Misuse

    if isinstance(error, Misuse):
        return Misused(str(error))
    if isinstance(error, OSError) and error.errno in _FULL:
        # Files that have a name of their own are told of where they are written.
        return Refused(f"standard output cannot be written: {error.strerror}")
    return Refused(str(error)) if isinstance(error, Gru2npError) else None


def print_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    """Print the version; click's own option would have to import it first."""
    if value and not ctx.resilient_parsing:
        from gru2np_runtime import __version__

        click.echo(f"gru2np {__version__}")
        ctx.exit()


def say(quiet: bool) -> Callable[[str], None]:
    """Prints notes on standard error, unless they are not wanted."""

    def note(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    return note
