"""What is imported: NumPy alone in the runtime, no Keras in the converter."""

import ast
import subprocess
import sys

import pytest

import goldens

RUNTIME = goldens.ROOT / "runtime" / "gru2np_runtime"
CONVERTER = goldens.ROOT / "converter" / "gru2np"
TESTS = goldens.ROOT / "tests"
FORBIDDEN = ("tensorflow", "keras", "tf_keras", "jax", "torch", "pickle", "marshal")


def imports(path):
    """Top-level names that a file imports, but for those a type checker alone reads."""
    found = set()
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize(
    "path", sorted(RUNTIME.rglob("*.py")), ids=lambda p: str(p.relative_to(RUNTIME))
)
def test_the_runtime_imports_numpy_and_the_standard_library(path):
    allowed = {"numpy", "gru2np_runtime"} | set(sys.stdlib_module_names)
    assert imports(path) <= allowed - {"pickle", "marshal"}


@pytest.mark.parametrize(
    "path", sorted(CONVERTER.rglob("*.py")), ids=lambda p: str(p.relative_to(CONVERTER))
)
def test_the_converter_imports_no_keras(path):
    # The child process of ``verify`` is where Keras runs; nothing imports that file.
    if path.name.startswith("keras_child"):
        return
    allowed = {"click", "gru2np", "gru2np_runtime", "google_crc32c", "h5py", "numpy"}
    assert imports(path) <= (allowed | set(sys.stdlib_module_names)) - set(FORBIDDEN)


def loaded_by(code):
    """Modules in memory after some code, in a Python of its own."""
    script = f"{code}\nimport sys\nprint(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_importing_the_runtime_brings_numpy_alone():
    new = loaded_by("import gru2np_runtime") - loaded_by("import numpy")
    roots = {module.split(".")[0] for module in new}
    assert roots <= {"gru2np_runtime"} | set(sys.stdlib_module_names)
    # The heavy ones of the standard library stay away as well.
    assert not new & {"dataclasses", "inspect", "zipfile", "concurrent.futures"}


def test_exporting_runs_no_keras(tmp_path):
    model = goldens.FIXTURES / "keras-2.2" / "gru" / "model.h5"
    code = f"import gru2np; gru2np.export({str(model)!r}, {str(tmp_path / 'm.npz')!r})"
    assert not {name.split(".")[0] for name in loaded_by(code)} & set(FORBIDDEN[:5])


def test_a_family_of_layers_is_imported_when_it_is_used():
    assert "gru2np_runtime.layers.convolutional" not in loaded_by(
        "from gru2np_runtime import layers; layers.GRU"
    )


def test_no_test_has_a_clock():
    """A busy machine makes a bound on time fail; ``benchmarks/`` measures."""
    # The program of the fuzzer is no test: it runs for as long as it is told.
    paths = set(TESTS.rglob("*.py")) - {TESTS / "fuzz" / "__main__.py"}
    assert [p.name for p in paths if imports(p) & {"time", "timeit"}] == []
