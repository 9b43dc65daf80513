"""The measured tables: their shape, honest files, and the Keras that is installed."""

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
from itertools import pairwise

import pytest

import goldens
from gru2np.generations.releases import line
from shared_files import CASES

TABLES = goldens.ROOT / "converter" / "gru2np" / "generations" / "tables"
LINES = ("keras-1", "keras-2", "tf.keras", "keras-3")
OBSERVED = CASES / "observed_keys.json"
MEASURE = goldens.ROOT / "fixtures" / "measure"
# A line, its package, and the distribution of that.
INSTALLED = [("keras-3", "keras", "keras"), ("tf.keras", "tf_keras", "tf-keras")]
OUTCOMES = {"keeps", "stops", "makes", "raises"}

# Keys that come and go in honest files, and so tell nothing.
TELLS_NOTHING = {
    "backward_layer",
    "batch_input_shape",
    "dtype",
    "input_dim",
    "input_dtype",
    "input_length",
    "time_major",
    "zero_output_for_mask",
}
# Names in honest files that are no layers of Keras: what else is saved, layers of the
# owners of the files, and cells with which Keras tests itself.
NO_LAYERS = {
    "Adam",
    "AttentionByHand",
    "DTypePolicy",
    "Huber",
    "MDN",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MixtureHead",
    "OneStateRNNCell",
    "Policy",
    "RMSprop",
    "RNNCellWithDropout",
    "ReversedLSTM",
    "SGD",
    "SelfAttention",
    "SqueezeLayer",
    "TwoStatesRNNCell",
}


def load(line):
    return json.loads((TABLES / f"{line}.json").read_text())


def line_of(version):
    """The line that a version in a file belongs to."""
    if version.startswith("1."):
        return "keras-1"
    if version.startswith("3."):
        return "keras-3"
    if version.endswith("-tf"):
        return "tf.keras"
    second = int(version.split(".")[1])
    return "keras-2" if second < 4 else "tf.keras"


def at(spans, releases, release):
    """What spans say of one release; None where they do not say."""
    index = releases.index(release)
    for first, last, *value in spans:
        if releases.index(first) <= index <= releases.index(last):
            return value
    return None


def only(part, releases, release):
    """What a part of a table says of one release, in the form of a table."""
    if isinstance(part, dict):
        found = {name: only(value, releases, release) for name, value in part.items()}
        if "there" in part and not found["there"]:
            return {}
        return {name: value for name, value in found.items() if value or name == "keys"}
    if part and isinstance(part[0], dict):
        rows = [only(row, releases, release) for row in part]
        return [row for row in rows if "there" in row]
    value = at(part, releases, release)
    return [] if value is None else [[release, release, *value]]


def always_written(row, releases, release):
    """The key sets that a class of this release always writes, one for each variant."""
    found = []
    for variant in (row, *row.get("variants", ())):
        if at(variant["there"], releases, release) is not None:
            found.append(
                {
                    key
                    for key, spans in variant["keys"].items()
                    if at(spans, releases, release) is not None
                }
            )
    return found


def contradictions(tables, observed):
    """What honest files hold that no release which writes their version always writes.

    ``observed`` is {version in the file: {class name: [keys]}}. Each answer is
    (version, class name, missing keys): None for the keys where the class is not in
    the table, and for the class where nothing that writes the version was measured.
    """
    found = []
    for version, classes in observed.items():
        table = tables[line_of(version)]
        releases = list(table["releases"])
        operations = {name.split(".")[-1] for name in table["operations"]}
        writers = [
            release
            for release, facts in table["releases"].items()
            if facts["writes"] == version
        ]
        if not writers:
            found.append((version, None, []))
        for name, sets in classes.items() if writers else ():
            row = table["classes"].get(name)
            expected = [
                keys
                for release in writers
                if row is not None
                for keys in always_written(row, releases, release)
            ]
            if not expected and name not in (NO_LAYERS | operations):
                found.append((version, name, None))
            for keys in sets if expected else ():
                if name in operations and "trainable" not in keys:
                    continue  # an operation of that name writes its arguments alone
                missing = min(
                    (always - set(keys) - TELLS_NOTHING for always in expected),
                    key=len,
                )
                if missing:
                    found.append((version, name, sorted(missing)))
    return found


def every_span(part):
    """All the lists of spans in a part of a table."""
    if isinstance(part, dict):
        for value in part.values():
            yield from every_span(value)
    elif part and isinstance(part[0], dict):
        for row in part:
            yield from every_span(row)
    else:
        yield part


@pytest.mark.parametrize("line", LINES)
def test_tables_hold_spans_of_measured_releases(line):
    table = load(line)
    releases = list(table["releases"])
    assert releases == sorted(releases, key=lambda one: [*map(int, one.split("."))])
    assert not set(releases) & set(table["not_installed"])
    for spans in every_span(table["classes"]):
        assert spans
        for first, last, *value in spans:
            assert releases.index(first) <= releases.index(last)
            assert len(value) <= 2
        for before, after in pairwise(spans):
            assert releases.index(before[1]) < releases.index(after[0])
    for name, row in table["classes"].items():
        assert {"there", "keys"} <= set(row), name
        for _, _, outcome in row.get("mask", ()):
            assert outcome in OUTCOMES


@pytest.mark.skipif(not OBSERVED.exists(), reason="shared/cases is not here")
def test_no_honest_file_lacks_a_key_that_is_always_written():
    tables = {line: load(line) for line in LINES}
    observed = json.loads(OBSERVED.read_text())
    assert contradictions(tables, observed) == []


def measured(folder, script, *arguments):
    """What a script finds in the Keras that is installed, on TensorFlow."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "HOME": str(folder)}
    environment |= {"KERAS_HOME": str(folder), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, str(MEASURE / script), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.tensorflow
def test_the_installed_keras_gives_the_operations_of_its_release(tmp_path):
    found = measured(tmp_path, "operations.py", "--probe")
    version = found.pop("version")
    if version not in load("keras-3")["releases"]:
        pytest.skip(f"keras {version} is not in the table")
    release = next(one for one in line("keras-3").releases if one.name == version)
    assert line("keras-3").operations(release, "tensorflow") == found


def test_operations_were_measured_in_every_release():
    for facts in load("operations").values():
        for spans in facts.values():
            assert spans[0][0] == line("keras-3").releases[0].name
            assert spans[-1][1] == line("keras-3").releases[-1].name
    for release in line("keras-3").releases:
        for backend in ("tensorflow", "jax"):
            known = line("keras-3").operations(release, backend)
            assert len(known) == 4
            assert None not in known.values()
        assert line("keras-3").operations(release, "torch") == {}


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("line", "package", "distribution"), goldens.some(INSTALLED, 2)
)
def test_the_installed_keras_gives_the_rows_of_its_release(
    line, package, distribution, tmp_path, monkeypatch
):
    release = importlib.metadata.version(distribution)
    table = load(line)
    if release not in table["releases"]:
        pytest.skip(f"{distribution} {release} is not in the table")
    found = measured(tmp_path, "measure.py", line, package)
    monkeypatch.syspath_prepend(MEASURE)
    merge = importlib.import_module("merge")
    live = json.loads(json.dumps(merge.table(line, {release: found})))
    releases = list(table["releases"])
    for part in ("classes", "functions", "operations", "operation_masks"):
        assert live[part] == only(table[part], releases, release)
