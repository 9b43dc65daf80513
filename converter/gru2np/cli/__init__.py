"""The command line: its commands, each a file; errors and exit codes in ``commands``.

Results go to standard output, everything else to standard error.  NumPy and h5py are
imported inside the commands that need them.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from gru2np.cli.commands import EXIT_CODES, Commands, print_version

# Each holds the command of its name.
COMMANDS = (
    "gru2np.cli.export",
    "gru2np.cli.inspect",
    "gru2np.cli.predict",
    "gru2np.cli.ship",
    "gru2np.cli.verify",
)


@click.group(
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=print_version,
    help="Print the version and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run saved Keras models with NumPy alone, exactly as trained.

    export makes a bundle of a model file, with no Keras installed; verify proves that
    it computes what Keras computes; inspect explains what is in either file; predict
    runs a bundle; ship writes a folder for another machine.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False
    for stream in (sys.stdout, sys.stderr):
        # A layer's name may hold letters that the terminal's encoding has not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


for _module in COMMANDS:
    _name = _module.rpartition(".")[2]
    cli.add_command(getattr(import_module(_module), _name))


def main() -> None:
    """The entry point of the command ``gru2np``."""
    try:
        cli(prog_name="gru2np")
    except ModuleNotFoundError as error:
        # Two distributions can be taken apart.
        if (error.name or "").partition(".")[0] != "gru2np_runtime":
            raise
        text = (
            "gru2np-runtime is not installed; pip check says which version is missing"
        )
        click.echo(f"Error: {text}", err=True)
        sys.exit(EXIT_CODES["refused"])
