"""The tests lie as the packages do: the tests of a module are found by its name."""

import pytest

from goldens import ROOT

TESTS = ROOT / "tests"
PACKAGES = {
    ROOT / "converter" / "gru2np": TESTS,
    ROOT / "runtime" / "gru2np_runtime": TESTS / "runtime",
}
# A shorter module may be tested with what uses it.
LINES = 60
# No file of tests is longer: it can be cut by subject.
MOST_LINES = 360
# Modules that are tested together, or with what uses them, by the file of their tests.
TESTED_IN = {
    "cli/test_verify.py": ["cli/verify_report.py", "verification/result.py"],
    "generations/keras1/test_keras1.py": ["generations/keras1/layers.py"],
    "generations/test_architecture.py": ["generations/records.py"],
    "generations/test_quantization.py": [
        *("generations/packing.py", "layers/options.py", "layers/quantized.py"),
    ],
    "generations/test_training.py": ["generations/keras1/training.py", "ir.py"],
    "graph/test_calls.py": ["layers/attention.py"],
    "graph/test_cutting.py": [
        *("graph/carried.py", "graph/stated.py", "graph/tracing.py"),
    ],
    "graph/test_flatten.py": ["graph/assembly.py", "graph/ports.py", "graph/prune.py"],
    "graph/test_masks.py": [
        *("graph/mask_sources.py", "graph/time_distributed.py", "layers/mask_rules.py"),
    ],
    "inspection/test_audit.py": ["inspection/findings.py"],
    "inspection/test_inspect.py": ["inspection/facts.py"],
    "inspection/test_weights.py": [
        *("inspection/layer_guesses.py", "readers/weights_file.py"),
    ],
    "layers/test_arithmetic.py": ["layers/arguments.py"],
    "layers/test_layers.py": [
        *("layers/cells.py", "layers/encoding.py", "layers/preprocessing.py"),
        *("layers/translate.py", "layers/wrappers.py"),
    ],
    "readers/safe/test_hostile_files.py": [
        *("readers/safe/damage.py", "readers/safe/folder.py"),
        *("readers/safe/json_text.py", "readers/safe/protobuf.py"),
        *("readers/safe/sstable.py", "readers/safe/window.py"),
        "readers/safe/zip_archive.py",
    ],
    "reports/test_graph.py": ["reports/drawing.py"],
    "reports/test_page.py": [
        *("reports/blocks.py", "reports/gates.py", "reports/model.py"),
    ],
    "test_convert.py": ["errors.py"],
    "test_custom_objects.py": ["layers/custom.py"],
    "upgrading/test_masking.py": ["upgrading/masks.py"],
    "upgrading/test_writing.py": ["upgrading/calls.py", "upgrading/target.py"],
    "verification/test_bundle_comparison.py": [
        *("verification/layerwise.py", "verification/node_runner.py"),
    ],
    "verification/test_cases.py": ["verification/mask_patterns.py"],
    "verification/test_installed_keras.py": ["differences.py"],
    "verification/test_landmarks.py": ["verification/input_usage.py"],
    "verification/test_verify.py": [
        *("verification/keras_child.py", "verification/keras_files.py"),
        "verification/settings.py",
    ],
    "verification/test_part_in_keras.py": ["verification/keras_child_part.py"],
    "weights/test_pairing.py": [
        *("weights/naming.py", "weights/slots.py"),
    ],
    "runtime/bundle/test_container.py": ["runtime/bundle/members.py"],
    "runtime/bundle/test_manifest.py": ["runtime/bundle/record.py"],
    "runtime/bundle/test_manifest_rules.py": ["runtime/graph.py"],
    "runtime/files/test_prediction.py": ["cli/predict.py"],
    "runtime/kernels/numpy/test_recurrence.py": [
        *("runtime/kernels/numpy/chain.py", "runtime/kernels/numpy/gru.py"),
        *("runtime/kernels/numpy/lstm.py", "runtime/kernels/numpy/packed.py"),
        *("runtime/kernels/numpy/simple_rnn.py", "runtime/kernels/plain/recurrent.py"),
        "runtime/plan.py",
    ],
    "runtime/layers/test_arithmetic.py": ["runtime/layers/operation.py"],
    "runtime/layers/test_convolutional_recurrent.py": [
        "runtime/kernels/plain/convolutional_recurrent.py",
    ],
    "runtime/layers/test_layers.py": ["runtime/layers/axes.py"],
    "runtime/test_start.py": ["runtime/__init__.py"],
    "runtime/test_bind.py": ["runtime/layers/cells.py", "runtime/layers/recurrent.py"],
    "runtime/test_golden.py": [
        *("runtime/kernels/plain/wrappers.py", "runtime/layers/wrappers.py"),
        "runtime/run/execution.py",
    ],
}


def mirrored(module):
    """Where a module's tests are; those of a package are called as the package is."""
    package = next(path for path in PACKAGES if module.is_relative_to(path))
    name = module.parent.name if module.stem == "__init__" else module.stem
    folder = PACKAGES[package] / module.parent.relative_to(package)
    return folder / f"test_{name.strip('_')}.py"


MODULES = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
LONG = [path for path in MODULES if path.read_text("utf-8").count("\n") > LINES]
EXCEPTIONS = {
    TESTS / module: TESTS / tests
    for tests, modules in TESTED_IN.items()
    for module in modules
}


def in_tests(module):
    """A module's path, below the folder that holds the tests of its package."""
    package = next(path for path in PACKAGES if module.is_relative_to(path))
    return PACKAGES[package] / module.relative_to(package)


@pytest.mark.parametrize("module", LONG, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_tests_of_a_module_are_found_by_its_name(module):
    tests = EXCEPTIONS.get(in_tests(module), mirrored(module))
    assert tests.exists(), f"expected the tests of {module} in {tests}"


def test_the_exceptions_are_needed():
    """Each is of a module that is there, and that has no tests of its own."""
    modules = {in_tests(module): mirrored(module) for module in MODULES}
    assert set(EXCEPTIONS) <= set(modules)
    assert [path for path in EXCEPTIONS if modules[path].exists()] == []


def test_no_file_of_tests_is_longer_than_its_subject():
    long = [
        path.name
        for path in TESTS.rglob("test_*.py")
        if path.read_text("utf-8").count("\n") > MOST_LINES
    ]
    assert long == []


def test_what_tests_share_hides_no_script():
    """Tests import from ``fixtures/make`` too, where a name may stand for one file."""
    shared = {path.stem for path in (TESTS / "support").iterdir()}
    scripts = {path.stem for path in (ROOT / "fixtures" / "make").glob("*.py")}
    assert shared.isdisjoint(scripts)
