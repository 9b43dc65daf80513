"""Options that several commands have."""

from __future__ import annotations

import click

QUIET = click.option(
    "-q", "--quiet", is_flag=True, help="No notes on standard error, only warnings."
)
FORCE = click.option("-f", "--force", is_flag=True, help="Replace an existing output.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
FILE = click.Path(exists=True, dir_okay=False)
WEIGHTS = click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The weights file that belongs to an architecture JSON.",
)
# A directory is refused by the readers, which know what kind of model it is.
EXISTING = click.Path(exists=True)
