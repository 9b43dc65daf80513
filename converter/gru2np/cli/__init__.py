"""The command line: a file for each command; errors and exit codes in ``commands``.

Results go to standard output, everything else to standard error.  Commands import
NumPy and h5py when they run, so that help is fast.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from gru2np.cli.commands import EXIT_CODES, Commands, print_version

# Each module defines the command of its name.
COMMANDS = (
    "gru2np.cli.check",
    "gru2np.cli.export",
    "gru2np.cli.inspect",
    "gru2np.cli.predict",
    "gru2np.cli.ship",
    "gru2np.cli.upgrade",
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
    help="Print the version and the kernel, and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run saved Keras models with NumPy alone.

    export writes a bundle of a saved model. verify compares the bundle with Keras.
    inspect explains a saved model or a bundle. predict runs a bundle. check reads
    every byte of a bundle. ship writes a folder that runs a bundle on another
    machine. upgrade writes a saved model as a file of today's Keras. Only verify needs
    Keras.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False
    for stream in (sys.stdout, sys.stderr):
        # The encoding of a terminal may lack letters in the name of a layer.
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
        # The runtime is another distribution, which can be missing.
        if (error.name or "").partition(".")[0] != "gru2np_runtime":
            raise
        text = "gru2np-runtime is not installed: pip check shows the version to install"
        click.echo(f"Error: {text}", err=True)
        sys.exit(EXIT_CODES["refused"])
