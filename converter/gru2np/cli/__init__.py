"""The command line: parse, call, print; exit codes and errors are in ``_commands``.

Results go to standard output, everything else to standard error.  NumPy and h5py are
imported inside the commands that need them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gru2np.cli.commands import Commands, print_version, say
from gru2np.cli.progress import Bar
from gru2np.cli.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.conversion import Exported
    from gru2np_runtime._files import Prediction

QUIET = click.option(
    "-q", "--quiet", is_flag=True, help="No notes on standard error, only warnings."
)
FORCE = click.option("-f", "--force", is_flag=True, help="Replace an existing output.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
WEIGHTS = click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The weights file that belongs to an architecture JSON.",
)
# A directory is refused by the readers, which know what kind of model it is.
EXISTING = click.Path(exists=True)
FILE = click.Path(exists=True, dir_okay=False)


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
    runs a bundle.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False
    for stream in (sys.stdout, sys.stderr):
        # A layer's name may hold letters that the terminal's encoding has not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@cli.command(
    examples=(
        "gru2np export model.h5",
        "gru2np export architecture.json --weights weights.h5 -o model.npz",
    )
)
@click.argument("model", type=EXISTING)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="OUT.npz",
    help="The bundle to write.  [default: MODEL with the suffix .npz]",
)
@WEIGHTS
@FORCE
@JSON
@QUIET
def export(
    model: str,
    output: str | None,
    weights: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make a bundle of a saved model.

    MODEL is a .h5, .hdf5 or .keras file, a .keras directory, or an architecture
    .json with --weights (.h5, .weights.h5, or the .weights.json of shards). Prints
    the path of the bundle. No Keras and no TensorFlow is needed.
    """
    from gru2np.conversion import export as export_model
    from gru2np_runtime._arrays import check_output

    target = output or str(_beside(Path(model)))
    given = [model] if weights is None else [model, weights]
    check_output(target, force=force, inputs=given)
    exported = export_model(model, target, weights=weights)
    size = Path(target).stat().st_size
    if as_json:
        click.echo(json.dumps(_exported_record(exported, target, size), indent=2))
    elif not sys.stdout.isatty():
        # On a terminal the next line says it in words.
        click.echo(target)
    _export_notes(exported, target, size, say(quiet))
    more = "" if weights is None else f" --weights {_quoted(weights)}"
    say(quiet)(f"Next: gru2np verify {_quoted(model)} {_quoted(target)}{more}")


def _beside(model: Path) -> Path:
    """Where the bundle of a model goes: beside it, under its name."""
    if not model.is_dir():
        return model.with_suffix(".npz")
    # Of . and .. the name alone says nothing.
    folder = model if model.name.strip(".") else model.resolve()
    return folder.with_name(f"{folder.name}.npz")


def _export_notes(
    exported: Exported, target: str, size: int, note: Callable[[str], None]
) -> None:
    from gru2np.cli.table import plural, size_text

    note(
        f"wrote {target}: {plural(exported.layers, 'layer')}, "
        f"{plural(exported.parameters, 'parameter')}, {size_text(size)}"
    )
    if exported.half_precision:
        policies = ", ".join(exported.half_precision)
        note(f"Note: saved with the policy {policies}, computed in float32.")
    for text in exported.notes:
        note(f"Note: {text}")
    if exported.not_finite:
        paths = ", ".join(exported.not_finite)
        text = f"Warning: weights hold NaN or infinity: {paths}"
        click.secho(text, err=True, fg="yellow")


def _exported_record(exported: Exported, target: str, size: int) -> dict[str, Any]:
    """What ``export --json`` prints."""
    import hashlib

    return {
        "output": target,
        "sha256": hashlib.sha256(Path(target).read_bytes()).hexdigest(),
        "bytes": size,
        "layers": exported.layers,
        "parameters": exported.parameters,
        "keras_version": exported.keras_version,
        "meaning": list(exported.meaning),
        "not_finite": list(exported.not_finite),
        "half_precision": list(exported.half_precision),
        "notes": list(exported.notes),
    }


@cli.command(examples=("gru2np inspect model.h5", "gru2np inspect model.npz --json"))
@click.argument("file", metavar="MODEL|BUNDLE", type=EXISTING)
@WEIGHTS
@JSON
def inspect(file: str, weights: str | None, as_json: bool) -> None:
    """Explain what is in a model file or a bundle.

    Its layers, which columns of the weights are which gate, which Keras wrote it and
    what that means for its numbers. A model that cannot be converted is explained as
    well, with what stands in the way.
    """
    from gru2np.inspection.render import render
    from gru2np.inspection.report import inspect as look

    report = look(file, weights)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        return
    width = min(max(shutil.get_terminal_size((88, 24)).columns, 80), 100)
    lines = render(report, width, lambda title: click.style(title, bold=True))
    click.echo("\n".join(lines))


@cli.command(
    examples=(
        "gru2np predict model.npz -i x.npy -o y.npy",
        "gru2np predict model.npz -i - -o - < x.npy > y.npy",
    )
)
@click.argument("bundle", type=FILE)
@click.option(
    "-i",
    "--input",
    "source",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="X",
    required=True,
    help=".npy, or .npz with the arrays by input name; - for standard input.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    metavar="Y",
    required=True,
    help=".npy, or .npz with the arrays by output name; - for standard output.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Rows at once.  [default: 1024; of a stateful model its own]",
)
@FORCE
@JSON
@QUIET
def predict(
    bundle: str,
    source: str,
    output: str,
    batch_size: int | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a bundle on the rows of a file.

    Batch by batch, in constant memory. Prints the path of the output.
    """
    from gru2np_runtime import load
    from gru2np_runtime._arrays import check_output
    from gru2np_runtime._files import predict_file

    piped = output == "-"
    if piped and as_json:
        raise click.UsageError("standard output takes the array or --json, not both")
    if not piped:
        inputs = [bundle] if source == "-" else [bundle, source]
        check_output(output, force=force, inputs=inputs)
    with Bar(shown=sys.stderr.isatty() and not quiet) as bar:
        prediction = predict_file(
            load(bundle),
            sys.stdin.buffer if source == "-" else source,
            sys.stdout.buffer if piped else output,
            batch_size=batch_size,
            progress=bar,
        )
    if as_json:
        click.echo(json.dumps(_prediction_record(prediction, output), indent=2))
    elif not piped and not sys.stdout.isatty():
        click.echo(output)
    for name, shape, dtype in prediction.outputs:
        where = "standard output" if piped else output
        say(quiet)(f"wrote {where}: {name} {shape} {dtype}")


def _prediction_record(prediction: Prediction, output: str) -> dict[str, Any]:
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


def _quoted(path: str) -> str:
    """The path as a shell takes it."""
    import shlex

    return shlex.quote(path)


cli.add_command(verify)


def main() -> None:
    """The entry point of the command ``gru2np``."""
    cli(prog_name="gru2np")
