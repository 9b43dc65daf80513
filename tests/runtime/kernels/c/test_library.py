"""Which kernel runs: the one that was asked for, or NumPy with a warning."""

import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest

import gru2np_runtime
from gru2np_runtime import InputError, build
from gru2np_runtime.kernels.c import library as c_library
from gru2np_runtime.kernels.c.plans import CompiledRecurrence
from kernel_cases import small_gru


def test_which_kernel_runs(kernel):
    assert gru2np_runtime.kernel() == kernel
    plans = small_gru().graph_plan.plans.values()
    compiled = any(isinstance(plan, CompiledRecurrence) for plan in plans)
    assert compiled == (kernel == "c")


def test_a_wrong_name_is_refused(monkeypatch):
    monkeypatch.setenv("GRU2NP_KERNEL", "fortran")
    with pytest.raises(InputError, match="expected c or numpy, got 'fortran'"):
        gru2np_runtime.kernel()


def test_without_a_library_numpy_runs_in_silence(tmp_path, use, monkeypatch):
    use(tmp_path / build.NAME)
    monkeypatch.delenv("GRU2NP_KERNEL", raising=False)
    assert gru2np_runtime.kernel() == "numpy"
    small_gru().predict(np.zeros((1, 2, 3), np.float32))
    # What check and --version say of it.
    assert c_library.missing().startswith(f"there is no {build.NAME}; build it with")
    assert c_library.status() == f"kernel: numpy: {c_library.missing()}"


def test_what_was_asked_for_is_not_missed(tmp_path, use, monkeypatch):
    use(tmp_path / build.NAME)
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    assert c_library.missing() == ""
    assert c_library.status() == "kernel: numpy: GRU2NP_KERNEL says so"
    monkeypatch.setenv("GRU2NP_KERNEL", "fortran")
    assert c_library.status().endswith("expected c or numpy, got 'fortran'")


def test_a_library_that_runs_is_said(library, use, monkeypatch):
    use(Path(library))
    monkeypatch.delenv("GRU2NP_KERNEL", raising=False)
    assert c_library.missing() == ""
    assert c_library.status() == c_library.describe()
    assert c_library.status().startswith("kernel: c, ")


def test_asked_for_and_missing_warns_once(tmp_path, use, monkeypatch):
    use(tmp_path / build.NAME)
    monkeypatch.setenv("GRU2NP_KERNEL", "c")
    with pytest.warns(RuntimeWarning, match=r"python -m gru2np_runtime\.build"):
        model = small_gru()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_gru()
    assert model.predict(np.zeros((1, 2, 3), np.float32)).shape == (1, 2, 5)


@pytest.mark.parametrize("damage", ["cut", "changed", "text", "without_checksum"])
def test_a_damaged_library_warns_once(library, tmp_path, use, monkeypatch, damage):
    broken = tmp_path / build.NAME
    content = bytearray(Path(library).read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "changed":
        content[len(content) // 2] ^= 1
    else:
        content = bytearray(b"no library")
    broken.write_bytes(content)
    if damage != "without_checksum":
        shutil.copy(Path(library).with_suffix(".crc"), tmp_path)
    use(broken)
    monkeypatch.delenv("GRU2NP_KERNEL", raising=False)
    with pytest.warns(RuntimeWarning, match="the compiled kernel does not run"):
        assert gru2np_runtime.kernel() == "numpy"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gru2np_runtime.kernel() == "numpy"
    # The warning has said it.
    assert c_library.missing() == ""
    assert c_library.status().startswith("kernel: numpy: libgru2np.so ")


def test_another_interface_is_not_called(compiler, tmp_path, use, monkeypatch):
    source = tmp_path / "old.c"
    names = [name for name in c_library._FUNCTIONS if name != "gru2np_abi"]
    source.write_text(
        "int gru2np_abi(void) { return 99; }\n"
        + "".join(f"void {name}(void) {{}}\n" for name in names)
    )
    path = tmp_path / build.NAME
    options = ["-shared", *build.POSITION_INDEPENDENT, str(source), "-o", str(path)]
    subprocess.run([*compiler, *options], check=True)
    use(path)
    monkeypatch.delenv("GRU2NP_KERNEL", raising=False)
    with pytest.warns(
        RuntimeWarning, match=f"expected interface {c_library.ABI}, got 99"
    ):
        assert gru2np_runtime.kernel() == "numpy"


def test_the_interface_number_is_that_of_the_source():
    source = (build.FOLDER / "kernel.c").read_text()
    assert f"#define ABI {c_library.ABI}\n" in source
