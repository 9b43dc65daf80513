"""``gru2np predict``: the command."""

from __future__ import annotations

import sys

import click

from gru2np.cli.commands import Command
from gru2np.cli.options import CUSTOM_OBJECTS, EXISTING, FORCE, JSON, QUIET, Existing
from gru2np.cli.progress import Bar

_INPUT = Existing(exists=True, allow_dash=True)


@click.command(
    cls=Command,
    examples=(
        "gru2np predict model.npz -i x.npy -o y.npy",
        "gru2np predict model.npz -i x.npy -o y.npy --resume",
        "gru2np predict model.npz -i - -o - < x.npy > y.npy",
    ),
)
@click.argument("bundle", type=EXISTING)
@click.argument("rows", metavar="[X]", type=_INPUT, required=False)
@click.option(
    "-i",
    "--input",
    "source",
    type=_INPUT,
    metavar="X",
    help="A .npy, a .npz with arrays by input name, or a .csv table with a row for "
    "each sample; - for standard input.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    metavar="Y",
    required=True,
    help="A .npy, a .npz with arrays by output name, or a .csv table; - for standard "
    "output, which is a table if X is one.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Rows at once.  [default: 1024, or fewer: 64 MiB of rows; a stateful model "
    "declares its own]",
)
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether the first line of a table has names.  [default: judged by its cells]",
)
@click.option(
    "--columns",
    metavar="A,B,...",
    help="The columns of a table to use, by name or by number from 1.",
)
@CUSTOM_OBJECTS
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@FORCE
@JSON
@QUIET
def predict(
    bundle: str,
    rows: str | None,
    source: str | None,
    output: str,
    batch_size: int | None,
    header: bool | None,
    columns: str | None,
    objects: str | None,
    resume: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a bundle on the rows of a file.

    Rows run in batches, in constant memory. Until the output is complete, rows are
    kept in Y.partial, from which --resume continues. Prints the path of the output.
    """
    from gru2np_runtime.files import commands

    with Bar(shown=sys.stderr.isatty() and not quiet) as bar:
        commands.predict(
            bundle,
            commands.one_input(rows, source),
            output,
            batch_size=batch_size,
            header=header,
            columns=columns,
            custom_objects=objects,
            resume=resume,
            force=force,
            as_json=as_json,
            quiet=quiet,
            progress=bar,
        )
