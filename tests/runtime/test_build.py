"""Building the compiled kernel."""

import sys

import pytest

from gru2np_runtime import build


def test_a_compiler_that_fails_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", sys.executable)
    with pytest.raises(build.BuildError, match=r"kernel\.c"):
        build.build(tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("CC", str(tmp_path / "none"))
    with pytest.raises(build.BuildError, match="does not run"):
        build.build(tmp_path)
