"""``gru2np upgrade``: the command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gru2np.cli.commands import EXIT_CODES, Command, print_json, say
from gru2np.cli.options import (
    CUSTOM_OBJECTS,
    EXISTING,
    FORCE,
    JSON,
    QUIET,
    SAVED_BY,
    WEIGHTS,
    objects_of_both,
)
from gru2np.cli.outputs import beside, named
from gru2np.cli.progress import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np.upgraded import Upgraded
    from gru2np.verification.result import Verification

SUFFIX = ".keras"
# Facts of a new file in what --json prints; null where no file is written.
WRITTEN = (
    *("output", "sha256", "bytes", "layers", "parameters"),
    *("keras_version", "written_for", "rewritten", "notes"),
)


@click.command(
    cls=Command,
    short_help="Write a saved model as a file of today's Keras.",
    examples=(
        "gru2np upgrade model.h5",
        "gru2np upgrade model.h5 -o new.keras --verify",
        "gru2np upgrade architecture.json --weights weights.h5",
    ),
)
@click.argument("model", type=EXISTING)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="NEW.keras",
    help="The file to write.  [default: MODEL with the suffix .keras, or "
    ".upgraded.keras if it has that one]",
)
@WEIGHTS
@SAVED_BY
@CUSTOM_OBJECTS
@click.option(
    "--verify",
    is_flag=True,
    help="Run the new file in the installed Keras 3 first, and write it if it gives "
    "the numbers of the runtime.",
)
@FORCE
@JSON
@QUIET
@click.pass_context
def upgrade(
    context: click.Context,
    model: str,
    output: str | None,
    weights: str | None,
    saved_by: str | None,
    objects: str | None,
    verify: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a saved model as a .keras file that today's Keras opens.

    MODEL is whatever export takes: a file of Keras 1, 2 or 3 or of tf.keras, a
    SavedModel folder, an architecture .json with --weights. The new file gives the
    numbers that the model gave in the Keras that saved it; what Keras 3 computes
    otherwise is said in other words, and listed. A model that has no exact form in
    Keras 3 is refused, with every reason. Needs no Keras; only --verify does.

    Names, shapes, shared and nested layers, and what is trainable are kept. The
    compile information and the state of the optimizer are not.

    The exit code is 1 if --verify finds a difference; then nothing is written.
    """
    from gru2np.upgraded import Differs, write_upgraded
    from gru2np.verification.verify import Request
    from gru2np_runtime.files.arrays import check_output
    from gru2np_runtime.files.commands import print_path

    if output is None:
        target = str(_default_output(Path(model)))
    else:
        target = named(output, SUFFIX, "Keras goes by that")
    inputs = [path for path in (model, weights, objects) if path is not None]
    check_output(target, force=force, inputs=inputs)
    own, keras_objects = objects_of_both(objects)
    status = Status("upgrade", shown=sys.stderr.isatty() and not quiet and verify)
    request = Request(
        custom_objects=own,
        saved_by=saved_by,
        keras_custom_objects=keras_objects,
        progress=status,
    )
    note = say(quiet)
    try:
        with status:
            upgraded = write_upgraded(model, target, request, weights, verify=verify)
    except Differs as error:
        _show_difference(error.verification, as_json=as_json)
        note(f"{target} is not written, because outputs differ")
        context.exit(EXIT_CODES["differs"])
    size = Path(target).stat().st_size
    if as_json:
        record = _record(_written(upgraded, target, size), upgraded.verification)
        print_json(record)
    elif not sys.stdout.isatty():
        # On a terminal the next line has the path.
        print_path(target)
    if output is not None and target != output:
        note(f"Note: {output} has no suffix, so {SUFFIX} is added")
    _notes(upgraded, target, size, note)


def _default_output(model: Path) -> Path:
    """The path of the new file, which is never that of the model."""
    path = beside(model, SUFFIX)
    return path.with_suffix(f".upgraded{SUFFIX}") if path == model else path


def _notes(
    upgraded: Upgraded, target: str, size: int, note: Callable[[str], None]
) -> None:
    from gru2np.cli.verify_report import verdict
    from gru2np.text import size_text
    from gru2np_runtime.errors import plain

    first, *lines = map(plain, upgraded.lines())
    note(f"wrote {target}: {first}, {size_text(size)}")
    for line in lines:
        note(line)
    if upgraded.verification is not None:
        note(verdict(upgraded.verification))
    note(f"Next, in Python: keras.models.load_model({target!r})")


def _show_difference(verification: Verification, *, as_json: bool) -> None:
    from gru2np.cli.verify_report import report

    if as_json:
        record = _record(dict.fromkeys(WRITTEN), verification)
        print_json(record)
        return
    for line in report(verification):
        click.echo(line)


def _record(
    written: Mapping[str, Any], verification: Verification | None
) -> dict[str, Any]:
    """What ``upgrade --json`` prints."""
    return {
        "schema": "gru2np/upgrade/1",
        **written,
        "verification": None if verification is None else verification.as_json(),
    }


def _written(upgraded: Upgraded, target: str, size: int) -> dict[str, Any]:
    """The facts of a new file, with the keys of ``WRITTEN``."""
    import hashlib

    return {
        "output": target,
        "sha256": hashlib.sha256(Path(target).read_bytes()).hexdigest(),
        "bytes": size,
        "layers": upgraded.layers,
        "parameters": upgraded.parameters,
        "keras_version": upgraded.keras_version,
        "written_for": upgraded.written_for,
        "rewritten": dict(upgraded.rewritten),
        "notes": list(upgraded.notes),
    }
