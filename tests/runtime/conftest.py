"""The compiled kernel for the tests that want it, whatever is installed."""

import pytest

from gru2np_runtime import build
from gru2np_runtime.kernels.c import library as c_library


@pytest.fixture(scope="session")
def compiler():
    """The command of the C compiler."""
    try:
        return build.compiler()
    except build.BuildError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def library(compiler, tmp_path_factory):
    """The path of the kernel as the wheel has it, compiled from this source."""
    folder = tmp_path_factory.mktemp("kernel")
    build.build(folder)
    return str(folder / build.NAME)


@pytest.fixture
def use(monkeypatch):
    """A function that puts another library in the place of the installed one."""

    def put(path):
        monkeypatch.setattr(c_library, "LIBRARY", str(path))
        monkeypatch.setattr(c_library, "_loaded", {})
        monkeypatch.setattr(c_library, "_warned", set())

    return put


@pytest.fixture(params=["numpy", "c"])
def kernel(request, monkeypatch):
    """Each kernel in turn, through the variable that users have."""
    if request.param == "c":
        request.getfixturevalue("use")(request.getfixturevalue("library"))
    monkeypatch.setenv("GRU2NP_KERNEL", request.param)
    return request.param
