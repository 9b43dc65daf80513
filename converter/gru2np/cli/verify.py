"""``gru2np verify``: the command, and the table a person reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gru2np.cli.commands import Command, say
from gru2np.cli.table import plural, shape_text, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.verification.comparison import Comparison
    from gru2np.verification.result import Verification

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# A directory is refused by the readers, which know what kind of model it is.
_MODEL = click.Path(exists=True, path_type=Path)
# A layer's name wider than this leaves no room for the numbers.
_NAME = 30


@click.command(
    cls=Command,
    examples=(
        "gru2np verify model.h5",
        "gru2np verify model.h5 model.npz --input x.npy --layers",
        "gru2np verify model.h5 --input x.npy --expected y.npy",
    ),
)
@click.argument("model", type=_MODEL)
@click.argument("bundle", type=_FILE, required=False)
@click.option(
    "-i",
    "--input",
    "inputs",
    type=_FILE,
    metavar="X",
    help="Inputs, .npy or .npz by input name; drawn to fit the model if not given.",
)
@click.option(
    "--expected",
    type=_FILE,
    metavar="Y",
    help="Recorded outputs, .npy or .npz by output name: no Keras is run.",
)
@click.option(
    "--weights",
    type=_FILE,
    metavar="FILE",
    help="The weights file that belongs to an architecture JSON.",
)
@click.option(
    "--atol",
    type=click.FloatRange(min=0),
    metavar="A",
    help="Absolute tolerance.  [default of float32: 1e-6, recorded 2e-5]",
)
@click.option(
    "--rtol",
    type=click.FloatRange(min=0),
    metavar="R",
    help="Tolerance relative to an output's largest number.  "
    "[default of float32: 1e-5, recorded 1e-4]",
)
@click.option("--layers", is_flag=True, help="Name the first layer that departs.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Of the drawn inputs.  [default: 0]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "-q", "--quiet", is_flag=True, help="No notes on standard error, only warnings."
)
@click.pass_context
def verify(
    context: click.Context,
    model: Path,
    bundle: Path | None,
    inputs: Path | None,
    expected: Path | None,
    weights: Path | None,
    atol: float | None,
    rtol: float | None,
    layers: bool,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run MODEL in the Keras that means what the file meant, and compare.

    Keras runs in a child process: Keras 3 for files of Keras 3, tf-keras for files of
    Keras 2. BUNDLE is what export wrote; without it, what export would write now. Two
    numbers agree if they are no further apart than A + R * max|y|.

    Ends with 0 if every output agrees, with 1 if one differs, with 3 if no Keras here
    can run the file as it was meant.
    """
    if expected is not None and inputs is None:
        raise click.UsageError("--expected needs the --input it was recorded from")
    if expected is not None and layers:
        raise click.UsageError("--layers needs Keras: leave out --expected")
    from gru2np.verification.verify import verify as run

    found = run(
        model,
        bundle,
        inputs=inputs,
        expected=expected,
        weights=weights,
        atol=atol,
        rtol=rtol,
        layers=layers,
        seed=seed,
    )
    for note in found.notes:
        say(quiet)(f"Note: {note}")
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, allow_nan=False))
    else:
        for line in report(found, inputs):
            click.echo(line)
    context.exit(0 if found.agrees else 1)


def report(found: Verification, given: Path | None = None) -> Iterator[str]:
    """The lines of the report, the verdict last."""
    bundle = f" as {found.bundle}" if found.bundle else ", exported in memory"
    yield f"{found.model} ({found.written_by}){bundle}"
    for i, (name, (shape, dtype)) in enumerate(found.inputs.items()):
        source = f"seed {found.drawn}" if given is None else given.name
        head = "input" if i == 0 else ""
        yield f"{head:<6}{name} {shape_text(shape)} {dtype}, {source}"
    yield ""
    if found.layers is not None:
        yield from _layer_table(found)
        if found.not_compared:
            yield f"not compared: {', '.join(found.not_compared)}"
        yield ""
    yield from _output_table(found)
    yield ""
    first = found.first_departure
    if first is not None:
        yield f"first departure: layer {first.name} ({first.kind}): {first.reason}"
    yield _verdict(found)


def _verdict(found: Verification) -> str:
    count = len(found.outputs)
    outputs = plural(count, "output")
    beside = f"{found.reference} beside {found.runtime}"
    if found.agrees:
        worst = found.worst
        return (
            f"{click.style('agree', fg='green')}: {outputs}, at worst "
            f"{_number(worst.largest)} of {_number(worst.tolerance)} allowed, {beside}"
        )
    wrong = [output for output in found.outputs if not output.agrees]
    reasons = "; ".join(f"{own.name}: {_why(own)}" for own in wrong)
    return (
        f"{click.style('differ', fg='red')}: {len(wrong)} of {outputs} ({reasons}), "
        f"{beside}"
    )


def _why(own: Comparison) -> str:
    if own.reason == "too far":
        return f"{_number(own.largest)} is beyond {_number(own.tolerance)}"
    if own.reason == "another shape":
        return (
            f"shape {shape_text(own.shape)}, expected {shape_text(own.expected_shape)}"
        )
    if own.reason == "another dtype":
        return f"{own.dtype}, expected {own.expected_dtype}"
    return own.reason


def _layer_table(found: Verification) -> Iterator[str]:
    """Every layer call on a line, the first departure marked."""
    first = found.first_departure
    head = ("layer", "class", "shape", "difference", "at", "tolerance", "verdict")
    rows = [
        (
            shorten(own.name, _NAME),
            own.kind,
            shape_text(own.shape),
            _number(own.largest),
            _index(own.at),
            _number(own.tolerance),
            _word(own) + (" < the first" if own is first else ""),
        )
        for own in found.layers or ()
    ]
    return _table(head, rows, {3, 5})


def _output_table(found: Verification) -> Iterator[str]:
    """Every output on a line, with both numbers where they are furthest apart."""
    head = ("output", "shape", "difference", "at", "here", "expected", "relative", "at")
    rows = [
        (
            shorten(own.name, _NAME),
            shape_text(own.shape),
            _number(own.largest),
            _index(own.at),
            _value(own.value),
            _value(own.expected),
            _number(own.relative),
            _index(own.relative_at),
            _number(own.tolerance),
            _word(own),
        )
        for own in found.outputs
    ]
    return _table((*head, "tolerance", "verdict"), rows, {2, 4, 5, 6, 8})


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]
) -> Iterator[str]:
    """The lines of a table; the last column is the verdict, in its colour."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for number, row in enumerate((head, *rows)):
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        cells[-1] = row[-1]
        if number and row[-1] != "agree":
            cells[-1] = click.style(row[-1], fg="red")
        yield "  ".join(cells)
        if number == 0:
            yield "  ".join("─" * width for width in widths)


def _word(own: Comparison) -> str:
    return "agree" if own.agrees else "differ"


def _index(at: Sequence[int] | None) -> str:
    return "-" if at is None else str(list(at))


def _number(number: float) -> str:
    """A difference: two digits say enough."""
    if number != number:
        return "-"
    return "0" if number == 0 else f"{number:.1e}".replace("e-0", "e-")


def _value(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, (bool, int)) else f"{value:.7g}"
