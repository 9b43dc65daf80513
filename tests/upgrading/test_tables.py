"""What files of Keras 3 hold, as measured, and the Keras that is installed."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

import goldens
from gru2np.layers import LAYERS
from needs_keras import needs_keras

PACKAGE = goldens.ROOT / "converter" / "gru2np"


def load(path):
    return json.loads(path.read_text("utf-8"))


TABLE = load(PACKAGE / "upgrading" / "tables" / "keras3.json")
STRUCTURES = load(goldens.FIXTURES / "keras3_structures.json")
RELEASES = load(PACKAGE / "generations" / "tables" / "keras-3.json")["releases"]
SCRIPT = goldens.FIXTURES / "measure" / "keras3_files.py"
SAMPLE = {
    "layers": ["BatchNormalization", "Bidirectional", "GRU"],
    "operations": ["GetItem", "Pad", "Where"],
    "models": ["branches", "initial_state", "masked_branches", "nested_twice"],
    "edits": ["a group too few", "an unknown option", "no masks in calls of branches"],
}


def test_the_tables_are_of_the_newest_release():
    assert TABLE["keras"] == STRUCTURES["keras"] == list(RELEASES)[-1] == "3.15.1"


@pytest.mark.parametrize("kind", ["layers", "operations"])
def test_the_tables_have_every_class_that_is_converted(kind):
    names = {name for name in LAYERS if name.startswith("ops.") == (kind != "layers")}
    known = [*TABLE[kind], *TABLE["absent"][kind]]
    assert sorted(known) == sorted(name.removeprefix("ops.") for name in names)


def test_keras_opens_every_example_of_an_operation():
    """And the options and arguments of the examples are those that are listed."""
    assert set(STRUCTURES["examples"]) == set(TABLE["operations"])
    for name, examples in STRUCTURES["examples"].items():
        options = {option for option, *_ in TABLE["operations"][name]["options"]}
        for example in examples:
            assert example["opens"] is True, name
            assert set(example["config"]) - {"name"} <= options, name


def test_the_models_that_keras_does_not_run_are_named():
    models = STRUCTURES["models"]
    failing = {name for name in models if models[name].get("opens") is not True}
    assert failing == {"in_time_of_lists", "mask_of_cells", "mask_of_lstm_cells"}


@needs_keras
def test_the_installed_keras_writes_the_same():
    if version("keras") != TABLE["keras"]:
        pytest.skip(f"needs Keras {TABLE['keras']}, not {version('keras')}")
    operations = [f"ops.{name}" for name in SAMPLE["operations"]]
    others = [name for key in ("layers", "models", "edits") for name in SAMPLE[key]]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *operations, *others],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["objects"] == TABLE["objects"]
    for kind, names in SAMPLE.items():
        table = (TABLE if kind in TABLE else STRUCTURES)[kind]
        assert found[kind] == {name: table[name] for name in names}
    names = SAMPLE["operations"]
    assert found["examples"] == {name: STRUCTURES["examples"][name] for name in names}
