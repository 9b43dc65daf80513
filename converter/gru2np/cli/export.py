"""``gru2np export``: the command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gru2np.cli.commands import Command, print_json, say
from gru2np.cli.options import (
    CUSTOM_OBJECTS,
    EXISTING,
    FORCE,
    JSON,
    QUIET,
    SAVED_BY,
    WEIGHTS,
)
from gru2np.cli.outputs import beside, named
from gru2np.cli.part_options import INPUTS, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.bundle import Exported


@click.command(
    cls=Command,
    examples=(
        "gru2np export model.h5",
        "gru2np export architecture.json --weights weights.h5 -o model.npz",
        "gru2np export model.h5 --store int8",
        "gru2np export model.keras --custom-objects objects.py",
        "gru2np export model.h5 --outputs dense_1 --inputs sequential",
    ),
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
@SAVED_BY
@CUSTOM_OBJECTS
@OUTPUTS
@INPUTS
@click.option(
    "--store",
    type=click.Choice(("float16", "int8")),
    help="Store kernels and embeddings in fewer bytes, and measure the cost.",
)
@FORCE
@JSON
@QUIET
def export(
    model: str,
    output: str | None,
    weights: str | None,
    saved_by: str | None,
    objects: str | None,
    part_outputs: tuple[str, ...],
    part_inputs: tuple[str, ...],
    store: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a bundle of a saved model.

    MODEL is a .h5, .hdf5 or .keras file, a .keras or SavedModel folder, the
    model.json of TensorFlow.js, a .zip or .gz of one of these, or an architecture
    .json with --weights. Prints the path of the bundle. Needs no Keras and no
    TensorFlow.
    """
    from gru2np.convert import convert
    from gru2np.exporting import export as export_model
    from gru2np_runtime.custom_objects import given
    from gru2np_runtime.files.arrays import check_output
    from gru2np_runtime.files.commands import print_path

    if output is None:
        target = str(beside(Path(model), ".npz"))
    else:
        target = named(output, ".npz", "a bundle is one")
    inputs = [path for path in (model, weights, objects) if path is not None]
    if output is None and Path(target) == Path(model):
        # MODEL is an .npz: the error of the reader explains more than check_output's.
        with convert(model, weights, saved_by=saved_by):
            pass
    check_output(target, force=force, inputs=inputs)
    exported = export_model(
        model,
        target,
        weights=weights,
        custom_objects=given(objects),
        saved_by=saved_by,
        store=store,
        outputs=part_outputs,
        inputs=part_inputs,
    )
    size = Path(target).stat().st_size
    if as_json:
        print_json(_exported_record(exported, target, size))
    elif not sys.stdout.isatty():
        # On a terminal the next line has the path.
        print_path(target)
    if output is not None and target != output:
        say(quiet)(f"Note: {output} has no suffix, so .npz is added")
    _export_notes(exported, target, size, store, say(quiet))
    options = (
        ("--weights", weights),
        ("--saved-by", saved_by),
        ("--custom-objects", objects),
    )
    more = "".join(f" {key} {shlex.quote(value)}" for key, value in options if value)
    say(quiet)(f"Next: gru2np verify {shlex.quote(model)} {shlex.quote(target)}{more}")


def _export_notes(
    exported: Exported,
    target: str,
    size: int,
    store: str | None,
    note: Callable[[str], None],
) -> None:
    from gru2np.text import plural, size_text
    from gru2np_runtime.errors import plain

    note(
        f"wrote {target}: {plural(exported.layers, 'layer')}, "
        f"{plural(exported.parameters, 'parameter')}, {size_text(size)}"
    )
    if exported.storage is not None:
        from gru2np.storage import costs

        note(costs({**exported.storage, "weights": exported.stored_small[0]}))
    elif store is not None:
        note(f"Note: no weight is large enough for {store}: all are stored in full.")
    if exported.half_precision:
        policies = ", ".join(exported.half_precision)
        note(plain(f"Note: saved with the policy {policies}, computed in float32."))
    for text in exported.notes:
        note(plain(f"Note: {text}"))
    if exported.not_finite:
        paths = ", ".join(exported.not_finite)
        text = f"Warning: weights hold NaN or infinity: {paths}"
        click.secho(plain(text), err=True, fg="yellow")


def _exported_record(exported: Exported, target: str, size: int) -> dict[str, Any]:
    """What ``export --json`` prints."""
    import hashlib

    return {
        "schema": "gru2np/export/1",
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
    }
