"""An audit: what it says of whole files, in words and in SARIF."""

from __future__ import annotations

import json

import jsonschema
import pytest

import goldens
import gru2np
import threat_files
from gru2np.inspection import audit as auditing
from gru2np.inspection.findings import RULES
from modelfiles import bundle_of, model_of

BYTECODE = threat_files.FILES["bytecode"]["Lambda in .keras"].build
#: What every consumer of SARIF 2.1.0 asks of a run: keys that the standard requires
#: (3.13, 3.14, 3.18, 3.19, 3.27 to 3.29, 3.33), and no others at the top.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {"type": "object", "required": ["name"]}
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message", "ruleId", "level", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"type": "object", "required": ["text"]},
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_a_lambda_is_found_with_where_it_is(tmp_path):
    audit = gru2np.audit(BYTECODE(tmp_path))
    (finding,) = audit.findings
    assert finding.rule == "bytecode"
    assert finding.where == "config.json: config/layers/1/config/function/config"
    assert "layer 'own'" in finding.text
    assert str(finding).startswith("bytecode: config.json: config/layers/1")
    text = str(audit)
    assert "1 thing that another loader would run" in text
    assert finding.where in text
    assert "ran, opened and fetched none of it" in text


def test_sarif(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    path = BYTECODE(folder)
    record = gru2np.audit(path).sarif()
    jsonschema.validate(json.loads(json.dumps(record)), SARIF)
    (run,) = record["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    (result,) = run["results"]
    assert rule["id"] == result["ruleId"] == "bytecode"
    (location,) = result["locations"]
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    # A blank is no part of an address.
    assert uri.endswith("a%20b/model.keras")
    (logical,) = location["logicalLocations"]
    assert logical["fullyQualifiedName"].startswith("config.json: config/layers/1")


def test_sarif_of_nothing():
    record = gru2np.audit(model_of("keras-3.15/gru")).sarif()
    jsonschema.validate(record, SARIF)
    assert record["runs"][0]["results"] == []


@pytest.mark.parametrize(
    "case", ["keras-3.15/gru", "keras-2.2/gru", "tf-2.15/trained_savedmodel"]
)
def test_honest_models_have_nothing(case):
    audit = gru2np.audit(model_of(case))
    assert audit.findings == ()
    assert str(audit).endswith("nothing that another loader would run, open or fetch")


@pytest.mark.parametrize(
    "golden",
    goldens.some([g for g in goldens.all_goldens() if not goldens.refused(g)], 7),
    ids=lambda golden: golden.name,
)
def test_only_own_code_is_found_in_what_keras_wrote(golden):
    custom = "custom" in golden.facts
    for path in filter(None, golden.files()):
        if not path.with_suffix(".index").is_file():
            rules = {finding.rule for finding in gru2np.audit(path).findings}
            assert rules <= ({"bytecode", "module", "registered"} if custom else set())


def test_a_bundle_has_nothing(tmp_path):
    assert gru2np.audit(bundle_of("keras-2.2/gru", tmp_path / "m.npz")).findings == ()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [("x.h5", b"", "an empty file"), ("x.png", b"\x89PNG", "begins with")],
)
def test_what_is_no_model_is_refused(name, data, message, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(gru2np.ModelFileError, match=message):
        gru2np.audit(tmp_path / name)


def test_what_is_not_there_and_no_path():
    with pytest.raises(gru2np.ModelFileError, match="no such file"):
        gru2np.audit("nowhere.h5")
    with pytest.raises(gru2np.InputError, match="expected a path"):
        gru2np.audit(3)


def test_names_cannot_write_to_the_terminal(tmp_path):
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"a\x1b[2J": "http://x/\x1b[2J\n- fake"}))
    text = str(gru2np.audit(path))
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("- fake")]


def test_findings_have_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(auditing, "MOST_FINDINGS", 3)
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"a": [f"http://x/{i}" for i in range(9)]}))
    findings = gru2np.audit(path).findings
    assert [one.rule for one in findings] == ["url", "url", "url", "unread"]


def test_every_rule_is_of_sarif():
    assert {rule.level for rule in RULES.values()} <= {"error", "warning"}
    assert all(rule.text.endswith(".") for rule in RULES.values())
