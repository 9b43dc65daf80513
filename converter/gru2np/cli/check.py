"""``gru2np check``: the command."""

from __future__ import annotations

import click

from gru2np.cli.commands import EXIT_CODES, Command
from gru2np.cli.options import CUSTOM_OBJECTS, EXISTING


@click.command(
    cls=Command,
    examples=("gru2np check model.npz", "gru2np check model.npz && echo intact"),
)
@click.argument("bundle", type=EXISTING)
@CUSTOM_OBJECTS
@click.pass_context
def check(context: click.Context, bundle: str, objects: str | None) -> None:
    """Check every SHA-256 of a bundle, and replay its proof.

    The proof is what verify --record recorded: inputs, and the outputs of Keras.
    python -m gru2np_runtime check does the same where there is NumPy alone.

    The exit code is 1 if the proof does not hold on this machine.
    """
    from gru2np_runtime.files.commands import check as check_bundle

    holds = check_bundle(bundle, objects)
    context.exit(EXIT_CODES["done" if holds else "differs"])
