"""``gru2np inspect``: the command."""

from __future__ import annotations

import shutil

import click

from gru2np.cli.commands import EXIT_CODES, Command, print_json, say
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
    examples=(
        "gru2np inspect model.h5",
        "gru2np inspect model.npz --report page.html",
        "gru2np inspect model.h5 --audit",
    ),
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
@click.option(
    "--audit",
    "only_audit",
    is_flag=True,
    help="List only what another loader would run, open or fetch; --json gives SARIF.",
)
@JSON
@click.pass_context
def inspect(
    context: click.Context,
    file: str,
    weights: str | None,
    saved_by: str | None,
    objects: str | None,
    part_outputs: tuple[str, ...],
    part_inputs: tuple[str, ...],
    page: str | None,
    force: bool,
    only_audit: bool,
    as_json: bool,
) -> None:
    """Explain a saved model or a bundle.

    Prints the layers, the columns of each gate, the Keras that saved the model, and
    what that means for its numbers. For a model that cannot be converted it prints
    the reasons.

    With --audit the exit code is 1 if there is anything that another loader would run,
    open or fetch, and 0 if there is nothing. Models that cannot be converted are
    audited too.
    """
    if only_audit:
        _refuse_others(context)
        from gru2np.inspection.audit import audit

        found = audit(file)
        if as_json:
            print_json(found.sarif())
        else:
            click.echo(found.text(_width()))
        context.exit(EXIT_CODES["differs" if found.findings else "done"])
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
        print_json(report.as_dict())
        return
    lines = render(report, _width(), lambda title: click.style(title, bold=True))
    click.echo("\n".join(lines))


def _width() -> int:
    return min(max(shutil.get_terminal_size((88, 24)).columns, 80), 100)


def _refuse_others(context: click.Context) -> None:
    """Refuse options that mean nothing to an audit: it looks into one file."""
    command = context.command
    for option in command.params:
        given = context.params.get(option.name or "")
        if option.name not in ("file", "only_audit", "as_json") and given:
            raise click.UsageError(
                f"{option.opts[-1]} has no meaning with --audit, which looks into one "
                "file or folder: leave it out, and audit a second file on its own"
            )
