"""The command line: its help, its colours, its processes."""

import os
import subprocess
import sys

import pytest

import gru2np
from command_line import program, run
from gru2np.cli import cli
from gru2np.cli.commands import EXIT_CODES
from gru2np_runtime.kernels.c.library import status
from modelfiles import with_class

GRU = "keras-2.2/get_weights_explained"


def test_bare_prints_help_and_is_misuse():
    result = run()
    assert result.exit_code == EXIT_CODES["usage"]
    assert result.stdout == ""
    assert "Usage: " in result.stderr
    for command in cli.commands:
        assert f"\n  {command} " in result.stderr


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_help_ends_with_examples(command, option):
    result = run(command, option)
    assert result.exit_code == 0
    head, _, examples = result.stdout.partition("\nExamples:\n")
    assert all(len(line) <= 80 for line in head.splitlines())
    lines = examples.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(f"  gru2np {command} ") for line in lines)


def test_the_commands():
    assert sorted(cli.commands) == [
        *("check", "export", "inspect", "predict", "ship", "upgrade", "verify")
    ]


def test_version():
    expected = f"gru2np {gru2np.__version__}\n{status()}\n"
    assert run("--version").stdout == expected


def test_help_imports_neither_numpy_nor_h5py():
    code = (
        "import sys\n"
        "from gru2np.cli import cli\n"
        "for arguments in (['--help'], ['export', '-h'], ['verify', '-h']):\n"
        "    cli(arguments, standalone_mode=False)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'h5py'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_colour_only_where_it_is_wanted(model, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[1m" in run("inspect", model, color=True).stdout
    assert "\x1b" not in run("inspect", model).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("inspect", model, color=True).stdout
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in run("inspect", model, color=True).stdout


def test_as_a_process(model):
    done = program("export", model.name, cwd=model.parent)
    assert (done.returncode, done.stdout) == (0, b"model.npz" + os.linesep.encode())
    assert b"Next: gru2np verify model.h5 model.npz" in done.stderr


def test_letters_that_the_terminal_does_not_have(tmp_path):
    model = with_class(GRU, tmp_path / "m.h5", "dense_1", "\u0413\u0420\u0423")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = program("inspect", model, env=environment)
    assert done.returncode == 0
    assert b"\\u0413\\u0420\\u0423" in done.stdout
