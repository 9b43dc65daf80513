"""Options of several commands: paths that exist, and what is like one that does not."""

import pytest

from command_line import run
from gru2np.cli.commands import EXIT_CODES


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "modle.h5"),
        ("inspect", "Model.h5"),
        ("verify", "modl.h5"),
        ("verify", "model.h5", "model.np"),
        ("check", "mode.npz"),
        ("ship", "modelnpz", "device"),
        ("predict", "model.nzp", "-i", "x.npy", "-o", "y.npy"),
        ("predict", "model.npz", "-i", "X.npy", "-o", "y.npy"),
        ("export", "model.h5", "--weights", "x.np"),
    ],
    ids=" ".join,
)
def test_a_missing_path_names_one_that_is_like_it(arguments, bundle, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    bundle.with_name("x.npy").touch()
    result = run(*arguments)
    assert result.exit_code == EXIT_CODES["usage"]
    assert "does not exist: did you mean '" in result.stderr


def test_a_path_that_is_like_none(model):
    result = run("export", model.with_name("something else"))
    assert result.exit_code == EXIT_CODES["usage"]
    assert result.stderr.endswith("does not exist\n")
    assert run("export", model.parent / "no" / "model.h5").exit_code == 2
