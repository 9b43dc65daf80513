"""What a Keras meant: every field proven, none stands in for another, none asked twice.

Version knowledge ends at ``generations/``.  Seen from outside: where one field is
flipped, only the fixtures named beside it change.  Seen from inside: nobody after it
reads a version, and a field is read where its subject is.
"""

from __future__ import annotations

import ast

import pytest

import goldens
import meaning_flips
from gru2np.meaning import FIELDS

CONVERTER = goldens.ROOT / "converter" / "gru2np"
RECORD = meaning_flips.recorded()
NAMED = meaning_flips.named()
CASES = meaning_flips.every_golden()
CONTRADICTIONS = [
    (field, value, case)
    for field, values in RECORD["contradictions"].items()
    for value, case in values.items()
]
# Nobody's business after ``generations/`` but theirs, who only say it.
VERSIONS = {
    "backend": {
        "convert.py": "a module of Keras, not of a model",
        "verification/keras_child.py": "the same",
    },
    "keras_version": {
        "bundle.py": "told to whoever exports",
        "cli/export.py": "the same, as JSON",
        "cli/upgrade.py": "the same, as JSON",
        "inspection/inspect.py": "where the model comes from, of what is refused",
        "upgraded.py": "told to whoever upgrades",
        "verification/assumptions.py": "in sentences",
    },
    "writer": {
        "inspection/choices.py": "in sentences",
        "inspection/inspect.py": "in sentences",
        "verification/bundle_comparison.py": "in sentences",
        "verification/installed_keras.py": "in refusals",
        "convert.py": "in refusals, and in what is said of backends",
        "layers/activations.py": "in refusals",
        "verification/assumptions.py": "in sentences",
    },
    "generation_of": {
        "upgrading/core.py": "what a frozen layer freezes, which is training alone",
        "verification/installed_keras.py": "which Keras of today can stand in",
    },
}
# Fields that several files read, each for its own part of the subject.
SHARED = {
    "attention.heads_take_masks": {
        *("graph/calls.py", "graph/cutting.py", "graph/flatten.py"),
    },
    "attention.masked_scores": {"graph/calls.py", "layers/attention.py"},
    "masks.explicit_spreads": {"graph/calls.py", "graph/masks.py"},
    "masks.merged": {"graph/masks.py", "inspection/choices.py"},
    "masks.models_mark_inputs": {"graph/cutting.py", "graph/flatten.py"},
    "numbers.least_epsilon_ranks": {
        "layers/normalization.py",
        "upgrading/rewriting.py",
    },
    "recurrent.first_mask_stays": {"graph/cutting.py", "graph/flatten.py"},
    "recurrent.masked_output": {
        "layers/convolutional_recurrent.py",
        "layers/recurrent.py",
    },
}
# The fields that decide numbers, of a table each entry that a fixture hangs on.
DECIDING = [
    field
    for field in RECORD["changes"]
    if field in FIELDS or field.startswith(f"{meaning_flips.BY_CLASS} ")
]


def asked_for():
    """The files after ``generations/`` by what they ask for: attributes and fields."""
    found = {}
    for path in sorted(CONVERTER.rglob("*.py")):
        file = path.relative_to(CONVERTER).as_posix()
        if file.startswith(("readers/", "generations/")) or file == "meaning.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                found.setdefault(node.attr, set()).add(file)
            elif isinstance(node, ast.alias):
                found.setdefault(node.name, set()).add(file)
            elif isinstance(node, ast.Constant) and node.value in FIELDS:
                found.setdefault(node.value, set()).add(file)
    return found


ASKED = asked_for()


@pytest.mark.parametrize("name", VERSIONS)
def test_only_generations_read_who_wrote_a_file(name):
    assert ASKED[name] == set(VERSIONS[name])


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_read_where_its_subject_is(field):
    files = ASKED.get(field.partition(".")[2], set()) | ASKED.get(field, set())
    assert files == SHARED[field] if field in SHARED else len(files) == 1, files


def test_the_record_has_every_field_and_no_other():
    members = {
        f"{name} {member}"
        for name, several in meaning_flips.MEMBERS.items()
        for member in several
    }
    by_class = meaning_flips.BY_CLASS
    assert {*FIELDS, "writer"} == {*meaning_flips.VALUES, by_class}
    # A field beside which no fixture stands is dead, or nobody has proven it.
    classes = {own for own in RECORD["changes"] if own.startswith(f"{by_class} ")}
    found = set(RECORD["changes"]) - classes - {*meaning_flips.VALUES}
    assert found <= members
    assert {own for own in members - found if not own.startswith("functions ")} == set()
    assert set(NAMED) <= {golden.name for golden in CASES}


def test_the_writer_of_a_file_is_only_printed():
    for field, values in RECORD["changes"].items():
        if field.startswith(("writer", "unsaved_arguments")):
            assert {what for whats in values.values() for what in whats} == {"words"}


@pytest.mark.parametrize("field", DECIDING)
def test_outputs_of_keras_decide_a_field(field):
    """By numbers, or because the other value is refused, or true where this is not."""
    changes = RECORD["changes"][field].values()
    decided = any({"refused", "converted"} & set(whats) for whats in changes)
    assert decided or field in RECORD["contradictions"]


@pytest.mark.parametrize(
    ("field", "value", "case"),
    CONTRADICTIONS,
    ids=[" ".join(c) for c in CONTRADICTIONS],
)
def test_the_other_value_gives_other_numbers_than_keras(field, value, case):
    golden = goldens.Golden(goldens.FIXTURES / case)
    assert meaning_flips.contradicts(golden, field, value)


@pytest.mark.parametrize("generation", sorted({c.name.split("/")[0] for c in CASES}))
def test_only_the_fixtures_listed_under_a_field_change(generation):
    found = [
        f"{golden.name}: {line}"
        for golden in CASES
        if golden.name.startswith(f"{generation}/")
        for line in meaning_flips.differences(
            meaning_flips.changes(golden), NAMED.get(golden.name, {})
        )
    ]
    lines = "\n".join(found)
    assert not found, f"see tests/support/meaning_flips.py\n{lines}"
