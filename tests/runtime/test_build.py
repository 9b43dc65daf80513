"""Building the compiled kernel."""

import shutil
import sys

import pytest

from gru2np_runtime import build
from gru2np_runtime.kernels.c import library as c_library
from kernel_cases import Case


def test_a_compiler_that_fails_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", sys.executable)
    with pytest.raises(build.BuildError, match=r"kernel\.c"):
        build.build(tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("CC", str(tmp_path / "none"))
    with pytest.raises(build.BuildError, match="does not run"):
        build.build(tmp_path)


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_the_kernel_is_one_source_for_both_compilers(tmp_path, monkeypatch, name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("CC", f"{name} -Wall -Wextra -Werror")
    build.build(tmp_path)
    library = c_library.open_library(str(tmp_path / build.NAME))
    for number in range(10):
        for width in range(c_library.level(library) + 1):
            Case(number).check(library, width)
