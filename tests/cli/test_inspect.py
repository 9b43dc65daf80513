"""``gru2np inspect``: JSON, and pages beside what it prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gru2np
import threat_files
from command_line import run
from modelfiles import fixture
from report_pages import (
    STACK,
    Reader,
)

GRU = "keras-2.2/get_weights_explained"


def test_json_has_the_documented_keys():
    result = run("inspect", fixture(GRU), "--json")
    record = json.loads(result.stdout)
    assert record.pop("schema") == "gru2np/inspect/1"
    assert sorted(record) == sorted(gru2np.Report.__dataclass_fields__)
    for name in record:
        assert f"        {name}: " in gru2np.Report.__doc__
    assert record["convertible"] is True
    assert record["gates"][0]["columns"] == {"z": [0, 2], "r": [2, 4], "h": [4, 6]}
    assert record["inputs"][0]["shape"] == [None, 3, 1]


def test_inspect_writes_a_page_and_prints_the_report(tmp_path):
    target = tmp_path / "page.html"
    plain = run("inspect", STACK, "--json")
    result = run("inspect", STACK, "--json", "--report", target)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads(plain.stdout)
    assert "Weights" in Reader(target.read_text("utf-8")).text


def test_an_existing_page_and_the_model_are_not_written_over(tmp_path):
    target = tmp_path / "page.html"
    target.write_text("mine")
    result = run("inspect", STACK, "--report", target)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert target.read_text() == "mine"
    assert run("inspect", STACK, "--report", target, "--force").exit_code == 0
    assert target.read_text("utf-8").startswith("<!DOCTYPE html>")
    model = shutil.copy(STACK, tmp_path / "model.keras")
    result = run("inspect", model, "--report", model, "--force")
    assert result.exit_code == 2
    assert Path(model).read_bytes() == STACK.read_bytes()


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    result = run("inspect", STACK, "--report", tmp_path / "none" / "page.html")
    assert result.exit_code in (2, 3)
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_audit_of_nothing_ends_with_0():
    result = run("inspect", fixture(GRU), "--audit")
    assert result.exit_code == 0
    assert "nothing that another loader would run" in result.stdout


def test_an_audit_ends_with_1_and_gives_sarif(tmp_path):
    path = threat_files.FILES["guard"]["guard off, then code"].build(tmp_path)
    result = run("inspect", path, "--audit")
    assert result.exit_code == 1
    assert "enable_unsafe_deserialization" in result.stdout
    result = run("inspect", path, "--audit", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == gru2np.audit(path).sarif()
    results = json.loads(result.stdout)["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == ["function", "bytecode"]


def test_an_audit_takes_no_other_option(tmp_path):
    page = tmp_path / "page.html"
    result = run("inspect", fixture(GRU), "--audit", "--report", page)
    assert result.exit_code == 2
    assert "--report has no meaning with --audit" in result.stderr
    assert not page.exists()
    (tmp_path / "x.txt").write_text("x")
    assert run("inspect", tmp_path / "x.txt", "--audit").exit_code == 3
