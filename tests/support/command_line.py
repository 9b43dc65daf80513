"""The command ``gru2np``: run in this process, or in one of its own."""

import subprocess
import sys

from click.testing import CliRunner

from gru2np.cli import cli


def run(*arguments, **options):
    """The result: exit code, standard output and standard error."""
    return CliRunner().invoke(cli, [str(a) for a in arguments], **options)


def program(*arguments, **options):
    """The same in a process of its own; the streams are bytes."""
    return subprocess.run(
        [sys.executable, "-m", "gru2np", *map(str, arguments)],
        capture_output=True,
        timeout=60,
        **options,
    )


def run_predict(*arguments, **options):
    return run("predict", *arguments, **options)


def run_verify(*arguments):
    return run("verify", *arguments)
