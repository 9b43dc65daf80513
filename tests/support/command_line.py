"""The command ``gru2np``: run in this process, or in one of its own."""

import subprocess
import sys

from click.testing import CliRunner

import output_schema
from gru2np.cli import cli


def run(*arguments, **options):
    """The result: exit code, standard output and standard error.

    What --json prints is checked against its schema.
    """
    words = [str(a) for a in arguments]
    result = CliRunner().invoke(cli, words, **options)
    if "--json" in words and "--audit" not in words and result.exit_code < 2:
        output_schema.check(words[0], result.stdout)
    return result


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
