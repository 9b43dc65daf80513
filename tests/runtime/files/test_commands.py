"""``predict`` and ``check``: the same arguments and answers in both command lines."""

import argparse
import json

import click
import numpy as np
import pytest

import gru2np_runtime.__main__ as runtime_main
from command_line import run
from goldens import flat
from gru2np.cli import cli
from gru2np.cli.commands import EXIT_CODES
from gru2np_runtime import load
from modelfiles import bundle_of, recorded

GRU = "keras-2.2/get_weights_explained"


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "x.npy", recorded(GRU)[0][0])
    return tmp_path / "x.npy"


@pytest.fixture(params=["gru2np", "gru2np_runtime"])
def command(request, capsys):
    """A function that runs one of the two; gives exit code, stdout and stderr."""

    def call(*arguments):
        if request.param == "gru2np":
            result = run(*arguments)
            return result.exit_code, result.stdout, result.stderr
        code = runtime_main.main([str(a) for a in arguments])
        return code, *capsys.readouterr()

    return call


def of_click(command):
    """Its arguments: names, placeholder, and whether one has to be given."""
    found = set()
    for p in command.params:
        names = (*p.opts, *p.secondary_opts) if isinstance(p, click.Option) else ()
        place = (p.metavar or p.name.upper()).strip("[]") if not names else p.metavar
        found.add((frozenset(names), place, p.required))
    return found


def of_argparse(parser):
    found, switches = set(), {}
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        names = frozenset(action.option_strings)
        required = action.required if names else action.nargs != "?"
        if action.nargs == 0 and action.dest == "header":
            switches.setdefault(action.dest, set()).update(names)
            continue
        found.add((names, action.metavar, required))
    return found | {(frozenset(names), None, False) for names in switches.values()}


@pytest.mark.parametrize("name", ["predict", "check"])
def test_both_command_lines_take_the_same_arguments(name):
    subparsers = next(
        action
        for action in runtime_main._parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    assert of_argparse(subparsers.choices[name]) == of_click(cli.commands[name])
    assert set(subparsers.choices) <= set(cli.commands)


def test_the_input_is_an_argument_or_an_option(command, bundle, data, tmp_path):
    for number, given in enumerate(([data], ["-i", data], ["--input", data])):
        out = tmp_path / f"{number}.npy"
        assert command("predict", bundle, *given, "-o", out) == (
            0,
            f"{out}\n",
            f"wrote {out}: dense_1 (5, 1) float32\n",
        )
    code, _, said = command("predict", bundle, data, "-i", data, "-o", "y.npy")
    assert (code, "given twice" in said) == (EXIT_CODES["usage"], True)
    code, _, said = command("predict", bundle, "-o", "y.npy")
    assert (code, "BUNDLE -i x.npy" in said) == (EXIT_CODES["usage"], True)


def test_json_and_quiet(command, bundle, data, tmp_path):
    out = tmp_path / "y.npy"
    code, printed, said = command("predict", bundle, data, "-o", out, "--json", "-q")
    assert (code, said) == (0, "")
    assert json.loads(printed)["output"] == str(out)
    code, _, said = command("predict", bundle, data, "-o", "-", "--json")
    assert (code, "-o" in said) == (EXIT_CODES["usage"], True)


@pytest.mark.parametrize(
    ("case", "suffix"), [(GRU, ".npy"), ("keras-2.2/several_inputs_outputs", ".npz")]
)
def test_a_missing_suffix_is_that_of_the_outputs(command, case, suffix, tmp_path):
    bundle = bundle_of(case, tmp_path / "m.npz")
    model, (inputs, _) = load(bundle), recorded(case)
    np.savez(tmp_path / "x.npz", **dict(zip(model.input_names, inputs)))
    out = tmp_path / "y"
    code, printed, said = command("predict", bundle, tmp_path / "x.npz", "-o", out)
    assert (code, printed) == (0, f"{out}{suffix}\n")
    assert said.startswith(f"Note: {out} has no suffix, so {suffix} is added\n")
    expected = flat(model.predict(inputs))
    with open(f"{out}{suffix}", "rb") as file:  # noqa: PTH123
        saved = np.load(file)
        for name, y in zip(model.output_names, expected):
            got = saved if suffix == ".npy" else saved[name]
            np.testing.assert_allclose(got, y, atol=1e-6)
    code, _, said = command("predict", bundle, tmp_path / "x.npz", "-o", out)
    assert (code, "--force" in said) == (EXIT_CODES["usage"], True)
    assert command("predict", bundle, tmp_path / "x.npz", "-o", out, "-f")[0] == 0


def test_a_missing_suffix_is_that_of_a_table(command, bundle, tmp_path):
    (tmp_path / "x.csv").write_text("a,b,c\n1,2,3\n")
    out = tmp_path / "y"
    assert command("predict", bundle, tmp_path / "x.csv", "-o", out)[0] == 0
    assert out.with_suffix(".csv").read_text().startswith("dense_1\n")


def test_a_folder_is_no_output(command, bundle, data, tmp_path):
    code, _, said = command("predict", bundle, data, "-o", tmp_path)
    assert code == EXIT_CODES["usage"]
    assert "is a folder: name a file in it with -o" in said


def test_check(command, bundle, tmp_path):
    code, printed, said = command("check", bundle)
    assert (code, said) == (0, "")
    assert "5 weights, 33 numbers, every SHA-256" in printed
    data = bytearray(bundle.read_bytes())
    data[-3000] ^= 1
    bundle.write_bytes(data)
    code, printed, said = command("check", bundle)
    assert (code, printed) == (EXIT_CODES["refused"], "")
    assert said.startswith(f"Error: {bundle}: ")
    code, _, said = command("check", tmp_path)
    assert (code, "a folder" in said) == (EXIT_CODES["refused"], True)
    try:
        code, _, said = command("check", bundle.with_name("model.np"))
    except SystemExit as stopped:
        code = stopped.code
    assert (code, "did you mean 'model.npz'" in said) == (EXIT_CODES["usage"], True)


def test_check_fails_if_the_proof_does_not_hold(command, bundle, monkeypatch):
    monkeypatch.setattr("gru2np_runtime.proof.checking.Checked.differs", [1])
    assert command("check", bundle)[0] == EXIT_CODES["differs"]
