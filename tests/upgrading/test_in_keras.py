"""Upgraded files, run by the Keras of today, give the numbers of the Keras of old."""

import json
import os
import re
import subprocess
import sys

import h5py
import pytest

import goldens
from needs_keras import needs_keras
from proof import ROOT, upgrading
from proof.upgrading import EQUAL, REFUSED

TABLE = json.loads(upgrading.RECORD.read_text("utf-8"))
FILES = TABLE["files"]
FIXTURES = {name: one for name, one in FILES.items() if not name.startswith("models/")}
# Old files: those of Keras 1 and of Keras 2 before it became a part of TensorFlow.
OLD = {name: one for name, one in FIXTURES.items() if name.startswith("keras-")}
OLD = {name: one for name, one in OLD.items() if not name.startswith("keras-3")}
KERAS = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
# Models of which some layers are frozen, and some are not.
FROZEN = ("keras-1.2/frozen_layers", "keras-2.2/frozen_nested", "tf-2.10/frozen_nested")
TRAIN = """
import json, sys, tempfile
from pathlib import Path
import numpy as np
import gru2np, keras
from proof import upgrading
for name in sys.argv[1:]:
    case = upgrading.case_of(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "new.keras")
        gru2np.upgrade(case.model, path, weights=case.weights, saved_by=case.saved_by)
        model = upgrading.opened(path)
    before = [np.array(weight) for weight in model.weights]
    call = case.calls[0]
    rng = np.random.default_rng(0)
    y = [rng.normal(size=one.shape).astype(one.dtype) for one in call.outputs]
    model.compile("sgd", "mse")
    x = call.inputs
    model.fit(x[0] if len(x) == 1 else x, y[0] if len(y) == 1 else y, verbose=0)
    after = [np.array(weight) for weight in model.weights]
    changed = [not np.array_equal(*pair) for pair in zip(before, after)]
    trainable = [id(weight) for weight in model.trainable_weights]
    rows = [
        [weight.path, id(weight) in trainable, change]
        for weight, change in zip(model.weights, changed)
    ]
    print(json.dumps([name, rows]), flush=True)
"""


def sample():
    """A file of every generation, equal and refused ones."""
    found = []
    for folder in sorted({name.partition("/")[0] for name in FIXTURES}):
        own = sorted(name for name in FIXTURES if name.startswith(f"{folder}/"))
        found.append(own[len(own) // 2])
    return found


def lines(*command):
    """The lines of JSON that a process of Keras prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=KERAS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line[:2] == '["']


def test_the_table_has_every_file():
    known = {one.name for one in goldens.all_goldens() if not goldens.refused(one)}
    assert set(FIXTURES) == known


def test_no_upgraded_file_is_wrong():
    allowed = (EQUAL, REFUSED)
    wrong = {name: one for name, one in FILES.items() if one["outcome"] not in allowed}
    assert wrong == {}


def test_most_old_files_are_upgraded():
    equal = [name for name, one in OLD.items() if one["outcome"] == EQUAL]
    assert len(equal) >= 0.75 * len(OLD)


@needs_keras
def test_keras_gives_the_recorded_numbers():
    names = sample()
    assert len(names) > 25
    found = dict(lines("-m", "proof.upgrading", "--cases", *names))
    expected = {name: FILES[name]["outcome"] for name in names}
    assert {name: one["outcome"] for name, one in found.items()} == expected
    assert list(expected.values()).count(EQUAL) > 15


def frozen_in(value):
    """The names of the layers that the architecture in a file says are frozen."""
    if isinstance(value, dict):
        config = value.get("config")
        if isinstance(config, dict) and config.get("trainable") is False:
            yield config["name"]
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)):
            yield from frozen_in(item)


@needs_keras
@pytest.mark.parametrize("number", range(len(FROZEN)), ids=FROZEN)
def test_training_changes_what_is_trainable_alone(trained, number):
    name, weights = trained[number]
    with h5py.File(goldens.FIXTURES / name / "model.h5") as file:
        frozen = set(frozen_in(json.loads(file.attrs["model_config"])))
    assert frozen
    for path, trainable, changed in weights:
        # The halves of a Bidirectional have the name of its layer after theirs.
        names = {re.sub("^(forward|backward)_", "", x) for x in path.split("/")}
        owned_by_frozen = not frozen.isdisjoint({*names, *path.split("/")})
        # Statistics follow the data, but for those of a frozen layer.
        statistics = "moving_" in path
        assert trainable == (not owned_by_frozen and not statistics), path
        assert changed == (not owned_by_frozen), path


@pytest.fixture(scope="module")
def trained():
    """Each model after a step of training: its weights, and which of them changed."""
    return lines("-c", TRAIN, *FROZEN)


@pytest.mark.parametrize(
    ("differs", "outcome"), [(0.0, EQUAL), (1e-6, EQUAL), (1e-2, upgrading.WRONG)]
)
def test_a_difference_is_seen(differs, outcome):
    case = upgrading.case_of("keras-2.2/gru")
    outputs = [[y + differs for y in call.outputs] for call in case.calls]
    assert upgrading.judged(case, outputs)["outcome"] == outcome


def test_an_output_too_few_is_seen():
    case = upgrading.case_of("keras-2.2/gru")
    found = upgrading.judged(case, [[] for _ in case.calls])
    assert found["outcome"] == upgrading.WRONG
