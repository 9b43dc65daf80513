"""``gru2np verify``: the command."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gru2np.cli.commands import Command, print_json, say
from gru2np.cli.options import (
    CUSTOM_OBJECTS,
    EXISTING,
    FILE,
    JSON,
    QUIET,
    SAVED_BY,
    WEIGHTS,
    objects_of_both,
)
from gru2np.cli.part_options import INPUTS, OUTPUTS
from gru2np.cli.progress import Status


@click.command(
    cls=Command,
    short_help="Compare a bundle with Keras.",
    examples=(
        "gru2np verify model.h5",
        "gru2np verify model.h5 model.npz --layers --record",
        "gru2np verify model.h5 --input x.npy --expected y.npy",
    ),
)
@click.argument("model", type=EXISTING)
@click.argument("bundle", type=EXISTING, required=False)
@click.option(
    "-i",
    "--input",
    "inputs",
    type=FILE,
    metavar="X",
    help="Inputs, a .npy or a .npz by input name.  [default: several cases are drawn]",
)
@click.option(
    "--expected",
    type=FILE,
    metavar="Y",
    help="Recorded outputs, a .npy or a .npz by output name; no Keras runs.",
)
@WEIGHTS
@SAVED_BY
@CUSTOM_OBJECTS
@OUTPUTS
@INPUTS
@click.option(
    "--atol",
    type=click.FloatRange(min=0),
    metavar="A",
    help="Absolute tolerance.  [default for float32: 1e-6, with --expected 2e-5]",
)
@click.option(
    "--rtol",
    type=click.FloatRange(min=0),
    metavar="R",
    help="Tolerance relative to the largest number of an output.  "
    "[default for float32: 1e-5, with --expected 1e-4]",
)
@click.option(
    "--layers",
    is_flag=True,
    help="Compare each layer too, with its inputs in Keras; name the first that "
    "differs.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Seed of the drawn inputs.  [default: 0]",
)
@click.option(
    "--case",
    metavar="NAME",
    help="Draw only the case of this name.",
)
@click.option(
    "--record",
    is_flag=True,
    help="Record inputs and outputs of Keras in BUNDLE, which gru2np check computes "
    "again.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(),
    metavar="PAGE.html",
    help="Write a page with graphs too, one HTML file.",
)
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help="Replace an existing page, and compare a bundle of another file too.",
)
@JSON
@QUIET
@click.pass_context
def verify(
    context: click.Context,
    model: str,
    bundle: str | None,
    inputs: str | None,
    expected: str | None,
    weights: str | None,
    saved_by: str | None,
    objects: str | None,
    part_outputs: tuple[str, ...],
    part_inputs: tuple[str, ...],
    atol: float | None,
    rtol: float | None,
    layers: bool,
    seed: int,
    case: str | None,
    record: bool,
    page: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run MODEL in Keras and BUNDLE here, and compare the outputs.

    Keras runs in a child process: Keras 3 for files of Keras 3, tf-keras for files of
    Keras 2. Where neither reads the file as it was meant, Keras 3 runs what upgrade
    makes of it, and the report says so. Without BUNDLE, the model is exported in
    memory. Two outputs agree if their difference is at most A + R * max|y|, or if
    float64 shows that it is rounding.

    Without --input, inputs are drawn that make faults show: masks of every pattern,
    one time step and many, saturated gates, zeros, every id, both sides of every
    breakpoint of a layer, several batch sizes. Agreement proves nothing about what no
    case reached and what both sides assume: the report lists both.

    A model with custom objects needs those of Keras too: FILE.py defines
    keras_custom_objects, a function that takes the module of Keras and returns a dict.

    The exit code is 0 if every output agrees, 1 if one differs, and 3 if no installed
    Keras reads the file as it was meant, nor as upgraded.
    """
    if expected is not None and inputs is None:
        raise click.UsageError(
            "--expected needs --input, the inputs it was recorded with"
        )
    if expected is not None and layers:
        raise click.UsageError("--layers needs Keras: leave out --expected")
    if case is not None and inputs is not None:
        raise click.UsageError("--case draws its inputs: leave out --input")
    if record and bundle is None:
        raise click.UsageError("--record needs a BUNDLE to write to")
    if page is not None:
        from gru2np_runtime.files.arrays import check_output

        read = [model, bundle, weights, inputs, expected, objects]
        check_output(page, force=force, inputs=[path for path in read if path])
    status = Status("verify", shown=sys.stderr.isatty() and not quiet)
    status(f"reading {Path(model).name}")
    from gru2np.cli.verify_report import report
    from gru2np.graph.parts import part_of
    from gru2np.verification.settings import Settings
    from gru2np.verification.verify import Request, verifying
    from gru2np_runtime.errors import plain

    # The page shows the differences of layers.
    settings = Settings(atol, rtol, layers or (page is not None and expected is None))
    own, keras_objects = objects_of_both(objects)
    request = Request(
        *(inputs, expected, settings, seed, case, own, saved_by, keras_objects),
        force=force,
        progress=status,
        part=part_of(part_outputs, part_inputs),
    )
    with (
        status,
        verifying(model, [bundle], request, weights) as (conversion, (verification,)),
    ):
        status.clear()
        for note in verification.notes:
            say(quiet)(plain(f"Note: {note}"))
        if as_json:
            facts = verification.as_json()
            print_json(facts)
        else:
            source = None if inputs is None else Path(inputs).name
            for line in report(verification, source):
                click.echo(line)
        if page is not None:
            from gru2np.reports.page import write_verification

            write_verification(
                page,
                verification,
                model,
                weights=weights,
                bundle=bundle,
                inputs=inputs,
                expected=expected,
                atol=atol,
                rtol=rtol,
                custom_objects=own,
                objects_file=objects,
                saved_by=saved_by,
                conversion=conversion,
            )
            say(quiet)(f"wrote {page}")
    if record and bundle is not None and verification.agrees:
        from gru2np.verification.proof import record as record_proof

        proof = record_proof(bundle, verification, custom_objects=own)
        say(quiet)(str(proof))
    elif record:
        say(quiet)("nothing is recorded, because outputs differ")
    context.exit(0 if verification.agrees else 1)
