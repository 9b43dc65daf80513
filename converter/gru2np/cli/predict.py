"""``gru2np predict``: the command."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from gru2np.cli.commands import Command, say
from gru2np.cli.options import EXISTING, FORCE, JSON, QUIET, Existing
from gru2np.cli.progress import Bar

if TYPE_CHECKING:
    from gru2np_runtime.files.prediction import Prediction


@click.command(
    cls=Command,
    examples=(
        "gru2np predict model.npz -i x.npy -o y.npy",
        "gru2np predict model.npz -i x.npy -o y.npy --resume",
        "gru2np predict model.npz -i - -o - < x.npy > y.npy",
    ),
)
@click.argument("bundle", type=EXISTING)
@click.option(
    "-i",
    "--input",
    "source",
    type=Existing(exists=True, allow_dash=True),
    metavar="X",
    required=True,
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
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@FORCE
@JSON
@QUIET
def predict(
    bundle: str,
    source: str,
    output: str,
    batch_size: int | None,
    header: bool | None,
    columns: str | None,
    resume: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a bundle on the rows of a file.

    Rows run in batches, in constant memory. Until the output is complete, rows are
    kept in Y.partial, from which --resume continues. Prints the path of the output.
    """
    from gru2np.errors import naming
    from gru2np_runtime import load
    from gru2np_runtime.files.arrays import check_output
    from gru2np_runtime.files.prediction import Interrupted, predict_file
    from gru2np_runtime.files.tables import TableOptions

    piped = output == "-"
    if piped and as_json:
        raise click.UsageError(
            "--json and the output both go to standard output: name an output file"
        )
    if piped and resume:
        raise click.UsageError(
            "--resume needs an output file: nothing is kept for standard output"
        )
    if not piped:
        inputs = [bundle] if source == "-" else [bundle, source]
        check_output(output, force=force, inputs=inputs)
    with naming(bundle):
        model = load(bundle)
    try:
        with Bar(shown=sys.stderr.isatty() and not quiet) as bar:
            prediction = predict_file(
                model,
                sys.stdin.buffer if source == "-" else source,
                sys.stdout.buffer if piped else output,
                batch_size=batch_size,
                progress=bar,
                table=TableOptions(header, columns),
                bundle=bundle,
                resume=resume,
                force=force,
            )
    except Interrupted as stopped:
        click.echo(str(stopped), err=True)
        raise
    if as_json:
        click.echo(json.dumps(_record(prediction, output), indent=2))
    elif not piped and not sys.stdout.isatty():
        click.echo(output)
    for name, shape, dtype in prediction.outputs:
        where = "standard output" if piped else output
        say(quiet)(f"wrote {where}: {name} {shape} {dtype}")


def _record(prediction: Prediction, output: str) -> dict[str, Any]:
    """What ``predict --json`` prints."""
    return {
        "output": output,
        "rows": prediction.rows,
        "batch_size": prediction.batch_size,
        "outputs": [
            {"name": name, "shape": list(shape), "dtype": dtype}
            for name, shape, dtype in prediction.outputs
        ],
    }
