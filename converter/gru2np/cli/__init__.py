"""The command line: parse, call, print; exit codes and errors are in ``commands``.

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

from gru2np.cli.commands import EXIT_CODES, Commands, print_version, say
from gru2np.cli.options import FILE, FORCE, JSON, QUIET
from gru2np.cli.predict import predict
from gru2np.cli.ship import ship
from gru2np.cli.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.bundle import Exported

WEIGHTS = click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The weights file that belongs to an architecture JSON.",
)
# A directory is refused by the readers, which know what kind of model it is.
EXISTING = click.Path(exists=True)


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
    runs a bundle; ship lays it down for another machine.
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
        "gru2np export model.h5 --store int8 --prove x.npy",
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
@click.option(
    "--store",
    type=click.Choice(("float16", "int8")),
    help="Keep kernels and embeddings smaller; what that costs is measured.",
)
@click.option(
    "--prove",
    type=FILE,
    metavar="X",
    help="Inputs, .npy or .npz by input name: run Keras on them, and put its outputs "
    "into the bundle for the target to check.",
)
@FORCE
@JSON
@QUIET
@click.pass_context
def export(
    context: click.Context,
    model: str,
    output: str | None,
    weights: str | None,
    store: str | None,
    prove: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make a bundle of a saved model.

    MODEL is a .h5, .hdf5 or .keras file, a .keras directory, or an architecture
    .json with --weights (.h5, .weights.h5, or the .weights.json of shards). Prints
    the path of the bundle. No Keras and no TensorFlow is needed, but for --prove.

    Ends with 1 if --prove finds that Keras gives something else; then nothing is
    written.
    """
    from gru2np.convert import convert
    from gru2np.errors import Disagreement
    from gru2np.exporting import export as export_model
    from gru2np_runtime.files.arrays import check_output

    target = output or str(_beside(Path(model)))
    given = [path for path in (model, weights, prove) if path is not None]
    if output is None and Path(target) == Path(model):
        # Of a bundle, that it is one says more than that it cannot be replaced.
        with convert(model, weights):
            pass
    check_output(target, force=force, inputs=given)
    try:
        exported = export_model(
            model, target, weights=weights, store=store, prove=prove
        )
    except Disagreement as error:
        click.echo(f"Error: {error}", err=True)
        context.exit(EXIT_CODES["differs"])
    size = Path(target).stat().st_size
    if as_json:
        click.echo(json.dumps(_exported_record(exported, target, size), indent=2))
    elif not sys.stdout.isatty():
        # On a terminal the next line says it in words.
        click.echo(target)
    _export_notes(exported, target, size, store, say(quiet))
    if exported.proof is not None:
        return
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
    exported: Exported,
    target: str,
    size: int,
    store: str | None,
    note: Callable[[str], None],
) -> None:
    from gru2np.text import plural, size_text

    note(
        f"wrote {target}: {plural(exported.layers, 'layer')}, "
        f"{plural(exported.parameters, 'parameter')}, {size_text(size)}"
    )
    if exported.storage is not None:
        from gru2np.storage import costs

        note(costs({**exported.storage, "weights": exported.stored_small[0]}))
    elif store is not None:
        note(
            f"Note: no weight is large enough to gain from {store}; none is stored so."
        )
    if exported.proof is not None:
        note(str(exported.proof))
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
        "storage": exported.storage,
        "stored_small": exported.stored_small[0],
        "proof": exported.proof and exported.proof.as_json(),
    }


@cli.command(
    examples=("gru2np inspect model.h5", "gru2np inspect model.npz --report page.html")
)
@click.argument("file", metavar="MODEL|BUNDLE", type=EXISTING)
@WEIGHTS
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False),
    metavar="PAGE.html",
    help="Write it as a page to look at too: one file of HTML.",
)
@FORCE
@JSON
def inspect(
    file: str, weights: str | None, page: str | None, force: bool, as_json: bool
) -> None:
    """Explain what is in a model file or a bundle.

    Its layers, which columns of the weights are which gate, which Keras wrote it and
    what that means for its numbers. A model that cannot be converted is explained as
    well, with what stands in the way.
    """
    from gru2np.inspection.render import render
    from gru2np.inspection.report import inspect as look

    if page is None:
        report = look(file, weights)
    else:
        from gru2np.reports.page import write_inspection
        from gru2np_runtime.files.arrays import check_output

        given = [file] if weights is None else [file, weights]
        check_output(page, force=force, inputs=given)
        report = write_inspection(page, file, weights)
        say(False)(f"wrote {page}")
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        return
    width = min(max(shutil.get_terminal_size((88, 24)).columns, 80), 100)
    lines = render(report, width, lambda title: click.style(title, bold=True))
    click.echo("\n".join(lines))


def _quoted(path: str) -> str:
    """The path as a shell takes it."""
    import shlex

    return shlex.quote(path)


cli.add_command(predict)
cli.add_command(ship)
cli.add_command(verify)


def main() -> None:
    """The entry point of the command ``gru2np``."""
    cli(prog_name="gru2np")
