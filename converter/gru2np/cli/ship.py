"""``gru2np ship``: the command."""

from __future__ import annotations

import dataclasses
import shlex
import sys

import click

from gru2np.cli.commands import Command, print_json, say
from gru2np.cli.options import CUSTOM_OBJECTS, EXISTING, JSON, QUIET


@click.command(
    cls=Command,
    examples=(
        "gru2np ship model.npz device",
        "gru2np ship model.npz device --compiled --force",
    ),
)
@click.argument("bundle", type=EXISTING)
@click.argument("folder", type=click.Path())
@click.option(
    "--compiled",
    is_flag=True,
    help="Add the kernel compiled on this machine, for machines of the same kind.",
)
@click.option(
    "-f", "--force", is_flag=True, help="Replace a folder that ship wrote before."
)
@CUSTOM_OBJECTS
@JSON
@QUIET
def ship(
    bundle: str,
    folder: str,
    compiled: bool,
    force: bool,
    objects: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a folder that runs a bundle on another machine.

    FOLDER gets the bundle, the runtime as Python files, a program run.py of ten
    lines, a README, the licence, and the file of custom objects if there is one. The
    other machine needs Python and NumPy, nothing else. Prints the path of the folder.
    """
    from gru2np.ship import ship as write_folder
    from gru2np.text import size_text
    from gru2np_runtime.files.commands import print_path

    shipped = write_folder(
        bundle, folder, force=force, compiled=compiled, custom_objects=objects
    )
    if as_json:
        record = {"schema": "gru2np/ship/1", **dataclasses.asdict(shipped)}
        print_json(record)
    elif not sys.stdout.isatty():
        # On a terminal the next line has the path.
        print_path(folder)
    note = say(quiet)
    note(f"wrote {folder}: {shipped.files} files, {size_text(shipped.bytes)}")
    note(f"Next: cd {shlex.quote(folder)} && python run.py")
