"""``gru2np inspect``: the command."""

from __future__ import annotations

import json
import shutil

import click

from gru2np.cli.commands import Command, say
from gru2np.cli.options import (
    CUSTOM_OBJECTS,
    FORCE,
    JSON,
    SAVED_BY,
    STORED,
    WEIGHTS,
)
from gru2np.cli.part_options import INPUTS, OUTPUTS


@click.command(
    cls=Command,
    examples=("gru2np inspect model.h5", "gru2np inspect model.npz --report page.html"),
)
@click.argument("file", metavar="MODEL|BUNDLE|WEIGHTS", type=STORED)
@WEIGHTS
@SAVED_BY
@CUSTOM_OBJECTS
@OUTPUTS
@INPUTS
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False),
    metavar="PAGE.html",
    help="Write a page with graphs too, one HTML file.",
)
@FORCE
@JSON
def inspect(
    file: str,
    weights: str | None,
    saved_by: str | None,
    objects: str | None,
    part_outputs: tuple[str, ...],
    part_inputs: tuple[str, ...],
    page: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Explain a saved model or a bundle.

    Prints the layers, the columns of each gate, the Keras that saved the model, and
    what that means for its numbers. For a model that cannot be converted it prints
    the reasons.
    """
    from gru2np.graph.parts import part_of
    from gru2np.inspection.inspect import inspecting
    from gru2np.inspection.render import render
    from gru2np_runtime.custom_objects import given

    own, part = given(objects), part_of(part_outputs, part_inputs)
    if page is None:
        with inspecting(
            file, weights, custom_objects=own, saved_by=saved_by, part=part
        ) as (report, _):
            pass
    else:
        from gru2np.reports.page import write_inspection
        from gru2np_runtime.files.arrays import check_output

        inputs = [path for path in (file, weights, objects) if path is not None]
        check_output(page, force=force, inputs=inputs)
        report = write_inspection(
            page,
            file,
            weights,
            custom_objects=own,
            objects_file=objects,
            saved_by=saved_by,
            part=part,
        )
        say(False)(f"wrote {page}")
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        return
    width = min(max(shutil.get_terminal_size((88, 24)).columns, 80), 100)
    lines = render(report, width, lambda title: click.style(title, bold=True))
    click.echo("\n".join(lines))
