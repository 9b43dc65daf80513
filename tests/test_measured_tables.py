"""The measured tables: their shape, the honest files, and the Keras that is installed."""

import importlib.metadata
import json
import os
import subprocess
import sys
from itertools import pairwise

import goldens
import pytest

TABLES = goldens.ROOT / "converter" / "gru2np" / "generations" / "tables"
LINES = ("keras-1", "keras-2", "tf.keras", "keras-3")
OBSERVED = goldens.ROOT.parent / "shared" / "cases" / "observed_keys.json"
MEASURE = goldens.ROOT / "fixtures" / "measure"
OUTCOMES = {"keeps", "stops", "makes", "raises", "varies"}

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

    ``observed`` is {version in the file: {class name: [keys]}}. Each answer is (version,
    class name, keys missing in the file that comes nearest).
    """
    found = []
    for version, classes in observed.items():
        table = tables[line_of(version)]
        releases = list(table["releases"])
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
            if not expected:
                found.append((version, name, None))
                continue
            for keys in sets:
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
